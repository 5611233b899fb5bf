"""docs/demo.ipynb runs from its first cell to its last, except for the one that installs its packages."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

NOTEBOOK = Path(__file__).parents[2] / "docs" / "demo.ipynb"


@pytest.mark.slow
def test_the_notebook_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.metadata.get("tags") for cell in code[:2]] == [["setup"], None]
    notebook.cells = [cell for cell in notebook.cells if "setup" not in cell.metadata.get("tags", [])]
    NotebookClient(notebook, timeout=3600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 5


def test_the_first_cell_installs_the_clone():
    """The path is absolute, because pip takes a folder name without a slash for a package on the index."""
    source = nbformat.read(NOTEBOOK, as_version=4).cells[1].source
    [requirement] = re.findall(r'^%pip install .*(".*")$', source, re.MULTILINE)
    path = eval(f"f{requirement}", {"folder": Path("sd-webui-tcd")}).removesuffix("[demo]")
    assert Path(path).is_absolute()


@pytest.mark.slow
def test_without_a_url_the_first_cell_fails(tmp_path):
    """The cell fails before it installs anything."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if "setup" in cell.metadata.get("tags", [])]
    assert 'REPOSITORY_URL = ""' in notebook.cells[0].source
    with pytest.raises(CellExecutionError, match="REPOSITORY_URL is empty"):
        NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
