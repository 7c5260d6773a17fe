"""What the steps cannot do without, by the names that are imported. Nothing of the project is imported here, so that
what lacks is said and no traceback."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec

SCRIPT = ("torch", "numpy", "pydantic", "packaging")  # whatever is measured
MODELS = ("transformers", "tokenizers", "safetensors", "jinja2", "pyarrow", "regex")
TRAINING = (*MODELS, "peft", "accelerate")
STUDY = (*TRAINING, "duckdb", "psutil")


def absent(packages: Iterable[str]) -> list[str]:
    return [name for name in packages if find_spec(name) is None]
