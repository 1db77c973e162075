"""``cryptodask forecast``: prices of coins by models, on a cluster."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from cryptodask.cli.execute import Profile, View, execute
from cryptodask.cli.options import ClusterOptions, OutputOptions, check_file, with_options
from cryptodask.cli.show import err, out, shown_date
from cryptodask.errors import OptionError
from cryptodask.runs.spec import ForecastSpec

if TYPE_CHECKING:
    import pandas as pd

    from cryptodask.results import Forecasts
    from cryptodask.runs import Session

SHOWN = 10
"""Forecasts that are printed."""


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
    """Forecast the prices of coins by one or more models, on a cluster."""
    # What makes no sense is refused before a cluster is started for it.
    _check_plot(plot, plot_coin, spec, output)
    check_file("--report", report, (".html",))

    def draw(result: "Forecasts", session: "Session") -> list[Path]:
        if plot is None or not len(result):
            return []
        from cryptodask.dashboard.plot import save_plot

        rows = result.get_df()
        names = sorted(set(rows["coin"]))
        save_plot(plot, session.loader.get_df(names, to_date=spec.to_date), rows, coin=plot_coin)
        return [plot]

    execute(spec, VIEW, cluster, output, profile=profile, report=report, write_more=draw)


def _check_plot(
    plot: Path | None, plot_coin: str | None, spec: ForecastSpec, output: OutputOptions
) -> None:
    """Refuse before the work a plot that could not be drawn after it."""
    check_file("--plot", plot, (".html", ".png"))
    if plot and plot.suffix == ".png" and not plot_coin and len(spec.coins or ()) != 1:
        raise OptionError(f"--plot {plot}: a .png shows one coin; name it with --plot-coin")
    if plot and output.folder:
        raise OptionError(
            f"--plot {plot}: forecasts that the workers write to a folder are not brought here to "
            "be drawn; write them to a file, or leave out the plot"
        )


def print_forecasts(result: "Forecasts") -> None:
    """Print the first forecasts, and a line a model."""
    from cryptodask.timing import STAGES

    first = result.head(SHOWN)
    table = Table(*first.columns, title=f"forecasts: the first of {len(result):,} rows")
    for row in first.itertuples(index=False):
        table.add_row(
            Text(str(row.coin)),  # with brackets, maybe, which are not markup
            str(row.model),
            shown_date(row.cutoff),
            shown_date(row.date),
            str(row.step),
            *(f"{price:.6g}" for price in row[5:]),
        )
    if len(result):
        out.print(table)
    table = Table("model", "coins", "failed", "rows read", "seconds (all workers)")
    for model in result.models:
        tasks = result.tasks[result.tasks["model"] == model]
        table.add_row(
            model,
            f"{int(tasks['coins'].sum()):,}",
            f"{int((result.failures['model'] == model).sum()):,}",
            f"{int(tasks['rows'].sum()):,}",
            f"{tasks[list(STAGES)].to_numpy().sum():.2f}",
        )
    out.print(table)
    if result.has_intervals:
        _print_unbounded(result.tasks)


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


VIEW = View(show=print_forecasts)
