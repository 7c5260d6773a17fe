"""`python -m bench.published [rows|ours|peer|times|page]`: Gemma 3 270M on whole tasks with published scores.

`ours` runs `harness run` through the lm-eval bridge, `peer` lm-eval's own `hf` model on the first items of each task,
`times` both in turn, as whole processes, on the first few, and `page` writes docs/results/published.json and
docs/published.md from all three. Without a word: all of it. Each goes on where it was. `rows` writes these tasks, and
the instruction rows of studies/real.toml, and no more. The 4-bit weights of `make real` lose a little against the
makers' own.
"""

from __future__ import annotations

import json
import math
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.common import ROOT, in_turn, say, timed
from bench.published.rows import write_rows
from bench.published.tasks import TASKS, Published, write
from bench.real_model import HOME, OUT

FOLDER = HOME / "published"
DB = FOLDER / "published.duckdb"
FIGURES = ROOT / "docs" / "results" / "published.json"
PAGE = ROOT / "docs" / "published.md"
# Items of each task: two cores do the whole of the first three in an hour or so; ten shots of HellaSwag are long.
OURS = {"piqa": 0, "arc_easy": 0, "boolq": 300, "hellaswag": 40}  # 0: all
NEAR = 3  # points of the published score
HEAD = """# Published scores and ours

Written by `python -m bench.published`. Gemma 3 270M (base) as `make real` makes it from 4-bit weights, through the
bridge to lm-eval, on real rows; the published figures are from the makers' model card. “Compared” and the two columns
after it compare the log-probability of every option with lm-eval's own `hf` model (float32, batches of 8) on the same
items. “Quicker” is how many times: whole processes on the first items, in turn, on as many threads.

| task | shots | metric | published | ours [95%] | items | difference | compared | other choice | largest difference |\
 quicker |
|---|---|---|---|---|---|---|---|---|---|---|
"""
PEER = {"piqa": 300, "arc_easy": 200, "boolq": 50, "hellaswag": 8}  # the first of each
TIMED = {"piqa": 60, "arc_easy": 40, "boolq": 20, "hellaswag": 2}  # the first of each


def main(step: str = "all") -> None:
    if not OUT.is_dir():
        raise SystemExit("There is no .real/gemma-3-270m; `make real` makes it.")
    write(FOLDER)
    write_rows(HOME)
    for task in TASKS:
        if step in ("all", "ours"):
            say(task=task.name, **ours(task, OURS[task.name]))
        if step in ("all", "peer"):
            say(task=task.name, peer=peer(task)["scores"])
        if step in ("all", "times"):
            say(task=task.name, **times(task))
    if step in ("all", "page"):
        figures = [figures_of(task) for task in TASKS if _of_peer(task).exists()]
        FIGURES.parent.mkdir(exist_ok=True)
        FIGURES.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
        PAGE.write_text(page(figures), encoding="utf-8")


def ours(task: Published, limit: int) -> dict[str, Any]:
    """Scores and seconds of a run that is finished, or goes on."""
    document: dict[str, Any] = json.loads(timed(_own_command(task, limit, DB))[1])
    return document


def _own_command(task: Published, limit: int, db: Path) -> list[str]:
    command = [sys.executable, "-P", "-m", "harness", "run", "--model", str(OUT), "--tasks", f"lm_eval:{task.task}"]
    command += ["--include-path", str(FOLDER), "--db", str(db), "--json"]
    return [*command, "--limit", str(limit)] if limit else command


def peer(task: Published) -> dict[str, Any]:
    """Scores, log-probabilities and seconds, kept once they are there."""
    out = _of_peer(task)
    if not out.exists():
        timed(_peer_command(task, PEER[task.name], out))
    document: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return document


def _peer_command(task: Published, limit: int, out: Path) -> list[str]:
    return [sys.executable, "-m", "bench.published.peer", task.task, str(FOLDER), str(OUT), str(limit), str(out)]


def times(task: Published) -> dict[str, Any]:
    """Seconds of whole processes in turn on the first items of a task, kept once they are there."""
    out = FOLDER / f"times-{task.name}.json"
    if not out.exists():
        items = TIMED[task.name]
        with tempfile.TemporaryDirectory() as folder:
            mine = [*_own_command(task, items, Path(folder) / "times.duckdb"), "--fresh"]
            theirs = _peer_command(task, items, Path(folder) / "peer.json")
            own, peers = in_turn(1, lambda: timed(mine)[0], lambda: timed(theirs)[0])
        out.write_text(json.dumps({"items": items, "ours": own, "peer": peers}), encoding="utf-8")
    seconds: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return seconds


def _of_peer(task: Published) -> Path:
    return FOLDER / f"peer-{task.name}.json"


def figures_of(task: Published) -> dict[str, Any]:
    """What the page shows of a task. Percent, and natural logs."""
    from harness.results import Store

    document = ours(task, OURS[task.name])
    responses = Store(DB).responses(document["run"], f"lm_eval:{task.task}")
    own = {row.item: list(row.logprobs) for row in responses}
    theirs = peer(task)["logprobs"]
    pairs = [(own[str(item)], logprobs) for item, logprobs in theirs.items()]
    score = next(s for s in document["scores"] if s["metric"] == task.metric and s["group"] == "all")
    return {
        "task": task.name,
        "shots": task.shots,
        "metric": task.metric,
        "published": task.score,
        "ours": 100 * score["value"],
        "low": 100 * score["low"],
        "high": 100 * score["high"],
        "items": score["n"],
        "compared": len(pairs),
        "other_choice": sum(_best(mine) != _best(peers) for mine, peers in pairs),
        "times": times(task),
        "largest_difference": max(abs(a - b) for mine, peers in pairs for a, b in zip(mine, peers, strict=True)),
    }


def _best(logprobs: list[float]) -> int:
    return max(range(len(logprobs)), key=lambda at: logprobs[at]) if all(map(math.isfinite, logprobs)) else -1


def page(figures: list[dict[str, Any]]) -> str:
    """docs/published.md."""
    rows = "".join(
        f"| {f['task']} | {f['shots']} | {f['metric']} | {f['published']:.1f} | {f['ours']:.1f} [{f['low']:.1f}, "
        f"{f['high']:.1f}] | {f['items']:,} | {f['ours'] - f['published']:+.1f} | {f['compared']:,} | "
        f"{f['other_choice']} | {f['largest_difference']:.1g} | {_quicker(f['times'])} |\n"
        for f in figures
    )
    return HEAD + rows + "".join(f"\n{_why(f)}\n" for f in figures if abs(f["ours"] - f["published"]) > NEAR)


def _why(f: dict[str, Any]) -> str:
    """Of a score that is not near the published one: whether its items are too few to say so."""
    apart = f"{f['task']} is {abs(f['ours'] - f['published']):.1f} points from the published score"
    interval = f"its interval on {f['items']:,} items, {f['low']:.1f} to {f['high']:.1f},"
    if f["low"] <= f["published"] <= f["high"]:
        return f"{apart}, and {interval} holds it: so few items cannot tell the two apart."
    return f"{apart}, and {interval} does not hold it: this is not explained."


def _quicker(seconds: dict[str, Any]) -> str:
    peers, own = statistics.median(seconds["peer"]), statistics.median(seconds["ours"])
    return f"{peers / own:.1f} ({own:.0f} s for {peers:.0f} s, {seconds['items']} items)"


if __name__ == "__main__":
    main(*sys.argv[1:])
