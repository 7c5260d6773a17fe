"""What commands and the Python API take, declared once."""

from harness.options.declaration import Declaration, OptionError, about, not_given
from harness.options.resolved import ResolvedModel
from harness.options.run_options import BackendSettings, ModelSpec, RunOptions

__all__ = [
    "BackendSettings",
    "Declaration",
    "ModelSpec",
    "OptionError",
    "ResolvedModel",
    "RunOptions",
    "about",
    "not_given",
]
