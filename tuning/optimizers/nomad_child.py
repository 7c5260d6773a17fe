"""The process that NOMAD runs in: `python -P -m tuning.optimizers.nomad_child`. PyNomad 4.6.0 aborts the interpreter on
ordinary errors, so nothing else lives here.

JSON lines. In: {"start": [codes, …], "low": […], "high": […], "real": [bool, …], "parameters": [line, …]}, then one
answer to each question. Out: {"ask": [codes, …]}; the answer is a list with the outputs of each, null where the
evaluation failed; at the end {"end": reason}. The process ends when its standard input does.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import IO, Any


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, which then closes our input
    output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what NOMAD prints is no answer
    request = json.loads(sys.stdin.readline())
    _say(output, {"end": _optimize(request, output)})


def _optimize(request: dict[str, Any], output: IO[str]) -> str:
    import PyNomad

    def evaluate(given: Any) -> Any:
        """NOMAD hands over one point, or a block of them where blocks are larger than one."""
        points = [given.get_x(k) for k in range(given.size())] if hasattr(given, "get_x") else [given]
        codes = [_codes(point, request["real"]) for point in points]
        _say(output, {"ask": codes})
        line = sys.stdin.readline()
        if not line:
            os._exit(0)  # the parent has closed us, or is gone
        answers = json.loads(line)
        for point, answer in zip(points, answers, strict=True):
            if answer is not None:
                point.setBBO(" ".join(map(repr, answer)).encode())
        fine = [answer is not None for answer in answers]
        return fine if points[0] is not given else int(fine[0])

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "start.txt")  # the only way to give several starting points
        file.write_text("".join(" ".join(map(repr, codes)) + "\n" for codes in request["start"]), encoding="ascii")
        parameters = [*request["parameters"], f"X0 {file}"]
        result = PyNomad.optimize(evaluate, [], request["low"], request["high"], parameters)
    return str(result["stop_reason"])


def _codes(point: Any, real: list[bool]) -> list[float]:
    coordinates = (point.get_coord(i) for i in range(point.size()))
    return [c if is_real else round(c) for c, is_real in zip(coordinates, real, strict=True)]


def _say(output: IO[str], message: dict[str, Any]) -> None:
    try:
        output.write(json.dumps(message) + "\n")
        output.flush()
    except BrokenPipeError:
        os._exit(0)


if __name__ == "__main__":
    main()
