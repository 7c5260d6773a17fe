"""Studies leave for another machine: `harness export STUDY OUT`. `harness import OUT` takes in any store's files.

What leaves is what the store knows: trials, trainings, loss curves, runs with their scores and samples, answers and
verdicts. Adapters stay. The ledger alone decides what comes next; an adapter that is missing is trained again where
a finalist needs it (tuning/study/retraining.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from harness.cli.options import DEFAULT_DB
from harness.errors import UsageError
from harness.exchange import store_files
from harness.exchange.files import Batch
from tuning.pipeline.study_file import read
from tuning.report.trial_scores import places
from tuning.store import Store, StudyRow

# What belongs to the machine or to a person's session, and not to a study.
_PRIVATE = (
    "UPDATE attempts SET adapter = ''",
    "DELETE FROM estimates",
    "DELETE FROM judge_sessions",
    "DELETE FROM judges WHERE id NOT IN (SELECT judge FROM comparisons)",
    "UPDATE judges SET token = ''",
    "DELETE FROM grades WHERE judge NOT IN (SELECT id FROM judges)",
    # where the program lies: "/…/bin/harness run" and "/…/harness/__main__.py run" are both "harness run"
    r"UPDATE studies SET command = regexp_replace(command, '^(\S*)/__main__\.py\b', '\1')",
    r"UPDATE studies SET command = regexp_replace(command, '^/\S*/', '')",
    r"UPDATE runs SET command = regexp_replace(command, '^(\S*)/__main__\.py\b', '\1')",
    r"UPDATE runs SET command = regexp_replace(command, '^/\S*/', '')",
    r"UPDATE answer_sets SET command = regexp_replace(command, '^(\S*)/__main__\.py\b', '\1')",
    r"UPDATE answer_sets SET command = regexp_replace(command, '^/\S*/', '')",
    # where benchmark rows lie: the folder's name is enough
    r"UPDATE tasks SET data_source = regexp_replace(data_source, '^folder:/.*/([^/]+)$', 'folder:\1')",
)
# Where adapters lie: in the folder of the store, `home`.
_PLACES = (
    "UPDATE runs SET model = replace(model, $home, ''), config = replace(config, $home, '')",
    "UPDATE answer_sets SET model = replace(model, $home, ''), config = replace(config, $home, '')",
)
_TEXTS = ("DELETE FROM responses", "DELETE FROM prompts")


def export(store: Store, studies: Sequence[StudyRow], out: Path, texts: bool = True) -> list[Path]:
    """Write studies, the runs on their trials and base, and the answers of these with all verdicts on them, into the
    folder `out`; gives the files. Without `texts` the prompts and the models' texts of runs stay. UsageError where the
    folder has such files already."""
    with Batch(out) as batch, TemporaryDirectory(prefix="harness-export-") as home:
        portion = Store(Path(home) / "store.duckdb")
        portion.merge(store.path)
        _keep_only(portion, studies)
        with portion.write() as connection:
            for query in (*_PRIVATE, *(() if texts else _TEXTS)):
                connection.execute(query)
            for query in _PLACES:
                connection.execute(query, {"home": f"{store.path.resolve().parent}/"})
        about = {"studies": sorted(row.name for row in studies), "texts": texts}
        store_files.write(portion, batch, about)
    return batch.written


def export_known(word: str, out: Path, db: str, texts: bool) -> list[Path] | None:
    """For `harness export`: writes the study of that name, or the searches of a whole study's file with all that
    followed them. None where the word is neither. UsageError where nothing of the file is in the store."""
    path = Path(word)
    if path.suffix == ".toml" and path.is_file():
        file = read(path, {} if db == DEFAULT_DB else {"db": db})
        store = Store(file.tune.db)
        names = {search.options.name for search in file.every_search()}
        rows = [row for row in store.studies() if row.name in names] if store.exists() else []
        if not rows:
            raise UsageError(f"{store.path} has no search of {path} yet: `harness study run {path}` makes them.")
        return export(store, rows, out, texts)
    store = Store(db)
    try:
        return export(store, [store.resolve_study(word)], out, texts)
    except UsageError:
        if any(row.name == word or row.id.startswith(word) for row in store.studies()):
            raise
        return None


def _keep_only(portion: Store, studies: Sequence[StudyRow]) -> None:
    ids = {row.id for row in studies}
    own_runs = {run for run, own in places(portion).items() if any(study in ids for study, _ in own)}
    digests = {run.model_digest for run in portion.runs() if run.id in own_runs}
    adapters = {attempt.adapter for study in ids for attempt in portion.attempts(study) if attempt.adapter}
    own_answers = {
        answers.id
        for answers in portion.answer_sets()
        if answers.model in adapters or (answers.model_digest and answers.model_digest in digests)
    }
    _remove(portion.remove_answers, portion.answer_sets(), own_answers)
    _remove(portion.remove, portion.runs(), own_runs)
    _remove(portion.remove_studies, portion.studies(), ids)


def _remove(remove: Callable[[list[str]], Any], rows: Iterable[Any], keep: set[str]) -> None:
    if others := [row.id for row in rows if row.id not in keep]:
        remove(others)
