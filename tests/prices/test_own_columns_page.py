"""The page about columns of a user's own: its code runs, in order."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "own-columns.md"


def test_the_code_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.S | re.M)
    assert len(blocks) == 3
    monkeypatch.chdir(tmp_path)
    script = "\n".join(blocks)
    # In one namespace, as a reader's session has them.
    names: dict[str, object] = {"__name__": "page"}
    exec(compile(script, str(PAGE), "exec"), names)
    assert len(names["forecasts"].get_df()) == 3 * 2 * 3  # type: ignore[attr-defined]


def test_every_feature_of_the_page_is_one() -> None:
    from cryptodask.features.definitions import DEFINITIONS

    named = set(re.findall(r"`(\w+):NAME", PAGE.read_text(encoding="utf-8")))
    assert named == {name for name, kind in DEFINITIONS.items() if kind.own_kind}
