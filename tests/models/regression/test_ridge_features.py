"""Ridge regression on declared features against scikit-learn's, coin by coin."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cryptodask.errors import OptionError
from cryptodask.models import create_model, run_model
from cryptodask.models.regression.ridge_features import RidgeFeatures
from cryptodask.records import FloatArray, Panel
from tests.models.conftest import make_panel


def scikit_learn(model: RidgeFeatures, coin: Panel, horizon: int) -> FloatArray:
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows = model.space.rows(coin)
    x, y = model.space.compute(rows), model.space.target.of(rows, horizon)
    ahead = []
    for target in y.T:
        known = np.isfinite(x).all(axis=1) & np.isfinite(target)
        fitted = make_pipeline(StandardScaler(), Ridge(model.alpha)).fit(x[known], target[known])
        ahead.append(fitted.predict(x[-1:])[0])
    last, scale = coin.values[-1], model.space.target.scale(rows)[-1]
    if model.target == "price":
        return np.array(ahead)
    if model.target == "return":
        return last * (1 + np.array(ahead))
    return last * np.exp(np.array(ahead) * scale)


@pytest.mark.parametrize("options", [
    {},
    {"alpha": 3.0, "target": "scaled:6", "features": "lag:1-3 rsi:5 bollinger:6 weekday"},
    {"target": "price", "features": "close:1-3 macd:3,6,4", "alpha": 0.1},
    {"target": "return", "features": "volume_change:1-2 min:4 max:4", "normalise": "window:6"},
])  # fmt: skip
def test_it_is_the_ridge_of_scikit_learn(options: dict[str, Any]) -> None:
    model = RidgeFeatures(**options)
    panel = make_panel([200, 60, 90], gaps=True, run=50)
    volume = np.exp(np.random.default_rng(1).normal(9, 1, len(panel.values)))
    panel = replace(panel, extra={"volume": volume})
    result = run_model(model, panel, 4)
    assert result.coins == panel.coins
    expected = [scikit_learn(model, panel.take([i]), 4) for i in range(3)]
    np.testing.assert_allclose(result.values, expected, rtol=1e-8)


def test_a_feature_that_never_varies_changes_nothing() -> None:
    panel = make_panel([60])
    panel = replace(panel, extra={"volume": np.full(60, 5.0)})
    one, other = (
        RidgeFeatures(features=text).forecast(panel, 3, 0)
        for text in ("lag:1-2", "lag:1-2 volume_change:1")
    )
    np.testing.assert_allclose(one, other, rtol=1e-12)


def test_a_coin_without_a_feature_on_its_last_day_fails_alone_and_by_name() -> None:
    panel = make_panel([60, 60])
    cap = np.exp(np.random.default_rng(0).normal(0, 1, 120))
    cap[-1] = np.nan
    panel = replace(panel, extra={"market_cap": cap})
    result = run_model(RidgeFeatures(features="lag:1 market_cap_change:2"), panel, 3)
    assert result.coins == ("coin-0",)
    [failure] = result.failures
    assert "coin-1: ridge_features: market_cap_change:2 is not known on" in failure.message
    assert "look at market_cap on that day" in failure.message


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"features": "lag:1 market"}, "ridge_features features: market:1 depends on other coins"),
        ({"features": "coin:Bitcoin"}, "coin:Bitcoin:1 depends on other coins"),
        ({"normalise": "global"}, "ridge_features normalise: global is over all coins"),
        ({"alpha": 0.0}, "ridge_features alpha: must be above 0 and finite, got 0.0"),
        ({"features": "lags"}, "ridge_features features: 'lags', number 1: no such feature"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(OptionError, match=re.escape(told)):
        create_model("ridge_features", **options)
