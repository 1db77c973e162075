"""Support vector regressions on lags, against scikit-learn's and a plain loop."""

import numpy as np
import pytest
from sklearn.svm import SVR

from cryptodask.errors import OptionError
from cryptodask.models import create_model, run_model
from cryptodask.models.regression.svr import SVRLinear, SVRPoly, SVRRbf
from cryptodask.records import DAY, FloatArray, Panel
from tests.models.conftest import START, make_panel, one_coin, walk


def plain_loop(closes: FloatArray, lags: int, most: int, svr: SVR, horizon: int) -> FloatArray:
    """Forecast one coin without a gap the slow way."""
    returns = np.diff(np.log(closes))
    rows = [returns[i : i + lags + 1] for i in range(len(returns) - lags)][-most:]
    scale = np.std(rows)
    x, y = np.array([r[:lags] for r in rows]) / scale, np.array([r[lags] for r in rows]) / scale
    svr.fit(x, y)
    seen = list(returns / scale)
    for _ in range(horizon):
        [ahead] = svr.predict([seen[-lags:]])
        seen.append(np.clip(ahead, y.min(), y.max()))
    growth: FloatArray = closes[-1] * np.exp(np.cumsum(seen[-horizon:]) * scale)
    return growth


@pytest.mark.parametrize(
    ("model", "svr"),
    [
        (SVRLinear(lags=4, C=0.5), SVR(kernel="linear", C=0.5)),
        (SVRLinear(lags=4, C=0.5, max_rows=20), SVR(kernel="linear", C=0.5)),
        (
            SVRPoly(lags=3, C=0.5, degree=2, gamma=0.1),
            SVR(kernel="poly", C=0.5, degree=2, gamma=0.1, coef0=1.0),
        ),
        (SVRRbf(lags=5, C=0.5, epsilon=0.2), SVR(C=0.5, epsilon=0.2, gamma=1 / 5)),
    ],
)
def test_it_is_scikit_learns_on_scaled_returns(model: SVRLinear, svr: SVR) -> None:
    panel = make_panel([90, 60])
    forecast = model.forecast(panel, 5, seed=0)
    for row, (_, closes, _) in zip(forecast, panel, strict=True):
        expected = plain_loop(closes, model.lags, model.max_rows, svr, 5)
        np.testing.assert_allclose(row, expected, rtol=1e-6)


@pytest.mark.parametrize("name", ["svr_linear", "svr_poly", "svr_rbf"])
def test_no_more_than_the_latest_rows_are_fitted_to(name: str) -> None:
    closes, dates = walk(300)
    model = create_model(name, max_rows=40, C=1.0)
    whole, late = (
        model.forecast(Panel.from_series([("coin", closes[-n:], dates[-n:])]), 5, 0)
        for n in (300, 40 + model.lags + 1)
    )
    assert np.array_equal(whole, late)


@pytest.mark.parametrize("name", ["svr_linear", "svr_poly", "svr_rbf"])
def test_prices_in_another_currency_are_forecast_in_it(name: str) -> None:
    closes, _ = walk(80)
    model = create_model(name, C=1.0)
    one, other = (model.forecast(one_coin(c), 9, 0) for c in (closes, closes * 1024))
    assert np.array_equal(other, one * 1024)


def test_a_forecast_stays_within_the_returns_that_were_seen() -> None:
    rng = np.random.default_rng(1)
    returns = rng.standard_t(2, 200) * 0.1
    closes = np.exp(returns.cumsum())
    forecast = create_model("svr_poly", C=1e4, degree=5).forecast(one_coin(closes), 30, 0)
    ahead = np.diff(np.log(np.append(closes[-1], forecast)))
    assert ahead.min() >= returns.min() - 1e-9
    assert ahead.max() <= returns.max() + 1e-9


def test_windows_do_not_lie_across_a_gap() -> None:
    closes, dates = walk(120)
    dates[60:] += 5 * DAY
    jumped = closes.copy()
    jumped[60:] *= 1000.0
    one, other = (
        run_model(SVRRbf(C=1.0), Panel.from_series([("coin", c, dates)]), 4).values
        for c in (closes, jumped)
    )
    np.testing.assert_allclose(other, one * 1000.0, rtol=1e-9)
    assert dates[0] == START + DAY


@pytest.mark.parametrize(
    ("name", "option", "value", "rule"),
    [
        ("svr_linear", "lags", 0, "at least 1, got 0"),
        ("svr_linear", "max_rows", 11, "at least 12, two more than lags, got 11"),
        ("svr_linear", "C", 0.0, "above 0 and finite, got 0.0"),
        ("svr_rbf", "C", "inf", "above 0 and finite, got inf"),
        ("svr_poly", "epsilon", -1, "at least 0 and finite, got -1.0"),
        ("svr_poly", "degree", 0, "at least 1, got 0"),
        ("svr_poly", "gamma", -1, "at least 0 and finite, got -1.0"),
        ("svr_poly", "coef0", "nan", "at least 0 and finite, got nan"),
        ("svr_rbf", "gamma", "inf", "at least 0 and finite, got inf"),
    ],
)
def test_options_out_of_range_are_told(name: str, option: str, value: object, rule: str) -> None:
    with pytest.raises(OptionError) as caught:
        create_model(name, **{option: value})
    assert str(caught.value) == f"{name} {option}: must be {rule}"
