"""``cryptodask tune``: which options would have forecast best, and what choosing them is worth."""

import re
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from cryptodask.cli.execute import Profile, View, execute
from cryptodask.cli.options import ClusterOptions, SearchOutput, with_options
from cryptodask.cli.options.output import read_path
from cryptodask.cli.show import counted, err, out, shown_date, shown_origins, write_table
from cryptodask.cli.tables import FittingTable, number, prose
from cryptodask.errors import OptionError
from cryptodask.runs.spec import SearchSpec

if TYPE_CHECKING:
    import pandas as pd

    from cryptodask.io.paths import AnyPath
    from cryptodask.results import SearchResult

SHOWN = 10
"""Candidates of a model that are printed; `--out` writes all."""


@with_options
def tune(
    spec: SearchSpec,
    cluster: ClusterOptions,
    output: SearchOutput,
    folder: Annotated[str | None, typer.Option(hidden=True)] = None,
    profile: Profile = False,
) -> None:
    """Search for options by backtests, and judge what was chosen by dates that took no part.

    For example:

        cryptodask tune data --model ridge --search ridge.alpha=1,10,100
    """
    # The name that the folder had before `--out` could be one; `--out` may be a file beside it.
    if folder is not None and output.folder is not None:
        raise OptionError(f"--folder {folder}: --out {output.folder} is a folder; give one of them")
    execute(spec, VIEW, cluster, output, folder=read_path(folder), profile=profile)


def announce(spec: SearchSpec) -> None:
    """Print the number of candidates of each model.

    Raises
    ------
    OptionError, UnknownModelError
        A value that an option can't have, or an unknown option or model.
    """
    from cryptodask.runs.kinds.candidates import make_candidates

    by_model = make_candidates(spec.search, spec.options, spec.random, spec.seed)
    for name, candidates in by_model.items():
        text = f"{name}: as given, and {counted(len(candidates) - 1, 'candidate')}"
        err.print(Text(text if spec.random is None else f"{text} at random"), soft_wrap=True)


def write_search(result: "SearchResult", path: "AnyPath") -> list["AnyPath"]:
    """Write a result as .json, or its candidates as .csv."""
    from cryptodask.io.files import write_text

    if path.suffix == ".json":
        write_text(result.to_json(), path)
    else:
        write_table(result.candidates, path)
    return [path]


def print_search(result: "SearchResult") -> None:
    """Print of each model the best candidates, what choosing was worth, and options to use."""
    for model in result.best:
        _print_candidates(result, model)
        _print_splits(result.splits[result.splits["model"] == model])
        _print_worth(result, model)


def _print_candidates(result: "SearchResult", model: str) -> None:
    """Print the best candidates of a model, and the model as it was given."""
    candidates = result.candidates[result.candidates["model"] == model]
    ranked = candidates.sort_values("relative_mae", kind="stable")
    table = FittingTable(
        prose("candidate"),
        *map(number, ("MAE / naive", "coins × origins")),
        title=f"{model}: {counted(len(candidates), 'candidate')}, {shown_origins(result.origins)}, "
        f"{counted(result.horizon, 'bar')} ahead",
    )
    top = ranked.head(SHOWN)
    given = candidates[candidates["candidate"] == model]
    for row in [*top.to_dict("records"), *given[~given.index.isin(top.index)].to_dict("records")]:
        label = _label(str(row["candidate"]), model)
        table.add_texts(label, _shown(row["relative_mae"]), f"{row['forecasts']:,}")
    out.print(table)


def _label(candidate: str, model: str) -> str:
    """Return a candidate of a model as its options, with spaces between them."""
    if candidate == model:
        return "as given"
    return re.sub(r",(?=\w+=)", ", ", candidate.removeprefix(f"{model}[").removesuffix("]"))


def _print_splits(splits: "pd.DataFrame") -> None:
    """Print what was best in the past, and what it was worth after that."""
    table = FittingTable(
        "best until",
        prose("candidate"),
        number("MAE / naive"),
        "judged by",
        title="what was best in the past, each judged by the origins that came next",
    )
    for row in splits.to_dict("records"):
        table.add_texts(
            f"{shown_date(row['train_to'])} ({row['train_origins']})",
            _label(str(row["candidate"]), str(row["model"])),
            _shown(row["relative_mae"]),
            f"{counted(row['test_origins'], 'origin')} from {shown_date(row['test_from'])}",
        )
    out.print(table)


def _print_worth(result: "SearchResult", model: str) -> None:
    """Print the figure that the best was chosen by, the held-out ones, and its options."""
    from cryptodask.results.search import GIVEN, TUNED

    judged = result.held_out[result.held_out["model"] == model].set_index("role")
    tuned, given = (judged.loc[role].to_dict() for role in (TUNED, GIVEN))
    out.print(
        f"MAE / naive: chosen by {_shown(result.chosen_by(model))}, the best of many on dates that "
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
    if tuned["relative_mae"] >= given["relative_mae"]:
        out.print(
            f"On dates that it had not seen, the search did not help: keep {model} as given.",
            highlight=False,
        )
    if result.chosen_by(model) >= 1:
        out.print("no candidate was better than naive over all origins")
    out.print("best of all origins:", highlight=False)
    for line in result.option_lines(model):
        out.print(Text(f"  {line}"), soft_wrap=True)


def _shown(value: float) -> str:
    return "-" if value != value else f"{value:.4f}"


def print_search_failures(result: "SearchResult") -> None:
    """Print how often candidates of each model failed, and which could not be compared."""
    from cryptodask.results.failures import failed_at_some, failed_throughout

    model_of = dict(zip(result.candidates["candidate"], result.candidates["model"], strict=True))
    failures = result.failures.assign(searched=result.failures["model"].map(model_of))
    throughout = failed_throughout(failures, result.origins)
    for (name, exception, _), rows in throughout.groupby(["searched", "exception", "coin"]):
        text = (
            f"failed: {name}: {exception}: {counted(rows['model'].nunique(), 'candidate')}, as "
            f"{rows['message'].iloc[0]}"
        )
        err.print(Text(text), soft_wrap=True)
    at_some = failed_at_some(failures, throughout)
    for (name, exception), rows in at_some.groupby(["searched", "exception"]):
        text = (
            f"failed: {name}: {exception}: {counted(len(rows), 'time')}, of "
            f"{counted(rows['model'].nunique(), 'candidate')} and "
            f"{counted(rows['coin'].nunique(), 'coin')}, as {rows['message'].iloc[0]}"
        )
        err.print(Text(text), soft_wrap=True)
    left_out = result.candidates[result.candidates["relative_mae"].isna()]
    for row in left_out.to_dict("records"):
        text = (
            f"failed: {row['candidate']}: forecast {row['forecasts']:,} coins and origins, too "
            "few to be compared with the others"
        )
        err.print(Text(text), soft_wrap=True)


VIEW = View(
    show=print_search,
    announce=announce,
    failures=print_search_failures,
    write=write_search,
)
