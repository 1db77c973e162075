"""Weights of a portfolio, and its losses over paths."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cryptodask.errors import InputError, OptionError, UnknownCoinError
from cryptodask.prices.names import CoinNames
from cryptodask.records import CoinFailure
from cryptodask.risk.paths import Simulator
from cryptodask.risk.portfolio import Portfolio, choose_portfolio, portfolio_table, tail_losses
from tests.risk.moves import SIGMA, dates_to, normal_moves, together

NAMES = CoinNames(["Bitcoin", "Ether"], {}, {})


def test_losses_of_a_sample_by_hand() -> None:
    values = np.arange(1, 21) / 20.0  # 0.05, 0.1, … 1.0
    at_risk, shortfall = tail_losses(values, 0.1)
    assert at_risk == pytest.approx(1.0 - (0.1 + 0.9 * 0.05))
    assert shortfall == pytest.approx(1.0 - (0.05 + 0.1) / 2)
    # A tail of one and a half paths: the second counts half.
    assert tail_losses(values, 0.075)[1] == pytest.approx(1.0 - (0.05 + 0.05) / 1.5)


def test_a_file_has_weights_by_coin(tmp_path: Path) -> None:
    path = tmp_path / "w.csv"
    path.write_text("coin,weight\nbitcoin,3\n\nEther,1\n")
    portfolio = choose_portfolio(str(path), NAMES)
    assert portfolio == Portfolio({"Bitcoin": 3.0, "Ether": 1.0})
    held, left_out = portfolio.held(normal_moves(["Bitcoin", "Ether"]), [])
    assert held == {"Bitcoin": 0.75, "Ether": 0.25}
    assert left_out == []


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("coin,weight\nBitcoin,much\n", OptionError, "w.csv, line 2: a weight .*'much'"),
        ("coin,weight\nBitcoin,nan\n", OptionError, "line 2: a weight must be a finite number"),
        ("coin,weight\nBitcoin,inf\n", OptionError, "line 2: a weight must be a finite number"),
        ("coin,weight\nDoge,1\n", UnknownCoinError, "line 2: .*Doge"),
        ("coin,weight\nBitcoin,1\nbitcoin,2\n", OptionError, "line 3: Bitcoin is there twice"),
        ("coin,weight\nBitcoin,1\nEther,-1\n", OptionError, "add up to more than 0.*got 0 of 2"),
        ("coin,weight\nBitcoin,-1\n", OptionError, "add up to more than 0"),
        ("coin,weight\n", OptionError, "add up to more than 0.*of 0 coins"),
        ("coin,weight\nBitcoin,1,2\n", InputError, "line 2: must be a coin and a weight"),
        ("Bitcoin,1\n", InputError, "line 1: must be coin,weight, got 'bitcoin,1'"),
        ("", InputError, "line 1: must be coin,weight"),
    ],
)
def test_files_that_are_no_weights_are_refused(
    tmp_path: Path, text: str, error: type[Exception], said: str
) -> None:
    path = tmp_path / "w.csv"
    path.write_text(text)
    with pytest.raises(error, match=said):
        choose_portfolio(str(path), NAMES)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none.csv can't be read .*give a .csv"):
        choose_portfolio(str(tmp_path / "none.csv"), NAMES)


@pytest.mark.parametrize("value", [None, "x", float("nan")])
def test_weights_in_python_are_checked_too(value: Any) -> None:
    with pytest.raises(OptionError, match="weights: Bitcoin: a weight must be a finite number"):
        choose_portfolio({"Bitcoin": value}, NAMES)


@pytest.mark.parametrize("given", [[0.5, 0.5], pd.Series({"Bitcoin": 1.0}), 1.0])
def test_weights_that_are_not_by_coin_are_refused(given: Any) -> None:
    with pytest.raises(OptionError, match=f"weights by coin, .*got {type(given).__name__}"):
        choose_portfolio(given, NAMES)


def test_a_coin_that_can_t_be_measured_is_named() -> None:
    failure = CoinFailure("Ether", "risk", "TooShortError", "Ether: 3 returns")
    with pytest.raises(InputError, match="Ether can't be in the portfolio: Ether: 3 returns"):
        Portfolio({"Bitcoin": 1.0, "Ether": 1.0}).held(normal_moves(["Bitcoin"]), [failure])


def test_coins_that_ended_before_are_refused_or_left_out() -> None:
    moves = normal_moves(["Bitcoin", "Ether", "Old"])
    moves.cutoffs[2] -= np.timedelta64(86_400, "s")
    with pytest.raises(InputError, match=r"last row of Old is of 2020-06-29.*leave it out"):
        Portfolio({"Bitcoin": 1.0, "Old": 1.0}).held(moves, [])
    held, left_out = Portfolio(None).held(moves, [])
    assert held == {"Bitcoin": 0.5, "Ether": 0.5}
    assert [failure.coin for failure in left_out] == ["Old"]


def test_a_hedge_takes_away_what_coins_have_in_common() -> None:
    moves = normal_moves(["a", "b", "c"])
    residuals = np.repeat(together(1, 300, 0.0), 3, axis=0)
    paths = Simulator.of(moves, dates_to(300), residuals, 10_000, seed=0)
    row = portfolio_table(paths, {"a": 1.0, "b": 1.0, "c": -1.0}, [1], [5.0], 365.0).iloc[0]
    assert row["volatility"] == pytest.approx(SIGMA * np.sqrt(365.0), rel=0.01)
    assert row["var_5"] == pytest.approx(1.0 - np.exp(-1.645 * SIGMA), rel=0.01)
    assert row["es_5"] > row["var_5"]


def test_a_wild_coin_does_not_decide_what_the_volatility_is() -> None:
    moves = normal_moves(["a", "b"])
    moves.scale[1] *= 200.0  # it may be a million times its price, and half of the paths lose it
    paths = Simulator.of(moves, dates_to(300), together(2, 300, 0.0), 10_000, seed=0)
    row = portfolio_table(paths, {"a": 0.9, "b": 0.1}, [1], [5.0], 365.0).iloc[0]
    expected = np.hypot(0.9, 0.1 * 200.0) * SIGMA * np.sqrt(365.0)
    assert row["volatility"] == pytest.approx(expected, rel=0.03)
    assert row["var_5"] == pytest.approx(0.1 + 0.9 * 0.02, abs=0.02)


def test_more_than_all_may_be_lost_with_weights_below_0() -> None:
    moves = normal_moves(["a", "b"])
    paths = Simulator.of(moves, dates_to(300), together(2, 300, 0.0), 1_000, seed=0)
    row = portfolio_table(paths, {"a": 50.0, "b": -49.0}, [1], [5.0], 365.0).iloc[0]
    assert row["var_5"] > 1.0
    assert np.isfinite(row["volatility"])
