"""A flag is no word of a study file, nor of Python: only the command line names one. What harness/ still has of them is
listed here."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from types import ModuleType

import pytest

import harness
import judges
import tuning

# Flags of other programs; the last calls ours.
OF_PROGRAMS = ("sandbox/cell.py", "provenance.py", "exchange/lm_eval_results.py", "testing/commands.py")
# Warnings, and errors of a model, a machine or a store. They advise an option and are about no option's value, so that
# nothing says in whose words to name it.
ADVICE = {
    "backends/endpoint/text.py": {"--tokenizer"},
    "backends/endpoint/unanswered.py": {"--max-new-tokens"},
    "backends/transformers/backend.py": {"--dtype", "--load-in-4bit"},
    "backends/vllm/engine.py": {"--backend"},
    "backends/vllm/served_adapter.py": {"--backend", "--lora"},
    "backends/vllm/start.py": {"--backend"},
    "doctor.py": {"--load-in-4bit"},
    "estimate/report.py": {"--fresh", "--until"},
    "evaluation/compare_notes.py": {"--fresh"},
    "evaluation/no_answer.py": {"--dtype"},
    "evaluation/sampling/candidate.py": {"--candidate", "--tasks"},
    "evaluation/sampling/compare_sampled.py": {"--until"},
    "evaluation/sampling/gating.py": {"--max-drop", "--until"},
    "evaluation/sampling/sampled.py": {"--fresh"},
    "evaluation/sampling/stopping.py": {"--until"},
    "models/adapter.py": {"--dtype"},
    "models/bos.py": {"--add-bos"},
    "models/checkpoint.py": {"--base"},
    "models/loading.py": {"--device", "--load-in-4bit"},
    "models/training_record.py": {"--chat"},
    "models/served.py": {"--base-name", "--tokenizer"},
    "prompting/chat_templates.py": {"--date"},
    "prompting/thinking.py": {"--strip-thinking", "--tokenizer"},
    "store/connection.py": {"--db"},
    "store/error_messages.py": {"--db"},
    "store/migrations.py": {"--db"},
    "tasks/bbh.py": {"--data"},
    "tasks/lm_eval_bridge/loading.py": {"--include-path"},
}


def sentences(folder: Path) -> list[tuple[str, str]]:
    """Files and texts of a package's code outside its command line: no docstrings, and no help of options."""
    texts = []
    for path in sorted(folder.rglob("*.py")):
        if "cli" in path.relative_to(folder).parts or path.name in ("options.py", "run_options.py"):
            continue
        tree = ast.parse(path.read_text("utf-8"))
        documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        texts += [
            (path.relative_to(folder).as_posix(), node.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation
        ]
    return texts


def flags(text: str) -> set[str]:
    """A whole command, `harness rate --raters`, may stand there; so may what is passed to other programs."""
    if re.fullmatch(r"--\S+", text):
        return set()
    return set(re.findall(r"(?<![\w-])--[a-z][\w-]*", re.sub(r"`harness [^`]*`", "", text)))


@pytest.mark.parametrize("package", [judges, tuning])
def test_no_sentence_outside_the_command_line_names_a_flag(package: ModuleType) -> None:
    (folder,) = map(Path, package.__path__)
    assert [sentence for sentence in sentences(folder) if flags(sentence[1])] == []


def test_of_the_harness_only_advice_names_flags() -> None:
    """The list is whole and has nothing too much."""
    (folder,) = map(Path, harness.__path__)
    named: dict[str, set[str]] = {}
    for file, text in sentences(folder):
        if file not in OF_PROGRAMS and flags(text):
            named.setdefault(file, set()).update(flags(text))
    assert named == ADVICE
