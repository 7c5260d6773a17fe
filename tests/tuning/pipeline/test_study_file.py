"""The file of a whole study: what it holds, and what is refused in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.sources import DataError
from harness.errors import UsageError
from harness.progress import SILENT
from tuning.pipeline import session
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
    assert file.answer_seeds.seeds == 1
    assert read(written(tmp_path, WHOLE.replace("[answers]", "[answers]\nseeds = 2")), {}).answer_seeds.seeds == 2
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
        ("[answers]\nprompts = 'sample'\nseeds = 0\n", "study.toml [answers]: seeds = 0 must be"),
        ("[answers]\nconfiguration = 'x'\n", "study.toml [answers]: configuration is given by the study itself."),
        ("answers = 3\n", "study.toml: answers must be a table, as [answers]."),
        ("[judges]\njudge = ['reference']\n", "study.toml: [judges] compare answers, and there is no table [answers]."),
        ("[people]\nratings = 2\n", "study.toml: [people] compare answers, and there is no table [answers]."),
        (
            "[answers]\nprompts = 'sample'\n[people]\nmodels = 'few'\n",
            "study.toml [people]: models = 'few' must be one of",
        ),
        ("[audit]\n", "study.toml: [audit] looks for benchmarks' items in the rows, and there is no [[benchmarks]]."),
        ("[[benchmarks]]\ntasks = 'mmlu'\n[audit]\nwords = 13\n", "study.toml [audit]: there is no option 'words'."),
        ("[[further]]\nseed = 1\n", "study.toml [[further]]: a further search has another validation part or another"),
        ("[[further]]\nvalidation = 0\n", "study.toml [[further]]: validation = 0 must be"),
        ("[[further]]\nobjective = 'los'\n", "study.toml [[further]]: objective = 'los'"),
        ("[further]\nseed = 1\n", "study.toml: further must be tables, one for each search, as [[further]]."),
        ("[answers]\nprompts = 'sample'\n[judges]\ntemperature = 'x'\n", "study.toml [judges]: temperature = 'x'"),
    ],
)
def test_refused(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(UsageError) as error:
        read(written(tmp_path, text), {})
    assert sentence in str(error.value).replace('"', "'")


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


FURTHER = """
model = "tiny"
data = "sample"
sizes = "100,20,30"
budget = 6
[searches]
optimizers = ["tpe", "random"]
[[further]]
validation = 50
[[further]]
optimizer = "random"
objective = "validation,adapter-size"
"""


def test_further_searches_stand_behind_the_others(tmp_path: Path) -> None:
    """Each is a search of its own; the test rows are the same for all."""
    study = WholeStudy(read(written(tmp_path, FURTHER), {"db": str(tmp_path / "s.duckdb")}))
    assert [search.name for search in study.searches] == [
        "tpe seed 0",
        "random seed 0",
        "tpe seed 0, 50 validation rows",
        "random seed 0, by validation,adapter-size",
    ]
    assert len({search.options.name for search in study.searches}) == 4
    assert [len(made.splits.validation) for made in study.plans] == [20, 20, 50, 20]
    assert len({made.splits.digests["test"] for made in study.plans}) == 1
    assert study.plans[3].study.objectives == ("validation", "adapter-size")
    assert len(set(study.identities)) == 4


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("sizes = '50,20,0'\n", "leaves no test rows"),
        ("[[benchmarks]]\ntasks = 'mmlu'\ndata = 'nowhere'\n", "nowhere"),
        ("[answers]\nprompts = 'nowhere'\n", "nowhere"),
    ],
)
def test_what_a_later_stage_would_refuse_is_refused_first(tmp_path: Path, text: str, sentence: str) -> None:
    path = written(tmp_path, f"model = 'tiny'\ndata = 'sample'\nbudget = 5\n{text}")
    db = tmp_path / "s.duckdb"
    with pytest.raises((UsageError, DataError), match=sentence):
        session.run(read(path, {"db": str(db)}), SILENT)
    assert not db.exists()


def test_the_reference_judge_needs_references(tmp_path: Path) -> None:
    (tmp_path / "question.jsonl").write_text('{"question_id": 1, "category": "generic", "turns": ["Why?"]}\n', "utf-8")
    tables = f"[answers]\nprompts = '{tmp_path}'\n[judges]\njudge = ['reference']\n"
    path = written(tmp_path, f"model = 'tiny'\ndata = 'sample'\nbudget = 5\n{tables}")
    with pytest.raises(UsageError, match="these prompts have none"):
        session.run(read(path, {"db": str(tmp_path / "s.duckdb")}), SILENT)
