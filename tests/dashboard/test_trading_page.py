"""The page of a simulation, in a real browser."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cryptodask.dashboard.trading_page import save_trading
from cryptodask.results import Backtest
from cryptodask.trading import Account, Costs, Simulation, simulate
from tests.trading.markets import random_market
from tests.trading.tables import backtest_rows

HOSTILE = "<img src=x onerror=alert(1)>"
RULES = ["m:top=2", "m:return=0.01,probability=0.55,size=volatility,target=0.4,hold=3,stop=0.1"]
SECTIONS = ("Equity", "Drawdown", "What costs took", "Trades over prices")
AXES = ("times the first cash", "below the peak", "share of the mean equity", "USD")


def falling(rows: pd.DataFrame) -> Any:
    """Sell short what falls, as far as a function may."""
    falls = (rows["return"] < 0) & (rows["model"] == "m") & (rows["step"] == 2)
    return (-0.5 * falls).where((rows["model"] == "m") & (rows["step"] == 2))


@pytest.fixture(scope="module")
def result() -> Simulation:
    """Two rules on six coins, the name of one of which would do harm if it were taken for HTML."""
    market = random_market(3, 150, 6, gaps=0.02)
    table = backtest_rows(market, 3)
    dates, places = np.nonzero(np.isfinite(market.close))
    matrices = {"open": market.open, "close": market.close, "volume": market.volume}
    columns = {name: m[dates, places] for name, m in matrices.items() if m is not None}
    names = np.array([HOSTILE, *market.coins[1:]], dtype=object)
    frame = pd.DataFrame({"coin": names[places], "date": market.dates[dates], **columns})
    table = table.replace({"coin": {market.coins[0]: HOSTILE}})
    origins = np.unique(table["cutoff"].to_numpy().astype("datetime64[s]"))
    backtest = Backtest(["m", "other"], 2, origins, frame=table)
    account = Account(short=True, borrow=0.1)
    rules = [*RULES, falling]
    return simulate(backtest, frame, rules, costs=Costs(fee=0.002, spread=0.004), account=account)


@pytest.fixture
def page(result: Simulation, open_page: Callable[[Path], Any], tmp_path: Path) -> Any:
    save_trading(tmp_path / "page.html", result)
    return open_page(tmp_path / "page.html")


def shown(page: Any, name: str) -> dict[str, list[Any]]:
    """Return what the glyphs of a figure show, by their numbers."""
    code = """name => Bokeh.documents[0].get_model_by_name(name).renderers.map(
        r => Array.from(r.data_source.get_column("date")))"""
    return dict(enumerate(page.evaluate(code, name)))


@pytest.mark.parametrize("width", [1280, 390])
def test_all_sections_fit_a_window_and_have_labels(page: Any, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.wait_for_function("Bokeh.documents[0].is_idle")
    page.wait_for_function(f"document.documentElement.scrollWidth <= {width}")
    for title in SECTIONS:
        assert page.get_by_text(title, exact=True).is_visible()
    figures = page.locator(".bk-Figure")
    assert figures.count() == len(AXES)
    for i in range(len(AXES)):
        box = figures.nth(i).bounding_box()
        assert box["width"] > 0.8 * width - 60
        assert box["height"] > 150
    labels = page.evaluate("[...Bokeh.documents[0].all_models].map(m => m.axis_label)")
    assert set(AXES) <= set(labels)
    # What can be drawn of the inside of a figure is narrower by its axis and tools.
    inner = page.evaluate(
        "['equity', 'drawdown', 'costs', 'trades'].map(n => Bokeh.index.find_one_by_id("
        "Bokeh.documents[0].get_model_by_name(n).id).frame.bbox.width)"
    )
    assert min(inner) > 0.8 * width - 130
    legend = page.locator(".bk-Legend").first.locator(".bk-label").all_inner_texts()
    assert legend == [*RULES, "falling", "hold each coin", "hold equal parts", "cash"]


def test_choosing_shows_the_closes_of_a_coin_and_the_fills_of_a_rule(
    page: Any, result: Simulation
) -> None:
    for rule, coin in ((RULES[1], HOSTILE), (RULES[0], "c02")):
        page.get_by_label("Rule").select_option(rule)
        page.get_by_label("Coin").select_option(coin)
        closes, buys, sales = shown(page, "trades").values()
        has_close = np.isfinite(result.market([coin]).close[:, 0])
        first, last = np.flatnonzero(has_close)[[0, -1]]
        gaps = (np.diff(has_close[first : last + 1].astype(int)) < 0).sum()
        assert gaps > 0
        # A row without a close in each gap, where the line breaks off.
        assert len(closes) == has_close.sum() + gaps
        fills = result.fills[(result.fills["rule"] == rule) & (result.fills["coin"] == coin)]
        assert (len(buys), len(sales)) == tuple((fills["side"] == s).sum() for s in ("buy", "sell"))
        assert len(fills) > 2


def test_costs_are_those_of_the_figures(page: Any, result: Simulation) -> None:
    code = """Bokeh.documents[0].get_model_by_name("costs").renderers[0].data_source.data"""
    data = page.evaluate(f"(() => {{ const d = {code}; return [d.rule, Array.from(d.fees)] }})()")
    mean = result.equity.groupby("rule")["equity"].mean()
    fees = result.figures.set_index("rule")["fees"]
    assert dict(zip(*data, strict=True)) == pytest.approx(
        {rule: fees[rule] / mean[rule] for rule in data[0]}
    )
    assert fees[RULES[0]] > 0
    legend = page.locator(".bk-Legend").nth(2).locator(".bk-label").all_inner_texts()
    assert legend == ["fees", "slippage and spread", "borrowing"]
