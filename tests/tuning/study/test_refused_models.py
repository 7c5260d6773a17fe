"""A base that no trial can be trained on is refused before the store has anything of the study."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.errors import HarnessError, ModelError, UsageError
from harness.models.checkpoint import resolve
from tests.models import make_model, make_tokenizer
from tests.tuning import fakes
from tuning.search.workers import Child, Local, Reply, WorkerDiedError
from tuning.store import Store
from tuning.study import session
from tuning.study.definition import plan
from tuning.study.options import Options


def make_xlnet(folder: Path) -> Path:
    """transformers loads it as a causal model, and each of its words hangs on those after it."""
    import transformers as tf

    config = tf.XLNetConfig(vocab_size=2000, d_model=32, n_layer=2, n_head=2, d_inner=64)
    tf.XLNetLMHeadModel(config).save_pretrained(folder)
    make_tokenizer("bytes").save_pretrained(folder)
    return folder


def make_encoder(folder: Path) -> Path:
    import transformers as tf

    config = tf.BertConfig(
        vocab_size=2000, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64
    )
    tf.BertForMaskedLM(config).save_pretrained(folder)
    make_tokenizer("bytes").save_pretrained(folder)
    return folder


def refused(options: Options, monkeypatch: pytest.MonkeyPatch) -> str:
    """Why, of a session that stores no study, not for a moment."""
    monkeypatch.setattr(Store, "create_study", lambda *_: pytest.fail("the study was stored"))
    with pytest.raises(HarnessError) as caught:
        session.run(options)
    assert not Store(options.db).exists()
    return str(caught.value)


@pytest.mark.parametrize(
    ("make", "target", "reason"),
    [(make_xlnet, "layer_1", "hangs on the words after it"), (make_encoder, "query", "not a causal language model")],
    ids=["XLNet", "an encoder"],
)
def test_a_model_that_sees_later_words(
    make: Any, target: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = str(make(tmp_path / "model"))
    options = fakes.options(tmp_path, model=model, set={"target_modules": target}, device="cpu")
    assert reason in refused(options, monkeypatch)


def test_in_a_process_of_its_own(tmp_path: Path) -> None:
    """As --parallel has it: the error comes over the pipe."""
    model = str(make_xlnet(tmp_path / "model"))
    options = fakes.options(tmp_path, model=model, set={"target_modules": "layer_1"}, device="cpu", parallel=2)
    made = plan(options)
    worker = Child(session.setup_of(made, options))
    try:
        stop = worker.begin(lambda phase: None).stop
    finally:
        worker.close()
    assert isinstance(stop, ModelError)
    assert "hangs on the words after it" in str(stop)


def test_rows_without_a_response(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = str(make_model(tmp_path / "llama"))
    text = refused(fakes.options(tmp_path, model=model, max_tokens=3, device="cpu"), monkeypatch)
    assert text.startswith("max_tokens=3: None of")


def test_what_only_a_trial_shows_does_not_refuse() -> None:
    """Too little memory for the base, say: it is the trials' reason, and the ledger has it."""

    def setup() -> Any:
        raise RuntimeError("CUDA error: out of memory")

    assert Local(setup).begin(lambda phase: None) == Reply(failed="RuntimeError: CUDA error: out of memory")


@pytest.mark.parametrize("parallel", [1, 2])
def test_a_worker_that_dies_of_it_is_met_again(parallel: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deaths: list[object] = []

    def dying(worker: object, on_phase: object) -> Reply:
        deaths.append(worker)
        raise WorkerDiedError("its process ended with signal SIGKILL")

    for kind in (Local, Child):
        monkeypatch.setattr(kind, "begin", dying)
    fakes.run(tmp_path, budget=4, parallel=parallel)
    assert len(deaths) == 1
    (row,) = Store(tmp_path / "s.duckdb").studies()
    assert row.status == "finished"


def test_a_study_that_goes_on_is_not_looked_at_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its base was loaded once; a session that trains nothing loads nothing."""
    fakes.run(tmp_path, budget=4)
    monkeypatch.setattr(fakes.FakeTrainer, "require", lambda _: pytest.fail("the base was loaded"))
    assert fakes.run(tmp_path, budget=5).row.status == "finished"


def test_an_adapter_is_no_base(tmp_path: Path) -> None:
    from harness.options import OptionError
    from tuning.training.train import Trainer

    made = plan(fakes.options(tmp_path))
    adapter = tmp_path / "adapter"
    trained = Trainer(made.checkpoint, made.splits)
    trained.train(made.study.start[0][1], 0.2, 0, adapter)
    assert resolve(str(adapter), "tiny").base is not None
    with pytest.raises(OptionError, match=r"^model=\S+ is a LoRA adapter: merge it first"):
        plan(fakes.options(tmp_path, model=str(adapter)))
    with pytest.raises(UsageError, match="is a LoRA adapter"):
        Trainer(resolve(str(adapter), "tiny"), made.splits)
