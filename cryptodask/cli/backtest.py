"""``cryptodask backtest``: what models would have forecast, and what it was worth."""

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
from cryptodask.cli.options.specs import split_names
from cryptodask.cli.show import counted, err, out, shown_origins, write_table
from cryptodask.cli.tables import FittingTable, number
from cryptodask.runs.spec import BacktestSpec
from cryptodask.text import shown_names

if TYPE_CHECKING:
    from collections.abc import Collection

    import pandas as pd

    from cryptodask.results import Backtest
    from cryptodask.runs import Session

SHOWN = {
    "relative_mae": "MAE / naive",
    "coverage_80": "in 80%",
    "coverage_95": "in 95%",
}
"""Scores of the table, and what it calls them; `--scores` writes all."""

OF_NAIVE = ("better", "no difference", "worse", "no verdict")


@with_options
def backtest(
    spec: BacktestSpec,
    cluster: ClusterOptions,
    output: OutputOptions,
    scores: Annotated[
        Path | None, typer.Option(help="Write scores of every coin to a .csv or .parquet file.")
    ] = None,
    page: Annotated[
        Path | None, typer.Option(help="Write a page of scores and drawings, .html.")
    ] = None,
    profile: Profile = False,
) -> None:
    """Forecast coins as of past dates, and score models against naive and the actual prices.

    For example:

        cryptodask backtest data --model drift

        cryptodask backtest data --model ridge --origins 24 --scores scores.csv
    """
    check_file("--scores", scores, (".csv", ".parquet"))
    check_file("--page", page, (".html",))
    check_apart({"SOURCE": spec.source, "--out": output.out, "--scores": scores, "--page": page})

    def write_scores(result: "Backtest", session: "Session") -> list[Path]:
        wanted = session.loader.source.coins
        if spec.coins is not None:
            names = split_names(spec.coins, session.loader.names)
            wanted = [session.loader.names.find(name) or name for name in names]
        by_coin = result.scores(by=("coin", "model"))
        if spec.intervals and len(by_coin) and not by_coin["n_interval"].any():
            text = "no forecast has an interval: no coin had ten returns before an origin, or moved"
            err.print(Text(f"{text}; more rows, or later origins, give them"), soft_wrap=True)
        print_unscored(wanted, {*by_coin["coin"], *result.failures["coin"]})
        if scores is not None:
            write_table(by_coin, scores)
        if page is not None:
            from cryptodask.dashboard.leaderboard import save_leaderboard

            save_leaderboard(page, result)
        return [path for path in (scores, page) if path is not None]

    execute(spec, VIEW, cluster, output, profile=profile, write_more=write_scores)


def print_backtest(result: "Backtest") -> None:
    """Print a line a model, the best first, and how it compares with naive coin by coin."""
    from cryptodask.evaluate.compare import compare_coins, compare_models, judge_coins

    scores = result.scores().sort_values("relative_mae")
    differences = result.differences()
    by_coin = judge_coins(compare_coins(differences))
    pooled = compare_models(differences).set_index("model")["verdict"]
    table = FittingTable(
        "model",
        *map(number, ("coins", *SHOWN.values(), "coins + = - ?")),
        "all coins",
        title=f"{shown_origins(result.origins)}, {counted(result.horizon, 'bar')} ahead",
    )
    for row in scores.to_dict("records"):
        model = row["model"]
        verdicts = by_coin.loc[by_coin["model"] == model, "verdict"].value_counts()
        counts = " ".join(f"{int(verdicts.get(name, 0)):,}" for name in OF_NAIVE)
        table.add_texts(
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
    print_unbounded(scores)


def print_unbounded(scores: "pd.DataFrame") -> None:
    """Print how many forecasts have no interval, where others have; shares are of the others.

    Parameters
    ----------
    scores : DataFrame
        A row a model, with ``n`` and ``n_interval``.
    """
    some = scores[(scores["n_interval"] > 0) & (scores["n_interval"] < scores["n"])]
    for row in some.to_dict("records"):
        without = int(row["n"] - row["n_interval"])
        out.print(
            f"{row['model']}: {without:,} of {int(row['n']):,} forecasts have no interval, since "
            "the coin had no spread by then; shares inside are of the others.",
            markup=False,
        )


def print_unscored(wanted: "Collection[str]", known: "Collection[str]") -> None:
    """Print which coins have no forecast to score and no failure, if there are any.

    Parameters
    ----------
    wanted : collection of str
        Coins that were asked for.
    known : collection of str
        Those with scores or failures.
    """
    without = sorted(set(wanted) - set(known))
    if not without:
        return
    text = (
        f"not scored: {counted(len(without), 'coin')} without bars at and after any of these "
        f"origins: {shown_names(without)}; more --origins go further back"
    )
    err.print(Text(text), soft_wrap=True)


def _shown(name: str, value: float) -> str:
    if value != value:
        return "-"
    share = name.startswith(("coverage", "direction", "relative_width"))
    return f"{100 * value:.1f}%" if share else f"{value:.4g}"


VIEW = View(show=print_backtest)
