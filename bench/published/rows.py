"""The real rows beside the checkout as `studies/real.toml` reads them: instruction rows whole, and the benchmarks."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from bench.common import DATA


def write_rows(home: Path) -> None:
    """`home`/rows and `home`/benchmarks, which is a link."""
    alpaca, dolly = home / "rows" / "alpaca" / "alpaca.json", home / "rows" / "dolly" / "dolly.jsonl"
    for path in (alpaca, dolly):
        path.parent.mkdir(parents=True, exist_ok=True)
    lines = gzip.decompress((DATA / "alpaca" / "alpaca_original_19964.jsonl.gz").read_bytes()).splitlines()
    alpaca.write_text(json.dumps([json.loads(line) for line in lines], ensure_ascii=False), encoding="utf-8")
    dolly.write_bytes(gzip.decompress((DATA / "dolly" / "dolly15k_dedup.jsonl.gz").read_bytes()))
    benchmarks = home / "benchmarks"
    if not benchmarks.exists():
        benchmarks.symlink_to(DATA, target_is_directory=True)
