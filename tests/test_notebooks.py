"""Every notebook runs from top to bottom, and is committed small, with outputs, without paths."""

import re
import sys
from pathlib import Path

import nbformat
import pytest

FOLDER = Path(__file__).parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))

LARGEST = 300_000
"""Bytes."""

OF_THIS_MACHINE = (
    r"/(home|root|work|tmp|usr|opt|Users|mnt|var|dev)/",
    r"(127\.0\.0\.1|localhost):\d",
    r"\bat 0x[0-9a-f]",
    r"<script|<iframe",
)


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch):
    """What ``make notebook`` runs them with."""
    monkeypatch.syspath_prepend(str(FOLDER))
    sys.modules.pop("run", None)
    import run

    return run


def outputs_of(notebook) -> list:
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def test_there_are_notebooks():
    names = {path.stem for path in NOTEBOOKS}
    assert {"forecast_every_coin", "shapes", "your_own_model"} <= names
    assert len(names) >= 9


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs_from_top_to_bottom(path: Path, runner):
    outputs = outputs_of(runner.run(path))
    assert not [o for o in outputs if o["output_type"] == "error"]
    assert any("image/png" in o.get("data", {}) for o in outputs)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_is_committed_with_outputs_and_without_paths(path: Path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert sum(bool(cell.outputs) for cell in code) > len(code) / 2
    assert not [o for o in outputs_of(notebook) if o["output_type"] == "error"]
    text = path.read_text(encoding="utf-8")
    assert not re.search(OF_THIS_MACHINE[0], text)
    shown = str(outputs_of(notebook))
    assert not [pattern for pattern in OF_THIS_MACHINE if re.search(pattern, shown)]
    assert len(text.encode()) <= LARGEST


def test_of_a_figure_the_picture_is_kept_and_nothing_of_the_machine(tmp_path: Path, runner):
    source = (
        "import tempfile, numpy as np\n"
        "from cryptodask.charts import Chart, Line, Pane\n"
        "print(tempfile.mkdtemp(), 'tcp://127.0.0.1:43210', object())\n"
        "Chart('a', 'b', (Pane((Line('c', np.arange(3), np.arange(3.0)),)),))"
    )
    path = tmp_path / "one.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)]), path)
    stream, figure = outputs_of(runner.run(path))
    assert set(figure["data"]) == {"text/plain", "image/png"}
    assert stream["text"] == "TEMPORARY tcp://127.0.0.1:PORT <object object at 0x…>\n"
