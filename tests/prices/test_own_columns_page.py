"""The page about columns of a user's own names the features that there are."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "own-columns.md"


def test_every_feature_of_the_page_is_one() -> None:
    from cryptodask.features.definitions import DEFINITIONS

    named = set(re.findall(r"`(\w+):NAME", PAGE.read_text(encoding="utf-8")))
    assert named == {name for name, kind in DEFINITIONS.items() if kind.own_kind}
