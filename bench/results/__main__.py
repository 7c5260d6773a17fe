"""`python -m bench.results [STUDY.toml [STORE]]`: what the real study knows so far: docs/results, and docs/results.md.
`python -m bench.results judge STORE`: how the base does as a judge, into docs/results/judge.json and the same page.

The study is left as it is: it may be under way. docs/results/real has the study's own files (`harness export`, without
texts), by which it goes on on another machine; docs/results/real.json what the page says, read from the store.
"""

from __future__ import annotations

import json
import shutil
import sys
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.common import ROOT
from bench.results.figures import figures
from bench.results.judging import judging
from bench.results.page import page
from bench.results.pictures import pictures

STUDY = ROOT / "studies" / "real.toml"
FOLDER = ROOT / "docs" / "results"
PAGE = ROOT / "docs" / "results.md"


def main(study: Path, db: str | None) -> None:
    from tuning.pipeline.study_file import read

    whole = str(read(study, {"db": db} if db else {}).tune.db)
    FOLDER.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=FOLDER.parent) as home:
        out = Path(home) / "real"
        known = exported(study, whole, out)
        shutil.rmtree(FOLDER / "real", ignore_errors=True)
        out.rename(FOLDER / "real")
    document = {"at": date.today().isoformat(), "store_bytes": Path(whole).stat().st_size, **known}
    (FOLDER / "real.json").write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for name, drawn in pictures(document).items():
        (FOLDER / f"{name}.svg").write_text(drawn, encoding="utf-8")
    PAGE.write_text(page(FOLDER), encoding="utf-8")


def exported(study: Path, db: str, out: Path) -> dict[str, Any]:
    """The study's files in `out`, and the figures that they give somebody who has nothing else of it."""
    from harness.exchange import store_files
    from tuning.exchange.study_files import export_known
    from tuning.pipeline.study_file import read
    from tuning.store import Store

    with TemporaryDirectory(dir=out.parent) as home:
        left = Store(Path(home) / "left.duckdb")
        export_known(str(study), out, db, texts=False)
        store_files.take_in(left, out)
        known = json.dumps(figures(read(study, {"db": str(left.path)})))
    return json.loads(known.replace(str(left.path), db))  # commands name the store


def judge(db: str) -> None:
    (FOLDER / "judge.json").write_text(json.dumps(judging(db), indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(FOLDER), encoding="utf-8")


if __name__ == "__main__" and sys.argv[1:2] == ["judge"]:
    judge(sys.argv[2])
elif __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else STUDY, sys.argv[2] if len(sys.argv) > 2 else None)
