"""Run the notebooks again, in place, and keep their outputs: ``make notebook``.

What is kept is what a reader needs, and what is the same on every machine: of a figure the picture
and not the script that draws it, no times of day, and no folder, port or address of this machine.
"""

import os
import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
from nbclient import NotebookClient

SECONDS = 600
"""That a cell may take, on a busy machine."""

LOCAL = [
    (re.compile(r"\b(127\.0\.0\.1|localhost):\d+"), r"\1:PORT"),
    (re.compile(r"\bat 0x[0-9a-f]+"), "at 0x…"),
    (re.compile(r"(TEMPORARY/)?ipykernel_\d+/\d+\.py"), "this cell"),
]


def run(path: Path) -> nbformat.NotebookNode:
    """Run one notebook, in its own folder, and return it with the outputs.

    Its temporary files are in a folder that is removed afterwards.
    """
    notebook = nbformat.read(path, as_version=4)
    with TemporaryDirectory() as scratch:
        NotebookClient(
            notebook,
            timeout=SECONDS,
            kernel_name="python3",
            resources={"metadata": {"path": path.parent}},
        ).execute(env=os.environ | {"TMPDIR": scratch})
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # times of day are no result
        for output in cell.get("outputs", []):
            _clean(output, scratch)
    notebook.metadata.pop("widgets", None)
    notebook.metadata["language_info"] = {"name": "python"}
    return notebook


def _clean(output: Any, scratch: str) -> None:
    """Drop scripts beside pictures, and what is of this machine."""
    data = output.get("data", {})
    if "image/png" in data:
        data.pop("text/html", None)
    for holder in (output, data):
        for kind, content in holder.items():
            if isinstance(content, str) and kind != "image/png":
                holder[kind] = _without_machine(content, scratch)


def _without_machine(text: str, scratch: str) -> str:
    text = re.sub(re.escape(scratch) + r"(/tmp[^/\s\"'<]*)?", "TEMPORARY", text)
    for pattern, instead in LOCAL:
        text = pattern.sub(instead, text)
    return text


if __name__ == "__main__":
    folder = Path(__file__).parent
    chosen = [folder / f"{name}.ipynb" for name in sys.argv[1:]]
    for path in chosen or sorted(folder.glob("*.ipynb")):
        nbformat.write(run(path), path)
