"""Print and write what is in a table, and what was found in its files."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.text import Text

from cryptodask.cli.show import SOME_FAILED, counted, out, print_lost, shown_date, write_table
from cryptodask.cli.tables import FittingTable, number, prose
from cryptodask.text import shown_names

if TYPE_CHECKING:
    import pandas as pd

    from cryptodask.prices import PriceTable
    from cryptodask.prices.table.appending import AppendResult


_NAMED = 10  # moves that are printed


def print_ended(table: "PriceTable") -> None:
    """Print which coins ended long before the others, if any did.

    Parameters
    ----------
    table : PriceTable
    """
    from cryptodask.prices.table.table_reader import ENDED_DAYS

    ended = table.ended()
    if ended.empty:
        return
    coins = [f"{row.coin} ({shown_date(row.last)})" for row in ended.itertuples()]
    text = (
        f"ended: {counted(len(ended), 'coin')} without a row in the {ENDED_DAYS} days before "
        f"{shown_date(table.index['last'].max())}, where the table ends: {shown_names(coins)}; "
        "where a coin has only changed its name, declare it: --rename OLD:NEW"
    )
    out.print(Text(text), soft_wrap=True)


def print_undeclared(table: "PriceTable") -> None:
    """Print which splits and renames are of coins that the table does not have.

    Parameters
    ----------
    table : PriceTable
    """
    coins = set(table.coins)
    older = [old for old, new in table.declared.renames.items() if new in coins]
    for line in table.declared.unknown(coins, older):
        out.print(Text(line), soft_wrap=True)


def write_findings(findings: "pd.DataFrame", path: Path | None) -> None:
    """Write all findings to a file, where one was asked for, and say so.

    Parameters
    ----------
    findings : DataFrame
    path : Path or None
        A .csv or .parquet file.
    """
    if path is not None:
        write_table(findings, path)
        out.print(Text(f"wrote {path}: {counted(len(findings), 'finding')}"), soft_wrap=True)


def report(table: "PriceTable", findings_file: Path | None = None) -> None:
    """Print what is in a table and what was found in its files, and exit.

    Parameters
    ----------
    table : PriceTable
    findings_file : Path, optional
        Where all findings go.

    Raises
    ------
    typer.Exit
        Always, with 3 if rows were lost.
    """
    from cryptodask.prices.clean.findings import LOSING_KINDS

    out.print(_summary(table), highlight=False)
    print_ended(table)
    kinds = ("layout", "not_a_price_file", "large_move", "column_left_out")
    listed = table.findings([*LOSING_KINDS, *kinds])
    code = print_findings(table.count_findings(), listed, all_by(table.path))
    write_findings(table.findings() if findings_file else listed, findings_file)
    raise typer.Exit(code)


def all_by(table: Path) -> str:
    """Return how all findings of a table are listed.

    Parameters
    ----------
    table : Path
    """
    return f"all of them: `cryptodask prices check {table} --findings FILE.csv` writes them"


def print_append(result: "AppendResult") -> None:
    """Print what an append did.

    Parameters
    ----------
    result : AppendResult
    """
    out.print(
        f"{counted(result.new_rows, 'new row')}, {result.corrected_rows:,} corrected, "
        f"{result.kept_rows:,} differ and were left out, {result.unchanged_rows:,} were there; "
        f"{result.revised_rows:,} others revised for what came; "
        f"{counted(len(result.new_coins), 'new coin')}; generation {result.generation}",
        highlight=False,
    )


def print_findings(summary: "pd.DataFrame", findings: "pd.DataFrame", hint: str = "") -> int:
    """Print findings by kind and those that cost rows or want a word, and return the exit code.

    A kind of these in a file is one line.

    Parameters
    ----------
    summary : DataFrame
        As of `cryptodask.prices.clean.findings.summarize_findings`.
    findings : DataFrame
        At least those about files, those that cost rows and large moves.
    hint : str
        Where all of them are, printed where a line stands for several.
    """
    from cryptodask.prices.clean.findings import lost

    numbers, texts = ("count", "coins"), ("what it is", "what was done")
    counts = FittingTable("finding", *map(number, numbers), *map(prose, texts))
    for row in summary.to_dict("records"):
        numbers = f"{row['count']:,}", f"{row['coins']:,}"
        counts.add_texts(row["kind"], *numbers, row["meaning"], row["done"])
    out.print(counts if counts.row_count else "no findings")
    layouts = findings[findings["kind"] == "layout"]["message"].value_counts()
    for layout, files in layouts.items():
        out.print(Text(f"{counted(files, 'file')}: {layout}"), soft_wrap=True)
    others = findings[findings["kind"] == "not_a_price_file"]
    for file, message in zip(others["file"], others["message"], strict=True):
        out.print(Text(f"left out: {file}: {message}"), soft_wrap=True)
    columns = findings[findings["kind"] == "column_left_out"]
    if len(columns):
        names = ", ".join(map(repr, columns["value"].head(_NAMED)))
        more = f" and {len(columns) - _NAMED:,} more" if len(columns) > _NAMED else ""
        out.print(
            Text(f"columns left out: {names}{more}; {columns['message'].iloc[0]}"), soft_wrap=True
        )
    left_out = lost(findings)
    print_lost(left_out, out)
    _print_units(findings)
    if len(left_out.drop_duplicates(["kind", "file"])) < len(left_out) and hint:
        out.print(Text(hint), soft_wrap=True)
    return SOME_FAILED if len(left_out) else 0


def _print_units(findings: "pd.DataFrame") -> None:
    """Print the first large moves that may be another unit of the coin, and what to do then."""
    units = findings[(findings["kind"] == "large_move") & (findings["message"] != "")]
    for row in units.head(_NAMED).itertuples():
        text = f"large_move: {row.coin}, {shown_date(row.date)}: {row.message}"
        out.print(Text(text), soft_wrap=True)
    if len(units) > _NAMED:
        out.print(f"and {counted(len(units) - _NAMED, 'move')} like these", highlight=False)


def write_report(table: "PriceTable", path: Path) -> None:
    """Write a table's coverage and findings as a page.

    Parameters
    ----------
    table : PriceTable
    path : Path
        Of the page.
    """
    import pandas as pd

    from cryptodask.dashboard.coverage import MOST_FINDINGS, save_report
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
    save_report(
        path,
        table.coverage(),
        summary,
        pd.concat([losses, findings]).drop_duplicates(),
        _summary(table),
    )


def _summary(table: "PriceTable") -> str:
    from cryptodask.prices.freq import DAILY, long_bars

    notes = [long_bars(table.freq)] if table.freq != DAILY else []
    notes += [f"{kind}: {action}" for kind, action in table.policies.items()]
    return "; ".join(
        [
            f"{counted(len(table), 'row')}, {counted(len(table.coins), 'coin')}, "
            f"{counted(len(table.manifest['parts']), 'part')}, "
            f"{table.index['first'].min():%Y-%m-%d} to {table.index['last'].max():%Y-%m-%d}",
            *notes,
            *([f"columns: {', '.join(table.own_names)}"] if table.own_names else []),
        ]
    )
