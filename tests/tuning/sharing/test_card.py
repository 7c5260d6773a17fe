"""A card: what the hub's own classes read of it, what is text in it, and that any altered byte or number shows."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard, parse_eval_result_entries
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from harness.errors import UsageError
from harness.exchange import manifest
from harness.exchange.files import Batch
from tests.harness.runs import cli, json_of
from tests.tuning.sharing import shared
from tuning.sharing import card_files, card_text
from tuning.sharing.card import Card, parsed
from tuning.sharing.gathering import card_of_run, card_of_study
from tuning.store import Store


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store, and the cards of its study and of one of its runs."""
    folder = tmp_path_factory.mktemp("card")
    store, row = shared.study(folder)
    card_files.write(*card_of_study(store, row), folder / "study")
    card_files.write(*card_of_run(store, next(run for run in store.runs() if run.model_digest == "x")), folder / "run")
    return folder


@pytest.fixture(scope="module")
def card(home: Path) -> Card:
    return parsed((home / "study" / "card.json").read_text())


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_the_hubs_own_classes_read_what_it_says(home: Path, card: Card) -> None:
    read = ModelCard.load(home / "study" / "README.md")
    assert read.data.library_name == "peft"
    assert read.data.base_model == "org/base"
    assert read.data.model_name == card.name == shared.HOSTILE
    (result,) = read.data.eval_results
    own = card.figures[0]
    assert (own.configuration, own.seeds, own.method, own.n) == (card.measured[0].own, 2, "crossed", 40)
    assert result.metric_value == own.value == pytest.approx(31 / 40)
    assert result.metric_args["interval"] == [own.low, own.high]
    assert own.low < own.value < own.high
    assert (result.dataset_type, result.dataset_revision) == ("cais/mmlu", shared.HUB.partition("@")[2])
    assert (result.task_type, result.metric_type, result.dataset_split) == ("text-generation", "accuracy", "test")
    assert str(read) == (home / "study" / "README.md").read_text(), "nothing is lost on the way"


def test_the_hubs_own_parser_reads_the_results(home: Path, card: Card) -> None:
    (entry,) = parse_eval_result_entries(yaml.safe_load((home / "study" / card_text.EVAL_RESULTS).read_text()))
    assert (entry.dataset_id, entry.task_id, entry.value) == ("cais/mmlu", "mmlu", card.figures[0].value)
    assert entry.dataset_revision == shared.HUB.partition("@")[2]
    assert entry.date
    assert "standard protocol, 5-shot, acc, 95% interval [" in str(entry.notes)
    assert "mean of 2 trainings" in str(entry.notes)


def test_a_study_says_how_it_was_trained_and_what_it_was_compared_with(home: Path, card: Card) -> None:
    assert card.training is not None
    store = Store(home / "s.duckdb")
    (row,) = store.studies()
    assert (card.training.identity, card.training.trials) == (row.identity, 4)
    best = store.trials(row.id)[card.training.trial - 1]
    assert card.training.hyperparameters == best.hyperparameters
    assert {one.rival for one in card.differences} == {title for title, _ in card.measured[0].sides[1:]}
    of_base = next(one for one in card.differences if one.rival == "base")
    assert of_base.difference == pytest.approx(31 / 40 - 18 / 40)
    assert of_base.low < of_base.difference < of_base.high
    page = (home / "study" / "README.md").read_text()
    for value in (row.identity, *card.training.row_digests.values(), str(best.hyperparameters["rank"])):
        assert value in page.replace("\\", "")


def test_a_runs_card_is_what_show_and_compare_say(home: Path) -> None:
    card = parsed((home / "run" / "card.json").read_text())
    own, base = (next(run.id for run in Store(home / "s.duckdb").runs() if run.model_digest == name) for name in "xb")
    document = json_of("show", own, "--db", home / "s.duckdb")
    mine = [one for one in card.figures if one.configuration == card.measured[0].own]
    stated = {(one.name, one.metric): (one.value, one.low, one.high) for one in mine}
    for score in document["scores"]:
        if score["group"] == "all":
            assert stated[score["task"], score["metric"]] == (score["value"], score["low"], score["high"])
    compared = json_of("compare", base, own, "--db", home / "s.duckdb")
    (row,) = [one for one in compared if (one["metric"], one["group"]) == ("acc", "all")]
    (difference,) = card.differences
    assert (difference.difference, difference.low, difference.high) == (row["difference"], row["low"], row["high"])
    assert card.training is not None


def test_names_are_text(home: Path, card: Card) -> None:
    page = (home / "study" / "README.md").read_text()
    assert yaml.safe_load(page.split("\n---\n")[0].removeprefix("---\n"))["model-index"][0]["name"] == shared.HOSTILE
    body = ModelCard(page).text
    html = MarkdownIt("commonmark").enable("table").render(body)
    assert "<script>" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert html.count("<h1>") == 1
    assert "<em>x</em>" not in html
    assert "<code>y</code>" not in html


@pytest.mark.parametrize("of", ["study", "run"])
def test_it_holds(home: Path, of: str) -> None:
    found = card_files.verify(home / of, Store(home / "s.duckdb"))
    assert (found.differences, found.unchecked) == ([], [])
    assert found.numbers > 0
    assert cli("verify", home / of)[0] == 0


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_byte_shows(home: Path, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(files(home / "study")))
    whole = path.read_bytes()
    content = bytearray(whole)
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(bytes(content))
    try:
        named = {one.file for one in card_files.verify(home / "study").differences}
    finally:
        path.write_bytes(whole)
    assert path.relative_to(home / "study").as_posix() in named


def sealed_again(folder: Path) -> None:
    (folder / "manifest_card.json").unlink()
    with Batch(folder) as batch:
        for path in files(folder):
            content = path.read_bytes()
            path.unlink()
            batch.new(path.relative_to(folder).as_posix()).write_bytes(content)
        manifest.seal(batch, "card")


def test_a_better_number_shows_though_all_else_was_made_to_fit(home: Path, tmp_path: Path) -> None:
    """card.json, README.md, results and manifest say one thing, the samples another."""
    folder = Path(shutil.copytree(home / "study", tmp_path / "card"))
    document = json.loads((folder / "card.json").read_text())
    document["figures"][0]["value"] += 0.05
    (folder / "card.json").write_text(json.dumps(document))
    for name, content in card_text.files(parsed((folder / "card.json").read_text())).items():
        (folder / name).write_bytes(content)
    sealed_again(folder)
    (one,) = card_files.verify(folder).differences
    assert one.file == "card.json"
    assert f"value {document['figures'][0]['value']:.10g}" in one.what
    assert f"make {document['figures'][0]['configuration']}" in one.what
    assert cli("verify", folder)[0] == 1


def test_a_result_that_was_added_shows(home: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(home / "study", tmp_path / "card"))
    (folder / ".eval_results" / "more.yaml").write_text("- {}")
    assert [one.file for one in card_files.verify(folder).differences] == [".eval_results/more.yaml"]


def test_another_store_shows(home: Path) -> None:
    said = [one.what for one in card_files.verify(home / "study", Store(home / "bare.duckdb")).differences]
    assert said
    assert all("is not in" in what for what in said)


def test_a_card_says_that_the_weights_are_not_known(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.duckdb")
    config = {"backend_details": {"unverified": "the server says | nothing"}}
    row = shared.measured(store, shared.values(3, 8), name="served", config=config)
    card, _ = card_of_run(store, row)
    assert card.warnings == ("It is not known which weights answered: the server says | nothing",)
    assert "the server says \\| nothing" in card_text.files(card)["README.md"].decode()


def test_what_has_no_score_has_no_card(home: Path, tmp_path: Path) -> None:
    code, _, errors = cli("card", shared.HOSTILE, "--out", tmp_path / "card", "--db", home / "bare.duckdb")
    assert code == UsageError.exit_code
    assert "No run measured the best trial" in errors
    assert not (tmp_path / "card").exists()
