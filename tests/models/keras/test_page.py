"""The page on Keras networks names the options that there are."""

import re
from pathlib import Path

from cryptodask.models.keras.base import OURS

PAGE = (Path(__file__).parents[3] / "docs" / "how-to" / "keras.md").read_text(encoding="utf-8")


def test_the_page_names_each_option_with_its_default() -> None:
    for option, (_, default) in OURS.items():
        shown = f"{default:,}" if isinstance(default, int) else "none"
        assert re.search(rf"`{option}`\s+\({shown}\b", PAGE), option
