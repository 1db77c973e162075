"""Ridge regression in closed form against scikit-learn's, coin by coin."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge as ScikitRidge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cryptodask.errors import OptionError
from cryptodask.models import create_model, run_model
from cryptodask.models.regression.ridge import Ridge
from cryptodask.records import DAY, DateArray, FloatArray, Panel
from tests.models.conftest import START, join, make_panel, one_coin, panels, walk


def scikit_learn(closes: FloatArray, dates: DateArray, horizon: int, model: Ridge) -> FloatArray:
    """Forecast one coin the slow way."""
    lags = model.lags
    returns, steps = np.log(closes[1:] / closes[:-1]), np.diff(dates)
    rows = [
        returns[i : i + lags + 1]
        for i in range(len(returns) - lags)
        if (steps[i : i + lags + 1] == DAY).all()
    ]
    table = np.array(rows)
    fit = make_pipeline(StandardScaler(), ScikitRidge(alpha=model.alpha))
    fit.fit(table[:, :-1], table[:, -1])
    window = returns[len(returns) - lags :]
    for _ in range(horizon):
        window = np.append(window, fit.predict(window[None, -lags:]))
    with np.errstate(over="ignore"):  # a few windows may teach a coin to explode
        forecast: FloatArray = closes[-1] * np.exp(window[lags:].cumsum())
    return forecast


def assert_as_scikit_learn(panel: Panel, horizon: int, model: Ridge) -> None:
    forecast = model.forecast(panel, horizon, seed=0)
    expected = [scikit_learn(closes, dates, horizon, model) for _, closes, dates in panel]
    np.testing.assert_allclose(forecast, expected, rtol=1e-9)


@settings(max_examples=60, deadline=None)
@given(
    data=st.data(),
    horizon=st.integers(1, 15),
    lags=st.integers(1, 12),
    alpha=st.sampled_from([1.0, 100.0, 1e6]),
)
def test_it_is_the_ridge_of_scikit_learn(
    data: st.DataObject, horizon: int, lags: int, alpha: float
) -> None:
    model = Ridge(lags, alpha)
    panel = data.draw(panels(model.min_length(horizon), longest=120))
    assert_as_scikit_learn(panel, horizon, model)


def test_it_is_that_of_scikit_learn_for_years_of_days_and_many_runs() -> None:
    panel = make_panel([22, 3_000, 30, 1_000], gaps=True, run=22)
    dates = START + (np.arange(900) + (np.arange(900) // 25)) * DAY
    assert_as_scikit_learn(join([panel, Panel.from_series([("runs", walk(900)[0], dates)])]), 10,
                           Ridge())  # fmt: skip


def test_it_is_that_of_scikit_learn_where_returns_repeat_themselves() -> None:
    closes = np.exp(np.tile([0.1, -0.1, 0.02, 0.03], 50).cumsum())
    panel = one_coin(closes)
    assert_as_scikit_learn(panel, 8, Ridge(lags=4, alpha=0.01))
    ahead = np.diff(np.log(np.append(closes[-1], Ridge(4, 1e-6).forecast(panel, 4, seed=0)[0])))
    assert ahead == pytest.approx([0.1, -0.1, 0.02, 0.03], abs=1e-6)


def test_a_great_penalty_leaves_the_mean_return() -> None:
    forecast = Ridge(lags=2, alpha=1e12).forecast(one_coin(1.02 ** np.arange(40.0)), 3, seed=0)
    assert forecast[0] == pytest.approx(1.02 ** np.arange(40, 43), rel=1e-9)


def test_the_unit_of_prices_does_not_matter_nor_how_wild_a_coin_is() -> None:
    closes = walk(200)[0]
    plain, other = (Ridge().forecast(one_coin(c), 5, seed=0)[0] for c in (closes, 1e-9 * closes))
    assert 1e-9 * plain == pytest.approx(other, rel=1e-9)
    calm = Ridge().forecast(one_coin(closes**1e-3), 5, seed=0)[0]
    assert calm == pytest.approx(plain**1e-3, rel=1e-9)


def test_a_window_across_a_gap_is_not_learned_from() -> None:
    closes, dates = walk(120)
    late = dates + np.where(np.arange(120) < 60, 0, 5) * DAY
    leap = np.where(np.arange(120) < 60, 1.0, 1e6) * closes
    whole, torn, leapt = (
        Ridge().forecast(Panel.from_series([("coin", c, d)]), 5, seed=0)[0]
        for c, d in [(closes, dates), (closes, late), (leap, late)]
    )
    assert (whole != torn).all()
    # What the price did over the gap is no return.
    assert leapt == pytest.approx(1e6 * torn, rel=1e-9)


def test_a_coin_whose_last_run_is_too_short_is_told() -> None:
    closes, dates = walk(100)
    late = dates + np.where(np.arange(100) < 79, 0, 3) * DAY
    result = run_model(Ridge(), Panel.from_series([("torn", closes, late)]), 5)
    [failure] = result.failures
    assert failure.message.startswith("torn: 21 rows after its last gap")
    assert "ridge needs 22 without a gap" in failure.message


@pytest.mark.parametrize("leap", [2.0, 1e6])
@pytest.mark.parametrize("last", [1.0, 1.3])
def test_a_dead_coin_that_leapt_first_and_moves_last_learns_nothing(
    leap: float, last: float
) -> None:
    closes = np.full(500, 0.01 * leap)
    closes[0], closes[-1] = 0.01, 0.01 * leap * last
    # The one move is the target of one window whose lags are all 0.
    mean = np.log(last) / (500 - 11)
    forecast = Ridge().forecast(one_coin(closes), 5, seed=0)[0]
    assert forecast == pytest.approx(closes[-1] * np.exp(mean * np.arange(1, 6)), rel=1e-3)


@pytest.mark.parametrize("growth", [1.0 + 1e-9, 1.01, 1.5])
def test_a_steady_rise_goes_on(growth: float) -> None:
    closes = growth ** np.arange(300.0)
    forecast = Ridge(alpha=1e-3).forecast(one_coin(closes), 3, seed=0)[0]
    assert forecast == pytest.approx(growth ** np.arange(300, 303), rel=1e-9)


def test_prices_beyond_all_bounds_fail_alone() -> None:
    wild = np.tile([1e-300, 1e300], 30)
    good = make_panel([60, 80])
    mixed = join([good.take([0]), one_coin(wild, "wild"), good.take([1])])
    result = run_model(Ridge(), mixed, 5)
    assert result.coins == good.coins
    assert np.array_equal(result.values, run_model(Ridge(), good, 5).values)
    assert [failure.coin for failure in result.failures] == ["wild"]


def test_a_large_batch_is_many_batches_of_one_bit_for_bit() -> None:
    lengths = np.random.default_rng(8).integers(22, 700, 300).tolist()
    panel = make_panel(lengths, gaps=True, run=22)
    together = Ridge().forecast(panel, 30, seed=0)
    alone = [Ridge().forecast(panel.take([i]), 30, seed=0) for i in range(len(panel))]
    assert np.array_equal(together, np.concatenate(alone))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"lags": 0}, "ridge lags: must be at least 1, got 0"),
        ({"alpha": 0}, "ridge alpha: must be above 0 and finite, got 0.0"),
        ({"alpha": -1.5}, "ridge alpha: must be above 0 and finite, got -1.5"),
        ({"alpha": "inf"}, "ridge alpha: must be above 0 and finite, got inf"),
        ({"alpha": "nan"}, "ridge alpha: must be above 0 and finite, got nan"),
    ],
)
def test_options_out_of_their_range_are_told(options: dict[str, object], told: str) -> None:
    with pytest.raises(OptionError) as caught:
        create_model("ridge", **options)
    assert str(caught.value) == told


def test_the_shortest_coin_has_as_many_windows_as_coefficients() -> None:
    assert Ridge(lags=4).min_length(30) == 10
    assert_as_scikit_learn(one_coin(walk(10)[0]), 3, Ridge(lags=4))
