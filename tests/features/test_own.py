"""Columns of a user's own in declarations: what they are called, and back."""

import re
import shlex

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptodask.errors import OptionError
from cryptodask.features.own import OwnColumn, own_columns
from cryptodask.features.space import FeatureSpace
from cryptodask.records import Panel

# What a header may be: printable, without spaces around it.
names = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=12)
spaced = st.lists(names, min_size=1, max_size=3).map(" ".join)
numbers = st.lists(st.integers(1, 99), min_size=1, max_size=3, unique=True)
KINDS = ("column", "column_change", "column_difference", "ahead")


@settings(deadline=None)
@given(spaced, st.sampled_from(KINDS), numbers)
def test_any_name_of_a_column_is_written_and_read_back(
    name: str, kind: str, lags: list[int]
) -> None:
    text = shlex.quote(f"{kind}:{name}:{','.join(map(str, lags))}")
    space = FeatureSpace.parse(text)
    assert [f.parameters for f in space.features] == [(name, lag) for lag in lags]
    assert FeatureSpace.parse(space.text) == space
    assert {column.name for column in own_columns(space.columns)} == {name}
    for column in space.columns:
        parsed = OwnColumn.parse(column)
        assert parsed is not None
        assert parsed.text == column


@settings(deadline=None)
@given(spaced, st.none() | spaced)
def test_any_fact_is_written_and_read_back(name: str, value: str | None) -> None:
    name = name.replace("=", "-")
    fact = name if value is None else f"{name}={value}"
    space = FeatureSpace.parse(shlex.quote(f"static:{fact}"))
    assert FeatureSpace.parse(space.text) == space
    assert own_columns(space.columns) == (OwnColumn("static", name, value=value),)


def test_columns_of_prices_are_not_a_users_own() -> None:
    assert own_columns(["volume", "market_cap", "open", "filled"]) == ()


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("column", "names no column; write it as column:sentiment:1"),
        ("static:c=Meme coin", "before it, quote both: 'static:c=Meme coin'"),
        ("column:Active Addresses:1-2", "before it, quote both: 'column:Active Addresses:1-2'"),
        ("column:", "names no column; write it as column:sentiment:1"),
        ("'column: x'", "names no column"),
        ("static", "names no fact; write it as static:launched or static:category=DeFi"),
        ("ahead:moon:0", "'0': must be in 1 to 10000"),
        ("column:x column:x:1", "column:x:1 is there twice"),
        ("colum:x", "did you mean column?"),
    ],
)
def test_what_is_not_a_column_is_refused(text: str, rule: str) -> None:
    with pytest.raises(OptionError, match=re.escape(rule)):
        FeatureSpace.parse(text)


def test_values_are_those_of_the_row_and_of_rows_before_it_without_a_gap() -> None:
    days = np.datetime64("2024-01-01") + np.array([0, 1, 2, 5, 6])
    panel = Panel.from_series(
        [("A", np.arange(1.0, 6.0), days)],
        extra={
            "column:x": [np.array([1.0, 2.0, 4.0, 8.0, 4.0])],
            "ahead:x:2": [np.array([4.0, np.nan, np.nan, np.nan, 9.0])],
            "static:kind=a": [np.ones(5)],
        },
    )
    text = "column:x:1-2 column_change:x:1 column_difference:x:1 ahead:x:2 static:kind=a"
    space = FeatureSpace.parse(text)
    nan, log2 = np.nan, np.log(2)
    expected = [
        [1, nan, nan, nan, 4, 1],
        [2, 1, log2, 1, nan, 1],
        [4, 2, log2, 2, nan, 1],
        [8, nan, nan, nan, nan, 1],
        [4, 8, -log2, -4, 9, 1],
    ]
    np.testing.assert_allclose(space.compute(space.rows(panel)), expected)


def test_a_panel_without_the_column_is_refused() -> None:
    panel = Panel.from_series([("A", [1.0], ["2024-01-01"])])
    with pytest.raises(OptionError, match="column:x:1 needs the column 'column:x'"):
        FeatureSpace.parse("column:x").rows(panel)


def test_a_fingerprint_names_the_column() -> None:
    prints = {FeatureSpace.parse(text).fingerprint for text in ("column:x", "column:X", "ahead:x")}
    assert len(prints) == 3
