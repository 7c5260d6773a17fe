"""What a GPU that is lent for 15 minutes can show: python -m bench.gpu_short OUT.json

Every step of STEPS is a process of its own with its own limit of time. Each figure is in OUT.json as soon as it is
known; a step that is there and ended well is not measured again. It wants .real/pieces beside the checkout, which
`python -m bench.gpu_short cut` makes on a machine that has `make real` and `python -m bench.published rows` behind it.
"""

from __future__ import annotations

import sys
from pathlib import Path

from bench.gpu_short.packages import SCRIPT, absent


def main(word: str) -> None:
    """SystemExit with a sentence where it cannot begin."""
    if lacking := absent(SCRIPT):
        raise SystemExit(f"bench.gpu_short: this Python lacks {', '.join(lacking)}; nothing can be measured.")
    from bench.common import say
    from bench.gpu_short import pieces
    from bench.gpu_short.steps import STEPS, measure
    from bench.record import Record
    from data.sources import DataError
    from harness.errors import HarnessError

    try:
        if word == "cut":
            folder = pieces.cut()
            say(pieces=len(list(folder.iterdir())) - 1, folder=str(folder))
        elif word in STEPS:
            for figures in STEPS[word].figures():
                say(**figures)
        else:
            measure(Record(Path(word)), STEPS)
    except (HarnessError, DataError) as error:
        raise SystemExit(f"bench.gpu_short: {error}") from error


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("python -m bench.gpu_short cut, or python -m bench.gpu_short OUT.json")
    main(sys.argv[1])
