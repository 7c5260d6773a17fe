"""lm-eval tasks over local rows, one of each output type."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.types import Backend, Choice, Loglikelihood, Request, Sample, Task

WORDS = ["anatomy", "river", "copper", "window", "seven", "garden", "planet", "bridge", "winter", "answer"]

COMMON = """
dataset_path: json
dataset_kwargs:
  data_files: {{train: {folder}/train.jsonl, test: {folder}/test.jsonl}}
test_split: test
metadata: {{version: 2.0}}
"""
SHOTS = """
training_split: train
fewshot_split: train
num_fewshot: 2
"""
TASKS = {
    "own_choice": SHOTS
    + """
fewshot_config: {sampler: first_n}
description: "Questions about {{topic}}.\\n\\n"
output_type: multiple_choice
doc_to_text: "Question: {{question}}\\nAnswer:"
doc_to_choice: "{{options}}"
doc_to_target: label
metric_list:
  - {metric: acc, aggregation: mean, higher_is_better: true}
  - {metric: acc_norm, aggregation: mean, higher_is_better: true}
  - {metric: brier_score, aggregation: brier_score, higher_is_better: false}
""",
    "own_random_shots": SHOTS
    + """
output_type: multiple_choice
doc_to_text: "{{question}}"
doc_to_choice: ["no", "yes indeed"]
doc_to_target: "{{label % 2}}"
metric_list:
  - {metric: acc, aggregation: mean, higher_is_better: true}
  - {metric: f1, aggregation: f1, higher_is_better: true}
  - {metric: mcc, aggregation: matthews_corrcoef, higher_is_better: true}
  - {metric: acc_mutual_info, aggregation: mean, higher_is_better: true}
""",
    "own_contexts": """
output_type: multiple_choice
doc_to_text: label
doc_to_choice: "{{options}}"
doc_to_target: "{{ending}}"
metric_list:
  - {metric: acc, aggregation: mean, higher_is_better: true}
""",
    "own_loglikelihood": """
output_type: loglikelihood
doc_to_text: "{{question}}"
doc_to_target: "{{' ' + ending}}"
metric_list:
  - {metric: perplexity, aggregation: perplexity, higher_is_better: false}
  - {metric: acc, aggregation: mean, higher_is_better: true}
""",
    "own_rolling": """
output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: "{{text}}"
metric_list:
  - {metric: word_perplexity, aggregation: weighted_perplexity, higher_is_better: false}
  - {metric: byte_perplexity, aggregation: weighted_perplexity, higher_is_better: false}
  - {metric: bits_per_byte, aggregation: bits_per_byte, higher_is_better: false}
""",
    "own_generate": SHOTS
    + """
fewshot_config: {sampler: first_n}
output_type: generate_until
doc_to_text: "Q: {{question}}\\nA:"
doc_to_target: "{{ending}}"
generation_kwargs: {until: ["\\n", "e"], max_gen_toks: 12, do_sample: false}
filter_list:
  - name: first
    filter: [{function: take_first}]
  - name: letter
    filter: [{function: regex, regex_pattern: "([a-z])"}, {function: take_first}]
metric_list:
  - {metric: exact_match, aggregation: mean, higher_is_better: true, ignore_case: true}
  - {metric: bleu, aggregation: bleu, higher_is_better: true}
""",
    "own_repeats": """
output_type: generate_until
repeats: 3
doc_to_text: "{{question}}"
doc_to_target: "{{ending}}"
process_results: !function own_utils.lengths
generation_kwargs: {until: ["."], max_gen_toks: 6}
filter_list:
  - name: all
    filter: [{function: take_first_k, k: 3}]
metric_list:
  - {metric: even, aggregation: mean, higher_is_better: true}
  - {metric: longest, aggregation: !function own_utils.largest, higher_is_better: true}
""",
}
UTILS = """
def lengths(doc, results):
    (texts,) = results
    assert len(texts) == 3
    return {"even": len(texts[0]) % 2 == 0, "longest": max(map(len, texts))}


def largest(values):
    return max(values)
"""


def rows(n: int, offset: int) -> list[dict[str, Any]]:
    out = []
    for i in range(offset, offset + n):
        one, two, three = (WORDS[(i * k + i // 7) % 10] for k in (1, 3, 7))
        options = [f"{one} {two}", three, f"the {two}s of {one} and {three}", f"{i} {three}"]
        question = f"What is {'very ' * (i % 4)}{one} beside the {two} number {i}?"
        text = " ".join(WORDS[(i + k * k) % 10] for k in range(20 + 12 * i)) + "."  # the longest pass a window of 256
        out.append(
            {
                "topic": "the world",
                "question": question,
                "options": options,
                "label": (i * 5) % 4 if i % 3 else 2,
                "ending": f"{three} {one}",
                "text": text,
            }
        )
    return out


def write_tasks(folder: Path, n: int = 16) -> Path:
    """The YAML files, their rows and their functions; a group `own_group` holds two of them."""
    for name, some in (("train", rows(6, 100)), ("test", rows(n, 0))):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in some))
    for name, text in TASKS.items():
        (folder / f"{name}.yaml").write_text(f"task: {name}\ntag: own_tag\n" + COMMON.format(folder=folder) + text)
    (folder / "own_group.yaml").write_text("group: own_group\ntask: [own_choice, own_rolling]\n")
    (folder / "own_utils.py").write_text(UTILS)
    return folder


def answered(task: Task, backend: Backend) -> list[Sample]:
    """All samples of a task."""
    items = task.items()
    asked = [(item, task.requests(item)) for item in items]
    flat = [request for _, some in asked for request in some]
    got = dict(pair for batch in backend.answer(flat) for pair in batch)
    responses = iter(got[i] for i in range(len(flat)))
    return [task.score(item, [next(responses) for _ in some]) for item, some in asked]


def loglikelihoods(requests: Sequence[Request]) -> list[tuple[str, str]]:
    """(context, continuation) pairs in lm-eval's order."""
    out = []
    for request in requests:
        if isinstance(request, Choice):
            out += [(request.prompt.shared + request.prompt.own, option) for option in request.options]
        elif isinstance(request, Loglikelihood):
            out.append((request.prompt.shared + request.prompt.own, request.continuation))
    return out
