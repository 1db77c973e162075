"""Names as text, as numbers, and where they change."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptodask.prices.schema import as_text, starts_of

NAMES = st.lists(st.sampled_from(["", "A", "b", "é"]), max_size=8)


@pytest.mark.parametrize("dtype", ["str", "category", "object"])
@given(names=NAMES)
def test_names_are_text_whatever_they_were(dtype: str, names: list[str]) -> None:
    column = pd.Series(names, dtype="str", name="coin", index=range(5, 5 + len(names)))
    pd.testing.assert_series_equal(as_text(column.astype(dtype)), column)


@pytest.mark.parametrize("dtype", ["str", "category"])
@given(names=NAMES)
def test_names_begin_where_another_ends(dtype: str, names: list[str]) -> None:
    starts = starts_of(pd.Series(names, dtype="str").astype(dtype))
    assert starts.tolist() == [i for i, n in enumerate(names) if not i or n != names[i - 1]]


def test_a_name_that_is_missing_stays_so() -> None:
    column = pd.Series(["A", None, "A"], dtype="category")
    assert as_text(column).isna().tolist() == [False, True, False]
