"""What a notebook shows: progress, an error as its sentence, and a stop that keeps what was answered."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STOPPED = """
import os, signal
import harness
from tests.harness.test_api import Sums

class Interrupted(Sums):
    def score(self, item, responses):
        if item.id == "sum-2":
            os.kill(os.getpid(), signal.SIGINT)  # what the stop button sends
        return super().score(item, responses)

harness.evaluate("tiny", Interrupted(), db="a.duckdb")
"""
WRONG = 'harness.evaluate("tiny", "mmul")'
GOES_ON = 'harness.evaluate("tiny", Sums(), db="a.duckdb")'


def test_a_stop_and_an_error_are_sentences_and_the_next_cell_goes_on(tmp_path, monkeypatch):
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code) for code in (STOPPED, WRONG, GOES_ON)])
    client = NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        allow_errors=True,
        resources={"metadata": {"path": tmp_path}},
    )
    client.execute()
    stopped, wrong, going_on = (cell.outputs for cell in notebook.cells)
    (error,) = (output for output in stopped if output.output_type == "error")
    assert error.ename == "StoppedError"
    (line,) = error.traceback
    assert "6 answers are stored; the same command goes on from there." in line
    (error,) = (output for output in wrong if output.output_type == "error")
    (line,) = error.traceback
    assert line.startswith("OptionError: tasks=\"mmul\": There is no task 'mmul'. Did you mean mmlu?")
    assert any("sums: 6 of 6" in output.get("text", "") for output in going_on)
    (shown,) = (output for output in going_on if output.output_type == "execute_result")
    assert '<div class="harness">' in shown.data["text/html"]
    assert "sums" in shown.data["text/plain"]
