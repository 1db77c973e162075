"""Pages that the code writes: commands, API, models, errors, exit codes, pictures.

A file is written again only where its text changed, so that Sphinx builds again no more than that.
"""

from pathlib import Path

from sphinx.application import Sphinx

from cryptodask_docs import api, commands, errors, gallery, model_pages

PARTS = (commands, api, errors, model_pages, gallery)


def write(path: Path, text: str) -> None:
    """Write a file unless it has that text already."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def write_pages(app: Sphinx) -> None:
    """Write all generated pages; those of an earlier build that are none any more are removed."""
    folder = Path(app.srcdir) / "generated"
    files = {path: text for part in PARTS for path, text in part.pages(folder).items()}
    for old in set(folder.rglob("*.*")) - {folder / path for path in files}:
        if old.suffix in (".md", ".rst"):
            old.unlink()
    for path, text in files.items():
        write(folder / path, text)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
