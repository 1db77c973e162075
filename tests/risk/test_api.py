"""What `measure_risk` returns, end to end."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from dask.distributed import Client
from scipy.special import ndtri

from cryptodask.errors import (
    CryptoDaskError,
    InputError,
    NoPricesError,
    OptionError,
    UnknownCoinError,
)
from cryptodask.prices import CryptoLoader
from cryptodask.prices.synthetic import synthetic_prices
from cryptodask.risk import Risk, RiskOptions, measure_risk
from cryptodask.runs import forecast
from tests.risk.moves import SIGMA, prices_of, together

BOUNDS = ["lower_80", "upper_80", "lower_95", "upper_95"]


def moving(frame: pd.DataFrame) -> list[str]:
    """Return the coins whose closes move."""
    closes = frame.groupby("coin")["close"].nunique()
    return sorted(closes.index[closes > 1])


@pytest.fixture(scope="module")
def prices() -> pd.DataFrame:
    """Coins that end on three dates, half a year apart, and one constant."""
    frame = synthetic_prices(9, 700, seed=3, broken=("constant",))
    names = moving(frame)
    last = frame["date"].max()
    ends = {names[2]: last - pd.Timedelta(days=3), names[4]: last - pd.Timedelta(days=190)}
    kept = frame["date"] <= frame["coin"].map(ends).fillna(last).astype(frame["date"].dtype)
    return frame[kept].reset_index(drop=True)


@pytest.fixture(scope="module")
def normal() -> Risk:
    """Of normal returns, whose coins have a correlation of a half."""
    return measure_risk(
        prices_of(together(12, 900, 0.5, seed=5)), horizon=5, every_step=True,
        levels=(50, 80, 90), tail=(1, 5), above=("5%", "coin03=90"), below="-5%",
        weights="equal", paths=20_000,
    )  # fmt: skip


@pytest.mark.parametrize("to_date", [None, "2026-01-15"])
def test_bounds_are_those_of_naive_forecasts(
    prices: pd.DataFrame, client: Client, to_date: str | None
) -> None:
    loader = CryptoLoader(prices)
    rows = forecast(
        loader, ["naive"], 4, intervals=True, to_date=to_date, client=client, progress=False
    ).get_df()
    risk = measure_risk(loader, horizon=4, every_step=True, to_date=to_date, levels=(80, 95, 60))
    both = risk.coins.merge(rows, on=["coin", "cutoff", "date", "step"], suffixes=("", "_naive"))
    assert len(both) == len(risk.coins) == 4 * 8  # naive forecasts a coin that never moves, too
    assert rows["coin"].nunique() == 9
    for bound in BOUNDS:
        np.testing.assert_array_equal(both[bound], both[f"{bound}_naive"])
    np.testing.assert_array_equal(both["last"], both["forecast"])
    assert (both["lower_80"] < both["lower_60"]).all()


def test_figures_of_normal_returns(normal: Risk) -> None:
    coins = normal.coins
    assert len(coins) == 12 * 5
    # Annualised, at every step. The prior has Student's tails, which these returns do not.
    ratio = coins.groupby("step")["volatility"].mean() / (SIGMA * np.sqrt(365.0))
    assert ratio.between(1.0, 1.3).all()
    of_day = coins[coins["step"] == 1]
    expected = 1.0 - np.exp(SIGMA * ndtri(0.05))
    assert of_day["var_5"].mean() == pytest.approx(expected, rel=0.15)
    assert (coins["es_5"] > coins["var_5"]).all()
    assert (coins["var_1"] > coins["var_5"]).all()
    assert (coins["lower_90"] / coins["last"]).to_numpy() == pytest.approx(1 - coins["var_5"])


def test_it_shows_what_was_measured(normal: Risk) -> None:
    assert repr(normal).startswith("Risk(coins: 12; cutoffs: ")
    assert "portfolio: 12 coins; made from: " in repr(normal)
    assert "<table" in normal._repr_html_()
    assert len(repr(normal)) < 300


def test_probabilities_agree_with_quantiles(normal: Risk) -> None:
    chances = normal.probabilities
    assert len(chances) == 12 * 5 * 2 + 5
    alone = chances[chances["event"] == "above 90"]
    assert set(alone["coin"]) == {"coin03"}
    assert set(alone["price"]) == {90.0}
    # The probability of a close below a bound is the level of that bound.
    row = normal.coins.iloc[7]
    again = measure_risk(
        prices_of(together(12, 900, 0.5, seed=5)), horizon=5, every_step=True,
        above=f"{row['coin']}={row['upper_90']}", below=f"{row['coin']}={row['lower_50']}",
    ).probabilities  # fmt: skip
    of_step = again[again["step"] == row["step"]]
    assert of_step["probability"].tolist() == pytest.approx([0.05, 0.25], abs=1e-3)


def test_the_portfolio_diversifies_as_its_coins_correlate(normal: Risk) -> None:
    assert normal.portfolio is not None
    assert normal.weights is not None
    assert normal.weights["weight"].sum() == pytest.approx(1.0)
    alone = normal.coins.groupby("step")["volatility"].mean().to_numpy()
    ratio = normal.portfolio["volatility"].to_numpy() / alone
    # In 900 dates, about root of (1 + 11 / 2) / 12.
    assert ratio == pytest.approx(np.sqrt(6.5 / 12), abs=0.06)
    var = normal.coins.groupby("step")["var_5"].mean().to_numpy()
    assert (normal.portfolio["var_5"].to_numpy() < 0.9 * var).all()


def test_one_coin_is_a_portfolio_of_its_figures() -> None:
    prices = prices_of(together(3, 400, 0.5, seed=6))
    risk = measure_risk(prices, horizon=3, weights={"coin01": 2.0}, paths=50_000)
    assert risk.portfolio is not None
    row = risk.coins[risk.coins["coin"] == "coin01"].iloc[0]
    columns = ["volatility", "var_1", "es_1", "var_5", "es_5"]
    expected = row[columns].to_numpy(dtype=float)
    np.testing.assert_allclose(risk.portfolio.iloc[0][columns].to_numpy(float), expected, rtol=0.01)


@pytest.mark.parametrize("weights", ["equal", {"coin02": 1.0, "coin05": 3.0}])
def test_partitions_change_nothing(weights: object) -> None:
    prices = prices_of(together(7, 300, 0.4, seed=7))
    prices = prices[(prices["coin"] != "coin05") | (prices["date"] > "2020-04-01")]
    results = [
        measure_risk(
            prices, partitions=n, horizon=3, weights=weights, above="10%", volatility="garch",
            paths=500,
        )
        for n in (1, 4)
    ]  # fmt: skip
    first, other = results
    for name in ("coins", "probabilities", "portfolio", "failures"):
        pd.testing.assert_frame_equal(getattr(first, name), getattr(other, name), check_exact=True)


def test_rows_after_the_last_day_change_nothing(prices: pd.DataFrame) -> None:
    options: dict[str, Any] = {
        "horizon": 3,
        "weights": "equal",
        "paths": 300,
        "to_date": "2026-01-15",
    }
    before = prices[prices["date"] <= "2026-01-15"]
    wild = prices.assign(
        close=prices["close"].where(prices["date"] <= "2026-01-15", prices["close"] * 3.0)
    )
    results = [measure_risk(frame, **options) for frame in (before, prices, wild)]
    for other in results[1:]:
        for name in ("coins", "portfolio"):
            pd.testing.assert_frame_equal(
                getattr(results[0], name), getattr(other, name), check_exact=True
            )


def test_coins_that_are_left_out_are_named(prices: pd.DataFrame) -> None:
    names = moving(prices)
    short = prices.groupby("coin").head(6)
    few = prices[prices["coin"] != names[5]]
    mixed = pd.concat([few, short[short["coin"] == names[5]]])
    risk = measure_risk(mixed, weights="equal", paths=100)
    assert not risk.is_complete
    by_coin = risk.failures.set_index("coin")
    assert by_coin.loc[names[5], "exception"] == "TooShortError"
    assert "5 returns" in str(by_coin.loc[names[5], "message"])
    assert "ConstantSeriesError" in set(risk.failures["exception"])
    # Two that ended before the others have figures, and are not in the portfolio.
    left_out = risk.failures[risk.failures["model"] == "portfolio"]["coin"]
    assert set(left_out) == {names[2], names[4]}
    assert set(left_out) <= set(risk.coins["coin"])
    assert risk.weights is not None
    assert not set(left_out) & set(risk.weights["coin"])


def test_unknown_coins_are_refused(prices: pd.DataFrame) -> None:
    refused: list[dict[str, Any]] = [
        {"coins": ["Doge"]},
        {"above": "Doge=5"},
        {"weights": {"Doge": 1.0}},
    ]
    for options in refused:
        with pytest.raises(UnknownCoinError, match="Doge"):
            measure_risk(prices, **options)


def test_a_price_of_a_coin_that_is_not_asked_for_is_refused(prices: pd.DataFrame) -> None:
    one, other = CryptoLoader(prices).get_crypto_names()[:2]
    with pytest.raises(OptionError, match=f"above: '{one}=5': {one} is not among the coins"):
        measure_risk(prices, coins=[other], above=[f"{one}=5", f"{other}=5"])


def test_weights_are_divided_by_their_sum_which_is_kept() -> None:
    loader = CryptoLoader(prices_of(together(2, 200, 0.5)))
    first, second = loader.get_crypto_names()
    risks = [
        measure_risk(loader, weights={first: weight, second: weight}, paths=100)
        for weight in (0.5, 0.4)
    ]
    assert [risk.weights_sum for risk in risks] == [1.0, 0.8]
    pd.testing.assert_frame_equal(risks[0].portfolio, risks[1].portfolio)


def test_prices_that_say_nothing_are_refused(prices: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none of the 1 coins .* 2 returns .*more rows"):
        measure_risk(prices_of(together(1, 3, 0.0)))
    with pytest.raises(InputError, match="none of the coins has a row in the days asked for"):
        measure_risk(prices, to_date="1999-01-01")
    with pytest.raises(CryptoDaskError):
        measure_risk(tmp_path)
    (tmp_path / "A.csv").write_text("date,close\n")
    with pytest.raises((NoPricesError, CryptoDaskError)):
        measure_risk(tmp_path)


def test_a_fitted_forecast_of_volatility() -> None:
    frame = prices_of(together(8, 600, 0.3, seed=8))
    usual = measure_risk(frame, horizon=2)
    for kind in ("garch", "gjr", "ewma", "harch"):
        risk = measure_risk(frame, horizon=2, volatility=kind)
        assert risk.coins["volatility"].mean() == pytest.approx(SIGMA * np.sqrt(365.0), rel=0.1)
        rest = [column for column in usual.coins if column != "volatility"]
        pd.testing.assert_frame_equal(risk.coins[rest], usual.coins[rest])


def test_options_are_kept() -> None:
    risk = measure_risk(prices_of(together(2, 100, 0.0)), horizon=2)
    assert risk.options == RiskOptions(horizon=2)
    assert risk.simulator is None
