from __future__ import annotations

import subprocess
import sys

from harness.store import Store

PANDAS = """
import sys
from harness.store import Store
Store(sys.argv[1]).tasks("none")
assert "pandas" not in sys.modules
import pandas
assert pandas.NA is not None
assert Store(sys.argv[1]).tasks("none") == []
"""


def test_reading_does_not_import_pandas(tmp_path):
    """DuckDB would, at the first bound parameter; and whoever wants pandas later gets it."""
    path = tmp_path / "s.duckdb"
    with Store(path).write():
        pass
    done = subprocess.run([sys.executable, "-c", PANDAS, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
