"""Print and write what is in a table, and what was found in its files."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.table import Table
from rich.text import Text

from cryptodask.cli.show import SOME_FAILED, out, print_lost

if TYPE_CHECKING:
    import pandas as pd

    from cryptodask.prices import PriceTable
    from cryptodask.prices.table.growth import AppendResult


def report(table: "PriceTable") -> None:
    """Print what is in a table and what was found in its files, and exit.

    Parameters
    ----------
    table : PriceTable

    Raises
    ------
    typer.Exit
        Always, with 3 if rows were lost.
    """
    from cryptodask.prices.clean.findings import LOSING_KINDS

    out.print(_summary(table), highlight=False)
    listed = table.findings([*LOSING_KINDS, "layout", "not_a_price_file"])
    raise typer.Exit(print_findings(table.count_findings(), listed))


def print_append(result: "AppendResult") -> None:
    """Print what an append did.

    Parameters
    ----------
    result : AppendResult
    """
    out.print(
        f"{result.new_rows:,} new rows, {result.corrected_rows:,} corrected, "
        f"{result.kept_rows:,} differ and were left out, {result.unchanged_rows:,} were there; "
        f"{len(result.new_coins):,} new coins; generation {result.generation}",
        highlight=False,
    )


def print_findings(summary: "pd.DataFrame", findings: "pd.DataFrame") -> int:
    """Print findings by kind and a line for each that cost rows, and return the exit code.

    Parameters
    ----------
    summary : DataFrame
        As of `cryptodask.prices.clean.findings.summarize_findings`.
    findings : DataFrame
        At least those about files and those that cost rows.
    """
    from cryptodask.prices.clean.findings import lost

    counts = Table("finding", "count", "coins", "what it is", "what was done")
    for row in summary.to_dict("records"):
        numbers = f"{row['count']:,}", f"{row['coins']:,}"
        counts.add_row(row["kind"], *numbers, row["meaning"], row["done"])
    out.print(counts if counts.row_count else "no findings")
    layouts = findings[findings["kind"] == "layout"]["message"].value_counts()
    for layout, files in layouts.items():
        out.print(Text(f"{files:,} files: {layout}"), soft_wrap=True)
    others = findings[findings["kind"] == "not_a_price_file"]
    for file, message in zip(others["file"], others["message"], strict=True):
        out.print(Text(f"left out: {file}: {message}"), soft_wrap=True)
    left_out = lost(findings)
    print_lost(left_out, out)
    return SOME_FAILED if len(left_out) else 0


def write_report(table: "PriceTable", path: Path) -> None:
    """Write a table's coverage and findings as a page.

    Parameters
    ----------
    table : PriceTable
    path : Path
        Of the page.
    """
    import pandas as pd

    from cryptodask.dashboard.coverage import MOST_FINDINGS, measure_coverage, save_report
    from cryptodask.prices.clean.findings import LOSING_KINDS, lost

    summary = table.count_findings()
    # The rare kinds first, since thousands of missing values would hide them; and no more kinds
    # than there is room for.
    counts = summary.groupby("kind")["count"].sum().sort_values(kind="stable")
    some = counts[counts.cumsum() - counts < MOST_FINDINGS]
    findings = table.findings(some.index)
    rank = findings["kind"].map({kind: i for i, kind in enumerate(some.index)})
    findings = findings.iloc[rank.argsort(kind="stable")]
    losses = lost(table.findings(LOSING_KINDS))
    order = table.index.sort_values(["first", "coin"])["coin"].tolist()
    frames = (partition.read() for partition in table.partitions(table.coins))
    first, last = table.index["first"].min(), table.index["last"].max()
    save_report(
        path,
        measure_coverage(frames, order, first, last, table.freq),
        summary,
        pd.concat([losses, findings]).drop_duplicates(),
        _summary(table),
    )


def _summary(table: "PriceTable") -> str:
    from cryptodask.prices.freq import DAILY

    notes = [f"bars of {table.freq}"] if table.freq != DAILY else []
    notes += [f"{kind}: {action}" for kind, action in table.policies.items()]
    return "; ".join(
        [
            f"{len(table):,} rows, {len(table.coins):,} coins, {len(table.manifest['parts'])} "
            f"parts, {table.index['first'].min():%Y-%m-%d} to {table.index['last'].max():%Y-%m-%d}",
            *notes,
        ]
    )
