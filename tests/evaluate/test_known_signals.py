"""Prices with a signal that is known: what can find it does, and where there is none none does."""

import numpy as np
import pandas as pd

from cryptodask.evaluate.backtest import backtest_panel
from cryptodask.evaluate.compare import BETTER, compare_models, differences
from cryptodask.evaluate.rolling import Rolling
from cryptodask.evaluate.scores import scores, sums
from cryptodask.models import create_model
from cryptodask.models.base import Model
from cryptodask.models.pooled.base import PooledModel
from cryptodask.models.pooled.base import train as train_state
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


LEAD = 0.5
"""Share of a return's variance that the column of the day before explains."""


def leading(share: float, seed: int, coins: int = 12) -> Panel:
    """Coins with a column ``x``, which leads the return by a day."""
    rng = np.random.default_rng(seed)
    known, noise = rng.normal(0, 1, (2, coins, DAYS))
    returns = np.sqrt(1 - share) * noise
    returns[:, 1:] += np.sqrt(share) * known[:, :-1]
    closes = 100 * np.exp(0.03 * returns.cumsum(axis=1))
    dates = START + np.arange(DAYS) * DAY
    series = [(f"coin-{i}", row, dates) for i, row in enumerate(closes)]
    return Panel.from_series(series, extra={"column:x": list(known)})


def leading_scores(panel: Panel) -> tuple[pd.Series, pd.Series]:
    """Relative errors and verdicts of models that see the column."""
    pooled = create_model("pooled_linear", features="column:x", normalise="none", ahead=1)
    single = create_model("ridge_features", features="column:x")
    origins = panel.dates[DAYS - 161 : DAYS - 1 : 2]
    tables = [backtest_panel(panel, create_model("naive"), origins, 1).table]
    models = (train(pooled, panel), single)
    tables += [backtest_panel(panel, model, origins, 1, refit=80).table for model in models]
    table = pd.concat(tables, ignore_index=True)
    ratios = scores(sums(table), by=("model",)).set_index("model")["relative_mae"]
    return ratios, compare_models(differences(table)).set_index("model")["verdict"]


def train(model: PooledModel, panel: Panel) -> Model:
    """The model trained on the rows before those that are forecast."""
    prepared = Rolling(panel).at(panel.dates[DAYS - 170]).panel
    return model.trained(train_state(model, prepared, 0))


def test_a_column_that_leads_by_a_day_is_found_by_as_much_as_it_tells() -> None:
    ratios, verdicts = leading_scores(leading(LEAD, 1))
    least = np.sqrt(1 - LEAD)
    for model in ("pooled_linear", "ridge_features"):
        assert least - 0.02 < ratios[model] < least + 0.04
        assert verdicts[model] == BETTER


def test_a_column_that_tells_nothing_is_not_found() -> None:
    for seed in range(1, 4):
        assert not (leading_scores(leading(0.0, seed))[1] == BETTER).any()
