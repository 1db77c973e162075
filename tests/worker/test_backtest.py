"""Backtests of prices with gaps: at an origin, what was to be forecast on that date and no more."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptodask import create_model
from cryptodask.models import Model
from cryptodask.prices.clean.findings import empty_findings
from cryptodask.prices.clean.gaps import GapHandling
from cryptodask.prices.frames.held import HeldPartition
from cryptodask.prices.reading import Reading
from cryptodask.prices.row_filter import RowFilter
from cryptodask.prices.synthetic import synthetic_prices
from cryptodask.records import DAY
from cryptodask.worker.backtest import BacktestPlan, backtest_job
from cryptodask.worker.forecast import forecast_job
from cryptodask.worker.job import Job

DAYS, HORIZON = 26, 3
WHOLE = synthetic_prices(3, DAYS, seed=4, short=(), broken=())
DATES = np.sort(WHOLE["date"].unique()).astype("datetime64[s]")
MODELS: list[Model] = [
    create_model("naive"),
    create_model("drift"),
    create_model("ridge", lags=2),  # looks at every row
]


def job_of(prices: pd.DataFrame) -> Job:
    coins = tuple(sorted(set(prices["coin"])))
    return Job((HeldPartition(coins, Reading(prices, empty_findings()), len(prices), "1d"),))


def forecasts_at(
    prices: pd.DataFrame, origin: np.datetime64, gaps: GapHandling, model: Model
) -> pd.DataFrame:
    """Return what `forecast --to ORIGIN` gives of the coins whose last row is of that day."""
    done = forecast_job(job_of(prices), RowFilter.of(None, None, origin, gaps), model, HORIZON, 0)
    return done.table[done.table["cutoff"] == origin].reset_index(drop=True)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
@given(st.data())
@settings(max_examples=25, deadline=None)
def test_at_each_origin_it_is_what_could_be_forecast_on_that_date(
    model: Model, data: st.DataObject
) -> None:
    holes = st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(1, 4))
    kept = np.ones(len(WHOLE), dtype=np.bool_)
    for row, length in data.draw(st.lists(holes, max_size=12), label="holes"):
        kept[row : row + length] = False
    for name in set(WHOLE["coin"]):
        kept[np.flatnonzero(WHOLE["coin"] == name)[[0, 12, 13]]] = True
    prices = WHOLE[kept].reset_index(drop=True)
    ways = GapHandling(), GapHandling("fill", 1), GapHandling("fill", 3), GapHandling("split")
    how = data.draw(st.sampled_from(ways), label="gaps")
    origins = DATES[10:-1]
    cut = RowFilter.of(None, None, None, how)
    done = backtest_job(job_of(prices), BacktestPlan(cut, model, origins, HORIZON, 0, None, 1))
    for origin in origins:
        expected = forecasts_at(prices, origin, how, model)
        found = done.table[done.table["cutoff"] == origin].reset_index(drop=True)
        pd.testing.assert_frame_equal(found[list(expected)], expected, check_exact=True)
    # What came is what was quoted, and not what a gap was filled with.
    quoted = prices.set_index(["coin", "date"])["close"]
    keys = pd.MultiIndex.from_frame(done.table[["coin", "date"]])
    np.testing.assert_array_equal(done.table["actual"], quoted.reindex(keys))


def test_an_origin_inside_a_gap_that_is_filled_later_is_none() -> None:
    name, day = WHOLE["coin"].iloc[0], DATES[15]
    hole = (WHOLE["coin"] == name) & WHOLE["date"].isin([day, day + DAY])
    prices = WHOLE[~hole].reset_index(drop=True)
    cut = RowFilter.of(None, None, None, GapHandling("fill", 2))
    plan = BacktestPlan(cut, MODELS[1], DATES[13:18], HORIZON, 0, None, 1)
    done = backtest_job(job_of(prices), plan).table
    own = done[done["coin"] == name]
    assert sorted(own["cutoff"].unique()) == [DATES[13], DATES[14], DATES[17]]
    assert set(own.loc[own["actual"].isna(), "date"]) == {day, day + DAY}
    others = done[done["coin"] != name]
    assert others["cutoff"].nunique() == 5
