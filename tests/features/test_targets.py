"""Targets against a look at each row, and the way back to prices."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptodask.features.rows import Rows
from cryptodask.features.targets import Target
from cryptodask.records import Panel
from tests.features.test_segments import runs_of
from tests.models.conftest import one_coin, panels

KINDS = ("price", "return", "log_return", "scaled:4")


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=25)
@given(panel=panels(1), horizon=st.integers(1, 5))
def test_targets_are_of_the_same_run_and_turn_back_into_its_prices(
    kind: str, panel: Panel, horizon: int
) -> None:
    target, rows = Target.parse(kind), Rows(panel)
    assert target.text == kind
    values, scale = target.of(rows, horizon), target.scale(rows)
    prices = target.prices(values, panel.values, scale)
    for run in runs_of(panel):
        closes = panel.values[run]
        for row in range(len(closes)):
            for step in range(1, horizon + 1):
                value = values[run][row, step - 1]
                if row + step >= len(closes) or row < target.history - 1:
                    assert np.isnan(value)
                    continue
                later = closes[row + step]
                assert prices[run][row, step - 1] == pytest.approx(later, rel=1e-9)
                if kind == "scaled:4":
                    returns = np.diff(np.log(closes[row - 4 : row + 1]))
                    later = np.log(later / closes[row]) / np.sqrt((returns**2).mean())
                elif kind != "price":
                    later = later / closes[row] - 1
                    later = np.log1p(later) if kind == "log_return" else later
                assert value == pytest.approx(later, rel=1e-7, abs=1e-9)


def test_a_price_that_stood_still_has_no_scaled_target() -> None:
    rows = Rows(one_coin(np.array([2.0, 2.0, 2.0, 3.0, 3.0, 3.0])))
    target = Target.parse("scaled:2")
    assert np.isnan(target.of(rows, 1)[:3]).all()
    assert np.isfinite(target.of(rows, 1)[3:5]).all()
