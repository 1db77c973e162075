"""A simulation as one HTML file: equity, drawdown, what costs took, trades over prices."""

import os
from typing import Any

import numpy as np
import pandas as pd

from cryptodask.charts.style import (
    COLORS,
    FEW_TOOLS,
    INK,
    LINE,
    MUTED,
    add_legend,
    dress,
    log_ticker,
    plain_text,
    style,
)
from cryptodask.dashboard.history import bar_of, with_breaks
from cryptodask.dashboard.html_file import html_of, target_of
from cryptodask.dashboard.price_figure import add_closes, legend_item, price_figure, price_hover
from cryptodask.dashboard.style import BODY, WRAP, section_title
from cryptodask.dashboard.tables import data_table
from cryptodask.io.files import draft_of
from cryptodask.trading.api import Simulation
from cryptodask.trading.parts import CASH, EQUAL, HOLDING

FIGURES = (
    ("return", "return", 76, "0,0.0%"),
    ("sharpe", "Sharpe", 60, "0.00"), ("sharpe_error", "± se", 52, "0.00"),
    ("deflated", "deflated", 68, "0.00"),
    ("drawdown", "drawdown", 80, "0.0%"), ("turnover", "turnover", 70, "0,0.0"),
    ("exposure", "in use", 60, "0.0%"), ("fills", "fills", 60, "0,0"),
    ("hit_rate", "hits", 60, "0.0%"),
)  # fmt: skip
"""Columns of the table of figures behind the rule; see `cryptodask.dashboard.tables.data_table`."""

LETTER, WIDEST = 7, 560
"""Pixels of a letter of a rule, and of the column of rules at most."""

LABEL = "min(44em, calc(100vw - 200px))"
"""Width of a rule in a legend: rules may differ in their last option alone."""

COSTS = {"fees": "fees", "slipped": "slippage and spread", "borrowed": "borrowing"}
"""What costs are called."""

MOST_COINS = 30
"""Coins whose trades are on a page: those with the largest profits and losses."""

MOST_POINTS = 2_000
"""Dates of a curve on a page at most."""

BESIDE = {HOLDING: (LINE, "solid"), EQUAL: (LINE, "dashed"), CASH: (MUTED, "dashed")}
"""Color and dash of what rules are shown beside."""

CHOOSE = """
const wanted = coin.value, name = rule.value
const pick = (all, keep) => {
  const rows = []
  for (let i = 0; i < all.coin.length; i++) if (keep(i)) rows.push(i)
  const data = {}
  for (const key of Object.keys(all)) data[key] = rows.map(i => all[key][i])
  return data
}
const prices = all_closes.data, trades = all_trades.data
closes.data = pick(prices, i => prices.coin[i] === wanted)
for (const [source, side] of [[buys, "buy"], [sales, "sell"]])
  source.data = pick(trades, i =>
    trades.coin[i] === wanted && trades.rule[i] === name && trades.side[i] === side)
"""


def save_trading(path: str | os.PathLike[str], result: Simulation) -> None:
    """Write the page of a simulation.

    Parameters
    ----------
    path : path
        Of a .html file.
    result : Simulation

    Raises
    ------
    OptionError
        It has another suffix, or its folder does not exist.
    WriteError
        It can't be written.
    """
    target = target_of(path, (".html",), "a page of trades")
    with draft_of(target) as draft:
        draft.write_text(html_of(trading_page(result), "Simulation"), encoding="utf-8")


def trading_page(result: Simulation) -> Any:
    """Return the page of a simulation.

    Parameters
    ----------
    result : Simulation

    Returns
    -------
    bokeh.models.Column
    """
    from bokeh.layouts import column

    first, last = (np.datetime_as_string(result.dates[i], unit="D") for i in (0, -1))
    about = (
        f"{len(result.names):,} coins from {first} to {last}. Decided at closes, filled at the "
        f"{result.fills_at}. Past prices of coins that are still listed flatter every rule."
    )
    wide = min(WIDEST, 40 + LETTER * int(result.figures["rule"].str.len().max()))
    children = [
        plain_text("heading", "Simulated trades", "24px", INK, "650"),
        plain_text("summary", about, "14px", MUTED),
        data_table("figures", result.figures, (("rule", "rule", wide, None), *FIGURES))[0],
        section_title("Equity"),
        _curves(result, "equity"),
        section_title("Drawdown"),
        _curves(result, "drawdown"),
        section_title("What costs took"),
        _costs(result),
        section_title("Trades over prices"),
        *_trades(result),
    ]
    return column(*children, sizing_mode="stretch_width", styles=BODY)


def _curves(result: Simulation, what: str) -> Any:
    """Return a figure of each rule's equity, as multiples of the first, or of its drawdown."""
    from bokeh.models import ColumnDataSource, NumeralTickFormatter
    from bokeh.plotting import figure

    is_equity = what == "equity"
    plot = figure(
        name=what, x_axis_type="datetime", y_axis_type="log" if is_equity else "linear",
        frame_height=240 if is_equity else 140, sizing_mode="stretch_width", tools=FEW_TOOLS,
        active_drag="box_zoom", frame_align=False,
    )  # fmt: skip
    items = []
    for i, (name, rows) in enumerate(result.equity.groupby("rule", sort=False)):
        equity = rows["equity"].to_numpy()
        values = equity / equity[0] if is_equity else equity / np.maximum.accumulate(equity) - 1
        if is_equity:
            values = np.where(values > 0, values, np.nan)  # a logarithm has no 0
        places = np.unique(np.linspace(0, len(rows) - 1, MOST_POINTS).astype(int))
        source = ColumnDataSource(
            {"date": rows["date"].to_numpy()[places], "value": values[places]}
        )
        color, dash = BESIDE.get(str(name)) or style(i)
        line = plot.line(
            "date", "value", source=source, color=color, line_dash=dash, line_width=1.8
        )
        items.append(legend_item(str(name), line))
    plot.yaxis.axis_label = "times the first cash" if is_equity else "below the peak"
    plot.yaxis.formatter = NumeralTickFormatter(format="0,0.00" if is_equity else "0%")
    if is_equity:
        plot.yaxis.ticker = log_ticker()
    plot.min_border_left = 70
    dress(plot)
    add_legend(plot, items, label=LABEL)
    return plot


def _costs(result: Simulation) -> Any:
    """Return bars of fees and slippage, as a share of the mean equity a rule had."""
    from bokeh.models import ColumnDataSource, LinearAxis, NumeralTickFormatter
    from bokeh.plotting import figure

    frame = result.figures[result.figures["rule"] != CASH]
    mean = result.equity.groupby("rule")["equity"].mean().reindex(frame["rule"]).to_numpy()
    shares = {name: frame[name].to_numpy() / mean for name in COSTS}
    place = np.arange(len(frame))[::-1]
    data = {"rule": frame["rule"].astype(object).to_numpy(), "at": place}
    if not any(share.any() for share in shares.values()):
        return plain_text("free", "Nothing: no fee, slippage or spread was set.", "14px", MUTED)
    shown = [name for name in COSTS if name != "borrowed" or shares[name].any()]
    plot = figure(
        name="costs", y_range=(-0.5, len(frame) - 0.1), height=44 * len(frame) + 100,
        sizing_mode="stretch_width", tools="save", frame_align=False,
    )  # fmt: skip
    source = ColumnDataSource(data | shares)
    bars = plot.hbar_stack(
        shown, y="at", height=0.4, color=list(COLORS[: len(shown)]), source=source
    )
    plot.x_range.start, plot.x_range.end = 0, 1.05 * sum(shares.values()).max()
    plot.min_border_left = 8
    plot.yaxis.visible = plot.ygrid.visible = False
    # Names stand above their bars: beside them, long ones would leave no room in a narrow window.
    above = [float(at) + 0.42 for at in place]
    names = LinearAxis(ticker=above, fixed_location=0, major_label_standoff=-4)
    names.major_label_overrides = dict(zip(above, data["rule"], strict=True))
    plot.add_layout(names, "right")
    plot.xaxis.ticker.desired_num_ticks = 3
    plot.xaxis.axis_label = "share of the mean equity"
    plot.xaxis.formatter = NumeralTickFormatter(format="0.[000]%")
    dress(plot)
    add_legend(plot, [legend_item(COSTS[n], b) for n, b in zip(shown, bars, strict=True)])
    return plot


def _trades(result: Simulation) -> list[Any]:
    """Return closes of a coin with the fills of a rule, and what chooses both."""
    from bokeh.layouts import row
    from bokeh.models import CustomJS, Select

    coins, closes, trades = trades_of(result)
    rules = [str(name) for name in result.figures["rule"] if name != CASH]
    if not coins:
        return [plain_text("none", "No rule traded.", "14px", MUTED)]
    everything = {"all_closes": _source(closes), "all_trades": _source(trades)}
    here = closes["coin"] == coins[0]
    shown = _source(closes[here])
    at = (trades["coin"] == coins[0]) & (trades["rule"] == rules[0])
    sides = {side: _source(trades[at & (trades["side"] == side)])
             for side in ("buy", "sell")}  # fmt: skip
    plot = price_figure("trades", 360)
    plot.frame_align = False
    items = [add_closes(plot, shown)]
    for side, marker, color in (
        ("buy", "triangle", COLORS[2]),
        ("sell", "inverted_triangle", COLORS[1]),
    ):
        marks = plot.scatter(
            "date", "price", source=sides[side], marker=marker, size=10, color=color,
            line_color="white",
        )  # fmt: skip
        items.append(legend_item(side, marks))
        plot.add_tools(
            price_hover(marks, [("price", "price"), ("fee", "fee")],
                        [("quantity", "@quantity{0,0.[0000]}")])
        )  # fmt: skip
    dress(plot)
    add_legend(plot, items)
    rule = Select(name="rule", title="Rule", options=rules, value=rules[0], width=320)
    coin = Select(name="coin", title="Coin", options=coins, value=coins[0], width=240)
    code = CustomJS(
        args={"coin": coin, "rule": rule, "closes": shown, "buys": sides["buy"],
              "sales": sides["sell"], **everything},
        code=CHOOSE,
    )  # fmt: skip
    for choice in (rule, coin):
        choice.js_on_change("value", code)
    return [row(rule, coin, sizing_mode="stretch_width", styles=WRAP), plot]


def _source(frame: pd.DataFrame) -> Any:
    """Return a frame's columns as a source, without its index."""
    from bokeh.models import ColumnDataSource

    return ColumnDataSource({str(name): frame[name].to_numpy() for name in frame})


def trades_of(result: Simulation) -> tuple[list[str], pd.DataFrame, pd.DataFrame]:
    """Return the coins to show, their closes, and the fills of all rules.

    Parameters
    ----------
    result : Simulation

    Returns
    -------
    coins : list of str
        At most `MOST_COINS`: those where rules, holding apart, won or lost most.
    closes : DataFrame
        ``coin, date, close``, with a row without a close in each gap.
    fills : DataFrame
        ``rule, coin, date, side, quantity, price, fee``.
    """
    frame = result.coins
    by_rules = frame[~frame["rule"].isin((HOLDING, EQUAL))]
    traded = by_rules[by_rules["fills"] > 0]
    moved = traded.assign(size=traded["profit"].abs()).groupby("coin")["size"].max()
    coins = [str(coin) for coin in moved.sort_values(ascending=False).index[:MOST_COINS]]
    closes = pd.DataFrame({"coin": [], "date": [], "close": []})
    if coins:
        market = result.market(coins)
        dates, places = np.nonzero(np.isfinite(market.close))
        known = np.array(market.coins, dtype=object)[places]
        closes = pd.DataFrame(
            {"coin": known, "date": market.dates[dates], "close": market.close[dates, places]}
        ).sort_values(["coin", "date"])
        closes = with_breaks(closes, bar_of(closes))
    names = ["rule", "coin", "date", "side", "quantity", "price", "fee"]
    fills = result.fills.loc[result.fills["coin"].isin(coins), names]
    as_objects = dict.fromkeys(("rule", "coin", "side"), object)
    return coins, closes.reset_index(drop=True), fills.astype(as_objects).reset_index(drop=True)
