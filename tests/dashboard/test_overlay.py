"""Columns of forecasts over actuals: every forecast at its place, and lines that break off."""

import numpy as np
import pandas as pd

from cryptodask.dashboard.overlay import MOST_POINTS, build_overlay, how_many
from cryptodask.evaluate.rows import BOUNDS
from tests.evaluate.tables import make_backtest

DAY_MS = 86_400_000
HORIZON, N_ORIGINS = 4, 6


def build(table, models=("naive", "drift", "wild"), **options):
    coins = sorted(table["coin"].unique())
    origins = np.sort(table["cutoff"].unique())
    captions = [f"{coin} {model}" for coin in coins for model in models]
    return build_overlay(table, coins, models, origins, captions, **options)


def ms(dates):
    return pd.Series(dates).to_numpy("datetime64[ms]").astype(np.int64)


def test_every_forecast_is_in_the_slice_of_its_coin_and_model():
    table, _ = make_backtest(3, missing=0.2)
    overlay = build(table)
    assert overlay.bar == DAY_MS
    assert overlay.has_bands
    for i, coin in enumerate(overlay.coins):
        for j, model in enumerate(overlay.models):
            rows = table[(table["coin"] == coin) & (table["model"] == model)]
            rows = rows[rows["forecast"].notna()].sort_values(["cutoff", "step"])
            drawn = pd.DataFrame(overlay.ahead.of(i * 3 + j))
            points = drawn[drawn["forecast"].notna() & (drawn["step"] > 0)]
            assert (points["date"] == ms(rows["date"])).all()
            assert (points["cutoff"] == ms(rows["cutoff"])).all()
            for name in ("forecast", "actual", *BOUNDS):
                np.testing.assert_array_equal(points[name], rows[name])


def test_each_forecast_starts_at_the_close_and_ends_in_a_break():
    table, _ = make_backtest(2)
    overlay = build(table)
    for k in range(6):
        drawn = pd.DataFrame(overlay.ahead.of(k))
        assert len(drawn) == N_ORIGINS * (HORIZON + 2)
        for cutoff, points in drawn.groupby("cutoff", sort=False):
            first, end, before = points.iloc[0], points.iloc[-1], points.iloc[-2]
            assert first["date"] == cutoff
            assert set(first[["forecast", "actual", *BOUNDS]]) == {first["forecast"]}
            assert np.isnan(end["forecast"])
            assert end["date"] == before["date"]
            # A point, and no edge, leads from this band to the next.
            assert set(end[list(BOUNDS)]) == {before["forecast"]}


def test_without_intervals_there_are_no_bands():
    table, _ = make_backtest(2)
    table[list(BOUNDS)] = np.nan
    assert not build(table).has_bands


def test_closes_are_those_that_came_with_holes_where_nothing_is_known():
    table, series = make_backtest(2, stride=7)
    overlay = build(table)
    closes = series.set_index(["unique_id", series["ds"]])["y"]
    for i, coin in enumerate(overlay.coins):
        drawn = pd.DataFrame(overlay.closes.of(i))
        assert (np.diff(drawn["date"]) > 0).all()
        known = drawn.dropna()
        assert len(known) == N_ORIGINS * (HORIZON + 1)
        dates = known["date"].to_numpy().astype("datetime64[ms]").astype("datetime64[s]")
        np.testing.assert_allclose(known["close"], [closes[coin, d] for d in dates])
        assert drawn["close"].isna().sum() == N_ORIGINS - 1


def test_prices_fill_the_holes():
    table, series = make_backtest(2, stride=7)
    prices = series.rename(columns={"unique_id": "coin", "ds": "date", "y": "close"})
    other = prices.assign(coin="other")
    overlay = build(table, prices=pd.concat([prices, other]))
    for i, coin in enumerate(overlay.coins):
        drawn = overlay.closes.of(i)
        expected = prices[prices["coin"] == coin]
        np.testing.assert_array_equal(drawn["date"], ms(expected["date"]))
        np.testing.assert_allclose(drawn["close"], expected["close"])


def test_a_coin_without_a_model_has_an_empty_slice():
    table, _ = make_backtest(2)
    table = table[(table["coin"] != "coin-0") | (table["model"] == "naive")]
    overlay = build(table)
    assert [len(overlay.ahead.of(k)["date"]) for k in range(6)] == [36, 0, 0, 36, 36, 36]


def test_a_page_stays_small_however_much_there_is():
    for n_models, n_origins, horizon in [(2, 12, 10), (20, 300, 30), (500, 5_000, 90)]:
        coins, origins = how_many(n_models, n_origins, horizon)
        assert 1 <= origins <= n_origins
        points = coins * origins * n_models * (horizon + 2)
        assert points <= MOST_POINTS
        assert origins == n_origins or coins == 1
