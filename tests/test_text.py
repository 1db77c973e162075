"""Counts and dates as people write them."""

import pandas as pd
import pytest

from cryptodask.text import counted, shown_date


@pytest.mark.parametrize(
    ("n", "shown"), [(0, "0 coins"), (1, "1 coin"), (2, "2 coins"), (1_200, "1,200 coins")]
)
def test_a_noun_has_the_number_of_its_count(n: int, shown: str) -> None:
    assert counted(n, "coin") == shown


@pytest.mark.parametrize(
    ("date", "shown"), [("2026-05-31", "2026-05-31"), ("2026-05-31 07:00", "2026-05-31 07:00")]
)
def test_a_date_has_an_hour_unless_it_is_midnight(date: str, shown: str) -> None:
    assert shown_date(pd.Timestamp(date)) == shown
