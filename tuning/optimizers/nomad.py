"""NOMAD (mesh adaptive direct search, PyNomadBBO 4.6.0), in a child process with a pipe.

Points are codes: integers but for real parameters, which may be logarithms. Under constraints NOMAD's progressive
barrier is used, for two objectives DMulti-MADS. Resume is a fresh child that is told the same outcomes.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING, Any

from harness.errors import HarnessError
from tuning.optimizers.sequential import unseen, usable
from tuning.types import Outcome, Point

if TYPE_CHECKING:
    from tuning.study.space import Space

CIRCLING = 100  # evaluations and cache hits a dimension, after which a mesh of integers is taken to be at its finest:
# NOMAD's own limit is nine times that, and going round the best point for so long takes ten seconds
DRY = 50  # searches in a row that found no point that is new: what is left comes at random
FEW = 10_000  # points of a space with reals, of which NOMAD sees many codes: its mesh would go on long after the last

ABORTS = (signal.SIGSEGV, signal.SIGABRT, signal.SIGFPE, signal.SIGBUS, signal.SIGILL)


class NomadError(HarnessError):
    """The child died; the message says of what. The same study goes on from the recorded trials."""


class Nomad:
    """The start points are evaluated first, and those that did not fail are where the mesh begins. When all failed,
    random points are tried until one does not. When the mesh is at its finest, a new search begins at a random point
    that was not evaluated, and so it does when NOMAD aborts: that follows from seed and outcomes, and an error would
    end every resume at the same place. A child that was killed from outside is an error. What was told once is never
    asked again, but within one block."""

    name = "nomad"
    max_objectives = 2
    takes_constraints = True

    def __init__(
        self, space: Space, seed: int, start: Sequence[Point], block: int, objectives: int, constraints: int
    ) -> None:
        import numpy as np

        self.space = space
        self.seed = seed
        self.block = block
        self.outputs = [*["OBJ"] * objectives, *["PB"] * constraints]
        self._free = [at for at, p in enumerate(space.parameters) if p.count > 1]  # NOMAD takes no constants
        self._rng = np.random.default_rng((seed, 1))
        self._start: list[Point] = [space.canonical(point) for point in start]  # not yet asked
        self._roots: list[Point] = []  # where the next search begins, evaluated and not failed
        self._known: dict[str, Outcome] = {}
        self._asked: list[Point] = []
        self._question: list[Point] | None = None  # what the child waits for
        self._child: subprocess.Popen[str] | None = None
        self._complaints: IO[str] | None = None
        self._searches = 0
        self._dry = 0

    def ask(self) -> list[Point]:
        if self._asked:
            raise RuntimeError("asked again before the last block was told")
        if self._start:
            self._asked, self._start = self._start[: self.block], self._start[self.block :]
        else:
            self._asked = self._search()
        return [dict(point) for point in self._asked]

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        if len(outcomes) != len(self._asked):
            raise ValueError(f"{len(self._asked)} points were asked, and {len(outcomes)} outcomes told")
        for point, outcome in zip(self._asked, outcomes, strict=True):
            self._known[self.space.key(point)] = usable(outcome)
            if self._child is None and usable(outcome).values is not None:
                self._roots.append(point)
        self._asked = []

    def close(self) -> None:
        child, self._child = self._child, None
        self._question = None
        if child is not None:
            child.kill()
            child.communicate()
        if self._complaints is not None:
            self._complaints.close()
            self._complaints = None

    def _search(self) -> list[Point]:
        """The next points that are not known, from the search under way or from a new one."""
        while len(self._known) != self.space.count:
            if self._child is None and (self._dry >= DRY or not self._roots):
                point = unseen(self.space, self._rng, self._known)
                return [] if point is None else [point]
            if self._child is None:
                self._begin()
            if self._question is None:
                self._listen()
            elif new := [p for p in self._question if self.space.key(p) not in self._known]:
                self._dry = 0
                return new
            else:
                self._answer(self._question)
        self.close()
        return []

    def _begin(self) -> None:
        reals = [self.space.parameters[at].size is None for at in self._free]
        kinds = " ".join("R" if real else "I" for real in reals)
        lines = [
            f"DIMENSION {len(reals)}",
            f"BB_INPUT_TYPE ({kinds})",
            f"BB_OUTPUT_TYPE {' '.join(self.outputs)}",
            f"SEED {(self.seed + self._searches) % 2**31}",
            "DISPLAY_DEGREE 0",
            f"BB_MAX_BLOCK_SIZE {self.block}",
        ]
        if self.outputs.count("OBJ") > 1:
            lines += ["DMULTIMADS_OPTIMIZATION yes", "DIRECTION_TYPE ORTHO 2N"]  # without the second it crashes
        else:
            # its default, N+1 QUAD, crashed in one to five of 24 searches over integers, this in none
            lines.append("DIRECTION_TYPE ORTHO N+1 NEG")
            if self.block > 1:
                lines.append("MEGA_SEARCH_POLL yes")  # or blocks are seldom full; DMulti-MADS does not have it
        if self.space.size is not None:
            lines.append(f"MAX_EVAL {min(CIRCLING * len(reals), 10 * self.space.size)}")
        elif self.space.count <= FEW:
            lines.append(f"MAX_EVAL {10 * self.space.count}")
        request = {
            "start": [[self.space.encode(point)[at] for at in self._free] for point in self._roots],
            "low": [self.space.bounds[at][0] for at in self._free],
            "high": [self.space.bounds[at][1] for at in self._free],
            "real": reals,
            "parameters": lines,
        }
        self._roots = []
        self._searches += 1
        self._dry += 1
        self._complaints = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        self._child = subprocess.Popen(
            [sys.executable, "-P", "-m", "tuning.optimizers.nomad_child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            text=True,
            encoding="utf-8",
        )
        self._say(request)

    def _listen(self) -> None:
        """What the child asks next, or that its search has ended."""
        child = self._child
        assert child is not None
        assert child.stdout is not None
        line = child.stdout.readline()
        message: dict[str, Any] = json.loads(line) if line else self._died()
        if "ask" in message:
            self._question = [self._point(codes) for codes in message["ask"]]
        else:
            self.close()

    def _point(self, codes: Sequence[float]) -> Point:
        whole = [low for low, _ in self.space.bounds]
        for at, code in zip(self._free, codes, strict=True):
            whole[at] = code
        return self.space.decode(whole)

    def _answer(self, points: Sequence[Point]) -> None:
        outcomes = [self._known[self.space.key(point)] for point in points]
        self._question = None
        self._say([None if o.values is None else [*o.values, *o.constraints] for o in outcomes])

    def _say(self, message: object) -> None:
        child = self._child
        assert child is not None
        assert child.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # the next reading finds out what happened
            child.stdin.write(json.dumps(message) + "\n")
            child.stdin.flush()

    def _died(self) -> dict[str, str]:
        """The end of a search that NOMAD aborted after it had found new points, and NomadError otherwise."""
        child, complaints = self._child, self._complaints
        assert child is not None
        assert complaints is not None
        code = child.wait()
        if -code in ABORTS and self._dry == 0:
            return {"end": "aborted"}
        complaints.seek(0)
        lines = [line.strip() for line in complaints.read().splitlines() if line.strip()]
        self.close()
        how = f"was ended by signal {-code}" if code < 0 else f"ended with {code}"
        why = f" It said: {' '.join(lines)[:400]}" if lines else ""
        raise NomadError(
            f"NOMAD's process {how}.{why} What was recorded is whole: the same command goes on from there with a "
            "process of its own."
        )
