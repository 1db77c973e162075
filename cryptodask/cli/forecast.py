"""``cryptodask forecast`` and ``cryptodask models``."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from cryptodask.cli.options import (
    Coins,
    From,
    GapLimit,
    GapsOf,
    Horizon,
    Names,
    Overwrite,
    Partitions,
    Resources,
    Scheduler,
    Seed,
    Settings,
    Source,
    Timeout,
    Tls,
    To,
    Workers,
    check_file,
    make_models,
    read_resources,
    read_tls,
    read_workers,
    split_names,
)
from cryptodask.cli.show import SOME_FAILED, err, out, print_lost, shown_date, write_table
from cryptodask.errors import OptionError
from cryptodask.io.paths import AnyPath, path_of

if TYPE_CHECKING:
    import pandas as pd

    from cryptodask.evaluate.intervals.cohorts import Intervals
    from cryptodask.results.forecasts import ForecastFolder, Forecasts


def forecast(
    source: Source,
    model: Names = None,
    horizon: Horizon = 10,
    coins: Coins = None,
    from_: From = None,
    to: To = None,
    gaps: GapsOf = "leave",
    gap_limit: GapLimit = None,
    option: Settings = None,
    intervals: Annotated[
        bool,
        typer.Option("--intervals", help="Make 80 and 95% intervals: some 40 times the work."),
    ] = False,
    calibrate: Annotated[
        int | None, typer.Option(help="Make them from past dates so many bars apart. [5]")
    ] = None,
    warmup: Annotated[
        int | None, typer.Option(help="And from so many bars before the last row on. [200]")
    ] = None,
    refit: Annotated[
        int | None,
        typer.Option(help="Train models that are trained at every so many of these dates. [1]"),
    ] = None,
    scheduler: Scheduler = None,
    tls: Tls = None,
    workers: Workers = None,
    resources: Resources = None,
    partitions: Partitions = None,
    out_file: Annotated[
        str | None,
        typer.Option(
            "--out",
            metavar="PATH",
            help="Write forecasts to a .parquet or .csv file, or by the workers to a folder; or to "
            "a URL of these, as s3://bucket/folder.",
        ),
    ] = None,
    overwrite: Overwrite = False,
    timeout: Timeout = None,
    plot: Annotated[
        Path | None, typer.Option(help="Draw forecasts: .html of all coins, .png of one.")
    ] = None,
    plot_coin: Annotated[
        str | None, typer.Option(help="The coin of the .png, or the first one of the .html.")
    ] = None,
    seed: Seed = 0,
    profile: Annotated[bool, typer.Option(help="Print where the time went.")] = False,
    report: Annotated[
        Path | None, typer.Option(help="Write Dask's performance report to this .html file.")
    ] = None,
) -> None:
    """Forecast the prices of coins by one or more models, on a cluster."""
    from cryptodask.cluster import connect, requiring
    from cryptodask.cluster.connect import reporting
    from cryptodask.manager import CryptoManager
    from cryptodask.models.base import check_horizon
    from cryptodask.prices import CryptoLoader
    from cryptodask.prices.clean.gaps import GapHandling
    from cryptodask.prices.row_filter import RowFilter
    from cryptodask.results.forecasts import ForecastFolder, Forecasts

    # What makes no sense is told before a cluster is started for it.
    started, begun = time.perf_counter(), time.time()
    models = make_models(model or ["linear"], option or [])
    check_horizon(horizon)
    RowFilter.of(None, from_, to, GapHandling(gaps, gap_limit))  # type: ignore[arg-type]
    how = _intervals(intervals, {"calibrate": calibrate, "warmup": warmup, "refit": refit})
    place = None if out_file is None else path_of(out_file)
    _check_files(place, plot, plot_coin, coins)
    check_file("--report", report, (".html",))
    loader = CryptoLoader(source, partitions)
    wanted = split_names(coins, [*loader.source.coins, *loader.source.empty])
    try:
        with connect(scheduler, read_workers(workers), read_tls(tls)) as client:
            if client.dashboard_link:
                err.print(f"dashboard: {client.dashboard_link}", highlight=False)
            in_folder = place is not None and not place.suffix
            connected = time.time()
            with reporting(report), requiring(client, read_resources(resources)):
                result = CryptoManager(loader, client).forecast(
                    models,
                    horizon,
                    wanted,
                    from_date=from_,
                    to_date=to,
                    gaps=gaps,  # type: ignore[arg-type]
                    gap_limit=gap_limit,
                    intervals=how or False,
                    seed=seed,
                    out=place if in_folder else None,
                    overwrite=overwrite,
                    timeout=timeout,
                )
            returned = time.time()
            assert isinstance(result, Forecasts | ForecastFolder)
            head, written = _write(result, place)
            if plot and len(head):
                from cryptodask.dashboard.plot import save_plot

                names = sorted(set(head["coin"]))
                save_plot(plot, loader.get_df(names, to_date=to), head, coin=plot_coin)
                written.append(plot)
            # Before the cluster closes, which takes seconds.
            names_of = [m.name for m in models]
            print_forecasts(result, names_of, time.perf_counter() - started, head)
            if profile:
                _print_profile(result.tasks, begun, connected, returned)
            for path in [*written, *([report] if report else [])]:
                out.print(Text(f"wrote {path}"), soft_wrap=True)
    except KeyboardInterrupt:
        kept = "what was written to --out is kept, and the same command goes on from there"
        none = "the fits under way were cancelled and nothing more was written"
        in_folder = place is not None and not place.suffix
        err.print(f"stopped; {kept if in_folder else none}")
        raise typer.Exit(130) from None
    raise typer.Exit(SOME_FAILED if len(result.failures) or len(result.lost) else 0)


def models() -> None:
    """List the models and their options."""
    from cryptodask.models import (
        describe_model,
        list_families,
        list_models,
        model_gaps,
        model_options,
    )

    table = Table("model", "what it is", "gaps", "options, with defaults")
    for name in list_models():
        options = (
            f"{option}={_shown(default)}" for option, (_, default) in model_options(name).items()
        )
        table.add_row(name, describe_model(name), model_gaps(name), "\n".join(options))
    for pattern, what in list_families().items():
        table.add_row(pattern, what, "split", "those of the class")
    out.print(table)


def _intervals(wanted: bool, options: dict[str, int | None]) -> "Intervals | None":
    """Return what intervals are made from, if they are wanted."""
    from cryptodask.evaluate.intervals.cohorts import Intervals

    given = {name: bars for name, bars in options.items() if bars is not None}
    if given and not wanted:
        first = next(iter(given))
        raise OptionError(f"--{first} {given[first]}: says how intervals are made; add --intervals")
    return Intervals(**given) if wanted else None


def _check_files(
    out_file: AnyPath | None, plot: Path | None, plot_coin: str | None, coins: list[str] | None
) -> None:
    """Refuse before the work what could not be written after it."""
    check_file("--out", out_file, (".parquet", ".csv", ""))
    check_file("--plot", plot, (".html", ".png"))
    if plot and plot.suffix == ".png" and not plot_coin and len(coins or []) != 1:
        raise OptionError(f"--plot {plot}: a .png shows one coin; name it with --plot-coin")
    if plot and out_file and not out_file.suffix:
        raise OptionError(
            f"--plot {plot}: forecasts that the workers write to a folder are not brought here to "
            "be drawn; write them to a file, or leave out the plot"
        )


def _write(
    result: "Forecasts | ForecastFolder", path: AnyPath | None
) -> "tuple[pd.DataFrame, list[AnyPath]]":
    """Write forecasts, and the failures beside them; a file is whole or not there.

    Returns
    -------
    DataFrame
        The forecasts; of a folder, which has been written already, its first ones.
    list of Path or UPath
    """
    from cryptodask.results.forecasts import Forecasts, empty_forecasts, read_part

    if not isinstance(result, Forecasts):
        empty = empty_forecasts(result.has_intervals)
        head = read_part(result.files[0]) if result.files else empty
        return head, [result.path]
    if path is None:
        return result, []
    failed = path.with_name(f"{path.stem}.failures{path.suffix}")
    for frame, place in ((result, path), (result.failures, failed)):
        write_table(frame, place)
    return result, [path, failed]


def print_forecasts(
    result: "ForecastFolder | Forecasts",
    names: list[str],
    seconds: float,
    head: "pd.DataFrame | None" = None,
) -> None:
    """Print the first forecasts, a line a model, every coin that failed, and what is missing."""
    from cryptodask.evaluate.rows import BOUNDS

    first = _write(result, None)[0] if head is None else head
    _print_result(result, first, names, seconds)
    if BOUNDS[0] in first.columns:
        _print_unbounded(result.tasks)


def _print_result(
    result: "Forecasts | ForecastFolder", first: "pd.DataFrame", names: list[str], seconds: float
) -> None:
    """Print the first forecasts, a line a model, and every coin that failed."""
    from cryptodask.timing import STAGES

    head = Table(*first.columns, title=f"forecasts: the first of {len(result):,} rows")
    for row in first.head(10).itertuples(index=False):
        head.add_row(
            Text(str(row.coin)),  # with brackets, maybe, which are no markup
            str(row.model),
            shown_date(row.cutoff),
            shown_date(row.date),
            str(row.step),
            *(f"{price:.6g}" for price in row[5:]),
        )
    if len(result):
        out.print(head)
    table = Table("model", "coins", "failed", "rows read", "seconds (all workers)")
    for name in names:
        tasks = result.tasks[result.tasks["model"] == name]
        table.add_row(
            name,
            f"{int(tasks['coins'].sum()):,}",
            f"{int((result.failures['model'] == name).sum()):,}",
            f"{int(tasks['rows'].sum()):,}",
            f"{tasks[list(STAGES)].to_numpy().sum():.2f}",
        )
    out.print(table)
    out.print(f"{seconds:.1f} seconds in all", highlight=False)
    print_lost(result.lost, err)
    for failure in result.failures.itertuples():
        err.print(
            Text(f"failed: {failure.model}: {failure.exception}: {failure.message}"), soft_wrap=True
        )


def _print_unbounded(tasks: "pd.DataFrame") -> None:
    """Print of each model how many coins have a forecast and no intervals."""
    without = (tasks["coins"] - tasks["bounded"]).groupby(tasks["model"]).sum()
    for model, coins in without[without > 0].items():
        err.print(
            f"{model}: {coins:,} of the coins without intervals: no error of forecasts before "
            "their last row is known (more rows, or a longer --warmup), or a forecast is not above "
            "0",
            highlight=False,
            soft_wrap=True,
        )


def _print_profile(tasks: "pd.DataFrame", begun: float, connected: float, returned: float) -> None:
    """Print seconds by stage and by worker."""
    from cryptodask.timing import STAGES

    spent = {name: float(tasks[name].sum()) for name in STAGES}
    spent["start"] += connected - begun
    if len(tasks):
        spent["gather"] += returned - float(tasks["ended"].max())
    stages = Table("stage", "seconds (client and all workers)", title="where the time went")
    for name, seconds in spent.items():
        stages.add_row(name, f"{seconds:.2f}")
    out.print(stages)
    workers = Table("worker", "tasks", "busy", "first began", "last ended", title="workers")
    for worker, mine in tasks.groupby("worker"):
        workers.add_row(
            str(worker),
            f"{len(mine):,}",
            f"{mine[list(STAGES)].to_numpy().sum():.2f} s",
            f"{mine['began'].min() - connected:.2f} s",
            f"{mine['ended'].max() - connected:.2f} s",
        )
    out.print(workers)


def _shown(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
