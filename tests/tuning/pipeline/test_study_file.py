"""The file of a whole study: what it holds, and what is refused in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import UsageError
from tuning.pipeline.stages import stages_of
from tuning.pipeline.study_file import read
from tuning.pipeline.whole_study import WholeStudy
from tuning.study.definition import plan

WHOLE = """
name = "mine"
model = "tiny"
data = "sample"
budget = 6
[searches]
optimizers = ["tpe", "random"]
seeds = [0, 1]
[finalists]
best = 2
[[benchmarks]]
tasks = "mmlu"
data = "sample"
[[benchmarks]]
tasks = "drop"
data = "sample"
limit = 5
[answers]
prompts = "sample"
[judges]
judge = ["reference"]
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "study.toml"
    path.write_text(text, "utf-8")
    return path


def test_all_of_it(tmp_path: Path) -> None:
    file = read(written(tmp_path, WHOLE), {"db": "other.duckdb"})
    assert [stage.name for stage in stages_of(file)] == ["search", "finalists", "benchmarks", "answers", "judges"]
    search = file.search("tpe", 1)
    assert (search.optimizer, search.seed, search.name, search.budget) == ("tpe", 1, "mine-tpe-1", 6)
    assert [(run.tasks, run.limit, run.db) for run in file.runs(model="m")] == [
        ("mmlu", None, "other.duckdb"),
        ("drop", 5, "other.duckdb"),
    ]
    assert file.answer(model="m").prompts == "sample"
    assert file.judge(models=("a", "b")).judge == ("reference",)


def test_the_least(tmp_path: Path) -> None:
    file = read(written(tmp_path, 'model = "tiny"\ndata = "sample"\n'), {})
    assert file.name == "study"
    assert [stage.name for stage in stages_of(file)] == ["search", "finalists"]
    assert file.searches.optimizers == ("nomad", "nni-tpe", "random")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('optimizer = "tpe"\n', "study.toml: optimizer belongs to each search: see [searches]."),
        ("[searches]\noptimizers = ['tpo']\n", "study.toml [searches]: optimizers"),
        ("[finalists]\nbest = 0\n", "study.toml [finalists]: best = 0 must be"),
        ("[finalists]\nbst = 2\n", "study.toml [finalists]: there is no option 'bst'. Did you mean best?"),
        ("[[benchmarks]]\nmodel = 'x'\n", "study.toml [[benchmarks]]: model is given by the study itself."),
        ("[benchmarks]\ntasks = 'mmlu'\n", "study.toml: benchmarks must be tables, one for each run"),
        ("answers = 3\n", "study.toml: answers must be a table, as [answers]."),
        ("[judges]\njudge = ['reference']\n", "study.toml: [judges] compare answers, and there is no table [answers]."),
        ("[answers]\nprompts = 'sample'\n[judges]\ntemperature = 'x'\n", "study.toml [judges]: temperature = 'x'"),
    ],
)
def test_refused(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(UsageError) as error:
        read(written(tmp_path, text), {})
    assert sentence in str(error.value).replace('"x"', "'x'")


def test_the_searches_are_known_by_the_identities_that_they_have_alone(tmp_path: Path) -> None:
    """Rows and base are read once for all of them."""
    study = WholeStudy(read(written(tmp_path, WHOLE), {"db": str(tmp_path / "s.duckdb")}))
    assert study.identities == [plan(search.options).study.identity for search in study.searches]
    assert len(set(study.identities)) == 4


def test_an_optimizer_that_cannot_is_refused_before_the_first_search(tmp_path: Path) -> None:
    goals = 'model = "tiny"\ndata = "sample"\nobjective = "validation,seconds"\n'
    text = f'{goals}[searches]\noptimizers = ["nsga2", "nni-tpe"]\n'
    with pytest.raises(UsageError, match="nni-tpe"):
        _ = WholeStudy(read(written(tmp_path, text), {"db": str(tmp_path / "s.duckdb")})).identities
