"""The most memory that was in use at once: of the GPU where one computes, else of this whole process."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_RESET_HIGH_WATER = "5"  # see proc_pid_clear_refs(5)


def reset(device: str) -> None:
    """The peak counts from now on. Where the system cannot do that for a process, it counts from its beginning."""
    if device.startswith("cuda"):
        if (torch := sys.modules.get("torch")) is not None and torch.cuda.is_initialized():
            torch.cuda.reset_peak_memory_stats(device)
        return
    with suppress(OSError):
        _CLEAR.write_text(_RESET_HIGH_WATER)


def peak(device: str) -> int:
    """Bytes; 0 where they cannot be told (a model on a server, an engine in another process)."""
    if device.startswith("cuda"):
        torch = sys.modules.get("torch")
        return 0 if torch is None or not torch.cuda.is_initialized() else int(torch.cuda.max_memory_allocated(device))
    return _of_process() if device == "cpu" else 0


def _of_process() -> int:
    """Of resident pages."""
    with suppress(OSError, ValueError, StopIteration):
        line = next(text for text in _STATUS.read_text().splitlines() if text.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
