"""What our benchmarks declare about their rows, by name."""

from __future__ import annotations

from harness.tasks.bbh import Bbh
from harness.tasks.drop import Drop
from harness.tasks.humaneval import Humaneval
from harness.tasks.mmlu import Mmlu

SPECS = {task.rows.name: task.rows for task in (Mmlu, Bbh, Drop, Humaneval)}
