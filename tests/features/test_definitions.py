"""Every feature against a plain formula, and against what it must not see."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptodask.features.definitions import DEFINITIONS
from cryptodask.features.market import Market
from cryptodask.features.space import FeatureSpace
from cryptodask.records import DAY, FloatArray, Panel
from tests.features.test_segments import runs_of
from tests.models.conftest import START, make_panel, one_coin, panels

calm = settings(deadline=None, max_examples=12)

WRITTEN = {
    "lag": "lag:1-3",
    "return": "return:1,5",
    "close": "close:1-2",
    "mean": "mean:3,7",
    "std": "std:2,5",
    "min": "min:1,6",
    "max": "max:1,6",
    "rsi": "rsi:1,5",
    "macd": "macd:3,7,4",
    "bollinger": "bollinger:2,9",
    "volume_change": "volume_change:1-2",
    "market_cap_change": "market_cap_change:4",
    "weekday": "weekday",
    "market": "market:1-3",
    "coin": "coin:coin-0:1-2",
    "column": "column:x:1-2",
    "column_change": "column_change:x:2",
    "column_difference": "column_difference:x:3",
    "ahead": "ahead:x:1-2",
    "static": "static:kind=a",
}
EXTRA = ("volume", "market_cap", "column:x", "ahead:x:1", "ahead:x:2", "static:kind=a")
SCALED = [
    FeatureSpace.parse(text, "log_return", scaling)
    for text in WRITTEN.values()
    for scaling in ("none", "window:4")
]


def with_amounts(panel: Panel, seed: int = 0) -> Panel:
    """The same panel with columns of all kinds, some of their values missing."""
    rng = np.random.default_rng(seed)
    extra = {}
    for name in EXTRA:
        amounts = np.exp(rng.normal(10, 2, len(panel.values)))
        extra[name] = np.where(rng.random(len(amounts)) < 0.05, np.nan, amounts)
    return replace(panel, extra=extra)


def compute(space: FeatureSpace, panel: Panel, market: Market | None = None) -> FloatArray:
    if space.crosses and market is None:
        market = Market.of(panel, space.coins)
    return space.compute(space.rows(panel, market))


def keep(panel: Panel, rows: FloatArray) -> Panel:
    """The panel of some rows, whatever their coins."""
    lengths = np.add.reduceat(rows, panel.indptr[:-1], dtype=np.int64)
    return Panel(
        panel.coins,
        panel.values[rows],
        panel.dates[rows],
        np.append(0, np.cumsum(lengths)),
        panel.step,
        extra={name: column[rows] for name, column in panel.extra.items()},
    )


def test_every_definition_is_tested_here() -> None:
    assert list(WRITTEN) == list(DEFINITIONS)


@pytest.mark.parametrize("space", SCALED, ids=lambda s: f"{s.text} {s.scaling.text}")
@calm
@given(panel=panels(3), after=st.integers(0, 200), seed=st.integers(0, 99))
def test_nothing_later_changes_a_feature(
    space: FeatureSpace, panel: Panel, after: int, seed: int
) -> None:
    panel = with_amounts(panel, seed)
    begin = panel.dates[panel.indptr[:-1]]
    until = max(START + after * DAY, begin.max())
    seen = panel.dates <= until
    whole, then = compute(space, panel), compute(space, keep(panel, seen))
    assert np.array_equal(whole[seen], then, equal_nan=True)


@pytest.mark.parametrize("space", SCALED, ids=lambda s: f"{s.text} {s.scaling.text}")
@calm
@given(panel=panels(3), seed=st.integers(0, 99))
def test_neither_other_coins_nor_other_runs_change_a_feature(
    space: FeatureSpace, panel: Panel, seed: int
) -> None:
    panel = with_amounts(panel, seed)
    market = Market.of(panel, space.coins)
    whole = compute(space, panel, market)
    for rows in runs_of(panel):
        alone = Panel(
            ("run",),
            panel.values[rows],
            panel.dates[rows],
            np.array([0, rows.stop - rows.start]),
            panel.step,
            extra={name: column[rows] for name, column in panel.extra.items()},
        )
        assert np.array_equal(whole[rows], compute(space, alone, market), equal_nan=True)


@pytest.mark.parametrize("space", SCALED, ids=lambda s: f"{s.text} {s.scaling.text}")
def test_features_are_known_from_as_many_rows_as_they_say(space: FeatureSpace) -> None:
    panel = make_panel([90, 90])
    panel = replace(panel, extra=dict.fromkeys(EXTRA, panel.values))
    # The market is known from before the coin's own first row.
    dates = START + np.arange(-60, 200) * DAY
    known = np.arange(len(dates))
    coins = dict.fromkeys(space.coins, (dates, known / 7))
    market = Market(dates, known, np.ones_like(known), coins)
    values = compute(space, panel, market)[90:]
    assert np.isfinite(values[space.history - 1 :]).all()
    if space.history > 1:
        assert np.isnan(values[space.history - 2]).any()
    assert values.shape == (90, len(space.names))


def column(text: str, panel: Panel, place: int = 0) -> FloatArray:
    return compute(FeatureSpace.parse(text, "log_return"), panel)[:, place]


COINS = pytest.mark.parametrize("seed", range(3))


@COINS
def test_returns_and_what_rolls_over_them_are_those_of_pandas(seed: int) -> None:
    panel = make_panel([80], seed)
    logs = pd.Series(np.log(panel.values))
    returns = logs.diff()
    expected = {
        "lag:1": returns,
        "lag:4": returns.shift(3),
        "return:5": logs.diff(5),
        "close:3": np.exp(logs).shift(2),
        "mean:7": returns.rolling(7).mean(),
        "std:14": returns.rolling(14).std(ddof=0),
        "min:6": returns.rolling(6).min(),
        "max:6": returns.rolling(6).max(),
    }
    for text, values in expected.items():
        np.testing.assert_allclose(column(text, panel), values, rtol=1e-9, atol=1e-12)


@COINS
@pytest.mark.parametrize("n", [1, 2, 14])
def test_rsi_is_wilders(seed: int, n: int) -> None:
    closes = make_panel([120], seed).values
    expected = np.full(120, np.nan)
    for row in range(n, 120):
        ups = [max(closes[i] - closes[i - 1], 0) for i in range(1, row + 1)]
        downs = [max(closes[i - 1] - closes[i], 0) for i in range(1, row + 1)]
        up, down = sum(ups[:n]) / n, sum(downs[:n]) / n
        for u, d in zip(ups[n:], downs[n:], strict=True):
            up, down = (up * (n - 1) + u) / n, (down * (n - 1) + d) / n
        expected[row] = 100 - 100 / (1 + up / down) if down else 100
    np.testing.assert_allclose(column(f"rsi:{n}", one_coin(closes)) * 100, expected, rtol=1e-9)


def test_rsi_of_a_price_that_only_rises_falls_or_stands_still() -> None:
    rise = np.arange(1.0, 31.0)
    for closes, told in ((rise, 1.0), (rise[::-1].copy(), 0.0), (np.full(30, 2.0), 0.5)):
        assert set(column("rsi:14", one_coin(closes))[14:]) == {told}


def average(values: list[float], n: int) -> list[float]:
    """Appel's exponential average, whose first is the mean of the first n."""
    result = [sum(values[:n]) / n]
    for value in values[n:]:
        result.append(result[-1] + 2 / (n + 1) * (value - result[-1]))
    return [np.nan] * (n - 1) + result


@COINS
def test_macd_is_appels(seed: int) -> None:
    closes = make_panel([120], seed).values
    fast, slow = average(closes.tolist(), 12), average(closes.tolist(), 26)
    line = (np.array(fast) - np.array(slow)).tolist()
    signal = [np.nan] * 25 + average(line[25:], 9)
    for place, expected in enumerate((line, signal)):
        found = column("macd", one_coin(closes), place) * closes
        np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-9 * closes.max())


@COINS
def test_the_bands_are_bollingers(seed: int) -> None:
    closes = make_panel([60], seed).values
    for row in range(19, 60):
        window = closes[row - 19 : row + 1]
        lower, upper = (window.mean() + k * np.sqrt(((window - window.mean()) ** 2).mean())
                        for k in (-2, 2))  # fmt: skip
        share, width = (column("bollinger:20", one_coin(closes), i)[row] for i in (0, 1))
        assert share == pytest.approx((closes[row] - lower) / (upper - lower), rel=1e-9)
        assert width == pytest.approx((upper - lower) / window.mean(), rel=1e-9)
    still = one_coin(np.full(30, 0.1))
    assert column("bollinger:20", still)[25] == 0.5
    assert column("bollinger:20", still, 1)[25] == 0.0


def test_changes_of_amounts_are_missing_where_an_amount_is_missing_or_nothing() -> None:
    panel = one_coin(np.arange(1.0, 7.0))
    volume = np.array([1.0, 2.0, np.nan, 4.0, 0.0, 8.0])
    found = column("volume_change:1", replace(panel, extra={"volume": volume}))
    assert np.array_equal(found, [np.nan, np.log(2), *[np.nan] * 4], equal_nan=True)


def test_the_day_of_the_week_is_the_calendars() -> None:
    panel = make_panel([30])
    days = compute(FeatureSpace.parse("weekday", "log_return"), panel)
    number = pd.DatetimeIndex(panel.dates).day_of_week
    assert np.array_equal(days, np.eye(7)[number][:, 1:])


def test_hours_have_the_weekday_of_their_day() -> None:
    days = make_panel([60])
    hour = np.timedelta64(1, "h")
    hours = replace(days, dates=START + np.arange(60) * hour, step=hour)
    found = compute(FeatureSpace.parse("weekday lag:1", "log_return"), hours)
    number = pd.DatetimeIndex(hours.dates).day_of_week
    assert set(number) == {4, 5, 6}
    assert np.array_equal(found[:, :6], np.eye(7)[number][:, 1:])
    assert np.isfinite(found[1:, 6]).all()
