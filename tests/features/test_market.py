"""What coins have in common: exact sums by date, however the coins are divided."""

from functools import reduce
from operator import add

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptodask.features.market import FARTHEST, Market
from cryptodask.records import DAY, Panel
from tests.models.conftest import START, join, make_panel, one_coin, panels


@settings(deadline=None, max_examples=50)
@given(panel=panels(1), data=st.data())
def test_any_division_in_any_order_sums_to_the_same(panel: Panel, data: st.DataObject) -> None:
    whole = Market.of(panel, ["coin-1", "unknown"])
    places = data.draw(st.permutations(range(len(panel))))
    cut = data.draw(st.integers(0, len(panel)))
    parts = [panel.take(places[:cut]), *(panel.take([i]) for i in places[cut:])]
    total = reduce(add, (Market.of(part, ["coin-1", "unknown"]) for part in parts))
    for name in ("dates", "sums", "counts"):
        assert np.array_equal(getattr(total, name), getattr(whole, name))
    assert total.coins.keys() == whole.coins.keys() == {"coin-1"} & set(panel.coins)
    for coin in whole.coins:
        for one, other in zip(total.coins[coin], whole.coins[coin], strict=True):
            assert np.array_equal(one, other)


def test_the_mean_is_that_of_the_returns_of_the_date() -> None:
    panel = make_panel([50, 30, 80], gaps=True, run=20)
    frame = pd.concat(
        pd.DataFrame({"r": np.log(closes[1:] / closes[:-1])[whole], "date": dates[1:][whole]})
        for _, closes, dates in panel
        for whole in [np.diff(dates) == DAY]
    )
    means = frame.groupby("date")["r"].mean()
    dates = START + np.arange(-5, 400) * DAY
    found = Market.of(panel).mean_on(dates)
    np.testing.assert_allclose(found, means.reindex(dates), rtol=1e-6, atol=1e-9)


def test_returns_of_a_coin_that_is_named_are_found_by_date() -> None:
    panel = join([make_panel([5]), one_coin(np.array([1.0, 2.0, 8.0]), "named")])
    market = Market.of(panel, ["named"])
    dates = START + np.arange(4) * DAY
    expected = [np.nan, np.log(2), np.log(4), np.nan]
    assert np.array_equal(market.return_on("named", dates), expected, equal_nan=True)


def test_a_leap_beyond_all_reason_counts_as_a_far_one() -> None:
    market = Market.of(one_coin(np.array([1e-30, 1e30, 1e-30])))
    dates = START + np.arange(3) * DAY
    expected = [np.nan, FARTHEST, -FARTHEST]
    assert np.array_equal(market.mean_on(dates), expected, equal_nan=True)


def test_of_no_coin_nothing_is_known() -> None:
    nothing = Market.of(make_panel([]))
    assert np.isnan(nothing.mean_on(START + np.arange(3) * DAY)).all()
    panel = make_panel([9])
    both = nothing + Market.of(panel)
    assert np.array_equal(both.sums, Market.of(panel).sums)
