"""What is made of a file: columns by other names, readings of answers, prompts, examples, clusters, packed files."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.sources import DataError
from harness.tasks.file_tasks.declaration import TestFile
from harness.tasks.file_tasks.tasks import FileTask
from harness.types import Choice, Generate, GradeRequest, Item, Loglikelihood, Prompt

FILES = Path(__file__).parent / "files"


def made(folder: Path, rows: list[dict[str, Any]], declaration: str = "", **options: Any) -> FileTask:
    path = folder / "test.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    if declaration:
        path.with_name("test.jsonl.toml").write_text(declaration, encoding="utf-8")
    return FileTask.load(str(path), **options)


def asked(task: FileTask, item: Item) -> tuple[str, tuple[str, ...]]:
    """The whole prompt, and its options."""
    (request,) = task.requests(item)
    assert isinstance(request, Choice | Loglikelihood | Generate)
    text = request.prompt.shared + request.prompt.own
    return text, () if isinstance(request, Generate) else request.options


def test_groups_shots_and_clusters() -> None:
    task = FileTask.load(str(FILES / "choices.jsonl"))
    items = {item.id: item for item in task.items()}
    assert list(items) == ["p1", "p2", "m1", "m2", "c1", "c2"]
    assert task.shots == 2
    shots = "Question: Which star is nearest?\nAnswer: the Sun\n\nQuestion: Which moon is ours?\nAnswer: the Moon\n\n"
    assert asked(task, items["p1"]) == (
        shots + "Question: Which planet is the largest?\nAnswer:",
        (" Mars", " Jupiter", " Venus"),
    )
    assert asked(task, items["m2"])[1] == (" iron", " gold"), "a choice that stands twice is asked once"
    assert asked(task, items["c1"])[0].endswith("The tower has 312 steps.\nQuestion: How many steps?\nAnswer:")
    assert items["c1"].cluster == items["c2"].cluster != ""
    assert items["p1"].cluster == ""
    assert [note for note in task.warnings if "twice" in note] == ["file choices.jsonl: 1 row has one choice twice"]
    assert FileTask.load(str(FILES / "choices.jsonl"), shots=1).requests(items["p1"])[0].prompt.cuts == (0,)  # type: ignore[union-attr]


def test_letters() -> None:
    task = FileTask.load(str(FILES / "letters.jsonl"))
    text, options = asked(task, task.items()[4])
    assert text == (
        "Which star is nearest?\nA. the Sun\nB. Vega\nAnswer: A\n\n"
        "The tower has 312 steps.\nHow many steps?\nA. 213\nB. 312\nAnswer:"
    )
    assert options == (" A", " B")
    chat = FileTask.load(str(FILES / "letters.jsonl"), chat=True)
    assert asked(chat, chat.items()[4]) == (text, ("A", "B")), "behind a chat template's header no space stands"


def test_a_table_with_quotes_and_lines() -> None:
    task = FileTask.load(str(FILES / "table.csv"))
    assert [asked(task, item)[1] for item in task.items()] == [(" rye", " sponge, light"), (" oak", " rose", " tulip")]
    assert "file table.csv: nothing is made of the columns explanation" in task.warnings


def test_written_answers_and_their_stops() -> None:
    task = FileTask.load(str(FILES / "written.jsonl"))
    requests = [task.requests(item)[0] for item in task.items()]
    assert [(r.stop, r.max_tokens) for r in requests if isinstance(r, Generate)] == [
        (("\n",), 64),
        (("\n", "Q:"), 64),
        (("\n",), 64),
    ]
    chat = FileTask.load(str(FILES / "written.jsonl"), chat=True).requests(task.items()[0])[0]
    assert isinstance(chat, Generate)
    assert (chat.stop, chat.max_tokens) == ((), 256)


def test_messages_are_turns() -> None:
    task = FileTask.load(str(FILES / "messages.jsonl"), chat=True)
    first, second = (task.requests(item)[0] for item in task.items())
    assert isinstance(first, Generate)
    assert isinstance(second, Generate)
    assert first.prompt == Prompt("", "2 + 2?", earlier=("1 + 1?", "2"), system="Be brief.")
    assert second.prompt == Prompt("", "Capital of France?", earlier=("1 + 1?", "2", "Hi", "Hello"))


def test_continuations_and_white_space() -> None:
    task = FileTask.load(str(FILES / "continuation.jsonl"))
    assert [asked(task, item) for item in task.items()] == [
        ("The sky is", (" blue",)),
        ("Grass is ", ("green",)),
        ("Snow is", (" weiß",)),
    ]


def test_columns_and_prompts_of_ones_own(tmp_path: Path) -> None:
    rows = [{"frage": "Wie hoch?", "ort": "Turm", "loesung": "312", "id": "x"}] * 2
    declaration = """
        name = "turm"
        prompt = "{ort}: {question} ({frage})\\nAntwort:"
        delimiter = ""
        stop = ["\\n\\n"]
        max_tokens = 7
        [columns]
        question = "frage"
        answer = "loesung"
        id = ""
        cluster = "ort"
    """
    task = made(tmp_path, rows, declaration)
    assert task.name == "file:turm"
    assert [(item.id, item.cluster) for item in task.items()] == [("1", "Turm"), ("2", "Turm")]
    (request,) = task.requests(task.items()[0])
    assert request == Generate(Prompt("", "Turm: Wie hoch? (Wie hoch?)\nAntwort:"), ("\n\n",), 7)


@pytest.mark.parametrize(
    ("choices", "answers", "declared", "right"),
    [
        (["x", "y"], ["A", "B"], "", [0, 1]),
        (["x", "y"], [0, 1], "", [0, 1]),
        (["x", "y"], ["1", "0"], "", [1, 0]),
        (["x", "y"], ["y", "x"], "", [1, 0]),
        ([7, 8], [8, 7], "", [1, 0]),
        (["1", "0"], ["1", "0"], 'answers = "index"', [1, 0]),
        (["1", "0"], ["1", "0"], 'answers = "text"', [0, 1]),
        ({"text": ["x", "y"], "label": ["1", "2"]}, ["1", "2"], "", [0, 1]),
        ([{"text": "x", "label": "k"}, {"text": "y", "label": "l"}], ["l", "k"], "", [1, 0]),
    ],
)
def test_readings_of_answers(tmp_path: Path, choices: Any, answers: list[Any], declared: str, right: list[int]) -> None:
    task = made(tmp_path, [{"question": "Q?", "choices": choices, "answer": answer} for answer in answers], declared)
    assert [task.question(item).right for item in task.items()] == right


@settings(deadline=None)
@given(
    st.lists(st.text("abcxyz", min_size=1, max_size=4), min_size=2, max_size=8, unique=True),
    st.data(),
)
def test_every_way_to_write_an_answer_means_the_same(choices: list[str], data: st.DataObject) -> None:
    from data.records import Record
    from harness.tasks.file_tasks.answer_readings import Choices, settle
    from harness.tasks.file_tasks.rows import LETTERS, Row

    rights = data.draw(st.lists(st.integers(0, len(choices) - 1), min_size=1, max_size=5))
    ways: dict[str, Callable[[int], object]] = {"label": LETTERS.__getitem__, "index": int, "text": choices.__getitem__}
    for reading, write in ways.items():
        row = Row(Record({}, "here"), {})
        rows = [Choices(row, choices, LETTERS[: len(choices)], write(right)) for right in rights]
        assert settle(rows, None, "") == (rights, reading)


def test_packed_files_and_lists_are_the_same_rows(tmp_path: Path) -> None:
    raw = (FILES / "choices.jsonl").read_bytes()
    rows = [json.loads(line) for line in raw.splitlines()]
    (tmp_path / "choices.jsonl.gz").write_bytes(gzip.compress(raw))
    with pa.output_stream(str(tmp_path / "choices.jsonl.zst"), compression="zstd") as stream:
        stream.write(raw)
    (tmp_path / "choices.json").write_text(json.dumps({"about": "us", "rows": rows}))
    columns = dict.fromkeys(name for row in rows for name in row)
    table = pa.Table.from_pylist([{**columns, **row} for row in rows])  # by the first row alone it would lose columns
    pyarrow.parquet.write_table(table, tmp_path / "choices.parquet")
    (tmp_path / "lines").mkdir()
    (tmp_path / "lines/choices.json").write_bytes(raw)
    tasks = [FileTask.load(str(path)) for path in (FILES / "choices.jsonl", *sorted(tmp_path.rglob("choices.*")))]
    assert len(tasks) == 6
    assert len({json.dumps([dict(item.row) for item in task.items()], sort_keys=True) for task in tasks}) == 1
    assert {task.name for task in tasks} == {"file:choices"}


def test_the_digest_is_the_files(tmp_path: Path) -> None:
    task = FileTask.load(str(FILES / "choices.jsonl"))
    assert task.data_digest == hashlib.sha256((FILES / "choices.jsonl").read_bytes()).hexdigest()
    rows = [{"goal": "g", "sol1": "x", "sol2": "y"}]
    (tmp_path / "test-labels.lst").write_text("0")
    first = made(tmp_path, rows)
    (tmp_path / "test-labels.lst").write_text("1")
    second = made(tmp_path, rows)
    assert first.data_digest != second.data_digest, "answers beside the file count too"
    assert [task.question(task.items()[0]).right for task in (first, second)] == [0, 1]
    assert "its answers stand in test-labels.lst" in first.warnings[1]


def test_the_examples_of_the_docs(tmp_path: Path) -> None:
    text = (Path(__file__).parents[4] / "docs/own_tests.md").read_text(encoding="utf-8")
    examples = re.findall(r"^```json\n(.*?)^```", text, flags=re.S | re.M)
    declaration, rubric = re.findall(r"^```toml\n(.*?)^```", text, flags=re.S | re.M)
    shapes = []
    for number, rows in enumerate(examples):
        path = tmp_path / f"{number}.jsonl"
        path.write_text(rows, encoding="utf-8")
        (tmp_path / "1.jsonl.toml").write_text(declaration, encoding="utf-8")
        (tmp_path / "3.jsonl.toml").write_text(rubric, encoding="utf-8")
        task = FileTask.load(str(path), chat=number == 2)
        shapes.append((task.name, task.contents.shape, len(task.items()), task.shots, task.metric))
    assert shapes == [
        ("file:0", "question + choices", 2, 0, "acc"),
        ("file:invoices", "prompt + answer", 1, 2, "numeric"),
        ("file:2", "messages + answer", 1, 0, "exact_match"),
        ("file:3", "prompt + rubric", 2, 0, "grade_norm"),
    ]
    keys = set(re.findall(r"^\| `(\w+)`", text.partition("All keys:")[2], flags=re.M)) | {"tolerance", "max_tokens"}
    assert keys == set(TestFile.model_fields)


def test_answers_as_squad_has_them(tmp_path: Path) -> None:
    row = {"context": "C", "question": "Q?", "answers": {"text": ["a b", "b"], "answer_start": [0, 2]}}
    task = made(tmp_path, [row])
    assert task.question(task.items()[0]).answers == ("a b", "b")
    assert asked(task, task.items()[0])[0] == "C\nQuestion: Q?\nAnswer:"


def test_all_right_choices_in_one_place_is_said(tmp_path: Path) -> None:
    rows = [{"question": f"{n}?", "choices": ["x", "y"], "answer": 0} for n in range(20)]
    assert any("every right choice is the first" in note for note in made(tmp_path, rows).warnings)


def test_a_rubric_of_several_columns(tmp_path: Path) -> None:
    """As in Feedback-Bench (prometheus-eval): the criterion and what each grade means stand in columns of their own."""
    row: dict[str, Any] = {
        "orig_instruction": "Say hello.",
        "orig_criteria": "Polite?",
        "orig_reference_answer": "Hello.",
    }
    row |= {f"orig_score{n}_description": f"grade {n}" for n in range(1, 6)} | {"messages": [], "input": "the whole"}
    graded = {**row, "orig_response": "Hi.", "orig_score": "4"}
    path = tmp_path / "bench.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in (row, graded)))
    (tmp_path / "bench.jsonl.toml").write_text(
        'rubric = "{orig_criteria}\\n1: {orig_score1_description}\\n5: {orig_score5_description}"\n'
        '[columns]\nprompt = "orig_instruction"\nanswer = "orig_reference_answer"\nresponse = "orig_response"\n'
        'human = "orig_score"\nmessages = ""\n[judge]\nmodel = "tiny"\n'
    )
    task = FileTask.load(str(path))
    grading = task.grading
    assert grading is not None
    (item,), (by_people,) = task.items(), grading.by_people
    assert grading.request(item, "Yo.") == GradeRequest(
        "Say hello.", "Yo.", "Polite?\n1: grade 1\n5: grade 5", ("1", "2", "3", "4", "5"), "Hello."
    )
    assert (by_people.request.answer, by_people.grades) == ("Hi.", ("4",))
    (tmp_path / "bench.jsonl.toml").write_text('rubric = "{orig_critera}"\n[judge]\nmodel = "tiny"\n')
    path.write_text(json.dumps({"prompt": "a", "orig_criteria": "b"}))
    with pytest.raises(DataError, match=r"the rubric has \{orig_critera\}.* Did you mean orig_criteria"):
        FileTask.load(str(path))
