"""Prices for the command."""

from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def healthy(small_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Coins that every model can forecast."""
    folder = tmp_path_factory.mktemp("healthy")
    paths = [p for p in sorted(small_folder.iterdir()) if len(p.read_text().splitlines()) > 80]
    for path in paths[-4:]:
        (folder / path.name).write_bytes(path.read_bytes())
    return folder
