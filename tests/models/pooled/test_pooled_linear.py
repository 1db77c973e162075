"""One regression over all coins, against scikit-learn's on the rows of all coins stacked."""

import pickle
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptodask.errors import ForecastError, OptionError
from cryptodask.evaluate.backtest import backtest_panel
from cryptodask.evaluate.rolling import Rolling
from cryptodask.features.market import Market
from cryptodask.models import Model, create_model, run_model
from cryptodask.models.pooled.base import train
from cryptodask.models.pooled.exact import rounded
from cryptodask.models.pooled.pooled_linear import PooledLinear
from cryptodask.models.regression import declared as declared_module
from cryptodask.models.trained import Trained
from cryptodask.records import DAY, FloatArray, Panel
from tests.models.conftest import START, join, make_panel, one_coin, panels, walk

PLAIN: dict[str, Any] = {
    "features": "lag:1-3 std:4 weekday",
    "target": "log_return",
    "normalise": "none",
}
SMALL = PooledLinear("lag:1-2 std:3", "scaled:4", "window:5", alpha=3.0, ahead=4)
CROSS = PooledLinear("lag:1 market:1-2 coin:coin-1:1", "scaled:4", "none", alpha=3.0, ahead=4)


def fit(model: PooledLinear, panel: Panel) -> Trained:
    trained = model.trained(train(model, panel, 0))
    assert isinstance(trained, Trained)
    return trained


def coefficients_of(trained: Model) -> FloatArray:
    assert isinstance(trained, Trained)
    return trained.learned.arrays["coefficients"]


def stacked(model: PooledLinear, panel: Panel, step: int) -> tuple[FloatArray, FloatArray]:
    """The rows of all coins whose features and target are known, as they count."""
    space = model.space
    rows = space.rows(panel, Market.of(panel, space.coins))
    x, y = space.compute(rows), space.target.of(rows, model.ahead)[:, step - 1]
    known = np.isfinite(x).all(axis=1) & np.isfinite(y)
    return rounded(x[known]), rounded(y[known])


@pytest.mark.parametrize("options", [
    PLAIN,
    {"features": "lag:1-5 rsi:6 bollinger:8 macd:3,6,4 weekday", "normalise": "window:9"},
    {"features": "lag:1-2 close min:3 max:3", "target": "return", "normalise": "coin"},
    {"features": "lag:1 mean:5 market:1-2 coin:coin-1:1,2"},
])  # fmt: skip
def test_without_a_penalty_it_is_scikit_learns_linear_regression(options: dict[str, Any]) -> None:
    from sklearn.linear_model import LinearRegression

    model = PooledLinear(**{"alpha": 0.0, "ahead": 5, **options})
    panel = make_panel([300, 80, 150, 200], gaps=True, run=120)
    coefficients = coefficients_of(fit(model, panel))
    assert coefficients.shape == (5, 1 + len(model.space.names))
    for step in (1, 2, 5):
        x, y = stacked(model, panel, step)
        theirs = LinearRegression().fit(x, y)
        np.testing.assert_allclose(coefficients[step - 1, 1:], theirs.coef_, rtol=1e-7, atol=1e-9)
        assert coefficients[step - 1, 0] == pytest.approx(theirs.intercept_, rel=1e-7, abs=1e-9)


def test_with_a_penalty_it_is_scikit_learns_ridge_on_standardised_features() -> None:
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = PooledLinear(**PLAIN, alpha=50.0, ahead=3)
    panel = make_panel([300, 80, 150])
    trained = fit(model, panel)
    forecast = trained.forecast(panel, 3, 0)
    rows = model.space.rows(panel)
    latest = model.space.compute(rows)[panel.indptr[1:] - 1]
    last = panel.values[panel.indptr[1:] - 1]
    for step in (1, 2, 3):
        theirs = make_pipeline(StandardScaler(), Ridge(50.0)).fit(*stacked(model, panel, step))
        expected = last * np.exp(theirs.predict(latest))
        np.testing.assert_allclose(forecast[:, step - 1], expected, rtol=1e-8)


@pytest.mark.slow
def test_it_is_what_dask_ml_fits_over_partitions() -> None:
    """dask-ml's own fit depends on the partitions in its last digits, so to 1e-6."""
    import dask.array as da
    from dask_ml.linear_model import LinearRegression

    model = PooledLinear(**PLAIN, alpha=0.0, ahead=2)
    panel = make_panel([900, 700, 800])
    x, y = stacked(model, panel, 2)
    deviation, target = x.std(axis=0), y.std()
    ours = coefficients_of(fit(model, panel))[1, 1:] * deviation / target
    table = da.from_array((x - x.mean(axis=0)) / deviation, chunks=(600, x.shape[1]))
    values = da.from_array((y - y.mean()) / target, chunks=600)
    theirs = LinearRegression(solver="newton", penalty="l2", C=1e12, tol=1e-12)
    theirs.fit(table, values)
    np.testing.assert_allclose(ours, theirs.coef_, rtol=0, atol=1e-6)


@settings(deadline=None, max_examples=25)
@given(panel=panels(12), data=st.data())
@pytest.mark.parametrize("model", [SMALL, CROSS], ids=["own", "cross"])
def test_coefficients_are_the_same_however_the_coins_are_divided(
    model: PooledLinear, panel: Panel, data: st.DataObject
) -> None:
    panel = join([panel, one_coin(walk(40, 9)[0], "coin-9"), one_coin(walk(50, 8)[0], "coin-1x")])
    panel = replace(panel, coins=(*panel.coins[:-1], "coin-1"))
    if panel.coins.count("coin-1") > 1:
        panel = panel.take(range(len(panel) - 1))
    whole = train(model, panel, 0)
    places = data.draw(st.permutations(range(len(panel))))
    cut = data.draw(st.integers(1, len(panel)))
    parts = [panel.take(places[:cut]), *(panel.take([i]) for i in places[cut:])]
    state = model.begin(0)
    for step in range(model.steps):
        sums = [model.contribute(part, model.message(state), step, 0) for part in parts]
        total: Any = sums[0]
        for one in sums[1:]:
            total = total + one
        state = model.advance(state, total)
    assert state.sums is not None
    assert whole.sums is not None
    assert (state.sums.inner == whole.sums.inner).all()
    assert (state.sums.outer == whole.sums.outer).all()
    one, other = model.trained(state), model.trained(whole)
    assert np.array_equal(coefficients_of(one), coefficients_of(other))
    forecasts = [trained.forecast(panel, 4, 0) for trained in (one, other)]
    assert np.array_equal(*forecasts, equal_nan=True)


def test_a_large_panel_is_worked_off_some_coins_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    panel = make_panel([90, 40, 30, 80, 50])
    whole = SMALL.forecast(panel, 3, 0)
    taken = []
    some = declared_module.some_at_a_time

    def few(panel: Panel) -> Any:
        for chosen in some(panel, 60):
            taken.append(chosen.tolist())
            yield chosen

    monkeypatch.setattr("cryptodask.models.pooled.pooled_linear.some_at_a_time", few)
    assert np.array_equal(SMALL.forecast(panel, 3, 0), whole)
    assert taken == [[0], [1], [2, 3], [4]] * 2


def test_a_relation_that_all_coins_share_is_found() -> None:
    rng = np.random.default_rng(3)
    series = []
    for i, volatility in enumerate((0.001, 0.02, 0.1)):
        noise = rng.normal(0, volatility, 2_000)
        returns = noise.copy()
        for t in range(1, 2_000):
            returns[t] += 0.5 * returns[t - 1]
        series.append((f"c{i}", np.exp(returns.cumsum() - 5 * i), START + np.arange(2_000) * DAY))
    panel = Panel.from_series(series)
    model = PooledLinear("lag:1", "log_return", "none", alpha=0.0, ahead=3)
    weights = coefficients_of(fit(model, panel))[:, 1]
    np.testing.assert_allclose(weights, [0.5, 0.75, 0.875], atol=0.05)
    last = panel.values[panel.indptr[1:] - 1]
    step = np.log(model.forecast(panel, 1, 0)[:, 0] / last)
    latest = np.log(last / panel.values[panel.indptr[1:] - 2])
    np.testing.assert_allclose(step, 0.5 * latest, atol=0.004)


def test_a_coin_that_stands_still_stays_where_it_is() -> None:
    closes = np.append(walk(60)[0], np.full(12, 7.0))
    panel = join([make_panel([60, 90]), one_coin(closes, "still")])
    assert (SMALL.forecast(panel, 4, 0)[2] == 7.0).all()


def test_what_comes_after_an_origin_changes_nothing_of_its_forecast() -> None:
    panel = make_panel([90, 60, 90])
    origin = panel.dates[49:50]
    after = panel.dates > origin
    poisoned = replace(panel, values=np.where(after, panel.values[::-1] * 1e6, panel.values))
    one, other = (
        backtest_panel(p, fit(CROSS, Rolling(p).at(origin[0]).panel), origin, 4).table
        for p in (panel, poisoned)
    )
    assert len(one) == 12
    assert np.array_equal(one["forecast"], other["forecast"])
    assert not np.array_equal(one["actual"], other["actual"])
    market = Market.of(poisoned)
    dates = panel.dates[:50]
    assert np.array_equal(market.mean_on(dates), Market.of(panel).mean_on(dates), equal_nan=True)


def test_a_market_that_was_not_seen_is_asked_for_by_name() -> None:
    panel = make_panel([60, 60, 60])
    trained = fit(CROSS, Panel.from_series((c, v[:50], d[:50]) for c, v, d in panel))
    assert np.isfinite(trained.forecast(panel.take([]), 2, 0)).all()
    with pytest.raises(
        OptionError,
        match=re.escape("on 2017-11-21, for the model was trained on rows up to 2017-11-11; train"),
    ):
        trained.forecast(panel, 2, 0)


def test_a_coin_without_a_feature_on_its_last_day_fails_alone() -> None:
    panel = make_panel([60, 60, 60])
    volume = np.exp(np.random.default_rng(0).normal(0, 1, 180))
    volume[119] = np.nan
    panel = replace(panel, extra={"volume": volume})
    model = PooledLinear("lag:1 volume_change", "scaled:4", "window:5", ahead=4)
    for one in (model, fit(model, panel)):
        result = run_model(one, panel, 2)
        assert result.coins == ("coin-0", "coin-2")
        [failure] = result.failures
        assert failure.exception == "ForecastError"
        told = "coin-1: pooled_linear: volume_change:1 is not known on 2017-11-21;"
        assert failure.message.startswith(told)
        assert "look at volume on that day" in failure.message


def test_a_coin_on_whose_last_day_another_has_no_return_fails_alone() -> None:
    late = one_coin(walk(70, 3)[0], "late")
    panel = join([make_panel([60, 60]), late])
    result = run_model(fit(CROSS, panel), panel, 2)
    [failure] = result.failures
    assert failure.message.startswith("late: pooled_linear: coin:coin-1:1 is not known on 2017-11")
    assert "look at the rows of coin-1" in failure.message
    assert run_model(CROSS, panel, 2).coins == result.coins == ("coin-0", "coin-1")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"features": "rsl"}, "pooled_linear features: 'rsl', number 1: no such feature"),
        ({"target": "price"}, "pooled_linear target: prices of different coins"),
        ({"features": "close", "normalise": "none"}, "close:1 of different coins"),
        ({"alpha": -1.0}, "pooled_linear alpha: must be at least 0 and finite, got -1.0"),
        ({"alpha": float("nan")}, "pooled_linear alpha"),
        ({"ahead": 0}, "pooled_linear ahead: must be at least 1, got 0"),
        ({"normalise": "x"}, "pooled_linear normalise: must be one of"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(OptionError, match=re.escape(told)):
        create_model("pooled_linear", **options)


def test_a_horizon_beyond_ahead_is_refused() -> None:
    with pytest.raises(OptionError, match="4 steps have coefficients and the horizon is 5"):
        run_model(SMALL, make_panel([60]), 5)


def test_where_there_is_no_example_it_says_so() -> None:
    panel = make_panel([60])
    panel = replace(panel, extra={"volume": np.full(60, np.nan)})
    model = PooledLinear("volume_change", ahead=4)
    [failure] = run_model(model, panel, 2).failures
    assert failure.exception == "TooShortError"
    assert "nothing to train on for step 1: no coin has" in failure.message


def test_a_coin_that_is_named_must_be_there() -> None:
    with pytest.raises(ForecastError, match="coin:coin-1:1: no coin 'coin-1' is among those"):
        CROSS.forecast(make_panel([60]), 2, 0)


def test_what_was_trained_travels_with_its_fingerprint() -> None:
    panel = make_panel([60, 60])
    trained = fit(CROSS, panel)
    copy = pickle.loads(pickle.dumps(trained))
    assert copy.space.fingerprint == CROSS.space.fingerprint
    assert np.array_equal(copy.forecast(panel, 3, 0), trained.forecast(panel, 3, 0))
