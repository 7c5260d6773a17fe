"""The notebooks in examples/notebooks run from beginning to end, on the product as its wheel installs it."""

from __future__ import annotations

import json

import pytest

from tests.wheel import ROOT

NOTEBOOKS = sorted((ROOT / "examples" / "notebooks").glob("*.ipynb"))


def test_there_are_two_and_they_hold_no_output():
    import nbformat

    assert len(NOTEBOOKS) == 2
    for path in NOTEBOOKS:
        cells = nbformat.read(path, as_version=4).cells
        nbformat.validate(nbformat.read(path, as_version=4))
        assert all(not cell.outputs and cell.execution_count is None for cell in cells if cell.cell_type == "code")
        assert sum(cell.cell_type == "markdown" for cell in cells) >= 5


@pytest.mark.full
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_to_its_end(path, installed, poisoned, tmp_path, monkeypatch):
    """On the wheel, in a folder that has packages of our names and gets nothing else."""
    import nbformat
    from nbclient import NotebookClient

    for name in ("PYTHONPATH", "HARNESS_DB"):
        monkeypatch.delenv(name, raising=False)
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_PATH"):
        monkeypatch.setenv(name, str(tmp_path / name))
    kernel = tmp_path / "JUPYTER_PATH" / "kernels" / "wheel" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    start = [str(installed.python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    kernel.write_text(json.dumps({"argv": start, "display_name": "wheel", "language": "python"}))
    before = sorted(poisoned.rglob("*"))
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell("print(harness.__file__)"))
    client = NotebookClient(notebook, timeout=300, kernel_name="wheel", resources={"metadata": {"path": poisoned}})
    client.execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert outputs[-1]["text"].strip() == str(installed.packages / "harness" / "__init__.py")
    tables = [output.data["text/html"] for output in outputs if "text/html" in output.get("data", {})]
    assert sum('<div class="harness">' in table for table in tables) >= 3
    assert sorted(poisoned.rglob("*")) == before
