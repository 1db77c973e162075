import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptodask.io.formulas import guard, guard_frame, unguard, unguard_frame


@pytest.mark.parametrize("cell", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\tx", "\r=1"])
def test_a_text_that_a_spreadsheet_would_run_begins_with_an_apostrophe(cell: str) -> None:
    assert guard(cell) == f"'{cell}"
    assert guard(f"'{cell}") == f"''{cell}"


@given(st.text("'=+-@\t\rab", max_size=6))
def test_what_is_guarded_is_read_back(cell: str) -> None:
    assert unguard(guard(cell)) == cell
    assert guard(cell)[:1] not in set("=+-@\t\r")


def test_numbers_and_missing_cells_stay() -> None:
    frame = pd.DataFrame({"coin": ["=A", "B", None], "close": [-1.0, 2.0, float("nan")]})
    assert guard_frame(frame)["coin"].tolist()[:2] == ["'=A", "B"]
    pd.testing.assert_series_equal(guard_frame(frame)["close"], frame["close"])
    pd.testing.assert_frame_equal(unguard_frame(guard_frame(frame)), frame)
