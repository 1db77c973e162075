"""``cryptodask forecast``: prices of coins by models, on a cluster."""

import math
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from cryptodask.cli.execute import Profile, View, execute
from cryptodask.cli.options import (
    ClusterOptions,
    OutputOptions,
    check_apart,
    check_file,
    with_options,
)
from cryptodask.cli.show import counted, err, out, shown_date, shown_price
from cryptodask.cli.tables import FittingTable, label, number
from cryptodask.errors import OptionError
from cryptodask.runs.spec import ForecastSpec

if TYPE_CHECKING:
    import pandas as pd

    from cryptodask.prices import CryptoLoader
    from cryptodask.results import Forecasts
    from cryptodask.runs import Session

SHOWN = 20
"""Coins and models that have a line each."""

MOST_ROWS = 200_000
"""Rows of forecasts that are read for these lines, unless one coin has more."""

DIGITS = ((6, 1e-10), (5, 1e-10), (4, 1e-10), (4, 1e-3))
"""Digits of prices in these lines, and the least without an exponent: the first that fit."""


@with_options
def forecast(
    spec: ForecastSpec,
    cluster: ClusterOptions,
    output: OutputOptions,
    plot: Annotated[
        Path | None, typer.Option(help="Draw forecasts: .html of all coins, .png of one.")
    ] = None,
    plot_coin: Annotated[
        str | None, typer.Option(help="The coin of the .png, or the first one of the .html.")
    ] = None,
    profile: Profile = False,
    report: Annotated[
        Path | None, typer.Option(help="Write Dask's performance report to this .html file.")
    ] = None,
) -> None:
    """Forecast the prices of coins by one or more models.

    Small runs are done at once, large ones by a cluster that is started for them.

    For example:

        cryptodask forecast data

        cryptodask forecast data --coins Bitcoin --model auto --intervals

        cryptodask forecast data --model naive --out forecasts.csv
    """
    # What makes no sense is refused before a cluster is started for it.
    _check_plot(plot, plot_coin, spec, output)
    check_file("--report", report, (".html",))
    check_apart({"SOURCE": spec.source, "--out": output.out, "--plot": plot, "--report": report})

    def check(spec: ForecastSpec, loader: "CryptoLoader") -> None:
        _check_plot_coin(plot_coin, spec, loader)

    def draw(result: "Forecasts", session: "Session") -> list[Path]:
        if plot is None or not len(result):
            return []
        from cryptodask.dashboard.plot import save_plot

        rows = result.get_df()
        names = sorted(set(rows["coin"]))
        coin = None if plot_coin is None else session.loader.names.check(plot_coin)
        save_plot(plot, session.loader.get_df(names, to_date=spec.to_date), rows, coin=coin)
        return [plot]

    view = replace(VIEW, show=partial(print_forecasts, worth=scored_by(spec)))
    execute(
        spec, view, cluster, output,
        profile=profile, report=report, write_more=draw, check=check,
    )  # fmt: skip


def scored_by(spec: ForecastSpec) -> list[str]:
    """Return a line with the command that scores models against naive; none for naive itself."""
    others = [model for model in spec.models if model.name != "naive"]
    names = [f"{model.name}={model.model}" if model.model else model.name for model in others]
    if not names or not isinstance(spec.source, str):
        return []
    words = [
        "cryptodask",
        "backtest",
        spec.source,
        *(w for name in names for w in ("--model", name)),
    ]
    return [f"how they do against naive: `{shlex.join(words)}`, with the same options, says it"]


def _check_plot(
    plot: Path | None, plot_coin: str | None, spec: ForecastSpec, output: OutputOptions
) -> None:
    """Refuse before the work a plot that could not be drawn after it."""
    check_file("--plot", plot, (".html", ".png"))
    if plot_coin is not None and plot is None:
        raise OptionError(f"--plot-coin {plot_coin}: says what --plot shows; give --plot FILE, too")
    if plot and plot.suffix == ".png" and not plot_coin and len(spec.coins or ()) != 1:
        raise OptionError(f"--plot {plot}: a .png shows one coin; name it with --plot-coin")
    if plot and output.folder:
        raise OptionError(
            f"--plot {plot}: forecasts that the workers write to a folder are not brought here to "
            "be drawn; write them to a file, or leave out the plot"
        )


def _check_plot_coin(plot_coin: str | None, spec: ForecastSpec, loader: "CryptoLoader") -> None:
    """Refuse before the work the plot of a coin that has no forecast then."""
    if plot_coin is None:
        return
    [coin] = loader.check_names([plot_coin])
    if spec.coins is not None and coin not in map(loader.names.find, spec.coins):
        raise OptionError(f"--plot-coin {plot_coin}: is not among --coins; add it, or name another")


def print_forecasts(
    result: "Forecasts",
    closes: Callable[[Sequence[str]], Mapping[str, float]],
    worth: Sequence[str] = (),
) -> None:
    """Print a line a coin and model, of the first ones, and a line a model.

    Parameters
    ----------
    result : Forecasts
    closes : callable
        Returns the last close of each of some coins, by name.
    worth : sequence of str
        Lines on how models do against naive, or how to know, where the result does not say it.
    """
    from cryptodask.timing import STAGES

    if len(result):
        out.print(_summary(result, closes, out.width))
        _print_more(result)
    known = result.against_naive()
    names = ["coins", "failed", "rows", *(["error / naive"] if known else []), "seconds"]
    table = FittingTable("model", *map(number, names))
    for model in result.models:
        tasks = result.tasks[result.tasks["model"] == model]
        table.add_texts(
            model,
            f"{int(tasks['coins'].sum()):,}",
            f"{int((result.failures['model'] == model).sum()):,}",
            f"{int(tasks['rows'].sum()):,}",
            *([f"{known[model]:.3f}" if model in known else "-"] if known else []),
            f"{tasks[list(STAGES)].to_numpy().sum():.2f}",
        )
    out.print(table)
    if known:
        text = "error / naive: of its past forecasts, all steps; below 1 is better than naive"
        out.print(Text(text), soft_wrap=True)
    elif len(result):
        for line in worth:
            out.print(Text(line), soft_wrap=True)
    if result.has_intervals:
        _print_unbounded(result.tasks)


def _lines(result: "Forecasts") -> int:
    """Return of how many coins and models there is a line: fewer where each has very many rows."""
    return max(1, min(SHOWN, MOST_ROWS // result.horizon))


def _print_more(result: "Forecasts") -> None:
    """Print how many coins and models have no line, and how to get these."""
    more = len(result) // result.horizon - _lines(result)
    if more > 0:
        text = f"and {more:,} more (coins × models); --out FILE.csv writes all steps of all"
        out.print(Text(text), soft_wrap=True)


def _summary(
    result: "Forecasts", closes: Callable[[Sequence[str]], Mapping[str, float]], width: int
) -> FittingTable:
    """Return the table of the first coins and models, with as many digits as fit a width."""
    rows = result.head(_lines(result) * result.horizon)
    groups = [group for _, group in rows.groupby(["coin", "model"], observed=True, sort=False)]
    # What naive forecasts is the last close, so that no file is read again for it.
    naive = [group.iloc[0] for group in groups if group["model"].iloc[0] == "naive"]
    known = {str(row["coin"]): float(row["forecast"]) for row in naive}
    unknown = {str(group["coin"].iloc[0]) for group in groups} - set(known)
    known |= closes(sorted(unknown)) if unknown else {}
    tables = [
        _table(result, groups, known, partial(shown_price, digits=digits, least=least))
        for digits, least in DIGITS
    ]
    fitting = (t for wrapped in (False, True) for t in tables if t.fits(width, wrapped=wrapped))
    return next(fitting, tables[0])  # a line for each value has room for all digits


def _table(
    result: "Forecasts",
    groups: Sequence["pd.DataFrame"],
    closes: Mapping[str, float],
    shown: Callable[[float], str],
) -> FittingTable:
    """Return a table with a row for each coin and model, of the steps of each."""
    steps = result.horizon
    names = ["last close", "step 1", *([f"step {steps}"] if steps > 1 else []), "change"]
    if result.has_intervals:
        names.append("80% interval")
    cutoff = shown_date(max(group["cutoff"].iloc[0] for group in groups))
    title = f"forecasts from {cutoff}, {counted(steps, 'bar')}"
    table = FittingTable(label("coin"), label("model"), *map(number, names), title=title)
    for group in groups:
        first, last = group.iloc[0], group.iloc[-1]
        coin, end = str(last["coin"]), float(last["forecast"])
        close = closes.get(coin, math.nan)
        prices = [close, float(first["forecast"]), *([end] if steps > 1 else [])]
        cells = [coin, str(last["model"]), *map(shown, prices)]
        cells.append(f"{100 * (end / close - 1):+.1f}%" if close > 0 else "-")
        if result.has_intervals:
            bounds = [shown(float(last[name])) for name in ("lower_80", "upper_80")]
            cells.append(" to ".join(bounds) if set(bounds) != {"-"} else "-")
        table.add_texts(*cells)
    return table


def _print_unbounded(tasks: "pd.DataFrame") -> None:
    """Print of each model how many coins have a forecast and no intervals."""
    without = (tasks["coins"] - tasks["bounded"]).groupby(tasks["model"]).sum()
    for model, coins in without[without > 0].items():
        err.print(
            f"{model}: {coins:,} of the coins without intervals: they have fewer than ten returns "
            "or never moved, and no other coin says how far coins move (more rows, or more coins, "
            "do), or a forecast is not above 0",
            highlight=False,
            soft_wrap=True,
        )


VIEW = View(show=print_forecasts, shows_closes=True)
