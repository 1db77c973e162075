"""``cryptodask simulate``: what rules would have made of a backtest's forecasts."""

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from cryptodask.cli.options import ClusterOptions, check_file, with_options
from cryptodask.cli.options.output import read_path
from cryptodask.cli.show import counted, err, out, shown_date
from cryptodask.cli.tables import FittingTable, number, prose
from cryptodask.text import shown_names
from cryptodask.trading.terms import Account, Costs, Lots

if TYPE_CHECKING:
    from cryptodask.trading.api import Simulation

RULE = (
    "A model of the backtest, momentum or hold; then options, as "
    "ridge:return=0.02,top=5,hold=3,stop=0.1; may be given several times. Options: return, "
    "probability, top, step, size (equal, volatility, parity), target, most, hold, stop, lookback."
)


SHOWN = 5
"""Coins that are named of those that a rule could not trade."""

PRICES = "The prices that the backtest saw; by default those that its folder names."
TRIED = "Rules that were tried in all, by which Sharpe ratios are deflated."
WRITTEN = "Write figures, coins, orders, fills, equity and untraded coins."
PAGE = "Write a page of equity, drawdown and trades, .html."


@with_options
def simulate(
    backtest: Annotated[
        str, typer.Argument(metavar="BACKTEST", help="The --out of a backtest: a folder or URL.")
    ],
    rule: Annotated[list[str], typer.Option(metavar="RULE", help=RULE)],
    account: Account,
    costs: Costs,
    lots: Lots,
    cluster: ClusterOptions,
    prices: Annotated[str | None, typer.Option(metavar="SOURCE", help=PRICES)] = None,
    tried: Annotated[int | None, typer.Option(help=TRIED)] = None,
    folder: Annotated[str | None, typer.Option("--out", metavar="FOLDER", help=WRITTEN)] = None,
    report: Annotated[Path | None, typer.Option(help=PAGE)] = None,
) -> None:
    """Simulate rules on a backtest's forecasts, with costs, beside holding and cash.

    This process reads the backtest part by part; with --scheduler or --workers, workers do.

    For example:

        cryptodask simulate my-backtest --rule hold --rule ridge:return=0.02

        cryptodask simulate my-backtest --rule ridge:top=3 --report page.html
    """
    check_file("--report", report, (".html",))
    target = read_path(folder)
    check_file("--out", target, ("",))
    from cryptodask.trading import simulate as run

    with cluster.connect() if cluster.is_given else nullcontext() as client:
        result = run(
            backtest, prices, rule, account=account, costs=costs, lots=lots, tried=tried,
            client=client,
        )  # fmt: skip
    print_simulation(result, account.cash)
    _print_untraded(result)
    if target is not None:
        result.write(target)
        out.print(Text(f"wrote {target}"), soft_wrap=True)
    if report is not None:
        from cryptodask.dashboard.trading_page import save_trading

        save_trading(report, result)
        out.print(Text(f"wrote {report}"), soft_wrap=True)


def print_simulation(result: "Simulation", cash: float) -> None:
    """Print a line a rule, then holding and cash, within 80 columns."""
    import pandas as pd

    first, last = (shown_date(pd.Timestamp(result.dates[i])) for i in (0, -1))
    names = ("return", "Sharpe ± se", "defl.", "fall", "turns", "in use", "costs", "hits")
    table = FittingTable(
        prose("rule"),
        *map(number, names),
        title=f"{counted(len(result.names), 'coin')}, {first} to {last}",
    )
    for row in result.figures.to_dict("records"):
        table.add_texts(
            str(row["rule"]).replace(",", ", "),
            _share(row["return"]),
            f"{row['sharpe']:.2f} ± {row['sharpe_error']:.2f}" if _known(row["sharpe"]) else "-",
            f"{row['deflated']:.2f}" if _known(row["deflated"]) else "-",
            _share(row["drawdown"]),
            f"{row['turnover']:,.1f}",
            _share(row["exposure"]),
            _share((row["fees"] + row["slipped"] + row["borrowed"]) / cash),
            _share(row["hit_rate"]),
        )
    out.print(table)
    out.print(
        f"Decided at closes, filled at the {result.fills_at}. Sharpe: a year's, and its standard "
        "error. defl.: probability that it is above what luck gives the best rule tried. "
        "fall: largest drawdown. turns: turnover a year, in equities. in use: mean share of the "
        "equity in positions. costs: share of the first cash. hits: closing fills with a profit."
    )


def _print_untraded(result: "Simulation") -> None:
    """Name the coins that rules could not trade, since their models never forecast them."""
    for rule, coins in result.untraded.groupby("rule", sort=False)["coin"]:
        some = shown_names(list(coins), SHOWN)
        err.print(
            f"{rule}: {counted(len(coins), 'coin')} of the backtest without a forecast, never "
            f"traded: {some}",
            highlight=False, markup=False, soft_wrap=True,
        )  # fmt: skip


def _known(value: float) -> bool:
    return value == value


def _share(value: float) -> str:
    if not _known(value):
        return "-"
    return f"{100 * value:,.0f}%" if abs(value) >= 0.9995 else f"{100 * value:.1f}%"
