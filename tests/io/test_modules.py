"""Which files of users something is made of."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cryptodask.io.modules import modules_of, own_digests, own_files


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose modules can be imported, and are forgotten at the end."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


def test_what_a_module_imports_comes_before_it_and_counts(place: Path) -> None:
    (place / "constants_of_mine.py").write_text("import models_of_mine\nK = 2.0\n")
    text = (
        "import numpy\nfrom constants_of_mine import K\n\ndef f(prices, horizon):\n    return K\n"
    )
    (place / "models_of_mine.py").write_text(text)
    import models_of_mine

    files = own_files(modules_of([models_of_mine.f]))
    assert [file.module for file in files] == ["constants_of_mine", "models_of_mine"]
    assert own_digests([models_of_mine.f]).keys() == {"constants_of_mine", "models_of_mine"}


def test_parts_of_a_package_are_found_where_they_are_imported_by_dots(place: Path) -> None:
    (place / "package_of_mine").mkdir()
    for name, text in {
        "__init__": "", "k": "K = 2.0\n", "m": "from . import k\nfrom .k import K\ndef f(): ...\n",
    }.items():  # fmt: skip
        (place / "package_of_mine" / f"{name}.py").write_text(text)
    from package_of_mine import m

    assert {file.module for file in own_files(modules_of([m.f]))} == {
        "package_of_mine", "package_of_mine.k", "package_of_mine.m",
    }  # fmt: skip
