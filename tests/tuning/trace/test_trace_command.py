"""`harness trace`: what its words mean, the whole chain, and what it says where a part is gone."""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.evaluation.configurations import configurations
from harness.results import RunRow
from judges.store.rows import AnswerSetRow
from tests.harness.runs import cli, json_of
from tests.tuning.trace.filled import ITEMS, METRICS
from tuning.pipeline.study_file import StudyFile
from tuning.store import Store, StudyRow

Document = dict[str, Any]


@pytest.fixture(scope="module")
def store(whole_study: StudyFile) -> Store:
    return Store(whole_study.tune.db)


@pytest.fixture(scope="module")
def run(store: Store) -> RunRow:
    """On an adapter, over a new seed."""
    return next(run for run in store.runs() if run.base_digest)


@pytest.fixture(scope="module")
def study(store: Store) -> StudyRow:
    return store.studies()[0]


def traced(store: Store, *words: object) -> Document:
    document = json_of("trace", *words, "--db", store.path)
    assert isinstance(document, dict)
    return document


def refused(store: Store, *words: object) -> str:
    code, out, errors = cli("trace", *words, "--db", store.path)
    assert (code, out) == (2, "")
    return " ".join(errors.split())


def links(document: Document) -> Iterator[Document]:
    yield document
    for source in document["sources"]:
        yield from links(source)


def of_kind(document: Document, kind: str) -> Document:
    return next(link for link in links(document) if link["kind"] == kind)


def test_a_score_is_followed_to_the_machine(store: Store, run: RunRow, study: StudyRow) -> None:
    score = traced(store, run.id, "mmlu")
    assert score == traced(store, f"{run.id[:12]}/mmlu")
    kinds = ["score", "samples", "run", "checkpoint", "trial", "study", "rows", "base", "program"]
    assert list(dict.fromkeys(link["kind"] for link in links(score))) == kinds
    samples = store.samples(run.id, "mmlu")
    (headline, *_) = score["figures"]
    assert headline["name"] == "acc"
    assert headline["value"] == pytest.approx(sum(s.metrics["acc"] for s in samples) / ITEMS)
    assert headline["agrees"] is True
    assert of_kind(score, "samples")["facts"]["count"] == ITEMS
    assert of_kind(score, "run")["facts"]["identity"] == run.identity
    assert of_kind(score, "checkpoint")["facts"]["digest"] == run.model_digest
    trial = of_kind(score, "trial")["facts"]
    row = store.trials(study.id)[trial["number"] - 1]
    assert trial["hyperparameters"] == dict(row.hyperparameters)
    (training,) = trial["trainings"]
    assert training["adapter"] == run.model
    facts = of_kind(score, "study")["facts"]
    assert (facts["identity"], facts["optimizer"], facts["seed"]) == (study.identity, "random", study.seed)
    rows = of_kind(score, "rows")["facts"]
    assert rows["digests"] == study.config["data_digests"]
    assert {part: sum(counts.values()) for part, counts in rows["counts"].items()} == {
        "train": 34,
        "validation": 7,
        "test": 7,
    }
    assert of_kind(score, "base")["facts"]["digest"] == study.base_digest
    assert of_kind(score, "program")["facts"]["python"] == study.provenance["python"]


def test_every_link_has_a_command_that_works(store: Store, run: RunRow) -> None:
    for command in {link["command"] for link in links(traced(store, run.id, "mmlu"))} - {""}:
        name, *words = shlex.split(command)
        code, _, errors = cli(*words)
        assert (name, code) == ("harness", 0), errors


def test_the_tree_is_readable_at_80_columns(store: Store, run: RunRow) -> None:
    code, out, _ = cli("trace", run.id, "mmlu", "--db", store.path, width=80)
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    for word in (
        "score mmlu",
        "from 24 samples",
        "checkpoint",
        "trial",
        "study whole-random-0",
        "rows",
        "base tiny",
        "program",
    ):
        assert word in out


def test_a_sample_a_trial_a_study_and_a_run(store: Store, run: RunRow, study: StudyRow) -> None:
    item = store.samples(run.id, "bbh")[0]
    sample = traced(store, run.id, "bbh", item.item)
    assert sample == traced(store, f"{run.id}/bbh/{item.item}")
    assert sample["figures"][0]["value"] == item.metrics[METRICS["bbh"]]
    assert sample["sources"][0]["kind"] == "score"
    trial = traced(store, study.name, 2)
    assert trial == traced(store, f"{study.id[:12]}/2")
    attempt = next(a for a in store.attempts(study.id) if (a.trial, a.purpose) == (2, "search"))
    assert trial["figures"][0]["value"] == attempt.validation_nats / attempt.validation_tokens
    assert trial["figures"][0]["agrees"] is True
    assert traced(store, study.name)["facts"]["id"] == study.id
    assert traced(store, run.name)["facts"]["id"] == run.id


def test_a_configuration_is_a_mean_over_its_seeds(store: Store) -> None:
    (one,) = [one for one in configurations(store) if one.name == "whole-random-0/common"]
    runs = one.runs
    assert len(runs) == 2
    means = [sum(s.metrics["acc"] for s in store.samples(run.id, "mmlu")) / ITEMS for run in runs]
    for words in ([f"configuration={one.key}", "mmlu"], [one.name, "mmlu"], [f"{one.name}/mmlu"]):
        document = traced(store, *words)
        assert document["figures"][0]["value"] == pytest.approx(sum(means) / 2)
        assert {link["facts"].get("id") for link in links(document)} >= {run.id for run in runs}


def test_comparisons_verdicts_judges_answers_and_rankings(store: Store) -> None:
    base, tuned = (
        next(run for run in store.runs() if run.name == name) for name in ("whole base", "whole common seed 1")
    )
    compared = traced(store, tuned.id, "against", base.id)
    (found,) = [
        row
        for row in json_of("compare", base.id, tuned.id, "--db", store.path)
        if (row["task"], row["metric"]) == ("mmlu", "acc")
    ]
    difference = next(figure for figure in compared["figures"] if figure["name"] == "mmlu acc, difference")
    assert [difference[key] for key in ("value", "low", "high")] == [
        found[key] for key in ("difference", "low", "high")
    ]
    verdict = store.comparisons()[0]
    assert traced(store, verdict.id[:12])["facts"]["question"] == verdict.question
    judge = traced(store, "judge-one")
    assert (
        sum(judge["facts"]["verdicts"].values()) == sum(v.judge == verdict.judge for v in store.comparisons()) or judge
    )
    a, b = store.answer_sets()[:2]
    assert traced(store, a.id)["facts"]["digest"]
    pair = traced(store, a.id, "against", b.id, "q1")
    own = [v for v in store.comparisons() if {v.first, v.second} == {a.id, b.id} and v.question == "q1"]
    assert pair["facts"]["count"] == len(own) > 0
    assert {link["facts"]["id"] for link in links(pair) if link["kind"] == "verdict"} == {v.id for v in own}
    ranking = traced(store, "made")
    assert of_kind(ranking, "verdicts")["facts"]["count"] == sum(v.turn == 0 for v in store.comparisons())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["whole base"], "means several things: run "),
        (["nothing"], "There is nothing called 'nothing'"),
        (["whole-random-0", "99"], "has no trial 99: it has 5"),
        (["whole common seed 1", "mmmlu"], "has no task 'mmmlu'. Did you mean mmlu?"),
        (["whole common seed 1", "mmlu", "law/999"], "has no sample 'law/999'"),
        (["/rate?x=1"], "The page rate shows no number"),
        (["/compare?runs=ab"], "names no two runs"),
        (["configuration=comon"], "There is no configuration 'comon'"),
        (["whole common seed 1", "against"], "A comparison is named so"),
    ],
)  # fmt: skip
def test_what_means_nothing_or_several_things_is_refused(store: Store, words: list[str], said: str) -> None:
    assert said in refused(store, *words)


def test_addresses_say_what_their_page_shows(
    store: Store, run: RunRow, study: StudyRow, whole_study: StudyFile
) -> None:
    base = next(run for run in store.runs() if run.name == "whole base")
    board = "http://127.0.0.1:8501"
    shown = traced(store, f"{board}/run?run={run.id[:8]}&against={base.id}")
    assert [shown["kind"], shown["facts"]["id"]] == ["run", run.id]
    assert of_kind(shown, "comparison")["facts"]["baseline"] == base.id
    assert traced(store, f"/compare?runs={base.id}&runs={run.id}") == traced(store, run.id, "against", base.id)
    assert traced(store, f"/compare?runs={base.id},{run.id}")["kind"] == "comparison"
    assert traced(store, f"site/study-{study.id[:12]}.html") == traced(store, f"{board}/studies?study={study.id}")
    assert traced(store, f"/studies?study={study.id}&trial=2") == traced(store, study.id, 2)
    everything = traced(store, "site/index.html")
    assert {link["facts"]["run"] for link in links(everything) if link["kind"] == "samples"} == {
        r.id for r in store.runs()
    }
    a, b = store.answer_sets()[:2]
    address = f"/preference?prompts={a.prompt_set}&view=pair&a={a.id}&b={b.id}&question=2"
    assert traced(store, address) == traced(store, a.id, "against", b.id, "q1")


@pytest.fixture
def other(whole_study: StudyFile, tmp_path: Path) -> Store:
    """A copy of the store, to be changed."""
    shutil.copy(whole_study.tune.db, tmp_path / "s.duckdb")
    return Store(tmp_path / "s.duckdb")


def test_what_is_gone_is_said(other: Store, run: RunRow, study: StudyRow) -> None:
    other.update(run.id, model="/nowhere/adapter", status="running", provenance={})
    item = other.samples(run.id, "mmlu")[0].item
    with other.write() as connection:
        connection.execute("DELETE FROM samples WHERE item = ?", [item])
    document = traced(other, run.id, "mmlu")
    missing = " ".join(sentence for link in links(document) for sentence in link["missing"])
    for said in (
        f"{ITEMS - 1} of {ITEMS} samples are stored: the run is not finished",
        "The files are gone: there is no /nowhere/adapter. The digest says which they were.",
        "no training keeps /nowhere/adapter",
        "It was not recorded which program made this.",
    ):
        assert said in missing
    assert of_kind(document, "trial")["facts"]["study"] == study.id, "its tag still says which trial it was"
    assert of_kind(document, "checkpoint")["facts"]["digest"] == hashlib.sha256(run.model.encode()).hexdigest()


def test_a_merged_checkpoint_leads_to_the_trial_of_its_adapter(other: Store, run: RunRow, tmp_path: Path) -> None:
    trial = of_kind(traced(other, run.id, "mmlu"), "trial")["facts"]["number"]
    note = {"adapter": run.model, "adapter_digest": run.model_digest}
    (tmp_path / "merged").mkdir()
    (tmp_path / "merged" / "harness_merge.json").write_text(json.dumps(note), "utf-8")
    other.update(run.id, model=str(tmp_path / "merged"), model_digest="c" * 64, base_digest="")
    other.untag(run.id, next(tag for tag in other.tags()[run.id] if "-trial-" in tag))
    document = traced(other, run.id, "mmlu")
    checkpoint = of_kind(document, "checkpoint")["facts"]
    assert (checkpoint["kind"], checkpoint["adapter"]) == ("merged", run.model)
    assert of_kind(document, "trial")["facts"]["number"] == trial


def test_a_number_that_its_samples_do_not_give_stands_out(other: Store, run: RunRow) -> None:
    sample = other.samples(run.id, "mmlu")[0]
    with other.write() as connection:
        connection.execute(
            "UPDATE samples SET metrics = MAP {'acc': ?} WHERE item = ? "
            "AND task = (SELECT key FROM tasks WHERE run = ? AND task = 'mmlu')",
            [1 - sample.metrics["acc"], sample.item, run.id],
        )
    differing = {figure["name"] for figure in traced(other, run.id, "mmlu")["figures"] if figure["agrees"] is False}
    assert differing == {"acc", "acc_macro", f"acc of {sample.group}"}
    _, out, _ = cli("trace", run.id, "mmlu", "--db", other.path)
    assert "STORED: " in out
    assert "is not what the stored samples give" in out


def test_answers_lead_to_their_trial(store: Store) -> None:
    answers: AnswerSetRow = next(row for row in store.answer_sets() if row.base_digest)
    document = traced(store, answers.id)
    assert [link["kind"] for link in links(document)][:4] == ["answers", "prompts", "checkpoint", "trial"]
    assert json.loads(json.dumps(document)) == document
