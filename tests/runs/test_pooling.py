"""Intervals that stand on few errors say so, whatever other intervals stand on."""

from pathlib import Path

import pandas as pd
import pytest
from dask.distributed import Client

from cryptodask.prices.synthetic import synthetic_prices
from cryptodask.runs.api import backtest, forecast


@pytest.fixture(scope="module")
def prices() -> pd.DataFrame:
    """Ten coins of 300 days."""
    return synthetic_prices(10, 300, seed=5, short=[300] * 10)


def test_few_errors_of_coins_that_ended_early_are_said_beside_many_of_others(
    client: Client, prices: pd.DataFrame, caplog: pytest.LogCaptureFixture
) -> None:
    dead = prices["coin"].iloc[0]
    ended = prices["date"].min() + pd.Timedelta(days=79)
    some = prices[(prices["coin"] != dead) | (prices["date"] <= ended)]
    how = {"horizon": 2, "warmup": 100, "intervals": True, "client": client, "progress": False}
    forecast(some, ["naive"], **how)
    [said] = caplog.messages
    assert f"naive: intervals of coins that ended about {ended:%Y-%m-%d} are made from 1" in said
    assert "past errors one bar ahead, at most 1 coin on a date" in said

    caplog.clear()
    forecast(some[some["coin"] != dead], ["naive"], **how)
    assert not caplog.messages


def test_few_errors_by_the_first_origin_are_said_whatever_comes_later(
    client: Client, prices: pd.DataFrame, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    how = {"origins": 12, "client": client, "progress": False}
    done = backtest(prices, ["naive"], 10, calibrate=0, out=tmp_path, **how)
    [said] = caplog.messages
    first = pd.Timestamp(done.origins[0])
    assert f"naive: intervals as of {first:%Y-%m-%d} are made from 0 past errors" in said
    assert "--calibrate above 0" in said

    # A run that was stopped after it had counted them says so again.
    (tmp_path / "_manifest.json").unlink()
    next(tmp_path.glob("_done-*")).unlink()
    caplog.clear()
    backtest(prices, ["naive"], 10, calibrate=0, out=tmp_path, **how)
    assert caplog.messages == [said]

    caplog.clear()
    backtest(prices, ["naive"], 10, **how)
    assert not caplog.messages
