"""A study on rows of one's own: its identity is what the files hold, and what was read of them is on the study."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import harness
from data.sources import DataError
from harness.errors import UsageError
from tests.harness.runs import cli
from tests.tuning import fakes
from tuning.store import Store
from tuning.study.definition import Study, again, plan
from tuning.study.options import read_file

NAMES = ("frage", "antwort")


def put(path: Path, count: int = 30, names: tuple[str, str] = ("prompt", "completion"), word: str = "number") -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    texts = [(f"{word} {n:x} of {n * 7919:x} and {n * 104729:b}", f"{n}") for n in range(1, count + 1)]
    path.write_text("".join(json.dumps(dict(zip(names, one, strict=True))) + "\n" for one in texts))
    return str(path)


def planned(folder: Path, **changes: Any) -> Study:
    return plan(fakes.options(folder, **changes)).study


def test_a_file_that_moved_is_the_same_study_and_a_changed_one_another(tmp_path: Path) -> None:
    path = tmp_path / "my.jsonl"
    usual = planned(tmp_path, data=put(path))
    assert planned(tmp_path, data=put(tmp_path / "else" / "my.jsonl")).identity == usual.identity
    # other names of columns, and a name for them: the same rows
    put(path, names=NAMES)
    named = planned(tmp_path, data=str(path), columns="instruction=frage,output=antwort")
    assert named.identity == usual.identity
    back = Study.from_dict(json.loads(json.dumps(named.to_dict())))
    assert dict(again(back)[1].digests) == dict(usual.data_digests)
    text = path.read_text()
    path.write_text(text.replace('"antwort": "3"', '"antwort": "4"'))
    assert planned(tmp_path, data=str(path), columns="instruction=frage,output=antwort").identity != usual.identity
    with pytest.raises(UsageError, match="are others than those of the study"):
        again(back)


def test_a_study_from_before_there_were_columns_goes_on(tmp_path: Path) -> None:
    study = planned(tmp_path)
    written = study.to_dict()
    del written["columns"]
    assert Study.from_dict(written).identity == study.identity


def test_a_mix_of_files_and_alpaca(tmp_path: Path) -> None:
    options = fakes.options(tmp_path)
    one, two = put(tmp_path / "one.jsonl"), put(tmp_path / "two.jsonl", word="figure")
    made = plan(options.replace(data=f"{one},{two},{options.data}", mix=f"one.jsonl=0.5,{two}=0.3,alpaca=0.2"))
    counts = [sum(row.source == name for row in made.splits.train) for name in ("one.jsonl", "two.jsonl", "alpaca")]
    total = sum(counts)
    assert total == len(made.splits.train)
    assert [round(count / total, 1) for count in counts] == [0.5, 0.3, 0.2]
    assert made.splits.notes == (
        "one.jsonl: prompt, completion, 30 rows",
        "two.jsonl: prompt, completion, 30 rows",
    )
    assert dict(again(made.study)[1].digests) == dict(made.study.data_digests)
    with pytest.raises(DataError, match=r"three.jsonl is no source of rows.*one.jsonl, two.jsonl"):
        plan(options.replace(data=f"{one},{two}", mix="three.jsonl=1"))


def test_what_was_read_is_on_the_study(tmp_path: Path) -> None:
    path = tmp_path / "my.jsonl"
    turns = [
        [{"role": "user", "content": f"count to {n:b} {n:x}"}, {"role": "assistant", "content": "x"}] for n in range(40)
    ]
    path.write_text("".join(json.dumps({"messages": one[: 1 + (n > 2)]}) + "\n" for n, one in enumerate(turns)))
    result = fakes.run(tmp_path, data=str(path), budget=4)
    line = "my.jsonl: messages, 40 conversations, 3 left out: no assistant turn"
    assert line in Store(tmp_path / "s.duckdb").studies()[0].warnings
    assert result.computed
    assert not fakes.run(tmp_path, data=str(path), budget=4).computed  # the same study


def test_columns_by_flag_file_and_in_python(tmp_path: Path) -> None:
    study = tmp_path / "study.toml"
    study.write_text('columns = "output=antwort"\n')
    assert read_file(study) == {"columns": "output=antwort"}
    path = put(tmp_path / "my.jsonl", names=NAMES)
    words = ["--model", "tiny", "--data", path, "--db", tmp_path / "s.duckdb"]
    code, _, errors = cli("tune", *words, "--columns", "instruction=frage,output=antwrt")
    assert code == 3
    assert "There is no column antwrt. Did you mean antwort?" in errors
    code, _, errors = cli("tune", *words, "--columns", "question=frage")
    assert code == 2
    assert (
        "--columns question=frage: A row has instruction, input, output, system, messages, text, not 'question'."
        in errors
    )
    with pytest.raises(DataError, match="There is no column antwrt"):
        harness.tune("tiny", data=path, columns="output=antwrt", db=tmp_path / "s.duckdb")
