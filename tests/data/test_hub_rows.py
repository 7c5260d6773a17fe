"""The hub's shapes, from data sets that are made here: no network in tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from data import benchmarks, hub_rows
from data.sources import DataError
from tests.data.specs import SPECS


@pytest.mark.parametrize("name", SPECS)
def test_no_hub_is_an_error_that_says_what_to_do(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=r"could not be had .*--data DIR.*--data sample"):
        benchmarks.load(SPECS[name], None, tmp_path)
    assert list(tmp_path.iterdir()) == []


def _hub_shapes(folder: Path) -> dict[tuple[str, str | None, str], list[dict[str, Any]]]:
    """The rows of a folder as the hub's data sets shape them: (id, configuration, split) to rows."""
    found = {name: benchmarks.load(SPECS[name], folder, folder / "cache").splits for name in SPECS}
    ids = {name: spec.hub.repository for name, spec in SPECS.items() if spec.hub}
    sets: dict[tuple[str, str | None, str], list[dict[str, Any]]] = {}
    for split, part in found["mmlu"].items():
        # The hub's "all" has its subjects in an order of its own; each subject's rows keep theirs.
        sets[ids["mmlu"], "all", split] = sorted(part, key=lambda row: row["subject"], reverse=True)
    for row in found["bbh"]["test"]:
        sets.setdefault((ids["bbh"], row["task"], "test"), []).append({key: row[key] for key in ("input", "target")})
    empty = {"number": "", "spans": [], "date": {"day": "", "month": "", "year": ""}}
    for split, theirs in (("test", "validation"), ("train", "train")):
        sets[ids["drop"], None, theirs] = [
            {
                "section_id": row["passage_id"],
                **{key: row[key] for key in ("query_id", "passage", "question")},
                "answer": {**row["answers"][0], "worker_id": "", "hit_id": ""},
                "validated_answers": {
                    key: [answer[key] for answer in row["answers"][1:] or [empty]]
                    for key in ("number", "spans", "date")
                },
            }
            for row in found["drop"][split]
        ]
    sets[ids["humaneval"], None, "test"] = found["humaneval"]["test"]
    return sets


@pytest.fixture
def hub(shared_data: Path, tmp_path: Path, monkeypatch) -> tuple[Path, list[tuple[Any, ...]]]:
    """A folder of the real rows (DROP with a train file), and the same rows answered by `datasets`' own types."""
    import datasets
    import huggingface_hub

    folder = tmp_path / "real"
    folder.mkdir()
    for name in ("mmlu", "bbh", "humaneval"):
        (folder / name).symlink_to(shared_data / name)
    passages = json.loads((shared_data / "drop/drop_dataset_dev.json").read_text(encoding="utf-8"))
    (folder / "drop").mkdir()
    (folder / "drop/drop_dataset_dev.json").write_text(json.dumps(passages))
    for passage in passages.values():
        for pair in passage["qa_pairs"]:
            del pair["validated_answers"]  # as in the official train file
    (folder / "drop/drop_dataset_train.json").write_text(json.dumps(passages))
    sets = _hub_shapes(folder)
    asked: list[tuple[Any, ...]] = []

    def load_dataset(repository: str, config: str | None, *, split: str, revision: str) -> datasets.Dataset:
        asked.append((repository, revision))
        return datasets.Dataset.from_list(sets[repository, config, split])

    class Api:
        def dataset_info(self, repository: str, revision: str) -> Any:
            asked.append((repository, revision))
            return type("Info", (), {"sha": "c0ffee" * 6 + "c0ff"})

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    return folder, asked


@pytest.mark.parametrize("name", SPECS)
def test_the_hub_gives_the_digest_of_the_folder(hub, tmp_path: Path, name: str, monkeypatch) -> None:
    folder, asked = hub
    home = tmp_path / "cache"
    found = benchmarks.load(SPECS[name], "hub", home)
    assert found.digest == benchmarks.load(SPECS[name], folder, home).digest
    hub_set = SPECS[name].hub
    assert hub_set is not None
    repository, pinned = hub_set.repository, hub_set.revision
    commit = pinned if pinned != "main" else "c0ffee" * 6 + "c0ff"
    assert found.source == f"hub:{repository}@{commit}"
    assert (repository, commit) in asked
    asked.clear()
    monkeypatch.setattr(benchmarks, "_make", lambda *_: pytest.fail("the cache was passed over"))
    assert benchmarks.load(SPECS[name], None, home) == found
    assert not asked, "what is cached asks no hub, also where the revision was a branch"


def test_an_explicit_data_set_and_revision(hub, tmp_path: Path) -> None:
    _, asked = hub
    found = benchmarks.load(SPECS["humaneval"], "hub:openai/openai_humaneval@v1", tmp_path / "cache")
    assert asked[0] == ("openai/openai_humaneval", "v1")
    assert found.source == "hub:openai/openai_humaneval@" + "c0ffee" * 6 + "c0ff"
    with pytest.raises(DataError, match="no column subject, choices; there are task_id"):
        hub_rows.need({"task_id": 1, "question": "", "answer": 0}, ("subject", "question", "choices", "answer"), "x")


def test_a_hub_row_of_another_shape_is_named(hub, tmp_path: Path, monkeypatch) -> None:
    import datasets

    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: datasets.Dataset.from_list([{"text": "hello"}]))
    for name in SPECS:
        with pytest.raises(DataError, match=r"missing|no column"):
            benchmarks.load(SPECS[name], "hub", tmp_path / "cache")
    assert not (tmp_path / "cache").exists()
