"""BIG-Bench Hard: 27 tasks. docs/protocols.md has the protocols."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from data import benchmarks
from data.folder_rows import Files, glob, load_text, parse_json
from data.hub_rows import Repository
from data.row_spec import REPEATED_TEXT, TEXT, HubSet, RowSpec
from data.rows import Content, Row, mapping, text
from data.sources import DataError
from harness.evaluation.no_answer import why_none
from harness.tasks.cot_answer import extract, matches
from harness.tasks.protocol import PROMPT_CAP, check_protocol, check_shots, few_shot
from harness.types import Generate, Item, Prompt, Request, Response, Sample, Score

SHOTS = 3
THINK = "A: Let's think step by step."

# lm_eval/tasks/bbh/cot_fewshot/_cot_fewshot_template_yaml, lm-eval 0.4.13
LM_EVAL_STOPS = ("</s>", "Q", "\n\n")
_LM_EVAL_PATTERN = re.compile(r"(?<=the answer is )(.*)(?=.)")

# Rows: a JSON file and a chain-of-thought prompt a task in suzgunmirac/BIG-Bench-Hard, or a hub copy of the rows, which
# has no prompts: they are read from the installed lm-eval package.


def find_files(folder: Path) -> Files | None:
    for home in (folder, folder / "bbh"):
        tasks = glob(home, "*.json")
        prompts = glob(home / "cot-prompts", "*.txt") or glob(home.parent / "cot-prompts", "*.txt")
        if tasks and (prompts or home.name == "bbh"):
            return {"test": tasks, "prompts": prompts}
    return None


def read_files(files: Files) -> Content:
    """By task, then as in the file; of each prompt file the text after its `-----` line, otherwise unmodified."""
    test: list[Row] = []
    for path in sorted(files["test"], key=lambda path: path.stem):
        content = parse_json(load_text(path), str(path))
        examples = content.get("examples") if isinstance(content, dict) else None
        if not isinstance(examples, list) or not examples:
            raise DataError(f'{path}: no rows in it; a BBH file is {{"examples": [{{"input", "target"}}, …]}}.')
        test += [
            make_row(path.stem, example, f"{path}, example {number}") for number, example in enumerate(examples, 1)
        ]
    prompts = {path.stem: cot_prompt(load_text(path), str(path)) for path in files["prompts"]}
    tasks = sorted({row["task"] for row in test})
    without = [task for task in tasks if task not in prompts]
    if without:
        raise DataError(
            f"no chain-of-thought prompt for {', '.join(without[:3])}{' …' if without[3:] else ''}: looked for "
            f"cot-prompts/TASK.txt in and beside {files['test'][0].parent}. They come with BIG-Bench Hard."
        )
    extra = sorted(set(prompts) - set(tasks))
    notes = (f"bbh: prompts without a task's file are left out: {', '.join(extra)}",) if extra else ()
    return Content({"test": test}, {task: prompts[task] for task in tasks}, notes)


def cot_prompt(source: str, where: str) -> str:
    """The text after the canary and its `-----` line, otherwise unmodified (no line end is added or taken)."""
    _, line, prompt = source.replace("\r\n", "\n").partition("\n-----\n")
    if not line or not prompt.strip():
        raise DataError(f"{where}: no prompt in it; the prompt is what follows a line of five hyphens.")
    return prompt


def read_hub(repository: Repository) -> Content:
    prompts = lm_eval_prompts()
    test = [
        make_row(task, row, f"hub:{repository.id}, {task} row {index}")
        for task in prompts
        for index, row in enumerate(repository.rows(task, "test"))
    ]
    return Content({"test": test}, prompts)


def lm_eval_version() -> str:
    from importlib.metadata import version

    return f"lm_eval {version('lm_eval')}"


def lm_eval_prompts() -> dict[str, str]:
    """BIG-Bench Hard's chain-of-thought prompts by task, put together from lm-eval's task files.

    Equal to the text after `-----` in all 27 files of suzgunmirac/BIG-Bench-Hard/cot-prompts (a test checks it).
    lm-eval's sports_understanding puts a line end where the original has a space; the original is restored."""
    import importlib.util

    import yaml

    spec = importlib.util.find_spec("lm_eval")  # found and not imported: importing it takes seconds
    folders = (
        [Path(place) / "tasks/bbh/cot_fewshot" for place in (spec.submodule_search_locations or [])] if spec else []
    )
    files = sorted((file for folder in folders for file in folder.glob("*.yaml")), key=lambda file: file.stem)
    prompts: dict[str, str] = {}
    for file in files:
        task = yaml.safe_load(file.read_text(encoding="utf-8"))
        if not isinstance(task, dict) or "fewshot_config" not in task:
            continue  # the group file
        question = task["doc_to_text"]
        if task["dataset_name"] == "sports_understanding":
            question = question.removesuffix("\n") + " "
        shots = [
            question.replace("{{input}}", shot["input"]) + shot["target"] for shot in task["fewshot_config"]["samples"]
        ]
        prompts[task["dataset_name"]] = task["description"] + "\n\n".join(shots)
    if len(prompts) != 27:
        raise DataError(
            f"{len(prompts)} of BIG-Bench Hard's 27 chain-of-thought prompts found in the installed lm_eval. "
            "Install lm-eval 0.4.13, or pass --data DIR with the folder of suzgunmirac/BIG-Bench-Hard."
        )
    return prompts


def make_row(task: str, example: object, where: str) -> Row:
    raw = mapping(example, ("input", "target"), where)
    return {
        "task": task,
        "input": text(raw["input"], "input", where),
        "target": text(raw["target"], "target", where),
    }


ROWS = RowSpec(
    name="bbh",
    splits=("test",),
    columns={"task": REPEATED_TEXT, "input": TEXT, "target": TEXT},
    find=find_files,
    read=read_files,
    looked_for="*.json and cot-prompts/*.txt",
    hub=HubSet("lukaemon/bbh", "982bb89fd79532a8ac676a61fc42eb1aeec63f99", read_hub, lm_eval_version),
    published=6_511,  # Suzgun et al. 2022
)


class Bbh:
    """`standard`: three worked examples and a chain of thought, the requests of lm-eval 0.4.13's `bbh_cot_fewshot`.
    `instructeval`: the answer at once, after the task's first three rows, as declare-lab/instruct-eval's `bbh.py`."""

    name = "bbh"
    version = "3"
    slow_scoring = False
    rows = ROWS
    default_place = 2

    @classmethod
    def load(
        cls, data: str | None = None, protocol: str = "standard", shots: int | None = None, chat: bool = False
    ) -> Bbh:
        """From rows at `data` (what --data takes). Raises UsageError and DataError."""
        return cls(benchmarks.load(cls.rows, data), protocol, shots, chat)

    def __init__(
        self, benchmark: benchmarks.Benchmark, protocol: str = "standard", shots: int | None = None, chat: bool = False
    ) -> None:
        self.protocol = check_protocol(self.name, protocol)
        self.data_source, self.data_digest = benchmark.source, benchmark.digest
        self.warnings: Sequence[str] = benchmark.notes
        self._direct = self.protocol == "instructeval"
        self._metrics = ("starts_with",) if self._direct else ("exact_match", "exact_match_lm_eval")
        self.metric = "starts_with_macro" if self._direct else "exact_match"
        rows: dict[str, list[Mapping[str, Any]]] = {}
        for row in benchmark.splits["test"]:
            rows.setdefault(row["task"], []).append(row)
        self._stop: tuple[str, ...]
        self._cap: int | None
        if self._direct:
            parts = {task: ("", [f"{_ask(row)} {row['target']}\n\n" for row in rows[task][:SHOTS]]) for task in rows}
            where = "the protocol (the first rows of each task, which are no part of the test)"
            self._stop, self._max_tokens, self._cap = (), 32, PROMPT_CAP
        else:
            parts = {task: _worked_examples(benchmark.prompts[task]) for task in rows}
            where = "the chain-of-thought prompt"
            # A chat model ends its turn itself, and writes paragraphs: a blank line would cut it before its answer.
            self._stop = ("</s>", "\nQ:") if chat else LM_EVAL_STOPS
            self._max_tokens, self._cap = 1024, None
        available = min((len(examples) for _, examples in parts.values()), default=0)
        self.shots = check_shots(self.name, shots, SHOTS, available, where)
        self._shared = {task: few_shot(header, examples[: self.shots]) for task, (header, examples) in parts.items()}
        self.settings: Mapping[str, Any] = {
            "max_tokens": self._max_tokens,
            "stop": list(self._stop),
            "prompt_cap": self._cap,
            "excluded_rows": SHOTS if self._direct else 0,
        }
        first = SHOTS if self._direct else 0
        self._items = [
            Item(f"{task}/{i}", task, row) for task in rows for i, row in enumerate(rows[task]) if i >= first
        ]

    def items(self) -> Sequence[Item]:
        """Task by task; the id is the task and the row's place in its file, from 0."""
        return self._items

    def requests(self, item: Item) -> Sequence[Request]:
        shared, cuts = self._shared[item.group]
        own = _ask(item.row) if self._direct else f"Q: {item.row['input']}\n{THINK}\n"
        return (Generate(Prompt(shared, own, cuts, self._cap), self._stop, self._max_tokens),)

    def score(self, item: Item, responses: Sequence[Response]) -> Sample:
        """`standard`: "exact_match" and, by lm-eval's rules, "exact_match_lm_eval". `instructeval`: "starts_with"."""
        (response,) = responses
        target = item.row["target"]
        if reason := why_none(responses):
            return Sample(item, dict.fromkeys(self._metrics, 0.0), "", target, reason)
        if self._direct:
            answer = response.text.strip()
            return Sample(item, {"starts_with": float(answer.startswith(target))}, answer, target)
        answer = extract(response.text)
        metrics = {
            "exact_match": float(matches(answer, target)),
            "exact_match_lm_eval": float(lm_eval_exact_match(response.text, target)),
        }
        note = "" if answer else "the response never says what the answer is"
        if note and response.finish == "length":
            note += f" within its {response.generated} tokens"
        return Sample(item, metrics, answer, target, note)

    def summarize(self, samples: Sequence[Sample]) -> list[Score]:
        """By task, over all items, and over tasks (`…_macro`)."""
        from harness.stats import intervals

        return [score for name in self._metrics for score in intervals.scores(samples, name, macro=True)]


def _ask(row: Mapping[str, Any]) -> str:
    return f"{row['input']}\nAnswer:"


def _worked_examples(prompt: str) -> tuple[str, list[str]]:
    """The header of a CoT prompt file's text, and its examples, each with the blank line after it."""
    header, *examples = prompt.rstrip("\n").split("\n\nQ: ")
    # The worked reasoning begins on a new line; upstream's sports_understanding alone goes on in the same one.
    return f"{header}\n\n", [f"Q: {example}\n\n".replace(f"{THINK} ", f"{THINK}\n") for example in examples]


def lm_eval_answer(text: str) -> str:
    """lm-eval's filter `get-answer` on what lm-eval would have seen: the text before the first of its stops."""
    for stop in LM_EVAL_STOPS:
        text = text.partition(stop)[0]
    match = _LM_EVAL_PATTERN.search(text)
    return match[0].strip() if match else "[invalid]"


def lm_eval_exact_match(text: str, target: str) -> bool:
    """lm-eval's `exact_match` without options. It compares numpy strings, which end before trailing NULs."""
    return lm_eval_answer(text).rstrip("\0") == target.rstrip("\0")
