"""What --model means, what identifies a checkpoint, and how bad ones are refused."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import ModelError, UsageError
from harness.models.checkpoint import Checkpoint, resolve
from harness.models.weights import find_weights, read_header
from tests.models import make_model


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("models") / "llama")


@pytest.fixture
def copy(llama: Path, tmp_path: Path) -> Path:
    return shutil.copytree(llama, tmp_path / "copy")


def _edit(path: Path, **changes: object) -> None:
    content = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps(content))


def test_folder(llama: Path):
    found = resolve(str(llama))
    assert (found.kind, found.path, found.base, found.warnings) == ("folder", llama, None, ())
    assert (found.dtype, found.architecture, found.tokenizer) == ("float32", "LlamaForCausalLM", llama)
    assert len(found.digest) == 64


def test_resolving_needs_no_torch(llama: Path):
    code = (
        "import sys; from harness.models.checkpoint import resolve; resolve(sys.argv[1]);"
        "print([m for m in ('torch', 'transformers', 'huggingface_hub') if m in sys.modules])"
    )
    child = subprocess.run([sys.executable, "-P", "-c", code, llama], capture_output=True, text=True, check=True)
    assert child.stdout.strip() == "[]"


def test_digest_ignores_name_place_and_origin(llama: Path, copy: Path):
    _edit(copy / "config.json", _name_or_path="/elsewhere", transformers_version="4.0", dtype="bfloat16")
    (copy / "README.md").write_text("words")
    assert resolve(str(copy)).digest == resolve(str(llama)).digest


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("config.json", {"rope_theta": 5.0}),
        ("tokenizer_config.json", {"eos_token": "<s>"}),
        ("generation_config.json", {"eos_token_id": [2, 3]}),
    ],
)
def test_digest_covers_what_decides_answers(llama: Path, copy: Path, name: str, changes: dict[str, object]):
    _edit(copy / name, **changes)
    assert resolve(str(copy)).digest != resolve(str(llama)).digest


def test_digest_leaves_out_sampling_defaults(llama: Path, copy: Path):
    _edit(copy / "generation_config.json", temperature=0.7)
    assert resolve(str(copy)).digest == resolve(str(llama)).digest


def test_digest_covers_chat_template_and_weights(llama: Path, copy: Path):
    digests = {resolve(str(llama)).digest}
    (copy / "chat_template.jinja").write_text("{{ messages }}")
    digests.add(resolve(str(copy)).digest)
    weights = copy / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    digests.add(resolve(str(copy)).digest)
    assert len(digests) == 3


def test_file_digests_are_remembered(copy: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    import hashlib

    monkeypatch.setenv("HARNESS_HOME", str(tmp_path / "home"))
    weights = copy / "model.safetensors"
    os.utime(weights, (1e9, 1e9))  # a file that was just written is not remembered: it may change within a tick
    first = resolve(str(copy)).digest
    monkeypatch.setattr(hashlib, "file_digest", lambda *_: pytest.fail("read again"))
    assert resolve(str(copy)).digest == first
    os.utime(weights, (1e9, 1e9 + 1))
    with pytest.raises(BaseException, match="read again"):
        resolve(str(copy))


def test_new_files_and_broken_caches_are_read_again(copy: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("HARNESS_HOME", str(tmp_path / "home"))
    first = resolve(str(copy)).digest
    assert not (tmp_path / "home").exists()
    os.utime(copy / "model.safetensors", (1e9, 1e9))
    resolve(str(copy))
    (entry,) = (tmp_path / "home" / "digests").iterdir()
    entry.write_text("[]")
    assert resolve(str(copy)).digest == first
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HARNESS_HOME", str(tmp_path / "file" / "home"))  # cannot be made
    assert resolve(str(copy)).digest == first


def test_the_embedded_model_is_not_a_folder_of_that_name(llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import data

    shutil.copytree(llama, tmp_path / "tiny")
    monkeypatch.chdir(tmp_path)
    assert resolve("./tiny").path == tmp_path / "tiny"
    found = resolve("tiny")
    assert (found.path, found.kind) == (Path(data.__file__).parent / "tiny", "folder")
    with pytest.raises(UsageError, match="tiny is embedded"):
        resolve("tiny", revision="main")


def _hub_cache(llama: Path, cache: Path, commit: str) -> None:
    repository = cache / "models--some--llama"
    shutil.copytree(llama, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)


def test_hub_id_from_the_cache_while_offline(llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from huggingface_hub import constants

    commit = "0123456789abcdef0123456789abcdef01234567"
    _hub_cache(llama, tmp_path, commit)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    for revision in (None, "main", commit):
        found = resolve("some/llama", revision=revision)
        assert (found.kind, found.revision, found.digest) == ("hub", commit, resolve(str(llama)).digest)
    with pytest.raises(ModelError, match=r"hub at revision v2 .*hf download some/llama"):
        resolve("some/llama", revision="v2")
    with pytest.raises(ModelError, match="no folder other/llama"):
        resolve("other/llama")


def test_a_path_with_a_typo_names_the_near_one(llama: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(ModelError, match=f"Did you mean {llama}\\?"):
        resolve(str(llama.with_name("lama")))
    monkeypatch.chdir(llama.parent.parent)
    with pytest.raises(ModelError, match=rf"Did you mean {llama.parent.name}/llama\?"):
        resolve(f"{llama.parent.name}/lama")
    with pytest.raises(ModelError, match=r"Did you mean tiny\?"):
        resolve("tinny")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("config.json", "no config.json"),
        ("model.safetensors", r"no weights: neither model.safetensors nor"),
        ("tokenizer.json", "no tokenizer"),
    ],
)
def test_a_file_is_missing(copy: Path, name: str, message: str):
    (copy / name).unlink()
    with pytest.raises(ModelError, match=message):
        resolve(str(copy))


def test_options_that_do_not_fit(llama: Path):
    with pytest.raises(UsageError, match="not one"):
        resolve(str(llama), base="tiny")
    with pytest.raises(UsageError, match="is a folder"):
        resolve(str(llama), revision="main")
    with pytest.raises(ModelError, match="is a file"):
        resolve(str(llama / "config.json"))


def test_configs_that_are_no_causal_model(copy: Path, tmp_path: Path):
    with pytest.raises(ModelError, match="BertForMaskedLM, which is not a causal language model"):
        resolve(str(make_model(tmp_path / "bert", "bert")))
    for changes, message in (
        ({"architectures": ["T5ForConditionalGeneration"], "is_encoder_decoder": True}, "not a causal"),
        ({"architectures": ["BartForCausalLM"], "is_encoder_decoder": True}, "not a causal"),
        ({"architectures": ["BertForSequenceClassification"]}, "not a causal"),
        ({"architectures": None, "model_type": None}, "names no model class"),
        ({"architectures": "LlamaForCausalLM"}, "names no model class"),
    ):
        shutil.copy(copy / "config.json", tmp_path / "kept.json")
        _edit(copy / "config.json", **changes)
        with pytest.raises(ModelError, match=message):
            resolve(str(copy))
        shutil.copy(tmp_path / "kept.json", copy / "config.json")
    (copy / "config.json").write_text('{"architectures": ')
    with pytest.raises(ModelError, match="cannot be read as JSON"):
        resolve(str(copy))


def test_pickled_weights_are_refused(copy: Path):
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"only as pickle \(pytorch_model.bin\).*save_pretrained"):
        resolve(str(copy))


@settings(max_examples=30, deadline=None)
@given(cut=st.integers(0, 1_371_535))
def test_a_cut_file_is_refused_wherever_it_is_cut(llama: Path, tmp_path_factory: pytest.TempPathFactory, cut: int):
    whole = (llama / "model.safetensors").read_bytes()
    path = tmp_path_factory.mktemp("cut") / "model.safetensors"
    path.write_bytes(whole[: cut % len(whole)])
    with pytest.raises(ModelError, match=r"Download or copy it again"):
        read_header(path)


@settings(max_examples=200, deadline=None)
@given(start=st.binary(max_size=60))
def test_garbage_is_an_error_for_people(tmp_path_factory: pytest.TempPathFactory, start: bytes):
    path = tmp_path_factory.getbasetemp() / "garbage.safetensors"
    header = start[8:]
    for content in (start, len(header).to_bytes(8, "little") + header):
        path.write_bytes(content)
        try:
            assert read_header(path) == {}
        except ModelError:
            continue
        assert json.loads(header).keys() <= {"__metadata__"}


def test_damaged_headers(tmp_path: Path):
    def write(entries: object, size: int) -> Path:
        header = json.dumps(entries).encode()
        path = tmp_path / "model.safetensors"
        path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(size))
        return path

    def entry(begin: int, end: int, shape: list[int], dtype: str = "F32") -> dict[str, object]:
        return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}

    good = {"__metadata__": {"format": "pt"}, "a": entry(0, 8, [2]), "b": entry(8, 16, [1, 2])}
    assert read_header(write(good, 16)) == {"a": (2,), "b": (1, 2)}
    assert read_header(write({"a": entry(0, 4, [2], "BF16")}, 4)) == {"a": (2,)}  # which numpy has not
    with pytest.raises(ModelError, match=r"type F12, which this version of safetensors does not read\. Update"):
        read_header(write({"a": entry(0, 3, [2], "F12")}, 3))  # a type from the future
    for entries, size, message in (
        (good, 17, "promises"),
        (good, 15, "promises"),
        ({"a": entry(0, 8, [3])}, 8, "describes tensors wrongly"),
        ({"a": entry(0, 8, [2]), "b": entry(4, 12, [2])}, 12, "overlap or leave gaps"),
        ({"a": entry(4, 12, [2])}, 12, "overlap or leave gaps"),
        ({"a": {"dtype": "F32"}}, 0, "describes tensors wrongly"),
        ([1, 2], 0, "describes tensors wrongly"),
    ):
        with pytest.raises(ModelError, match=message):
            read_header(write(entries, size))
    (tmp_path / "pointer").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    with pytest.raises(ModelError, match="git lfs pull"):
        read_header(tmp_path / "pointer")


def test_shards(llama: Path, tmp_path: Path):
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(llama)
    folder = shutil.copytree(llama, tmp_path / "sharded")
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="500KB")
    shards = find_weights(folder)
    assert len(shards) > 2
    assert len(resolve(str(folder)).digest) == 64
    index = folder / "model.safetensors.index.json"
    _edit(index, weight_map={**json.loads(index.read_text())["weight_map"], "extra.weight": shards[0].name})
    with pytest.raises(ModelError, match=r"lacks 1 weights .* the first extra.weight"):
        resolve(str(folder))
    shards[1].unlink()
    with pytest.raises(ModelError, match=f"lacks 1 of its {len(shards)} weight files: {shards[1].name}"):
        resolve(str(folder))
    _edit(index, weight_map={"a": "../copy/model.safetensors"})
    with pytest.raises(ModelError, match="damaged"):
        resolve(str(folder))


class TestLoading:
    """A whole checkpoint in memory."""

    @pytest.fixture
    def found(self, copy: Path) -> Checkpoint:
        return resolve(str(copy))

    @pytest.mark.parametrize("arch", ["llama", "gpt2", "mistral", "qwen2"])
    def test_logits_equal_plain_transformers(self, arch: str, tmp_path: Path):
        import torch
        from transformers import AutoModelForCausalLM

        from harness.models.loading import load_model, load_tokenizer

        folder = make_model(tmp_path / arch, arch)
        found = resolve(str(folder))
        tokenizer = load_tokenizer(found)
        ids = torch.tensor([tokenizer("The quick brown fox").input_ids])
        plain = AutoModelForCausalLM.from_pretrained(folder).eval()
        model = load_model(found)
        assert not model.training
        with torch.no_grad():
            assert torch.equal(model(ids).logits, plain(ids).logits)
        assert load_model(found, "bfloat16").dtype == torch.bfloat16

    def test_no_slow_imports(self, found: Checkpoint):
        code = (
            "import sys; from harness.models.checkpoint import resolve; from harness.models.loading import *;"
            "c = resolve(sys.argv[1]); load_tokenizer(c); m = load_model(c);"
            "m.generate(__import__('torch').ones(1, 2, dtype=int), max_length=4);"
            "print([m for m in ('sklearn', 'pandas', 'scipy.optimize', 'peft') if m in sys.modules]);"
            "from transformers.utils import is_sklearn_available as a; print(a.__name__)"
        )
        child = subprocess.run(
            [sys.executable, "-P", "-c", code, found.path], capture_output=True, text=True, check=True
        )
        assert child.stdout.split("\n")[:2] == ["[]", "is_sklearn_available"]

    def test_weights_and_config_that_do_not_belong_together(self, copy: Path):
        from safetensors.torch import load_file, save_file

        from harness.models.loading import load_model

        path = copy / "model.safetensors"
        tensors = load_file(path)
        head = tensors.pop("lm_head.weight")
        save_file(tensors, path, {"format": "pt"})
        with pytest.raises(ModelError, match=r"lacks weights: lm_head.weight\."):
            load_model(resolve(str(copy)))
        save_file({**tensors, "lm_head.weight": head, "value_head.weight": head.clone()}, path, {"format": "pt"})
        with pytest.raises(ModelError, match=r"does not use: value_head.weight\."):
            load_model(resolve(str(copy)))
        save_file({**tensors, "lm_head.weight": head[:-1].clone()}, path, {"format": "pt"})
        with pytest.raises(ModelError, match=r"another shape: lm_head.weight \(1999, 64\) for \(2000, 64\)"):
            load_model(resolve(str(copy)))

    def test_an_unknown_model_type(self, copy: Path):
        from harness.models.loading import load_model

        _edit(copy / "config.json", model_type="from_the_future", auto_map={"AutoConfig": "code.Config"})
        (copy / "code.py").write_text("raise SystemExit('remote code ran')")
        with pytest.raises(ModelError, match="cannot be loaded"):
            load_model(resolve(str(copy)))

    def test_a_damaged_tokenizer(self, copy: Path):
        from harness.models.loading import load_tokenizer

        (copy / "tokenizer.json").write_text('{"version": "1.0"}')
        with pytest.raises(ModelError, match=r"tokenizer in .* cannot be loaded"):
            load_tokenizer(resolve(str(copy)))

    def test_what_this_machine_cannot_do(self, found: Checkpoint):
        import torch

        from harness.errors import MissingError
        from harness.models.loading import load_model

        with pytest.raises(UsageError, match="not a type"):
            load_model(found, "int8")
        with pytest.raises(UsageError, match="not a device"):
            load_model(found, device="abacus")
        with pytest.raises(MissingError, match="needs an NVIDIA GPU"):
            load_model(found, load_in_4bit=True)
        if not torch.cuda.is_available():
            with pytest.raises(MissingError, match="no cuda device"):
                load_model(found, device="cuda")
