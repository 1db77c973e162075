"""Prices with a signal that is known: what can find it does, and where there is none none does."""

import numpy as np
import pandas as pd

from cryptodask.evaluate.backtest import backtest_panel
from cryptodask.evaluate.compare import BETTER, compare_models, differences
from cryptodask.evaluate.scores import scores, sums
from cryptodask.models import create_model
from cryptodask.records import DAY, FloatArray, Panel
from tests.models.conftest import START

COINS, DAYS, PHI = 30, 700, 0.4
MODELS = ("naive", "drift", "ridge", "historic_mean")


def backtest_of(returns: FloatArray) -> pd.DataFrame:
    """Models a day ahead, on the last 80 of every second day."""
    closes = 100 * np.exp(returns.cumsum(axis=1))
    dates = START + np.arange(DAYS) * DAY
    panel = Panel.from_series((f"coin-{i}", row, dates) for i, row in enumerate(closes))
    origins = dates[-161:-1:2]
    tables = [backtest_panel(panel, create_model(m), origins, 1).table for m in MODELS]
    return pd.concat(tables, ignore_index=True)


def returns_of(phi: float, seed: int) -> FloatArray:
    returns = np.random.default_rng(seed).normal(0, 0.03, (COINS, DAYS))
    for day in range(1, DAYS):
        returns[:, day] += phi * returns[:, day - 1]
    return returns


def test_returns_that_go_on_as_they_went_are_found_by_as_much_as_they_tell() -> None:
    table = backtest_of(returns_of(PHI, 1))
    ratios = scores(sums(table), by=("model",)).set_index("model")["relative_mae"]
    # Of normal returns the noise is this share; ridge does not know phi, and its penalty on ten
    # lags of some 600 rows leaves about three quarters of the gain.
    least = np.sqrt(1 - PHI**2)
    assert least - 0.01 < ratios["ridge"] < least + (1 - least) / 2
    verdicts = compare_models(differences(table)).set_index("model")["verdict"]
    assert verdicts["ridge"] == BETTER
    assert verdicts["drift"] != BETTER


def test_on_random_walks_nothing_is_better() -> None:
    for seed in range(1, 6):
        verdicts = compare_models(differences(backtest_of(returns_of(0.0, seed))))["verdict"]
        assert len(verdicts) == len(MODELS) - 1
        assert not (verdicts == BETTER).any()
