"""HumanEval (Chen et al. 2021): 164 functions to complete, checked by running them.

Protocols (docs/protocols.md, docs/sandbox.md):
- standard, as lm-evaluation-harness 0.4.13's `humaneval`: the prompt as it is, greedy, five stops.
- standard with chat: an instruction of our own; the program is read out of the answer (programs.py).
- instructeval, as declare-lab/instruct-eval's human_eval/main.py at commit 49bbd2c.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.errors import UsageError
from harness.evaluation.no_answer import why_none
from harness.sandbox.runner import TIMEOUT, Sandbox, Verdict
from harness.stats import intervals
from harness.tasks.programs import extract_program
from harness.tasks.protocol import check_protocol
from harness.types import Generate, Item, Prompt, Response, Sample, Sampling, Score

if TYPE_CHECKING:
    from data.benchmarks import Benchmark

STOPS = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")  # lm_eval/tasks/humaneval/humaneval.yaml
INSTRUCTEVAL_HEAD = (  # declare-lab/instruct-eval, human_eval/main.py, gen_prompt
    "Please complete the following Python code without providing any additional tasks such as testing or explanations\n"
)
CHAT_HEAD = (
    "Write the complete Python function below, its signature included, so that it does what its docstring says. "
    "Answer with one fenced code block that holds the whole program with its imports, and nothing else.\n\n"
)
LONGEST_ANSWER = 20_000  # characters of a program that are kept with its sample
KS = (1, 10, 100)


class Humaneval:
    name = "humaneval"
    version = "2"
    metric = "pass@1"
    slow_scoring = True
    shots = 0

    def __init__(
        self, benchmark: Benchmark, protocol: str = "standard", shots: int | None = None, chat: bool = False
    ) -> None:
        """UsageError for shots or an unknown protocol; MissingError where programs cannot be run safely here."""
        self.protocol = check_protocol(self.name, protocol)
        if shots:
            raise UsageError(f"humaneval has no shots, and {shots} were asked for: leave --shots out or give 0.")
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

    @classmethod
    def load(cls, data: str | None, protocol: str, shots: int | None, chat: bool) -> Humaneval:
        """With the rows of a source (see `data.benchmarks.load`), and the notes on them among the warnings."""
        from data.benchmarks import load

        rows = load(cls.name, data)
        task = cls(rows, protocol, shots, chat)
        task.warnings = tuple(dict.fromkeys((*rows.notes, *task.warnings)))
        return task

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
        """pass@k for each k in 1, 10, 100 that every problem has samples for: unbiased, clustered by problem."""
        found = []
        for metric in dict.fromkeys(name for sample in samples for name in sample.metrics):
            tries: dict[str, list[float]] = {}
            for sample in samples:
                tries.setdefault(sample.item.id, []).append(sample.metrics[metric])
            counts = [(len(values), round(sum(values))) for values in tries.values()]
            for k in KS:
                if k <= min(n for n, _ in counts):
                    estimate, method = intervals.pass_at_k_clustered(counts, k)
                    name = metric.replace("pass@1", f"pass@{k}")
                    found.append(Score("all", name, *estimate, len(counts), method))
        return found


def instructeval_body(completion: str) -> str:
    """What instruct-eval takes from a completion: indents made even, no leading newlines, up to the first
    blank line (fix_indents and filter_code of its human_eval/main.py)."""
    lines = [" " * ((len(line) - len(line.lstrip(" "))) % 2) + line for line in completion.split("\n")]
    return "\n".join(lines).lstrip("\n").split("\n\n")[0]
