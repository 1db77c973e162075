"""Simulated paths: each coin's distribution, and how coins move together."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from cryptodask.errors import InputError
from cryptodask.records import FloatArray
from cryptodask.risk.paths import Simulator, completed
from tests.risk.moves import SIGMA, dates_to, normal_moves, together

DATES = 500


def simulator(residuals: FloatArray, horizon: int = 1, paths: int = 20_000) -> Simulator:
    names = [f"coin{i:02d}" for i in range(len(residuals))]
    dates = dates_to(residuals.shape[1])
    return Simulator.of(normal_moves(names, horizon), dates, residuals, paths, seed=0)


def spread_of(paths: Simulator) -> FloatArray:
    """Return the deviation of log growth of equal parts of all coins at each step."""
    n_coins = len(paths.moves.coins)
    values, logs = paths.portfolio(np.arange(n_coins), np.full(n_coins, 1.0 / n_coins))
    spread = np.asarray(np.log(values).std(axis=1))
    np.testing.assert_allclose(logs.std(axis=1), spread, rtol=0.03)
    return spread


def test_paths_of_a_coin_have_its_quantiles_at_each_step() -> None:
    paths = simulator(together(2, DATES, 0.5), horizon=5)
    growths = np.exp(paths.logs(1))
    growths.sort()
    np.testing.assert_array_equal(paths.logs(1, [2, 5]), paths.logs(1)[[1, 4]])
    for level in (0.01, 0.05, 0.5):
        quantile = paths.moves.prices(level)[1] / paths.moves.closes[1]
        np.testing.assert_allclose(growths.T[int(level * 20_000)], quantile, rtol=1e-3)


@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.8])
@pytest.mark.parametrize("horizon", [1, 10])
def test_a_portfolio_spreads_as_its_coins_correlate(correlation: float, horizon: int) -> None:
    residuals = together(10, DATES, correlation, seed=3)
    # Within 500 dates correlations are off by some; what the sample has is what paths must have.
    matrix = np.asarray(np.corrcoef(sum(np.roll(residuals, -k, axis=1) for k in range(horizon))))
    sample = matrix[np.triu_indices(10, 1)].mean()
    expected = SIGMA * np.sqrt(horizon) * np.sqrt(0.1 + 0.9 * sample)
    assert spread_of(simulator(residuals, horizon))[-1] == pytest.approx(expected, rel=0.04)


def test_equal_coins_do_not_diversify() -> None:
    residuals = np.repeat(together(1, DATES, 0.0), 3, axis=0)
    paths = simulator(residuals, horizon=3)
    np.testing.assert_array_equal(paths.logs(0), paths.logs(2))
    np.testing.assert_allclose(spread_of(paths), SIGMA * np.sqrt([1, 2, 3]), rtol=0.01)


def test_a_coin_that_follows_another_by_a_day_moves_with_it_over_several() -> None:
    first = together(1, DATES, 0.0)
    paths = simulator(np.concatenate([first, np.roll(first, 1, axis=1)]), horizon=10)
    both = [np.corrcoef(a, b)[0, 1] for a, b in zip(paths.logs(0), paths.logs(1), strict=True)]
    # Of sums over h days, h - 1 days are in both, but for one in ten, after which another begins.
    assert both[0] == pytest.approx(0.0, abs=0.1)
    assert both[4] == pytest.approx(0.9 * 4 / 5, abs=0.1)
    assert both[9] == pytest.approx(0.9 * 9 / 10, abs=0.1)


def test_ten_dates_follow_each_other_on_average() -> None:
    draws = simulator(together(2, DATES, 0.0), horizon=12, paths=1_000).draws
    apart = np.diff(draws, axis=0) % DATES
    assert (apart == 1).mean() == pytest.approx(0.9, abs=0.02)
    # Each date begins about as many paths as any other.
    assert set(np.bincount(draws[0], minlength=DATES)) == {2}


def test_a_step_continues_the_one_before() -> None:
    logs = simulator(together(2, DATES, 0.5), horizon=4).logs(0)
    early, late = logs[1], logs[3]
    # Of a random walk the correlation of the sums over 2 and 4 steps is the root of 2 / 4.
    assert np.corrcoef(early, late)[0, 1] == pytest.approx(np.sqrt(0.5), abs=0.06)


def test_the_seed_decides_and_other_coins_do_not() -> None:
    residuals = together(3, DATES, 0.5)
    first, again = simulator(residuals), simulator(residuals)
    np.testing.assert_array_equal(first.logs(2), again.logs(2))
    moves, dates = normal_moves(["coin00", "coin01", "coin02"]), dates_to(DATES)
    other = Simulator.of(moves, dates, residuals, 20_000, seed=1)
    assert (other.logs(2) != first.logs(2)).any()


def test_a_young_coin_moves_with_the_market_as_old_ones_do() -> None:
    residuals = together(20, DATES, 0.5, seed=1)
    residuals[0, :-60] = np.nan
    filled = completed(tuple(f"coin{i:02d}" for i in range(20)), residuals, seed=0)
    assert np.isfinite(filled).all()
    correlations = np.asarray(np.corrcoef(filled))
    assert correlations[0, 1:].mean() == pytest.approx(0.5, abs=0.08)
    assert filled[0].std() == pytest.approx(1.0, abs=0.1)
    # What is known stays, but for its scale.
    ratio = filled[0, -60:] / residuals[0, -60:]
    assert np.ptp(ratio) == pytest.approx(0.0, abs=1e-12)


def test_coins_that_were_never_there_together_are_related_by_the_market() -> None:
    residuals = together(12, DATES, 0.6, seed=2)
    residuals[0, : DATES // 2] = np.nan
    residuals[1, DATES // 2 :] = np.nan
    paths = simulator(residuals)
    rank = spearmanr(paths.logs(0)[0], paths.logs(1)[0]).statistic
    assert rank == pytest.approx(0.58, abs=0.1)


def test_too_few_dates_are_refused() -> None:
    residuals = together(2, 40, 0.5)
    residuals[:, :20] = np.nan
    with pytest.raises(InputError, match=r"20 of the last 40 bars .* need 30; give more rows"):
        simulator(residuals)
