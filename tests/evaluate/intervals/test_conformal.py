"""Intervals: what they must be whatever the prices, and that they cover what they say."""

import dataclasses
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cryptodask.errors import OptionError
from cryptodask.evaluate.intervals.conformal import Conformal
from cryptodask.evaluate.intervals.error_counts import ErrorCounts, check_levels
from cryptodask.evaluate.intervals.past_errors import ErrorHistory, log_errors
from cryptodask.evaluate.intervals.prior import FREEDOM, WIDTH
from cryptodask.evaluate.intervals.widths import price_quantiles
from cryptodask.records import DAY, FloatArray
from tests.models.conftest import START

few = settings(max_examples=25, deadline=None)
LEVELS = [0.025, 0.1, 0.5, 0.9, 0.975]
DEFAULT = Conformal()
SEEDS = st.integers(0, 2**32 - 1)


def make_history(
    n_coins: int, n_origins: int, horizon: int, seed: int = 0, spacing: int = 1, tails: float = 4.0
) -> ErrorHistory:
    """Errors of Student's distribution times a volatility of each coin, some of them missing."""
    rng = np.random.default_rng(seed)
    moves = np.exp(rng.normal(-3, 0.7, n_coins))[:, None].repeat(n_origins, axis=1)
    noise = rng.standard_t(tails, (n_coins, n_origins, horizon))
    errors = noise * moves[:, :, None] * np.sqrt(np.arange(1, horizon + 1))
    errors[rng.random(errors.shape) < 0.1] = np.nan
    moves[rng.random(moves.shape) < 0.1] = np.nan
    spreads = moves[:, :, None] * np.sqrt(np.arange(1, horizon + 1))
    return ErrorHistory(START + spacing * np.arange(n_origins) * DAY, errors, errors, spreads)


def part(
    history: ErrorHistory, coins: slice = slice(None), origins: slice = slice(None)
) -> ErrorHistory:
    """Some of its coins and origins."""
    return dataclasses.replace(
        history,
        cutoffs=history.cutoffs[origins],
        errors=history.errors[coins, origins],
        moves=history.moves[coins, origins],
        spreads=history.spreads[coins, origins],
    )


def known_at(history: ErrorHistory, origin: int) -> ErrorHistory:
    """The history as it was at an origin: errors that had not shown are missing."""
    horizon = history.errors.shape[2]
    shown = history.cutoffs[:, None] + np.arange(1, horizon + 1) * DAY <= history.cutoffs[origin]
    errors = np.where(shown, history.errors, np.nan)
    seen = dataclasses.replace(history, errors=errors, moves=errors)
    return part(seen, origins=slice(origin + 1))


def make_intervals(
    history: ErrorHistory, forecasts: FloatArray, conformal: Conformal = DEFAULT
) -> FloatArray:
    """All three passes."""
    summary = conformal.summarise(conformal.count(history))
    quantiles = conformal.quantiles(conformal.count(history, summary), LEVELS)
    scale = conformal.scale(history, summary)
    return price_quantiles(forecasts, scale, quantiles, quantiles[..., 2])


def coverage(history: ErrorHistory, conformal: Conformal = DEFAULT) -> FloatArray:
    """Share of errors inside 80% and 95%, at each origin, ``(2, n_origins)``."""
    quantiles = np.log(make_intervals(history, np.ones(history.errors.shape), conformal))
    errors = history.errors
    pairs = ((quantiles[..., 1], quantiles[..., 3]), (quantiles[..., 0], quantiles[..., 4]))
    with np.errstate(invalid="ignore"):
        hits = [np.where(np.isnan(errors + a), np.nan, (errors >= a) & (errors <= b))
                for a, b in pairs]  # fmt: skip
    known = ~np.isnan(hits[0]).all(axis=(0, 2))
    return np.array([np.nanmean(hit[:, known], axis=(0, 2)) for hit in hits])


@few
@given(SEEDS, st.integers(1, 6), st.integers(1, 12), st.integers(1, 4), st.sampled_from([1, 7]))
def test_prices_are_positive_and_rise_with_the_level(
    seed: int, n_coins: int, n_origins: int, horizon: int, spacing: int
) -> None:
    history = make_history(n_coins, n_origins, horizon, seed, spacing, tails=1.0)
    forecasts = np.exp(np.random.default_rng(seed).normal(0, 20, history.errors.shape))
    prices = make_intervals(history, forecasts)
    assert prices.shape == (*forecasts.shape, len(LEVELS))
    there = prices[~np.isnan(prices)]
    assert (there > 0).all()
    assert np.isfinite(there).all()
    assert (np.diff(prices, axis=-1)[~np.isnan(prices[..., 1:])] >= 0).all()


@few
@given(SEEDS, st.integers(2, 20))
def test_nothing_later_changes_a_bit(seed: int, n_origins: int) -> None:
    history = make_history(4, n_origins, 3, seed)
    days = np.random.default_rng(seed).integers(1, 9, n_origins).cumsum()
    history = dataclasses.replace(history, cutoffs=START + days * DAY)
    forecasts = np.ones(history.errors.shape)
    complete = make_intervals(history, forecasts)
    for origin in range(n_origins):
        then = make_intervals(known_at(history, origin), forecasts[:, : origin + 1])
        assert np.array_equal(then[:, origin], complete[:, origin], equal_nan=True)


def assert_same_counts(counts: ErrorCounts, others: ErrorCounts) -> None:
    assert counts.step == others.step
    for name in ("cutoffs", "errors", "sizes", "moves"):
        assert np.array_equal(getattr(counts, name), getattr(others, name))


@few
@given(SEEDS)
def test_any_partitioning_in_any_order_gives_the_same_to_the_last_bit(seed: int) -> None:
    history, conformal = make_history(6, 8, 3, seed), Conformal()
    parts = [part(history, slice(a, b)) for a, b in ((0, 1), (1, 4), (4, 6))]
    first = conformal.count(history)
    summary = conformal.summarise(first)
    together = conformal.count(history, summary)
    for order in permutations(parts):
        again = ErrorCounts.join(conformal.count(some) for some in order)
        summary = conformal.summarise(again)
        pool = ErrorCounts.join(conformal.count(some, summary) for some in order)
        assert_same_counts(again, first)
        assert_same_counts(pool, together)
    scales = [conformal.scale(some, summary) for some in parts]
    together = conformal.scale(history, summary)
    assert np.array_equal(np.concatenate(scales), together, equal_nan=True)


@few
@given(SEEDS, st.sampled_from([2.0**-20, 8.0, 2.0**40]))
def test_another_currency_multiplies_the_prices(seed: int, rate: float) -> None:
    rng = np.random.default_rng(seed)
    history = make_history(3, 6, 2, seed)
    forecasts = np.exp(rng.normal(0, 1, history.errors.shape))
    actual = forecasts * np.exp(history.errors)
    prices, converted = (
        make_intervals(
            dataclasses.replace(
                history,
                errors=log_errors(actual * r, forecasts * r),
                moves=log_errors(actual * r, forecasts * r),
            ),
            forecasts * r,
        )
        for r in (1.0, rate)
    )
    np.testing.assert_allclose(converted, prices * rate, rtol=1e-12)


@pytest.mark.parametrize("mirror", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("coin_prior", [10.0, np.inf])
def test_independent_errors_are_covered_as_often_as_said(mirror: float, coin_prior: float) -> None:
    history = make_history(100, 120, 2, seed=3, tails=5.0)
    shares = coverage(history, Conformal(mirror=mirror, coin_prior=coin_prior))[:, 40:].mean(axis=1)
    assert shares == pytest.approx([0.8, 0.95], abs=0.01)


@pytest.mark.parametrize("size", [0.7, 1.0, 3.0])
def test_many_errors_outweigh_the_prior(size: float) -> None:
    history = make_history(100, 400, 1, seed=3, spacing=5)
    wide = dataclasses.replace(history, errors=history.errors * size)
    shares = coverage(wide, Conformal(speed=0))[:, 200:].mean(axis=1)
    assert shares == pytest.approx([0.8, 0.95], abs=0.015)


def test_one_coin_with_few_errors_is_covered_as_often_as_said() -> None:
    # Steps are independent here, so each is a separate trial.
    conformal = Conformal(half_life=1e6, mirror=0, coin_prior=np.inf, speed=0)
    hits = []
    for seed in range(12):
        history = make_history(1, 13, 100, seed, spacing=100, tails=5.0)
        quantiles = conformal.quantiles(conformal.count(history), LEVELS, history.cutoffs[-1:])[0]
        errors = np.random.default_rng([seed, 1]).standard_t(5, 100)
        hits.append((errors >= quantiles[:, 1]) & (errors <= quantiles[:, 3]))
    assert np.mean(hits) == pytest.approx(0.8, abs=0.03)


def test_without_any_error_intervals_are_those_of_the_prior() -> None:
    history = make_history(3, 5, 3)
    scale = DEFAULT.scale(history, DEFAULT.summarise(DEFAULT.count(history)))[:, 0]
    prices = make_intervals(history, np.ones((3, 5, 3)))[:, 0]
    # Student's quantile at 90%, for a sample of 100.
    at_90 = WIDTH * stats.t(FREEDOM).ppf(0.9 + 0.4 / 100)
    assert np.log(prices[:, :, 3]) == pytest.approx(scale * at_90, rel=1e-2, nan_ok=True)
    assert np.log(prices[:, :, 2]) == pytest.approx(0, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("size", [3, 10])
def test_the_prior_is_as_wide_as_a_model_errs_beside_naive(size: float) -> None:
    history = make_history(20, 6, 1, seed=4)
    worse = dataclasses.replace(history, errors=history.moves * size)
    plain, wide = (make_intervals(h, np.ones(h.errors.shape))[:, -1, 0] for h in (history, worse))
    ratio = np.log(wide[:, [1, 3]]) / np.log(plain[:, [1, 3]])
    assert np.nanmedian(ratio) == pytest.approx(size, rel=0.25)


@few
@given(SEEDS, st.integers(1, 5), st.integers(1, 10))
def test_intervals_widen_with_every_step_and_are_nested(
    seed: int, n_coins: int, n_origins: int
) -> None:
    history = make_history(n_coins, n_origins, 7, seed, tails=1.0)
    logs = np.log(make_intervals(history, np.ones(history.errors.shape)))
    for low, high in ((0, 4), (1, 3)):
        widths = logs[..., high] - logs[..., low]
        assert (np.diff(widths, axis=-1)[~np.isnan(widths[..., 1:])] >= -1e-9).all()
    assert (logs[..., 0] <= logs[..., 1])[~np.isnan(logs[..., 0])].all()
    assert (logs[..., 3] <= logs[..., 4])[~np.isnan(logs[..., 0])].all()


def test_a_model_that_errs_to_one_side_gets_intervals_on_that_side() -> None:
    history = make_history(50, 60, 1, seed=5)
    lean = 3 * history.spreads
    biased = dataclasses.replace(history, errors=history.errors + lean)
    # The prior, which leans to no side, makes intervals wider than need be.
    assert 0.79 < coverage(biased, Conformal(mirror=0))[0, 20:].mean() < 0.9
    prices = make_intervals(biased, np.ones(history.errors.shape))
    assert np.nanmedian(prices[:, -1, 0, 2]) > 1


def test_when_errors_grow_and_volatility_does_not_show_it_coverage_returns() -> None:
    history = make_history(80, 160, 1, seed=6)
    errors = history.errors.copy()
    errors[:, 80:] *= 2.5
    grown = dataclasses.replace(history, errors=errors)
    slow, fast = (coverage(grown, Conformal(speed=speed))[0] for speed in (0.0, 0.05))
    for shares in (slow, fast):
        assert shares[60:80].mean() == pytest.approx(0.8, abs=0.03)
        assert shares[80] < 0.5
    assert fast[-20:].mean() == pytest.approx(0.8, abs=0.05)
    assert slow[85:120].mean() + 0.02 < fast[85:120].mean() < 0.8


def test_a_coin_with_errors_twice_as_large_gets_wider_intervals_and_one_without_the_pools() -> None:
    history = make_history(60, 100, 1, seed=7)
    errors = history.errors.copy()
    errors[0] *= 2
    errors[1] = np.nan
    odd = dataclasses.replace(history, errors=errors, spreads=np.full((60, 100, 1), 0.05))
    odd.errors[2:] *= 0.05 / np.nanmax(history.spreads[2:], axis=1)[:, :, None]
    odd.errors[0] *= 0.05 / np.nanmax(history.spreads[0])
    conformal = Conformal(coin_prior=10)
    scale = conformal.scale(odd, conformal.summarise(conformal.count(odd)))[:, -1, 0] / 0.05
    assert scale[0] == pytest.approx(1.6, abs=0.3)  # `CAP` keeps it below 2
    assert scale[1] == 1
    assert scale[2:] == pytest.approx(1, abs=0.35)


def test_a_coin_without_volatility_has_that_of_the_middle_coin() -> None:
    history = make_history(41, 30, 2, seed=8)
    moves = history.spreads.copy()
    moves[0], moves[1] = np.nan, 0.0
    odd = dataclasses.replace(history, spreads=moves)
    conformal = Conformal(coin_prior=np.inf)
    scale = conformal.scale(odd, conformal.summarise(conformal.count(odd)))
    assert scale[0, -1, 0] == pytest.approx(np.nanmedian(moves[2:, -1, 0]), rel=0.06)
    assert np.array_equal(scale[0], scale[1])


def test_forecasts_that_are_no_prices_have_neither_errors_nor_intervals() -> None:
    forecasts = np.array([[[1.0, 0.0, -2.0, np.nan]]])
    errors = log_errors(np.full((1, 1, 4), np.e), forecasts)
    assert errors[0, 0, 0] == pytest.approx(1)
    assert np.isnan(errors[0, 0, 1:]).all()
    prices = price_quantiles(forecasts, np.ones((1, 1, 4)), np.zeros((1, 4, 1)), np.zeros((1, 4)))
    assert np.isnan(prices[0, 0, :, 0]).tolist() == [False, True, True, True]


def test_what_does_not_fit_is_refused() -> None:
    history, conformal = make_history(3, 4, 2), Conformal()
    counts = conformal.count(history)
    with pytest.raises(OptionError, match="one horizon"):
        counts + conformal.count(make_history(3, 4, 3))
    with pytest.raises(OptionError, match="2017-09-25"):
        conformal.quantiles(conformal.count(part(history, origins=slice(3))), [0.5],
                            history.cutoffs)  # fmt: skip
    with pytest.raises(OptionError, match="rise from origin"):
        dataclasses.replace(history, cutoffs=history.cutoffs[::-1])
    for name in ("spreads", "moves"):
        with pytest.raises(OptionError, match=name):
            dataclasses.replace(history, **{name: history.spreads[1:]})
    with pytest.raises(OptionError, match="errors"):
        dataclasses.replace(history, errors=history.errors[:, 1:])


@pytest.mark.parametrize("levels", [[], [0.0], [1.0], [0.9, 0.1], [0.5, 0.5], [np.nan]])
def test_levels_that_are_none_are_refused(levels: list[float]) -> None:
    with pytest.raises(OptionError, match="levels"):
        check_levels(levels)


@pytest.mark.parametrize(
    "options",
    [{"half_life": 0}, {"mirror": 1.5}, {"prior": 0}, {"coin_prior": 0}, {"speed": -1}],
)
def test_options_out_of_their_range_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(OptionError, match=next(iter(options))):
        Conformal(**options)
