"""Lines of a log, at moments of a clock that the test moves."""

from __future__ import annotations

from harness.progress.log import QUIET, Log
from tests.harness.progress.clock import Clock


def made() -> tuple[Log, Clock, list[str]]:
    lines: list[str] = []
    clock = Clock()
    return Log(lines.append, clock), clock, lines


def test_a_line_at_the_start_at_each_tenth_and_at_the_end():
    log, clock, lines = made()
    for done in range(101):
        log.update("mmlu", done, 100, unit="samples", tokens=50 * done)
        clock.now += 2
    assert len(lines) == 12
    assert lines[0] == "mmlu: 0 of 100 samples\n"
    assert lines[1] == "mmlu: 1 of 100 samples, 25 tokens/s, about 3 min left\n"
    assert lines[2] == "mmlu: 10 of 100 samples, 25 tokens/s, about 3 min left\n"
    assert lines[-1] == "mmlu: 100 of 100 samples, 25 tokens/s\n"


def test_a_long_step_has_a_line_every_thirty_seconds():
    log, clock, lines = made()
    log.update("trial 1", 0, 3, phase="training", unit="steps")
    for _ in range(95):
        clock.now += 1
        log.look()
    assert lines == ["trial 1: training, 0 of 3 steps\n"] + [
        f"trial 1: training, 0 of 3 steps, {lasting} so far\n" for lasting in ("30 s", "1 min", "1 min 30 s")
    ]


def test_at_most_a_line_a_second_of_what_is_quick():
    """Five hundred trials, two hundred a second."""
    log, clock, lines = made()
    for number in range(500):
        log.update(f"trial {number}", 0, 1, phase="training")
        log.end(f"trial {number}", "loss 1.0")
        clock.now += 0.005
    assert 10 <= len(lines) <= 30
    assert lines[:2] == ["trial 0: training, 0 of 1\n", "trial 0: loss 1.0\n"]


def test_the_tenths_of_one_task_are_a_second_apart():
    log, clock, lines = made()
    for done in range(11):
        log.update("t", done, 11)
        clock.now += 0.2
    assert [line.split(" of")[0] for line in lines] == ["t: 0", "t: 5", "t: 10"]


def test_what_all_begin_at_once_is_said_of_all():
    log, _, lines = made()
    for number in range(8):
        log.update(f"trial {number}", 0, 40, phase="training")
    assert len(lines) == 8


def test_a_short_step_without_a_count_is_not_said():
    log, clock, lines = made()
    with log.step("loading tiny"):
        clock.now += 1
        log.look()
    assert lines == []
    with log.step("loading gemma"):
        for _ in range(40):
            clock.now += 1
            log.look()
    assert lines == ["loading gemma: 2 s so far\n", "loading gemma: 32 s so far\n"]


def test_a_row_of_all_is_repeated_where_it_changed():
    log, clock, lines = made()
    for left in ("", "", "about 9 min left", "about 9 min left"):
        log.update("trials", 0, 6, left=left)
        clock.now += QUIET
        log.look()
    assert lines == ["trials: 0 of 6\n", "trials: 0 of 6, about 9 min left\n"]


def test_the_last_word_of_all_is_said():
    log, _, lines = made()
    for detail, left in (("", "about 1 min left"), ("best 1.2", "about 30 s left"), ("best 1.1", "")):
        log.update("trials", 6, 6, detail=detail, left=left)
    assert lines == ["trials: 6 of 6, about 1 min left\n", "trials: 6 of 6, best 1.1\n"]


def test_a_task_that_begins_anew_is_said_anew():
    """A worker died, and its trial is trained again."""
    log, clock, lines = made()
    for done in (0, 1, 2, 0, 1):
        log.update("t", done, 2)
        clock.now += 2
    assert lines == [
        "t: 0 of 2\n",
        "t: 1 of 2, about 2 s left\n",
        "t: 2 of 2\n",
        "t: 0 of 2\n",
        "t: 1 of 2, about 2 s left\n",
    ]
