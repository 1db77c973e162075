"""``cryptodask tune``: which options would have forecast best, and what choosing them is worth."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    Tls,
    To,
    Window,
    Workers,
    check_file,
    read_origins,
    read_resources,
    read_settings,
    read_tls,
    read_window,
    read_workers,
    split_names,
)
from cryptodask.cli.show import SOME_FAILED, err, out, shown_date, write_table
from cryptodask.errors import OptionError
from cryptodask.io.files import write_text
from cryptodask.io.paths import path_of

if TYPE_CHECKING:
    import pandas as pd

    from cryptodask.tuning import TuneResult

SHOWN = 10
"""Candidates of a model that are printed; `--out` writes all."""


def tune(
    source: Source,
    model: Names = None,
    search: Annotated[
        list[str] | None,
        typer.Option(
            help="Values of a model's option, as ridge.alpha=1,10,100; with | between them where a "
            "value has a comma: 'lstm.units=50,100|32,32'."
        ),
    ] = None,
    random: Annotated[
        int | None, typer.Option(help="Try so many combinations of each model at random. [all]")
    ] = None,
    horizon: Horizon = 10,
    origins: Origins = "24",
    step: Step = None,
    splits: Annotated[
        int,
        typer.Option(help="Choose by the first origins, judge by the next, so many times."),
    ] = 4,
    window: Window = "expanding",
    refit: Refit = 1,
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
    folder: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="For workers to write forecasts to, or its URL; what was stopped goes on there.",
        ),
    ] = None,
    overwrite: Overwrite = False,
    out_file: Annotated[
        Path | None,
        typer.Option("--out", help="Write the result to a .json, or candidates to a .csv file."),
    ] = None,
    seed: Seed = 0,
) -> None:
    """Search for options by backtests, and judge what was chosen by dates that took no part."""
    from cryptodask.cluster import connect, requiring
    from cryptodask.prices import CryptoLoader
    from cryptodask.tuning import tune as run
    from cryptodask.tuning.candidates import make_candidates

    began = time.perf_counter()
    names = _names(model)
    grids = read_search(names, search or [])
    given = read_settings(names, option or [])
    tried = make_candidates(grids, given, random, seed)  # before a cluster is started
    check_file("--out", out_file, (".json", ".csv"))
    place = None if folder is None else path_of(folder)
    loader = CryptoLoader(source, partitions)
    wanted = split_names(coins, [*loader.source.coins, *loader.source.empty])
    for name, own in tried.items():
        told = f"{name}: as given, and {len(own) - 1:,} candidates"
        err.print(Text(told if random is None else f"{told} at random"), soft_wrap=True)
    try:
        with (
            connect(scheduler, read_workers(workers), read_tls(tls)) as client,
            requiring(client, read_resources(resources)),
        ):
            if client.dashboard_link:
                err.print(f"dashboard: {client.dashboard_link}", highlight=False)
            done = run(
                loader,
                grids,
                horizon,
                options=given,
                random=random,
                origins=read_origins(origins),
                step=step,
                splits=splits,
                window=read_window(window),
                refit=refit,
                coins=wanted,
                from_date=from_,
                to_date=to,
                gaps=gaps,  # type: ignore[arg-type]
                gap_limit=gap_limit,
                seed=seed,
                out=place,
                overwrite=overwrite,
                client=client,
            )
    except KeyboardInterrupt:
        err.print("stopped; what was written to --folder is kept, and the same command goes on")
        raise typer.Exit(130) from None
    for name in tried:
        _print_model(done, name)
    out.print(f"{time.perf_counter() - began:.1f} seconds in all", highlight=False)
    if out_file and out_file.suffix == ".json":
        write_text(done.to_json(), out_file)
    elif out_file:
        write_table(done.candidates, out_file)
    for path in filter(None, (place, out_file)):
        out.print(Text(f"wrote {path}"), soft_wrap=True)
    raise typer.Exit(SOME_FAILED if _print_failures(done, tried) else 0)


def _names(given: list[str] | None) -> list[str]:
    names = given or []
    if not names:
        raise OptionError("--model: name the model to search the options of")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise OptionError(f"--model {twice[0]}: is given twice; its --search may have many options")
    return names


def read_search(names: list[str], texts: list[str]) -> dict[str, dict[str, list[str]]]:
    """Return the values to try, by model and option.

    Values are divided at ``|`` where there is one, and else at commas.

    Raises
    ------
    OptionError
        A text is of no model that is run, is given twice, or has an empty value.
    """
    grids: dict[str, dict[str, list[str]]] = {name: {} for name in names}
    for text in texts:
        for name, own in read_settings(names, [text], "--search", "VALUES").items():
            for option, values in own.items():
                if option in grids[name]:
                    raise OptionError(
                        f"--search {text!r}: {name}.{option} is given twice; give all values at "
                        "once"
                    )
                found = [value.strip() for value in values.split("|" if "|" in values else ",")]
                if not all(found):
                    raise OptionError(
                        f"--search {text!r}: a value is empty; write VALUE,VALUE or, of values "
                        "with commas in them, VALUE|VALUE"
                    )
                grids[name][option] = found
    return grids


def _print_model(done: "TuneResult", model: str) -> None:
    """Print the best candidates of a model, what choosing was worth, and the options to use."""
    own = done.candidates[done.candidates["model"] == model]
    ranked = own.sort_values("relative_mae", kind="stable")
    first, last = (f"{date}" for date in done.origins[[0, -1]].astype("datetime64[D]"))
    table = Table(
        Column("candidate", overflow="fold"),
        "MAE / naive",
        "coins × origins",
        title=f"{model}: {len(own):,} candidates, {len(done.origins)} origins from {first} to "
        f"{last}, {done.horizon} bars ahead",
    )
    top = ranked.head(SHOWN)
    given = own[own["candidate"] == model]
    for row in [*top.to_dict("records"), *given[~given.index.isin(top.index)].to_dict("records")]:
        label = "as given" if row["candidate"] == model else row["candidate"]
        table.add_row(Text(label), _shown(row["relative_mae"]), f"{row['forecasts']:,}")
    out.print(table)
    _print_splits(done.splits[done.splits["model"] == model])
    _print_worth(done, model)


def _print_splits(splits: "pd.DataFrame") -> None:
    table = Table(
        "best until",
        Column("candidate", overflow="fold"),
        "MAE / naive",
        "judged by",
        title="what was best in the past, each judged by the origins that came next",
    )
    for row in splits.to_dict("records"):
        plain = row["candidate"] == row["model"]
        table.add_row(
            f"{shown_date(row['train_to'])} ({row['train_origins']})",
            Text("as given" if plain else str(row["candidate"])),
            _shown(row["relative_mae"]),
            f"{row['test_origins']} origins from {shown_date(row['test_from'])}",
        )
    out.print(table)


def _print_worth(done: "TuneResult", model: str) -> None:
    """Print the figure that the best was chosen by, the held-out ones, and its options."""
    from cryptodask.tuning.result import GIVEN, TUNED

    judged = done.held_out[done.held_out["model"] == model].set_index("role")
    tuned, given = (judged.loc[role].to_dict() for role in (TUNED, GIVEN))
    out.print(
        f"MAE / naive: chosen by {_shown(done.chosen_by(model))}, the best of many on dates that "
        f"are known, so too good. Held out ({tuned['origins']} origins, {tuned['coins']:,} coins): "
        f"{_shown(tuned['relative_mae'])} where each was chosen before, "
        f"{_shown(given['relative_mae'])} as given, 1 naive.",
        highlight=False,
    )
    out.print(
        f"Diebold-Mariano, held out: tuned against naive: {tuned['naive_verdict']}; as given "
        f"against naive: {given['naive_verdict']}; tuned against as given: "
        f"{tuned['given_verdict']}.",
        highlight=False,
    )
    if not done.chosen_by(model) < 1:
        out.print("no candidate was better than naive over all origins")
    out.print("best of all origins:", highlight=False)
    for line in done.option_lines(model):
        out.print(Text(f"  {line}"), soft_wrap=True)


def _shown(value: float) -> str:
    return "-" if value != value else f"{value:.4f}"


def _print_failures(done: "TuneResult", tried: dict[str, Any]) -> bool:
    """Print what failed; tell whether coins or candidates failed altogether."""
    model_of = {c.name: name for name, own in tried.items() for c in own}
    failures = done.failures.assign(of=done.failures["model"].map(model_of))
    failures = failures[failures["of"].notna()]
    for (name, exception), rows in failures.groupby(["of", "exception"]):
        told = (
            f"failed: {name}: {exception}: {len(rows):,} times, of {rows['model'].nunique():,} "
            f"candidates and {rows['coin'].nunique():,} coins, as {rows['message'].iloc[0]}"
        )
        err.print(Text(told), soft_wrap=True)
    out_of_it = done.candidates[done.candidates["relative_mae"].isna()]
    for row in out_of_it.to_dict("records"):
        told = (
            f"failed: {row['candidate']}: forecast {row['forecasts']:,} coins and origins, too "
            "few to be compared with the others"
        )
        err.print(Text(told), soft_wrap=True)
    return bool(failures["cutoff"].isna().any() or len(out_of_it))
