"""vLLM's engine started, with all that it prints in a file; or a sentence of why it does not start."""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.backends.vllm.loop import Loop
from harness.errors import ModelError, UsageError

if TYPE_CHECKING:
    from harness.options import ResolvedModel


def _check_device(device: str) -> None:
    """vLLM was built for one kind of device, and takes those of it that it sees."""
    from vllm.platforms import current_platform

    if device != current_platform.device_type:
        advice = " Choose among GPUs with CUDA_VISIBLE_DEVICES." if ":" in device else ""
        raise UsageError(
            f"The vLLM that is installed here runs on {current_platform.device_type}, not {device}.{advice}"
        )


def start(arguments: dict[str, Any], window: int, model: ResolvedModel) -> Loop:
    """The engine, or a sentence of why it does not start. What vLLM and its processes print goes to a file, which
    stays only where an engine stopped."""
    for name, value in (
        ("VLLM_NO_USAGE_STATS", "1"),
        ("VLLM_LOGGING_LEVEL", "ERROR"),
        ("VLLM_LOGGING_STREAM", "ext://sys.stderr"),
    ):
        os.environ.setdefault(name, value)
    log = Path(tempfile.mkstemp(prefix="harness-vllm-", suffix=".log")[1])
    keep: list[Path] = []

    def why(error: BaseException) -> str:
        keep.append(log)
        reason = _reason(error, log.read_text("utf-8", "replace"))
        return (
            f"vLLM cannot serve {model.checkpoint.given}: {reason}. All that it said is in {log}. --backend "
            "transformers may do."
        )

    def tidy() -> None:
        if not keep:
            log.unlink(missing_ok=True)

    atexit.register(tidy)
    with _printing_to(log):
        try:
            _check_device(model.device)
            from vllm import AsyncEngineArgs, AsyncLLMEngine

            return Loop(lambda: AsyncLLMEngine.from_engine_args(AsyncEngineArgs(**arguments)), window, why)
        except UsageError:
            raise
        except Exception as error:
            sys.stderr.flush()
            raise ModelError(why(error)) from error


@contextlib.contextmanager
def _printing_to(log: Path) -> Iterator[None]:
    """Standard output and error of this process, and of those that it starts meanwhile, go to a file."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(1), os.dup(2)]
    file = os.open(log, os.O_WRONLY | os.O_APPEND)
    try:
        for number in (1, 2):
            os.dup2(file, number)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, old in zip((1, 2), kept, strict=True):
            os.dup2(old, number)
            os.close(old)
        os.close(file)


def _reason(error: BaseException, log: str) -> str:
    """The first error that an engine's process reported, or else the one that came to us."""
    errors = re.findall(r"\b(?:[A-Z]\w*Error|OutOfMemory\w*): (.+)", log)
    causes = [line for line in errors if "initialization failed" not in line]
    return " ".join((causes[0] if causes else str(error) or type(error).__name__).split())[:300].rstrip(".")
