"""The last close, whatever came before."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptodask.models.baseline.naive import Naive
from cryptodask.records import Panel
from tests.models.conftest import one_coin, panels

calm = settings(deadline=None)


@calm
@given(panel=panels(1), horizon=st.integers(1, 30))
def test_every_day_is_the_last_close(panel: Panel, horizon: int) -> None:
    forecast = Naive().forecast(panel, horizon, seed=0)
    for row, (_, closes, _) in zip(forecast, panel, strict=True):
        assert row.tolist() == [closes[-1]] * horizon


def test_one_row_is_enough() -> None:
    assert Naive().min_length(30) == 1
    assert np.array_equal(Naive().forecast(one_coin(np.array([7.0])), 2, seed=0), [[7.0, 7.0]])
