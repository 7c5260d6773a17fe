"""A source's share of the train rows as a hyperparameter: the same rows for every trial of a share, the same
validation for all, and refused before work where the rows cannot give it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.instruction_split import POOL, Sizes, split
from data.instructions import Instruction
from harness.errors import UsageError
from tests.harness.runs import cli, json_of
from tests.tuning import fakes
from tests.tuning.models import hyper, instruction_rows, small_base
from tuning.search.loop import check_point
from tuning.store import Store
from tuning.study.definition import Study, again, plan
from tuning.study.ledger import key_of
from tuning.study.options import Options
from tuning.training.packed import packable
from tuning.training.train import Trainer
from tuning.types import Hyperparameters

SHARE = "mix:alpaca"
REAL = {"kind": "real", "low": 0.2, "high": 0.8}
RANK = {"kind": "choice", "values": [4, 8]}


def options(folder: Path, **changes: Any) -> Options:
    """Twenty-four rows of Alpaca and twenty of a file, of which twenty are trained."""
    rows = fakes.rows(folder / "rows", 24)
    (rows / "dolly.jsonl").unlink()
    mine = [{"instruction": f"mine {n} {n * 7}x{n}", "output": f"own {n}"} for n in range(20)]
    (folder / "mine.jsonl").write_text("\n".join(map(json.dumps, mine)))
    usual = {
        "data": f"{rows / 'alpaca.json'},{folder / 'mine.jsonl'}",
        "mix": "",
        "sizes": "20,6,6",
        "space": {"rank": RANK, "mix:alpaca.json": REAL},
    }
    return fakes.options(folder, **{**usual, **changes})


def of_sources(**counts: int) -> list[Instruction]:
    names = [name for name, count in counts.items() for _ in range(count)]
    rows = instruction_rows(len(names))
    return [Instruction(name, row.instruction, row.input, row.output) for name, row in zip(names, rows, strict=True)]


SPLITS = split(of_sources(a=30, b=20, c=10), 0, Sizes(30, 6, 6))


@given(share=st.floats(0, 1), source=st.sampled_from("abc"))
def test_rows_of_a_share(share: float, source: str) -> None:
    drawn = SPLITS.drawn(source, share)
    assert len(set(drawn)) == len(drawn) <= len(SPLITS.train)
    shares = SPLITS.shares(source, share)
    assert sum(shares.values()) == pytest.approx(1)
    for count in range(1, len(drawn) + 1):  # every beginning has the mix, so that rungs do
        seen = Counter(name for name, _ in drawn[:count])
        assert all(abs(seen[name] - part * count) < 2 for name, part in shares.items())
    most = min(len(SPLITS.pool[name]) / part for name, part in shares.items() if part > 1e-9)
    assert len(drawn) == int(min(len(SPLITS.train), most + 1e-9))


def test_the_others_keep_their_proportions_and_nothing_measured_is_trained() -> None:
    counts = Counter(row.source for row in SPLITS.train)
    others = SPLITS.shares("a", 0.25)
    assert others["b"] / others["c"] == pytest.approx(counts["b"] / counts["c"])
    mixed = SPLITS.mixed(("a", 0.25))
    assert (mixed.validation, mixed.test) == (SPLITS.validation, SPLITS.test)
    assert not {*mixed.train} & {*SPLITS.validation, *SPLITS.test}
    assert SPLITS.mixed(None) is SPLITS
    assert SPLITS.part(POOL + "a") == SPLITS.pool["a"]
    assert {*SPLITS.train} <= {row for rows in SPLITS.pool.values() for row in rows}


def test_a_trial_trains_on_its_share(tmp_path: Path) -> None:
    """As one whose study has these rows; packed only with its like."""
    base = small_base(tmp_path / "base")
    mix, trainer = ("b", 0.75), Trainer(small_base(tmp_path / "base"), SPLITS)
    own = trainer.train(hyper(mix=mix), 0.5, 0, tmp_path / "a")
    plain = Trainer(base, SPLITS.mixed(mix)).train(hyper(), 0.5, 0, tmp_path / "b")
    assert (own.train_loss, own.validation) == (plain.train_loss, plain.validation)
    assert own.train_loss != trainer.train(hyper(), 0.5, 0, tmp_path / "c").train_loss
    assert packable(trainer.model, hyper(2, mix=mix), hyper(mix=mix))
    assert not packable(trainer.model, hyper(mix=mix), hyper(mix=("b", 0.5)))
    assert not packable(trainer.model, hyper(mix=mix), hyper())


def test_hyperparameters_without_a_share_are_known_as_before() -> None:
    plain, mixed = hyper(), hyper(mix=("alpaca", 0.3))
    assert "mix" not in plain.to_dict()
    assert mixed.to_dict() == {**plain.to_dict(), SHARE: 0.3}
    assert Hyperparameters.from_dict(json.loads(json.dumps(mixed.to_dict()))) == mixed
    assert Hyperparameters.from_dict(plain.to_dict()) == plain
    assert key_of(plain) != key_of(mixed) != key_of(hyper(mix=("alpaca", 0.31)))
    assert (mixed.value_of(SHARE), plain.value_of(SHARE)) == (0.3, None)


def test_a_study_with_a_share(tmp_path: Path) -> None:
    usual = options(tmp_path)
    made = plan(usual)
    own = sum(row.source == "alpaca.json" for row in made.splits.train) / 20
    assert {h.mix for _, h in made.study.start} == {("alpaca.json", own)}  # first points are told to the optimizer
    back = Study.from_dict(json.loads(json.dumps(made.study.to_dict())))
    assert (back, back.identity) == (made.study, made.study.identity)
    assert again(back)[1].digests == made.splits.digests
    assert "pool" in back.data_digests
    assert "pool" not in plan(usual.replace(space={"rank": RANK})).study.data_digests
    more = json.dumps({"instruction": "one more 1 2 3", "output": "x"})
    with (tmp_path / "mine.jsonl").open("a") as file:
        file.write("\n" + more)
    with pytest.raises(UsageError, match="others than those of the study"):
        again(back)


def test_it_is_searched_resumed_enqueued_and_shown(tmp_path: Path) -> None:
    found = fakes.run(tmp_path, **dict(options(tmp_path, budget=7)))
    shares = [trial.hyperparameters["mix:alpaca.json"] for trial in found.ledger.trials]
    assert len(set(shares)) > 2
    assert all(0.2 <= share <= 0.8 for share in shares)
    store = Store(tmp_path / "s.duckdb")
    code, _, errors = cli(*("tune", "enqueue", found.row.id, "rank=4", "mix:alpaca.json=0.33", "--db", store.path))
    assert code == 0, errors
    with pytest.raises(UsageError, match=r"is not between 0\.2 and 0\.8"):
        check_point(plan(options(tmp_path)).study.space, {"rank": 4, "mix:alpaca.json": 0.9})
    more = fakes.run(tmp_path, **dict(options(tmp_path, budget=9)))
    assert more.row.id == found.row.id
    assert [t.hyperparameters["mix:alpaca.json"] for t in more.ledger.trials[:7]] == shares
    assert more.ledger.trials[7].hyperparameters["mix:alpaca.json"] == 0.33
    document = json_of("tune", "show", found.row.id, "--db", store.path)
    assert document["trials"][7]["hyperparameters"]["mix:alpaca.json"] == 0.33
    _, out, _ = cli("tune", "show", found.row.id, "--db", store.path, width=100)
    assert "mix:alpaca.json" in out
    code, _, errors = cli("tune", "report", found.row.id, tmp_path / "report", "--db", store.path)
    assert code == 0, errors


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no such source": (
        {"space": {"mix:alpacca.json": REAL}},
        r"alpaca\.json, mine\.jsonl, and none of alpacca",
    ),
    "one source": ({"mix": "alpaca.json=1"}, "all rows are of alpaca.json: a share needs a second"),
    "two shares": ({"space": {"mix:alpaca.json": REAL, "mix:mine.jsonl": REAL}}, "the share of one source"),
    "too few rows": (
        {"space": {"mix:mine.jsonl": {**REAL, "high": 1}}, "sizes": "40,2,2"},
        r"at a share of 1 the sources have rows for 1\d of the 40 that train has, and 50% are needed",
    ),
    "above one": ({"space": {"mix:mine.jsonl": {**REAL, "high": 1.5}}}, "at least 0 and at most 1, not 1.5"),
    "the paper's split": ({"split": "paper"}, "draws rows with replacement"),
    "held": ({"set": {"mix:alpaca.json": 0.5}, "space": {"rank": RANK}}, "is not a hyperparameter"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_is_refused_before_work(case: str, tmp_path: Path) -> None:
    changes, sentence = WRONG[case]
    with pytest.raises(UsageError, match=sentence):
        plan(options(tmp_path, **changes))


def test_fewer_rows_at_an_end_of_the_range_are_a_note(tmp_path: Path) -> None:
    wide = {"rank": RANK, "mix:mine.jsonl": {"kind": "choice", "values": [0.25, 1]}}
    (note,) = [note for note in plan(options(tmp_path, space=wide)).notes if "mix:" in note]
    assert note.startswith("mix:mine.jsonl = 1 trains on 1")
    assert "and the study's own mix on 20" in note
