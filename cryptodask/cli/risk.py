"""``cryptodask risk``: how far coins may move, and what a portfolio of them may lose."""

import math
from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import attrs
import typer
from rich.text import Text

from cryptodask.cli.options import check_apart, check_file, with_options
from cryptodask.cli.options.output import read_path
from cryptodask.cli.options.specs import Source, split_names
from cryptodask.cli.show import SOME_FAILED, counted, err, out, print_lost, shown_date, write_table
from cryptodask.cli.tables import FittingTable, number
from cryptodask.risk.options import RiskOptions

if TYPE_CHECKING:
    from cryptodask.io.paths import AnyPath
    from cryptodask.risk import Risk

SHOWN, LEVELS_ABREAST = 20, 4
"""Rows that are printed of each table, and levels in one table, which 80 columns have room for."""

WRITTEN = "Write the table of coins, and others beside it: .csv or .parquet."
PATHS = "Write simulated closes, coin, path, date, close: .parquet."


@with_options
def risk(
    source: Source,
    options: RiskOptions,
    file: Annotated[str | None, typer.Option("--out", metavar="FILE", help=WRITTEN)] = None,
    paths_out: Annotated[str | None, typer.Option(metavar="FILE", help=PATHS)] = None,
) -> None:
    """Volatility, quantiles, probabilities, value at risk of coins and of a portfolio.

    For example:

        cryptodask risk data --horizon 5 --levels 50,99 --above 10% --weights equal
    """
    target, paths_target = read_path(file), read_path(paths_out)
    check_file("--out", target, (".csv", ".parquet"))
    check_file("--paths-out", paths_target, (".parquet",))
    check_apart({"SOURCE": source, "--out": target, "--paths-out": paths_target})
    from cryptodask.prices import CryptoLoader
    from cryptodask.risk import measure_risk

    loader = CryptoLoader(source, options.partitions)
    if options.coins is not None:
        options = attrs.evolve(options, coins=split_names(options.coins, loader.names))
    given = {field.name: getattr(options, field.name) for field in attrs.fields(RiskOptions)}
    result = measure_risk(loader, keep_paths=paths_target is not None, **given)
    print_risk(result, loader.freq)
    written = [] if target is None else write_risk(result, target)
    if paths_target is not None:
        from cryptodask.risk.writing import write_paths

        written.append(write_paths(result, paths_target))
    print_lost(result.lost, err)
    for row in result.failures.itertuples():
        err.print(Text(f"left out: {row.model}: {row.exception}: {row.message}"), soft_wrap=True)
    for path in written:
        out.print(Text(f"wrote {path}"), soft_wrap=True)
    raise typer.Exit(0 if result.is_complete else SOME_FAILED)


def write_risk(result: "Risk", path: "AnyPath") -> "list[AnyPath]":
    """Write the tables of a result that have rows: that of coins, and the others beside it."""
    tables = {
        "": result.coins, "probabilities": result.probabilities, "portfolio": result.portfolio,
        "weights": result.weights, "failures": result.failures,
    }  # fmt: skip
    written = []
    for name, frame in tables.items():
        if frame is None or (name and frame.empty):
            continue
        place = path.with_name(f"{path.stem}.{name}{path.suffix}") if name else path
        write_table(frame, place)
        written.append(place)
    return written


def print_risk(result: "Risk", freq: str) -> None:
    """Print tables of coins, of probabilities and of a portfolio, within 80 columns."""
    from cryptodask.prices.freq import bar, counted_bars
    from cryptodask.runs.pooling import FEW_ERRORS

    options, frame = result.options, result.coins
    number = counted(frame["coin"].nunique(), "coin")
    title = f"{number}, {counted_bars(options.horizon, freq)} ahead"
    for start in range(0, len(options.levels), LEVELS_ABREAST):
        levels = options.levels[start : start + LEVELS_ABREAST]
        table = _table(title, options, "last", "vol.", *(f"{level:g}%" for level in levels))
        for row in frame.head(SHOWN).to_dict("records"):
            bounds = (f"{row[f'lower_{x:g}']:.4g}\n{row[f'upper_{x:g}']:.4g}" for x in levels)
            table.add_texts(*_first(row, options), f"{row['last']:.4g}", _share(row["volatility"]),
                          *bounds)  # fmt: skip
        out.print(table)
    tails = [f"{kind} {tail:g}%" for tail in options.tail for kind in ("VaR", "ES")]
    table = _table("losses of a long position", options, "cutoff", "date", *tails)
    for row in frame.head(SHOWN).to_dict("records"):
        table.add_texts(*_first(row, options), shown_date(row["cutoff"]), shown_date(row["date"]),
                      *_losses(row, options))  # fmt: skip
    out.print(table)
    if len(result.probabilities):
        table = _table("probabilities", options, "close", "price", "probability")
        for row in result.probabilities.head(SHOWN).to_dict("records"):
            table.add_texts(*_first(row, options), str(row["event"]), f"{row['price']:.5g}",
                          _share(row["probability"]))  # fmt: skip
        out.print(table)
    if max(len(frame), len(result.probabilities)) > SHOWN:
        out.print(f"The first {SHOWN} rows of each; --out FILE writes all.", highlight=False)
    if result.portfolio is not None:
        _print_portfolio(result)
    moves, coins = result.evidence
    usual = ", and more from the usual distribution of moves" if moves < FEW_ERRORS else ""
    out.print(
        f"From {counted(moves, 'move')} of one {bar(freq)}, of {counted(coins, 'coin')} on a date "
        f"at most{usual}. "
        "80% and the like: bounds that hold the close with that probability. "
        "vol.: volatility a year, of log returns and 365 days. VaR: what is lost at least in that "
        "share of cases; ES: what is lost on average in these. Below 0 is a gain.",
        highlight=False,
    )


def _print_portfolio(result: "Risk") -> None:
    """Print a line a step of the portfolio's risk."""
    frame, options = result.portfolio, result.options
    assert frame is not None
    tails = [f"{kind} {tail:g}%" for tail in options.tail for kind in ("VaR", "ES")]
    title = (
        f"portfolio of {counted(int(frame['coins'].iloc[0]), 'coin')}, "
        f"{options.paths:,} paths, seed {options.seed}"
    )
    names = ["cutoff", "date", "step", "vol.", *tails]
    table = FittingTable(*map(number, names), title=title)
    for row in frame.to_dict("records"):
        table.add_texts(shown_date(row["cutoff"]), shown_date(row["date"]), str(row["step"]),
                      _share(row["volatility"]), *_losses(row, options))  # fmt: skip
    out.print(table)
    total = result.weights_sum
    if total is not None and not math.isclose(total, 1.0):
        out.print(f"weights add up to {total:.6g}, and were divided by it", highlight=False)


def _table(title: str, options: RiskOptions, *names: str) -> FittingTable:
    """Return a table of coins, with the step if there are several."""
    step = ["step"] if options.every_step else []
    return FittingTable("coin", *map(number, [*step, *names]), title=title)


def _first(row: Mapping[Hashable, Any], options: RiskOptions) -> list[str]:
    """Return the coin of a row, and its step."""
    return [str(row["coin"]), *([str(row["step"])] if options.every_step else [])]


def _losses(row: Mapping[Hashable, Any], options: RiskOptions) -> list[str]:
    """Return value at risk and expected shortfall of each tail."""
    return [_share(row[f"{kind}_{tail:g}"]) for tail in options.tail for kind in ("var", "es")]


def _share(value: float) -> str:
    return "-" if value != value else f"{100 * value:.1f}%"
