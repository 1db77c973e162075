"""Regressors over all coins on a cluster: the same bits as in one process, and what is said."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from dask.distributed import Client

from cryptodask import CryptoManager
from cryptodask.models import create_model, run_model
from cryptodask.models.walks import random_panel
from cryptodask.records import FloatArray, Panel
from cryptodask.registry import predict, train
from cryptodask.runs import backtest, forecast
from tests.models.conftest import need_package

XGBOOST, LIGHTGBM = "pooled:xgboost", "pooled:lightgbm"
RIDGE = "pooled:sklearn.linear_model.Ridge"
SGD = "pooled:sklearn.linear_model.SGDRegressor"
FOREST = "pooled:sklearn.ensemble.ExtraTreesRegressor"
OPTIONS: dict[str, dict[str, Any]] = {
    XGBOOST: {"n_estimators": 5, "features": "lag:1-2 market:1"},
    LIGHTGBM: {"n_estimators": 5, "subsample": 0.7, "features": "lag:1-2 market:1"},
    RIDGE: {"max_rows": 150, "strategy": "recursive"},
    FOREST: {"n_estimators": 2},
    SGD: {"distributed": True, "max_rows": 200},
}


@pytest.fixture(scope="module")
def panel() -> Panel:
    return random_panel([110] * 6, 3)


@pytest.fixture(scope="module")
def prices(panel: Panel) -> pd.DataFrame:
    return pd.concat(pd.DataFrame({"coin": c, "date": d, "close": v}) for c, v, d in panel)


def here(name: str, panel: Panel) -> FloatArray:
    """What one process forecasts, coins in the order of their names."""
    ordered = panel.take(np.argsort(panel.coins))
    return run_model(create_model(name, **OPTIONS[name]), ordered, 2).values


@pytest.mark.parametrize("name", OPTIONS)
def test_a_cluster_forecasts_the_bits_of_one_process(
    name: str, panel: Panel, prices: pd.DataFrame, client: Client,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    need_package(name)
    with caplog.at_level(logging.WARNING):
        manager = CryptoManager(prices, client)
        done = forecast(manager, [create_model(name, **OPTIONS[name])], 2, progress=False)
    assert done.failures.empty
    there = done.get_df()["forecast"].to_numpy().reshape(6, 2)
    assert np.array_equal(there, here(name, panel))
    assert ("trained on a sample of 150 of" in caplog.text) == (name == RIDGE)


def test_rows_that_stay_on_workers_are_marked(
    prices: pd.DataFrame, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    need_package(XGBOOST)
    model = create_model(XGBOOST, n_estimators=5, distributed=True)
    with caplog.at_level(logging.WARNING):
        done = forecast(CryptoManager(prices, client), [model], 1, progress=False)
    assert len(done.get_df()) == 6
    assert "forecasts are not bit-equal to those of another number of workers" in caplog.text


@pytest.mark.parametrize("name", [XGBOOST, LIGHTGBM])
def test_a_version_forecasts_what_a_run_does_and_a_backtest_sees_its_dates_only(
    name: str, panel: Panel, prices: pd.DataFrame, client: Client, tmp_path: Path
) -> None:
    need_package(name)
    model = create_model(name, **OPTIONS[name])
    path = tmp_path / "prices.csv"
    prices.to_csv(path, index=False)
    option = {"registry": tmp_path / "models", "client": client, "progress": False}
    train(path, model, horizon=2, intervals=False, **option)
    done = predict(path, f"{name.replace(':', '-')}:1", **option)
    assert np.array_equal(done.get_df()["forecast"].to_numpy().reshape(6, 2), here(name, panel))
    result = backtest(
        CryptoManager(prices, client), [model], 2, origins=2, step=5, calibrate=0, progress=False
    )
    assert result.failures.empty
    frame = result.get_df()
    cutoff = frame["cutoff"].min()
    known = panel.tail(110).dates[: panel.indptr[1]] <= np.datetime64(cutoff)
    early = Panel.from_series((c, v[known], d[known]) for c, v, d in panel)
    first = frame[(frame["model"] == name) & (frame["cutoff"] == cutoff)]
    assert np.array_equal(first["forecast"].to_numpy().reshape(6, 2), here(name, early))
