"""A `harness` that logs each answer as its engine finishes it: python -m tests.harness.backends.vllm.child LOG WORDS"""

from __future__ import annotations

import os
import sys
from typing import Any

from harness.backends.vllm import loop
from harness.cli.main import run_command


def main() -> int:
    log = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    one = loop.Loop._one

    async def logged(self: Any, number: int, call: Any, finished: Any) -> None:
        await one(self, number, call, finished)
        os.write(log, b"answer\n")

    loop.Loop._one = logged  # type: ignore[method-assign]
    return run_command(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
