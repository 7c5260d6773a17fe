"""NOMAD alone: its child process, two objectives, constraints, restarts."""

from __future__ import annotations

import math
import os
import signal
import subprocess

import pytest

from tests.tuning.optimizers.spaces import SMALL, START, Loop, loss, search, told
from tuning.optimizers import make
from tuning.optimizers.nomad import Nomad, NomadError
from tuning.study.parameters import Choice, Integer
from tuning.study.space import Space
from tuning.types import Outcome, Point

INTEGERS = Space([Choice("rank", (4, 8, 16, 32, 64)), Integer("alpha_over_rank", 1, 64), Choice("dropout", (0.0, 0.1))])


def size(point: Point) -> float:
    return math.log2(float(point["rank"]))


@pytest.mark.parametrize("block", [1, 4])
def test_two_objectives_give_a_front(block: int):
    loop = search("nomad", 70, lambda p: Outcome((loss(p), size(p))), block=block, objectives=2)
    values = {o.values for each in loop.outcomes for o in each if o.values}
    front = [a for a in values if not any(b[0] <= a[0] and b[1] <= a[1] and b != a for b in values)]
    assert len({rank for _, rank in front}) >= 3  # 16 is best, and every smaller rank costs loss
    assert min(front)[0] < 0.3


@pytest.mark.parametrize("block", [1, 4])
def test_constraints_are_kept(block: int):
    """The best point of all is at rank 16; under a limit of 8 what is found is at the limit."""
    loop = search("nomad", 50, lambda p: Outcome((loss(p),), (size(p) - 3,)), block=block, constraints=1)
    found = [
        (o.values, p) for ps, os_ in zip(loop.blocks, loop.outcomes, strict=False) for p, o in zip(ps, os_, strict=True)
    ]
    values, best = min((v, p["rank"]) for v, p in found if v and size(p) <= 3)
    assert best == 8
    assert values[0] < 0.4
    assert sum(size(p) <= 3 for _, p in found[10:]) > len(found[10:]) / 2  # it searches where it may


def test_blocks_are_full():
    sizes = [len(each) for each in search("nomad", 15, block=4, start=START[:1]).blocks[1:]]
    assert sum(sizes) / len(sizes) > 3


def test_nothing_is_asked_twice_though_the_mesh_ends_and_begins_anew():
    optimizer = make("nomad", INTEGERS, 0, [{"rank": 8, "alpha_over_rank": 8, "dropout": 0.0}])
    assert isinstance(optimizer, Nomad)
    loop = Loop(optimizer, lambda p: Outcome((size(p) + abs(float(p["alpha_over_rank"]) - 9) / 8,)))
    loop.run(110)
    optimizer.close()
    assert optimizer._searches > 1
    keys = [INTEGERS.key(point) for point in loop.points]
    assert len(set(keys)) == len(keys) == 110


@pytest.mark.parametrize("stroke", [signal.SIGKILL, signal.SIGTERM])
def test_a_child_that_is_killed_is_a_sentence(stroke: signal.Signals):
    optimizer = make("nomad", SMALL, 0, START)
    assert isinstance(optimizer, Nomad)
    Loop(optimizer).run(5)
    child = _child(optimizer)
    point = optimizer.ask()
    os.kill(child.pid, stroke)
    optimizer.tell([told(p) for p in point])
    with pytest.raises(NomadError, match=rf"ended by signal {stroke.value}.*goes on from there"):
        optimizer.ask()
    assert child.returncode is not None
    optimizer.close()


def test_a_child_that_aborts_does_not_end_the_search():
    """As its crashes do: the next search begins elsewhere."""
    optimizer = make("nomad", SMALL, 0, START)
    assert isinstance(optimizer, Nomad)
    loop = Loop(optimizer)
    loop.run(5)
    first = _child(optimizer)
    os.kill(first.pid, signal.SIGABRT)
    first.wait(10)
    loop.run(5)
    assert len(loop.points) == 10
    assert _child(optimizer) is not first
    optimizer.close()


def test_no_child_is_left(monkeypatch: pytest.MonkeyPatch):
    children = []
    real = subprocess.Popen

    def remembered(*args, **options):
        children.append(real(*args, **options))
        return children[-1]

    monkeypatch.setattr(subprocess, "Popen", remembered)
    optimizer = make("nomad", SMALL, 0, START)
    Loop(optimizer).run(4)
    optimizer.close()

    def broken(point: Point) -> Outcome:
        if point not in START:
            raise ArithmeticError
        return told(point)

    with pytest.raises(ArithmeticError):
        search("nomad", 5, broken)
    assert len(children) == 2
    assert all(child.returncode is not None for child in children)


def test_the_child_ends_with_its_parent():
    """Its standard input closes when the parent is gone, however it went."""
    optimizer = make("nomad", SMALL, 0, START)
    assert isinstance(optimizer, Nomad)
    Loop(optimizer).run(4)
    child = _child(optimizer)
    assert child.stdin is not None
    child.stdin.close()
    assert child.wait(10) == 0
    child.stdin = None
    optimizer.close()


def test_nomads_own_complaint_is_quoted(monkeypatch: pytest.MonkeyPatch):
    """A child that cannot even begin is an error with what NOMAD said."""
    optimizer = make("nomad", SMALL, 0, START)
    assert isinstance(optimizer, Nomad)
    monkeypatch.setattr(optimizer, "outputs", ["NONSENSE"])
    with pytest.raises(NomadError, match=r"It said: .*NONSENSE"):
        Loop(optimizer).run(5)
    optimizer.close()


def _child(optimizer: Nomad) -> subprocess.Popen:
    assert optimizer._child is not None
    return optimizer._child
