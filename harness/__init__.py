"""Measure a checkpoint on benchmarks, and keep what was measured.

In Python and notebooks (docs/api.md):

    import harness

    a = harness.evaluate(model="tiny", tasks=["mmlu"], data="sample", limit=2)
    harness.open("harness.duckdb").scores(frame="pandas")

The functions live in their packages (harness/api.py, judges/api.py, tuning/api.py) and are registered in the
entry-point group `harness.api`; one is imported when it is first asked for, so that `import harness` costs nothing.
"""

from __future__ import annotations

__version__ = "0.1.0"

_MODULES = ("errors", "types")  # light, and needed beside the functions: harness.errors.HarnessError


def __getattr__(name: str) -> object:
    if name.startswith("_"):
        raise AttributeError(f"module 'harness' has no attribute {name!r}")
    import importlib
    from importlib.machinery import PathFinder

    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if PathFinder.find_spec(f"{__name__}.{name}", __path__) is None:  # an import of a submodule asks here first
        from harness import registry

        if name in registry.names("api"):
            registry.claim_names()
            function = registry.load("api", name)
            globals()[name] = function
            return function
    import sys

    raise AttributeError(f"module 'harness' has no attribute {name!r}", name=name, obj=sys.modules[__name__])


def __dir__() -> list[str]:
    from harness import registry

    return sorted({*globals(), *_MODULES, *registry.names("api")})
