"""Figures of equity curves, beside those of papers and of empyrical-reloaded."""

import math

import numpy as np
import pytest

from cryptodask.trading.metrics import (
    by_coin,
    curve_figures,
    deflated_sharpe,
    expected_best,
    in_all,
    returns_of,
)
from cryptodask.trading.simulation import simulate_targets
from cryptodask.trading.terms import Account, Costs
from tests.trading.markets import NAN, column, one_coin, random_market, random_targets

BY_EMPYRICAL = {
    "sharpe": -0.48480484825854636,
    "sortino": -0.6770128816498184,
    "cagr": -0.22736855781959808,
    "drawdown": -0.5805305205576167,
    "volatility": 0.38177713731950946,
}
"""Of the returns below, by empyrical-reloaded 0.7.1 with ``annualization=365``."""


def curve(returns: np.ndarray) -> np.ndarray:
    return np.cumprod(np.concatenate([[1.0], 1 + returns]))[:, None]


def test_figures_are_those_of_empyrical() -> None:
    returns = np.random.RandomState(0).normal(0, 0.02, 500)
    figures = curve_figures(curve(returns), 365)
    for name, value in BY_EMPYRICAL.items():
        assert figures[name][0] == pytest.approx(value, rel=1e-9), name


def test_error_of_the_sharpe_ratio_is_that_of_lo() -> None:
    # Lo (2002), table 1: of a true ratio of 1.5 a bar and 60 bars, an error of 0.188.
    rng = np.random.default_rng(1)
    returns = rng.normal(size=60)
    returns = 0.01 * ((returns - returns.mean()) / returns.std(ddof=1) + 1.5)
    figures = curve_figures(curve(returns), 1)
    assert figures["sharpe"][0] == pytest.approx(1.5)
    assert figures["sharpe_error"][0] == pytest.approx(0.188, abs=5e-4)


def test_deflated_ratio_is_that_of_the_paper() -> None:
    # Bailey and López de Prado (2014), their example: 100 rules with a variance of 1/2 a year, 250
    # days a year: the best of them by luck has 0.1132 a day; and a ratio of 2.5 a year over 1,250
    # days with a skewness of -3 and a kurtosis of 10 is then above it with 0.9004.
    luck = expected_best(math.sqrt(0.5 / 250), 100)
    assert luck == pytest.approx(0.1132, abs=5e-5)
    ratio = 2.5 / math.sqrt(250)
    variance = 1 + 3 * ratio + 9 / 4 * ratio**2
    from scipy.stats import norm

    assert norm.cdf((ratio - luck) * math.sqrt(1249 / variance)) == pytest.approx(0.9004, abs=5e-4)


def test_more_rules_that_were_tried_make_a_ratio_less_sure() -> None:
    returns = np.random.default_rng(3).normal(0.002, 0.02, 400)
    ratio = returns.mean() / returns.std(ddof=1)
    tried = [ratio, 0.0, -0.05, 0.03]
    alone = deflated_sharpe(returns, [ratio])
    four, hundred = deflated_sharpe(returns, tried), deflated_sharpe(returns, tried, 100)
    assert 1 > alone > four > hundred > 0
    assert math.isnan(deflated_sharpe(np.zeros(10), [0.0]))


def test_what_never_moves_has_no_ratio() -> None:
    figures = curve_figures(np.full((5, 1), 100.0), 365)
    assert figures["return"][0] == 0
    assert figures["drawdown"][0] == 0
    assert math.isnan(figures["sharpe"][0])
    assert returns_of(np.array([1.0, 0.0, 0.0])).tolist() == [-1.0, 0.0]


def test_who_owes_has_lost_all_and_no_ratio() -> None:
    figures = curve_figures(column(100, 150, -50, 100, 400), 365)
    assert figures["return"][0] == -1.0
    assert figures["drawdown"][0] == -1.0
    assert math.isnan(figures["sharpe"][0])
    assert math.isnan(figures["sortino"][0])
    lost = curve_figures(column(100, 150, 0, 0), 365)
    assert lost["sharpe"][0] < 0


def test_turnover_of_who_owes_is_not_negative() -> None:
    market = one_coin([100, 100, 300, 300, 300])
    account = Account(cash=100, short=True)
    outcome = simulate_targets(market, column(-1.0, NAN, -1.0, NAN, NAN), account)
    # One is sold for 100; at 300, of which 200 is there, 100 is owed: nothing more is sold short,
    # and what cash pays is bought back.
    assert outcome.total.tolist() == pytest.approx([100, 100, -100, -100, -100])
    assert outcome.fills["side"].tolist() == ["sell", "buy"]
    figures = in_all(outcome.total, outcome.held[:, 0], by_coin(outcome, market, 365), 365)
    assert figures["turnover"] > 0


def test_trades_in_all_by_hand() -> None:
    market = one_coin([100, 100, 120, 120, 90, 90])
    targets = column(0.5, 0.0, 0.5, 0.0, NAN, NAN)
    outcome = simulate_targets(market, targets, Account(cash=1000), Costs(fee=0.01))
    figures = in_all(outcome.total, outcome.held[:, 0], by_coin(outcome, market, 365), 365)
    fills = outcome.fills
    assert figures["fills"] == 4
    assert figures["hit_rate"] == 0.5
    assert figures["fees"] == pytest.approx(fills["fee"].sum())
    traded = (fills["quantity"] * fills["price"]).sum()
    assert figures["turnover"] == pytest.approx(traded / outcome.total.mean() * 365 / 5)
    assert 0 < figures["exposure"] < 0.5
    assert figures["return"] == pytest.approx(outcome.total[-1] / 1000 - 1)


@pytest.mark.parametrize("shared", [False, True])
def test_profits_by_coin_add_up(shared: bool) -> None:
    market = random_market(5, 60, 5)
    account = Account(cash=5000, shared=shared, end=1.0, ended_after=3)
    outcome = simulate_targets(market, random_targets(6, market), account, Costs(fee=0.002))
    frame = by_coin(outcome, market, 365)
    assert frame["profit"].sum() == pytest.approx(outcome.total[-1] - 5000)
    assert ("sharpe" in frame) == (not shared)
    if not shared:
        assert frame["profit"].to_numpy() == pytest.approx(outcome.equity[-1] - 1000)
