"""Intervals: what they must be whatever the prices, and that they cover what they say."""

import dataclasses
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptodask.errors import OptionError
from cryptodask.evaluate.intervals.conformal import Conformal, price_quantiles
from cryptodask.evaluate.intervals.error_counts import ErrorCounts, check_levels
from cryptodask.evaluate.intervals.past_errors import ErrorHistory, log_errors
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
    return ErrorHistory(START + spacing * np.arange(n_origins) * DAY, errors, moves)


def part(
    history: ErrorHistory, coins: slice = slice(None), origins: slice = slice(None)
) -> ErrorHistory:
    """Some of its coins and origins."""
    return dataclasses.replace(
        history,
        cutoffs=history.cutoffs[origins],
        errors=history.errors[coins, origins],
        volatility=history.volatility[coins, origins],
    )


def known_at(history: ErrorHistory, origin: int) -> ErrorHistory:
    """The history as it was at an origin: errors that had not shown are missing."""
    horizon = history.errors.shape[2]
    shown = history.cutoffs[:, None] + np.arange(1, horizon + 1) * DAY <= history.cutoffs[origin]
    seen = dataclasses.replace(history, errors=np.where(shown, history.errors, np.nan))
    return part(seen, origins=slice(origin + 1))


def make_intervals(
    history: ErrorHistory, forecasts: FloatArray, conformal: Conformal = DEFAULT
) -> FloatArray:
    """All three passes."""
    summary = conformal.summarise(conformal.count(history))
    pool = conformal.count(history, summary)
    return price_quantiles(
        forecasts, conformal.scale(history, summary), conformal.quantiles(pool, LEVELS)
    )


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
    for name in ("cutoffs", "errors", "moves"):
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
            dataclasses.replace(history, errors=log_errors(actual * r, forecasts * r)),
            forecasts * r,
        )
        for r in (1.0, rate)
    )
    np.testing.assert_allclose(converted, prices * rate, rtol=1e-12)


@pytest.mark.parametrize("mirror", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("prior", [10.0, np.inf])
def test_independent_errors_are_covered_as_often_as_said(mirror: float, prior: float) -> None:
    history = make_history(100, 120, 2, seed=3)
    shares = coverage(history, Conformal(mirror=mirror, prior=prior))[:, 20:].mean(axis=1)
    assert shares == pytest.approx([0.8, 0.95], abs=0.008)


def test_one_coin_with_few_errors_is_covered_as_often_as_said() -> None:
    # Steps are independent here, so each is a separate trial. Of n values the k-th lies at
    # k / (n + 1): without that, 12 errors would cover 74%.
    conformal = Conformal(half_life=1e6, mirror=0, prior=np.inf, speed=0)
    hits = []
    for seed in range(12):
        history = make_history(1, 13, 100, seed, spacing=100)
        quantiles = conformal.quantiles(conformal.count(history), LEVELS, history.cutoffs[-1:])[0]
        errors = np.random.default_rng([seed, 1]).standard_t(4, 100)
        hits.append((errors >= quantiles[:, 1]) & (errors <= quantiles[:, 3]))
    assert np.mean(hits) == pytest.approx(0.8, abs=0.03)


def test_a_model_that_errs_to_one_side_gets_intervals_on_that_side() -> None:
    history = make_history(50, 60, 1, seed=5)
    lean = 3 * history.volatility[:, :, None]
    biased = dataclasses.replace(history, errors=history.errors + lean)
    assert coverage(biased, Conformal(mirror=0))[0, 20:].mean() == pytest.approx(0.8, abs=0.015)
    prices = make_intervals(biased, np.ones(history.errors.shape))
    assert np.nanmedian(prices[:, -1, 0, 2]) > 1


def test_when_errors_grow_and_volatility_does_not_show_it_coverage_returns() -> None:
    history = make_history(80, 160, 1, seed=6)
    errors = history.errors.copy()
    errors[:, 80:] *= 2.5
    grown = dataclasses.replace(history, errors=errors)
    # The first origin has no interval, so that the errors grow at place 79.
    slow, fast = (coverage(grown, Conformal(speed=speed))[0] for speed in (0.0, 0.05))
    for shares in (slow, fast):
        assert shares[60:79].mean() == pytest.approx(0.8, abs=0.02)
        assert shares[79] < 0.5
        assert shares[-20:].mean() == pytest.approx(0.8, abs=0.05)
    assert slow[85:119].mean() + 0.02 < fast[85:119].mean() < 0.8


def test_a_coin_with_errors_twice_as_large_gets_wider_intervals_and_one_without_the_pools() -> None:
    history = make_history(60, 100, 1, seed=7)
    errors = history.errors.copy()
    errors[0] *= 2
    errors[1] = np.nan
    odd = dataclasses.replace(history, errors=errors, volatility=np.full((60, 100), 0.05))
    odd.errors[2:] *= 0.05 / np.nanmax(history.volatility[2:], axis=1)[:, None, None]
    odd.errors[0] *= 0.05 / np.nanmax(history.volatility[0])
    conformal = Conformal()
    scale = conformal.scale(odd, conformal.summarise(conformal.count(odd)))[:, -1, 0] / 0.05
    assert scale[0] == pytest.approx(1.6, abs=0.3)  # `CAP` keeps it below 2
    assert scale[1] == 1
    assert scale[2:] == pytest.approx(1, abs=0.35)


def test_a_coin_without_volatility_has_that_of_the_middle_coin() -> None:
    history = make_history(41, 30, 2, seed=8)
    moves = history.volatility.copy()
    moves[0], moves[1] = np.nan, 0.0
    odd = dataclasses.replace(history, volatility=moves)
    conformal = Conformal(prior=np.inf)
    scale = conformal.scale(odd, conformal.summarise(conformal.count(odd)))
    assert scale[0, -1, 0] == pytest.approx(np.nanmedian(moves[2:, -1]), rel=0.06)
    assert np.array_equal(scale[0], scale[1])


def test_an_origin_before_any_error_has_no_interval() -> None:
    prices = make_intervals(make_history(3, 5, 3), np.ones((3, 5, 3)))
    assert np.isnan(prices[:, 0]).all()
    assert np.isnan(prices[:, 1, 1:]).all()
    assert not np.isnan(prices[:, 1, 0]).all()


def test_forecasts_that_are_no_prices_have_neither_errors_nor_intervals() -> None:
    forecasts = np.array([[[1.0, 0.0, -2.0, np.nan]]])
    errors = log_errors(np.full((1, 1, 4), np.e), forecasts)
    assert errors[0, 0, 0] == pytest.approx(1)
    assert np.isnan(errors[0, 0, 1:]).all()
    prices = price_quantiles(forecasts, np.ones((1, 1, 4)), np.zeros((1, 4, 1)))
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
    with pytest.raises(OptionError, match="volatility"):
        dataclasses.replace(history, volatility=history.volatility[1:])
    with pytest.raises(OptionError, match="errors"):
        dataclasses.replace(history, errors=history.errors[:, 1:])


@pytest.mark.parametrize("levels", [[], [0.0], [1.0], [0.9, 0.1], [0.5, 0.5], [np.nan]])
def test_levels_that_are_none_are_refused(levels: list[float]) -> None:
    with pytest.raises(OptionError, match="levels"):
        check_levels(levels)


@pytest.mark.parametrize(
    "options", [{"half_life": 0}, {"mirror": 1.5}, {"prior": 0}, {"speed": -1}]
)
def test_options_out_of_their_range_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(OptionError, match=next(iter(options))):
        Conformal(**options)
