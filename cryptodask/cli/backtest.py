"""``cryptodask backtest``: what models would have said, and what it was worth."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Column, Table
from rich.text import Text

from cryptodask.cli.options import (
    Coins,
    From,
    GapLimit,
    GapsOf,
    Horizon,
    Names,
    Origins,
    Overwrite,
    Partitions,
    Refit,
    Resources,
    Scheduler,
    Seed,
    Settings,
    Source,
    Step,
    Timeout,
    Tls,
    To,
    Window,
    Workers,
    check_file,
    make_models,
    read_origins,
    read_resources,
    read_tls,
    read_window,
    read_workers,
    split_names,
)
from cryptodask.cli.show import SOME_FAILED, err, out, write_table
from cryptodask.io.paths import path_of

if TYPE_CHECKING:
    import pandas as pd

    from cryptodask.backtests import Backtest

SHOWN = {
    "relative_mae": "MAE / naive",
    "coverage_80": "in 80%",
    "coverage_95": "in 95%",
}
"""Scores of the table, and what it calls them; `--scores` writes all there are."""

OF_NAIVE = ("better", "no difference", "worse", "no verdict")


def backtest(
    source: Source,
    model: Names = None,
    horizon: Horizon = 10,
    origins: Origins = "12",
    step: Step = None,
    window: Window = "expanding",
    refit: Refit = 1,
    calibrate: Annotated[
        int, typer.Option(help="Make intervals from origins so many bars apart; 0: no others.")
    ] = 5,
    warmup: Annotated[
        int, typer.Option(help="And from so many bars before the first origin on.")
    ] = 200,
    coins: Coins = None,
    from_: From = None,
    to: To = None,
    gaps: GapsOf = "leave",
    gap_limit: GapLimit = None,
    option: Settings = None,
    scheduler: Scheduler = None,
    tls: Tls = None,
    workers: Workers = None,
    resources: Resources = None,
    partitions: Partitions = None,
    out_folder: Annotated[
        str | None,
        typer.Option(
            "--out",
            metavar="PATH",
            help="A folder for workers to write to, or its URL, as s3://bucket/folder; what was "
            "stopped goes on there.",
        ),
    ] = None,
    overwrite: Overwrite = False,
    timeout: Timeout = None,
    scores: Annotated[
        Path | None, typer.Option(help="Write scores of every coin to a .csv or .parquet file.")
    ] = None,
    page: Annotated[
        Path | None, typer.Option(help="Write a page of scores and drawings, .html.")
    ] = None,
    seed: Seed = 0,
) -> None:
    """Forecast coins as of past dates, and score models against naive and what came."""
    from cryptodask.backtests import backtest as run
    from cryptodask.cluster import connect, requiring
    from cryptodask.prices import CryptoLoader

    began = time.perf_counter()
    models = make_models(model or ["naive"], option or [])
    check_file("--scores", scores, (".csv", ".parquet"))
    check_file("--page", page, (".html",))
    place = None if out_folder is None else path_of(out_folder)
    loader = CryptoLoader(source, partitions)
    wanted = split_names(coins, [*loader.source.coins, *loader.source.empty])
    try:
        with (
            connect(scheduler, read_workers(workers), read_tls(tls)) as client,
            requiring(client, read_resources(resources)),
        ):
            if client.dashboard_link:
                err.print(f"dashboard: {client.dashboard_link}", highlight=False)
            done = run(
                loader,
                models,
                horizon,
                origins=read_origins(origins),
                step=step,
                window=read_window(window),
                refit=refit,
                calibrate=calibrate,
                warmup=warmup,
                coins=wanted,
                from_date=from_,
                to_date=to,
                gaps=gaps,  # type: ignore[arg-type]
                gap_limit=gap_limit,
                seed=seed,
                out=place,
                overwrite=overwrite,
                timeout=timeout,
                client=client,
            )
            print_backtest(done, time.perf_counter() - began)
            if scores:
                write_table(done.scores(by=("coin", "model")), scores)
            if page:
                from cryptodask.dashboard.leaderboard import save_leaderboard

                save_leaderboard(page, done)
            for path in filter(None, (done.path, scores, page)):
                out.print(Text(f"wrote {path}"), soft_wrap=True)
    except KeyboardInterrupt:
        err.print(
            "stopped; what was written to --out is kept, and the same command goes on from there"
        )
        raise typer.Exit(130) from None
    raise typer.Exit(SOME_FAILED if done.failures["cutoff"].isna().any() else 0)


def print_backtest(done: "Backtest", seconds: float) -> None:
    """Print a line a model, and what failed."""
    _print_leaderboard(done, seconds)
    _print_failures(done.failures)


def _print_leaderboard(done: "Backtest", seconds: float) -> None:
    """Print a line a model, the best first, and how it compares with naive coin by coin."""
    from cryptodask.evaluate.compare import compare_coins, compare_models, judge_coins

    found = done.scores().sort_values("relative_mae")
    differences = done.differences()
    each = judge_coins(compare_coins(differences))
    pooled = compare_models(differences).set_index("model")["verdict"]
    first, last = done.origins[[0, -1]].astype("datetime64[D]") if len(done.origins) else ("", "")
    table = Table(
        "model",
        "coins",
        *SHOWN.values(),
        Column("coins + = - ?", no_wrap=True),
        Column("all coins", no_wrap=True),
        title=f"{len(done.origins)} origins from {first} to {last}, {done.horizon} bars ahead",
    )
    for row in found.to_dict("records"):
        model = row["model"]
        verdicts = each.loc[each["model"] == model, "verdict"].value_counts()
        counts = " ".join(f"{int(verdicts.get(name, 0)):,}" for name in OF_NAIVE)
        table.add_row(
            str(model),
            f"{int(row['coins']):,}",
            *(_shown(name, row[name]) for name in SHOWN),
            counts if model in pooled.index else "",
            str(pooled.get(model, "")),
        )
    out.print(table)
    out.print(
        "MAE / naive: below 1 is better. in 80%, in 95%: share of actuals inside the intervals. "
        "coins + = - ?: significantly better than naive, no difference, worse, too few origins."
    )
    out.print(f"{seconds:.1f} seconds in all", highlight=False)


def _shown(name: str, value: float) -> str:
    if value != value:
        return "-"
    share = name.startswith(("coverage", "direction", "relative_width"))
    return f"{100 * value:.1f}%" if share else f"{value:.4g}"


def _print_failures(failures: "pd.DataFrame") -> None:
    """Print what failed at all origins one by one, and of the others how many a model had."""
    whole = failures[failures["cutoff"].isna()]
    for row in whole.itertuples():
        err.print(Text(f"failed: {row.model}: {row.exception}: {row.message}"), soft_wrap=True)
    rest = failures[failures["cutoff"].notna()]
    for (model, exception), rows in rest.groupby(["model", "exception"]):
        example = rows.iloc[0]
        told = f"{model}: {len(rows):,} coins and origins without a forecast: {exception}, as"
        err.print(Text(f"{told} {example['message']}"), soft_wrap=True)
