"""Columns by their different texts say of each row what its text says."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from cryptodask.prices.read.texts import TEXT, Distinct, join_distinct

TEXTS = st.lists(st.sampled_from(["", "a", "ab", "1:2", "é:", "\n", "a\nb"]), max_size=8)


@given(TEXTS)
def test_a_column_has_its_texts_however_it_was_made(cells: list[str]) -> None:
    by_arrow, by_list = Distinct.of(pa.array(cells, type=TEXT)), Distinct.of_list(cells)
    for column in (by_arrow, by_list, Distinct.of(pa.chunked_array([cells], type=TEXT))):
        assert column.to_list() == cells
        assert len(column) == len(cells)
        assert len(set(column.texts.to_pylist())) == len(column.texts)
        assert column.has_repeats() == (len(set(cells)) < len(cells))


@given(TEXTS, TEXTS)
def test_what_is_asked_of_a_column_is_asked_of_each_row(
    first: list[str], second: list[str]
) -> None:
    whole = Distinct.of_list([*first, *second])
    for column, cells in (
        (whole, [*first, *second]),
        (whole.pick(slice(len(first), None)), second),
        (whole.pick(np.flatnonzero([cell == "ab" for cell in [*first, *second]])), ["ab"]),
    ):
        wanted = cells if cells != ["ab"] else ["ab"] * len(column)
        assert column.to_list() == wanted
        assert column.contain(":").tolist() == [":" in cell for cell in wanted]
        assert column.match("^a").tolist() == [cell.startswith("a") for cell in wanted]
        assert column.is_among(["ab", ""]).tolist() == [cell in ("ab", "") for cell in wanted]


@given(st.lists(TEXTS, max_size=4))
def test_columns_that_are_joined_have_each_text_once(columns: list[list[str]]) -> None:
    shared = Distinct.of_list([cell for cells in columns for cell in cells])
    ends = np.cumsum([0, *map(len, columns)]).tolist()
    slices = [shared.pick(slice(a, b)) for a, b in pairwise(ends)]
    joined = join_distinct([*map(Distinct.of_list, columns), *slices])
    assert joined.to_list() == 2 * [cell for cells in columns for cell in cells]
    assert len(set(joined.texts.to_pylist())) == len(joined.texts)
