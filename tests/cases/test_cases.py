"""The small failing cases of issue 13, each run as a user would: its run.sh, and what it must print.

They lie beside the checkout, in ../shared/cases; without them these tests are skipped. The values are held by quick
tests in the suite as well.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import forked_python, forkserver

CHECKOUT = Path(__file__).parents[2]
CASES = CHECKOUT.parent / "shared" / "cases"
MOVED = {  # what a case names as it was called when it was written
    "from harness.checkpoint ": "from harness.models.checkpoint ",
    "from harness.loading ": "from harness.models.loading ",
    "from tuning.encoded ": "from harness.prompting.row_tokens ",
    "e.response:": "e.spans[0][0]:",
}
OPTIMIZERS = ("tpe", "nni-tpe", "gp", "cma-es", "nsga2", "random", "nomad")

pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason=f"the cases are not there: {CASES}")


def script(path: Path, command: str) -> None:
    path.write_text(f"#!/bin/sh\n{command}\n")
    path.chmod(0o755)


@pytest.fixture
def case(tmp_path: Path):
    """What the run.sh of a case prints. The `harness` that it finds is this checkout's, whatever is installed; it and
    `python` are processes of the forkserver."""
    commands = tmp_path / "bin"
    commands.mkdir()
    forked = f'exec "{sys.executable}" -I -S "{forked_python.__file__}" "{forkserver.address()}"'
    script(commands / "harness", f'{forked} -P -m harness "$@"')
    script(commands / "python", f'{forked} "$@"')

    def run(name: str, *words: str, folder: Path = CASES) -> str:
        own = {
            "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join(filter(None, [str(CHECKOUT), os.environ.get("PYTHONPATH")])),
            "TMPDIR": str(tmp_path),
            "LIMIT": "500",
        }
        done = subprocess.run(
            ["bash", str(folder / name / "run.sh"), *words],
            env={**os.environ, **own},
            capture_output=True,
            text=True,
            errors="replace",  # run.sh cuts lines at bytes
            cwd=tmp_path,
            timeout=590,
        )
        assert "Traceback" not in done.stdout, done.stdout  # stderr may have one of a case's own script
        return done.stdout

    return run


def codes(printed: str) -> list[int]:
    return [int(code) for code in re.findall(r"^rc=(\d+)$", printed, re.MULTILINE)]


def score(printed: str, metric: str) -> float:
    """The first figure that a table has for a metric."""
    found = re.search(rf"^ \S+ +\S+ +{metric} +([\d.]+) \[", printed, re.MULTILINE)
    assert found, printed
    return float(found[1])


def refused(printed: str, *words: str) -> None:
    """One sentence, with these words, and a code of its own."""
    (code,) = codes(printed)
    assert code not in (0, 1), printed
    assert all(word in " ".join(printed.split()) for word in words), printed


# harness run


def test_stop_special_token(case):
    printed = case("stop_special_token")
    assert score(printed, "exact_match") == 100
    assert "' four'" in printed


def test_stop_in_thinking(case):
    assert score(case("stop_in_thinking"), "f1") == 100


def test_option_merges(case):
    printed = case("option_merges")
    assert score(printed, "acc") == 0
    assert "an option adds no token to its prompt" in printed
    assert "[None, -110.776]" in printed


def test_nan_logprobs(case):
    printed = case("nan_logprobs")
    assert score(printed, "acc") == 25
    assert "3 of 4 answers count as not right" in printed


def test_template_raises_on_system(case):
    refused(case("template_raises_on_system"), "system")


def test_templates_no_default(case):
    refused(case("templates_no_default"), "rag", "tool_use")


@pytest.mark.full
def test_template_clock(case):
    printed = case("template_clock")
    first, second = re.findall(r"^0 \| (\[.*?\])", printed, re.MULTILINE) or re.findall(r"(\[-[^]]*\])", printed)[:2]
    assert first == second


@pytest.mark.parametrize(
    "name",
    ["neox_is_decoder", "gpt2_old_buffers", "gemma3_multimodal_text", "arch_gptj", "adapter_resized_vocabulary"],
)
def test_models_that_run(case, name: str):
    printed = case(name)
    assert codes(printed) == [0]
    assert score(printed, "acc") >= 0
    assert "computed again for each question" in printed or name != "arch_gptj"


def test_lm_eval_group(case):
    assert re.search(r"^ lm_eval:pair +standard +acc +50\.0 ", case("lm_eval_group"), re.MULTILINE)


# harness tune


@pytest.mark.full
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_study_finite_space(case, optimizer: str):
    printed = case("study_finite_space", optimizer)
    assert codes(printed) == [0]
    assert "The space has no more points: 5 trials of a budget of 8" in printed


@pytest.mark.full
def test_rank_stepped_float(case):
    printed = case("rank_stepped_float")
    assert codes(printed) == [0]
    assert "failed" not in printed
    assert "5 of 5 trials: 5 finished" in printed


@pytest.mark.full
def test_gpt2_default_targets(case):
    printed = case("gpt2_default_targets")
    assert codes(printed) == [0]
    assert "LoRA on: c_attn, c_proj, c_fc" in printed
    assert "failed" not in printed


@pytest.mark.full
def test_rows_longer_than_positions(case):
    refused(case("rows_longer_than_positions"), "None of 12 train rows", "128 positions of the base")


@pytest.mark.full
def test_rows_response_cut(case):
    printed = case("rows_response_cut")
    assert codes(printed) == [0]
    on_screen, counts = printed.split("lines of show")
    assert "no response token is left" in " ".join(on_screen.split())
    assert all(int(line) > 0 for line in counts.splitlines()[1:])


@pytest.mark.full
def test_fixed_instruction(case):
    printed = case("fixed_instruction")
    assert codes(printed) == [0]
    assert "near copies" not in printed


@pytest.mark.full
def test_field_names(case):
    printed = case("field_names")
    assert codes(printed) == [0, 0]
    assert re.findall(r"([\d,]+) tokens computed", printed) == ["57,496", "57,496"]


def test_control_tokens_in_data(case, tmp_path: Path):
    here = tmp_path / "cases"
    for name in ("common", "control_tokens_in_data"):
        (here / name).mkdir(parents=True)
        for file in (CASES / name).iterdir():
            if file.is_file():
                content = file.read_text("utf-8")
                for old, new in MOVED.items():
                    content = content.replace(old, new)
                (here / name / file.name).write_text(content, "utf-8")
    printed = case("control_tokens_in_data", folder=here)
    assert printed.count("end tokens inside: 0 | begin tokens: 0") == 3
    assert "text learned: ' <s>old</s>'" in printed


MISTAKES = {
    "budget_float": "4.5",
    "budget_text": "budget",
    "keep_negative": "-3",
    "no_rungs_text": "no_rungs",
    "objective_empty": "objective",
    "optimizer_list": "optimizer",
    "seed_float": "seed",
    "space_list": "space",
}


@pytest.mark.full
@pytest.mark.parametrize("name", MISTAKES)
def test_study_wrong_types(case, name: str):
    refused(case("study_wrong_types", str(CASES / "study_wrong_types" / f"{name}.toml")), MISTAKES[name])


# judges


@pytest.mark.full
@pytest.mark.parametrize("mode", ["reasoning", "chunks", "ok"])
def test_servers(case, mode: str):
    printed = case("servers", mode)
    judged, answered = printed.split("- judge")[1].split("- answer")
    if mode == "reasoning" and "reasoning_content" in answered:  # a thought is no answer: not rc 0
        assert codes(answered)[0] not in (0, 1)
        assert codes(judged)[0] not in (0, 1)
        assert "reasoning_content" in judged
    else:
        assert codes(judged + answered) == [0, 0]
        assert re.search(r"^ m +16 of 16 +16 +0 +0 +0 ", judged, re.MULTILINE)


@pytest.mark.full
def test_headings_in_code(case):
    plain, controlled = case("headings_in_code").split("- style control")
    assert codes(plain + controlled) == [0] * 6
    assert re.search(r"^ +3 plain ", controlled, re.MULTILINE)
    assert "style: headings" not in controlled
    assert re.search(r"alike in [^.]*headings", controlled)
