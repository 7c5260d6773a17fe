"""Any hub data set as rows to train on: its notation, its rows, and what is said where it cannot be had."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from data import hub_rows, sources
from data.instruction_rows import hub_sources
from data.instruction_rows.hub_sources import HubSource
from data.instruction_rows.sources import load
from data.instructions import Instruction, messages_of
from data.sources import DataError
from tests.data.test_instruction_shapes import ANSWERED, ASKED, SYSTEM, put

COMMIT = "ab" * 20
CHATS: list[dict[str, Any]] = [
    {"messages": [SYSTEM, ASKED, ANSWERED], "prompt_id": "x", "system": None},
    {"messages": [ASKED]},
]
TABLE: list[dict[str, Any]] = [{"frage": "Who?", "antwort": "Ada.", "context": None, "leer": None}]


@pytest.mark.parametrize(
    ("text", "source", "label"),
    [
        ("hub:a/b", HubSource("a/b", "", "main", "train"), "hub:a/b"),
        ("hub:squad", HubSource("squad", "", "main", "train"), "hub:squad"),
        ("hub:a/b#train", HubSource("a/b", "", "main", "train"), "hub:a/b"),
        ("hub:a/b@v1", HubSource("a/b", "", "v1", "train"), "hub:a/b"),
        ("hub:a/b.c-d:all#test", HubSource("a/b.c-d", "all", "main", "test"), "hub:a/b.c-d:all#test"),
        (f"hub:a/b:en@{COMMIT}#train[:10%]", HubSource("a/b", "en", COMMIT, "train[:10%]"), "hub:a/b:en#train[:10%]"),
        ("hub:a/b@refs/pr/1", HubSource("a/b", "", "refs/pr/1", "train"), "hub:a/b"),
    ],
)
def test_the_notation(text: str, source: HubSource, label: str) -> None:
    assert hub_sources.parse(text) == source
    assert source.label == label


@pytest.mark.parametrize("text", ["hub:", "hub:@main", "hub:a/b/c", "hub:a/b#", "hub:a/b:", "hub:a/b#x@y", "hub:a b"])
def test_what_is_no_notation(text: str) -> None:
    with pytest.raises(DataError, match=r"names no hub data set. Write hub:OWNER/NAME\[:CONFIG\]\[@REVISION\]"):
        load(text)


@pytest.mark.parametrize("text", ["hub:a/b:all", "hub:a/b@v1#test"])
def test_a_benchmark_has_no_configuration_and_no_split(text: str) -> None:
    with pytest.raises(DataError, match="names a configuration or a split"):
        sources.resolve(text)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, str | None, str]]:
    """What is asked of a hub that has three data sets."""
    sets: dict[str, list[dict[str, Any]]] = {
        "acme/chats": CHATS,
        "acme/table": TABLE,
        "tatsu-lab/alpaca": [{"instruction": "a", "output": "b"}],
    }
    asked: list[tuple[str, str, str | None, str]] = []

    def rows(self: hub_rows.Repository, config: str | None, split: str) -> list[dict[str, Any]]:
        asked.append((self.id, self.revision, config, split))
        return sets[self.id]

    monkeypatch.setattr(hub_rows, "resolve", lambda id_, revision, *_: hub_rows.Repository(id_, COMMIT))
    monkeypatch.setattr(hub_rows.Repository, "rows", rows)
    return asked


def test_a_hub_data_set_has_the_shapes_of_a_file(hub: list[Any]) -> None:
    loaded = load("hub:acme/chats:default@v1#train_sft")
    assert hub == [("acme/chats", COMMIT, "default", "train_sft")]
    (row,) = loaded.rows
    assert (row.source, len(messages_of(row))) == ("hub:acme/chats:default#train_sft", 3)
    assert loaded.notes == (
        f"hub:acme/chats:default#train_sft is read at commit {COMMIT}.",
        "hub:acme/chats:default#train_sft: messages, 2 conversations, 1 left out: no assistant turn",
    )


def test_a_mix_of_hub_and_file_with_columns(hub: list[Any], tmp_path: Path) -> None:
    path = put(tmp_path, "my.jsonl", [{"prompt": "Why?", "response": "So."}])
    declared = {"instruction": "frage", "output": "antwort"}
    loaded = load(f"hub:acme/table@v1,{path}", ["hub:acme/table", "my.jsonl", "alpaca"], declared)
    assert loaded.sources == ("hub:acme/table", "my.jsonl", "alpaca")
    assert [row.source for row in loaded.rows] == list(loaded.sources)
    assert loaded.rows[0] == Instruction("hub:acme/table", "Who?", "", "Ada.")
    assert loaded.notes == (
        f"hub:acme/table is read at commit {COMMIT}.",
        "hub:acme/table: instruction=frage, output=antwort, 1 row",
        "my.jsonl: prompt, response, 1 row",
    )
    assert load(path, ["hub:acme/chats"]).notes[0] == "my.jsonl has no share in the mix and is left out."
    with pytest.raises(DataError, match=r"hub:acme/table: none has all the columns.*Did you mean frage"):
        load("hub:acme/table", None, {"instruction": "fragen"})
    with pytest.raises(DataError, match=r"two names of hub:acme/chats, hub:acme/chats are one source\. Name it once"):
        load("hub:acme/chats@v1,hub:acme/chats@v2")


def test_what_is_wrong_with_a_row_names_the_data_set(hub: list[Any]) -> None:
    with pytest.raises(DataError, match="hub:acme/table, row 0: instruction should be text and is not there"):
        load("hub:acme/table")


def test_no_hub_is_one_sentence() -> None:
    with pytest.raises(DataError, match=r"hub:acme/no@main could not be had .*Without a network, name a file"):
        load("hub:acme/no")


def cached(home: Path, commit: str, split: str, rows: list[dict[str, Any]]) -> None:
    """As `datasets` keeps acme/chats after a download."""
    import datasets
    from datasets.arrow_writer import ArrowWriter

    folder = home / "acme___chats" / "default" / "0.0.0" / commit
    folder.mkdir(parents=True)
    data = datasets.Dataset.from_list(rows)
    with ArrowWriter(features=data.features, path=str(folder / f"chats-{split}.arrow")) as writer:
        writer.write_table(data.data.table)
        writer.finalize()
    about = {"name": split, "num_bytes": 1, "num_examples": len(rows), "dataset_name": "chats"}
    info = datasets.DatasetInfo(
        features=data.features,
        builder_name="parquet",
        dataset_name="chats",
        config_name="default",
        version="0.0.0",
        splits={split: about},
    )
    info.write_to_directory(str(folder))


def test_what_was_downloaded_is_read_without_a_network_at_its_commit_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`datasets` itself gives the rows of any commit there, whatever revision is asked for."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path))
    cached(tmp_path, COMMIT, "train_sft", [{"messages": [ASKED, ANSWERED]}])
    loaded = load(f"hub:acme/chats@{COMMIT}#train_sft")
    assert [messages_of(row)[1].content for row in loaded.rows] == ["Ada."]
    with pytest.raises(
        DataError, match=f"the hub cannot be reached, and what was downloaded before is commit {COMMIT}"
    ):
        load(f"hub:acme/chats@{'c' * 40}#train_sft")
    with pytest.raises(
        DataError, match=r"Unknown split .train.*one of .*train_sft.*\[#SPLIT\], of a configuration and"
    ):
        load(f"hub:acme/chats@{COMMIT}")
    with pytest.raises(DataError, match=r"config 'de' Available configs in the cache: \['default'\]"):
        load(f"hub:acme/chats:de@{COMMIT}#train_sft")


def test_a_folder_of_that_name_is_not_read_in_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "acme/chats/train.jsonl", [{"messages": [ASKED, ANSWERED]}])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="a file or folder acme/chats lies here"):
        load(f"hub:acme/chats@{COMMIT}")
