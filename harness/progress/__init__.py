"""Progress of long work, on standard error: rows that move on a terminal, lines in a log."""

from harness.progress.progress import SILENT, Progress
from harness.progress.shown import shown

__all__ = ["SILENT", "Progress", "shown"]
