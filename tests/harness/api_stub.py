"""harness/__init__.pyi, made from the functions themselves: `python -m tests.harness.api_stub` writes it anew."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import harness
from harness import registry

PLACE = Path(harness.__file__).with_suffix(".pyi")
HEAD = '''\
"""The types of `import harness`, made from the functions' signatures by tests/harness/api_stub.py: not for editing."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from harness import errors as errors
from harness import types as types
from harness.api import Compared, Evaluation
from harness.types import Task
from judges.api import AnswerSet, Judged, Ranking
from tuning.api import Tuned
from tuning.frames import StudyFrames

__version__: str

'''


def text() -> str:
    functions = [_function(name, registry.load("api", name)) for name in sorted(registry.names("api"))]
    return HEAD + "".join(functions)


def _function(name: str, function: Any) -> str:
    signature = inspect.signature(function)
    lines, keyword_only = [], False
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not keyword_only:
            keyword_only = True
            lines.append("    *,")
        default = "" if parameter.default is parameter.empty else " = ..."
        lines.append(f"    {parameter.name}: {_type(parameter.annotation)}{default},")
    return "\n".join([f"def {name}(", *lines, f") -> {_type(signature.return_annotation)}: ...", ""])


def _type(annotation: Any) -> str:
    """As written; several texts may come as one or as a list too."""
    written = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    written = written.replace("collections.abc.", "").replace("typing.", "")
    return "str | Sequence[str]" if written == "tuple[str, ...]" else written


if __name__ == "__main__":
    PLACE.write_text(text(), "utf-8")
