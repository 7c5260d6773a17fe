"""HumanEval (Chen et al. 2021): 164 functions to complete, checked by running them.

Protocols (docs/protocols.md, docs/sandbox.md):
- standard, as lm-evaluation-harness 0.4.13's `humaneval`: the prompt as it is, greedy, five stops.
- standard with chat: an instruction of our own; the program is read out of the answer (programs.py).
- instructeval, as declare-lab/instruct-eval's human_eval/main.py at commit 49bbd2c.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from data import benchmarks, jsonl
from data.folder_rows import Files
from data.hub_rows import Repository
from data.row_spec import TEXT, HubSet, RowSpec
from data.rows import Content, Row, mapping, text, unique
from data.sources import DataError
from harness.evaluation.no_answer import why_none
from harness.options import OptionError
from harness.sandbox.runner import TIMEOUT, Sandbox, Verdict
from harness.stats import pass_at_k
from harness.tasks.programs import extract_program
from harness.tasks.protocol import check_protocol
from harness.types import Generate, Item, Prompt, Response, Sample, Sampling, Score

STOPS = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")  # lm_eval/tasks/humaneval/humaneval.yaml
INSTRUCTEVAL_HEAD = (  # declare-lab/instruct-eval, human_eval/main.py, gen_prompt
    "Please complete the following Python code without providing any additional tasks such as testing or explanations\n"
)
CHAT_HEAD = (
    "Write the complete Python function below, its signature included, so that it does what its docstring says. "
    "Answer with one fenced code block that holds the whole program with its imports, and nothing else.\n\n"
)
LONGEST_ANSWER = 20_000  # characters of a program that are kept with its sample

# Rows: JSON lines, in openai/human-eval and on the hub.

_KEYS = ("task_id", "prompt", "entry_point", "canonical_solution", "test")


def find_files(folder: Path) -> Files | None:
    for file in (folder / "HumanEval.jsonl.gz", folder / "HumanEval.jsonl"):
        if file.is_file():
            return {"test": (file,)}
    return None


def read_files(files: Files) -> Content:
    """As in the file."""
    (path,) = files["test"]
    test = [make_row(problem, where) for problem, where in jsonl.objects(path)]
    if not test:
        raise DataError(f"{path}: no problems in it. Fetch the file again.")
    unique(test, "task_id", str(path))
    return Content({"test": test})


def read_hub(repository: Repository) -> Content:
    test = [
        make_row(row, f"hub:{repository.id}, row {index}") for index, row in enumerate(repository.rows(None, "test"))
    ]
    unique(test, "task_id", f"hub:{repository.id}")
    return Content({"test": test})


def make_row(raw: object, where: str) -> Row:
    problem = mapping(raw, _KEYS, where)
    return {key: text(problem[key], key, where) for key in _KEYS}


ROWS = RowSpec(
    name="humaneval",
    splits=("test",),
    columns=dict.fromkeys(_KEYS, TEXT),
    find=find_files,
    read=read_files,
    looked_for="HumanEval.jsonl.gz or HumanEval.jsonl",
    hub=HubSet("openai/openai_humaneval", "7dce6050a7d6d172f3cc5c32aa97f52fa1a2e544", read_hub),
    published=164,  # Chen et al. 2021
)


class Humaneval:
    name = "humaneval"
    version = "3"
    metric = "pass@1"
    slow_scoring = True
    shots = 0
    rows = ROWS
    default_place = 4

    @classmethod
    def load(
        cls, data: str | None = None, protocol: str = "standard", shots: int | None = None, chat: bool = False
    ) -> Humaneval:
        """From rows at `data` (what --data takes). Raises UsageError, DataError and MissingError."""
        return cls(benchmarks.load(cls.rows, data), protocol, shots, chat)

    def __init__(
        self, benchmark: benchmarks.Benchmark, protocol: str = "standard", shots: int | None = None, chat: bool = False
    ) -> None:
        """OptionError for shots or an unknown protocol; MissingError where programs cannot be run safely here."""
        self.protocol = check_protocol(self.name, protocol)
        if shots:
            raise OptionError("shots", shots, ": humaneval has no shots. Leave it out, or give 0.")
        self.data_source, self.data_digest = benchmark.source, benchmark.digest
        self.warnings: Sequence[str] = benchmark.notes
        self._extracts = chat and protocol == "standard"
        self._head, self._max_tokens, self._sampling = "", 1024, Sampling()
        self._stop: tuple[str, ...] = STOPS
        if self._extracts:
            self._head, self._stop = CHAT_HEAD, ()
        elif protocol == "instructeval":
            self._head, self._stop, self._max_tokens = INSTRUCTEVAL_HEAD, (), 512
            self._sampling = Sampling(temperature=0.1)
            if chat:
                self.warnings = (
                    *self.warnings,
                    "humaneval: instructeval takes an answer as the rest of its prompt, which chat models seldom give",
                )
        self.settings: Mapping[str, Any] = {
            "max_tokens": self._max_tokens,
            "stop": list(self._stop),
            "temperature": self._sampling.temperature,
            "extracts_program": self._extracts,
            "timeout": TIMEOUT,
        }
        self._items = [Item(row["task_id"], self.name, row) for row in benchmark.splits["test"]]
        self._sandbox = Sandbox()

    def items(self) -> Sequence[Item]:
        return self._items

    def requests(self, item: Item) -> Sequence[Generate]:
        own = f"```python\n{item.row['prompt'].rstrip()}\n```\n" if self._extracts else item.row["prompt"]
        return [Generate(Prompt(self._head, own), self._stop, self._max_tokens, self._sampling)]

    def score(self, item: Item, responses: Sequence[Response]) -> Sample:
        """Runs the program, for up to 3 s; safe from several threads."""
        text, row = responses[0].text, item.row
        if reason := why_none(responses):
            names = ("pass@1", "pass@1_lm_eval") if self._extracts else ("pass@1",)
            return Sample(item, dict.fromkeys(names, 0.0), note=reason)
        if self._extracts:
            program = extract_program(text, row["prompt"], row["entry_point"])
        elif self.protocol == "instructeval":
            program = row["prompt"] + instructeval_body(text)
        else:
            program = row["prompt"] + text
        verdict = self._run(row, program)
        metrics = {"pass@1": float(verdict.passed)}
        if self._extracts:
            # lm-eval's humaneval_instruct: the answer goes on after the prompt, up to the first fence.
            metrics["pass@1_lm_eval"] = float(self._run(row, row["prompt"] + text.split("```")[0]).passed)
        return Sample(item, metrics, program[:LONGEST_ANSWER], note=verdict.reason)

    def _run(self, row: Mapping[str, Any], program: str) -> Verdict:
        # What else a check calls (HumanEval/32, 38 and 50) stands in the prompt, which is trusted.
        return self._sandbox.run_check(program, row["test"], row["entry_point"], helpers=row["prompt"])

    def summarize(self, samples: Sequence[Sample]) -> list[Score]:
        """pass@k for each k in 1, 10, 100 that every problem has samples for."""
        return pass_at_k.scores(samples)


def instructeval_body(completion: str) -> str:
    """What instruct-eval takes from a completion: indents made even, no leading newlines, up to the first
    blank line (fix_indents and filter_code of its human_eval/main.py)."""
    lines = [" " * ((len(line) - len(line.lstrip(" "))) % 2) + line for line in completion.split("\n")]
    return "\n".join(lines).lstrip("\n").split("\n\n")[0]
