"""``cryptodask prices``: files and exchanges to a table, and what was found on the way."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from cryptodask.cli.show import SOME_FAILED, out, print_lost

prices_app = typer.Typer(
    help="Import files of prices into a table, and check it.", no_args_is_help=True
)


@prices_app.command("import")
def import_command(
    folder: Annotated[Path, typer.Argument(help="A folder of price files, one a coin.")],
    table: Annotated[Path, typer.Option("--out", help="Folder of the table to write.")],
    partitions: Annotated[int | None, typer.Option(help="Into how many parts.")] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace a table that is there.")] = False,
) -> None:
    """Read a folder of price files, write them as one table, and report what was found."""
    from cryptodask.prices import import_prices

    _report(import_prices(folder, table, partitions=partitions, overwrite=overwrite))


@prices_app.command()
def check(table: Annotated[Path, typer.Argument(help="Folder of the table.")]) -> None:
    """Repeat the report of a table's import."""
    from cryptodask.prices import PriceTable

    _report(PriceTable(table))


def _report(table: Any) -> None:
    """Print what is in a table and what was found in its files."""
    from cryptodask.prices.findings import lost, summarize_findings

    found = table.findings()
    out.print(
        f"{len(table):,} rows, {len(table.coins):,} coins, {len(table.manifest['parts'])} parts, "
        f"{table.index['first'].min():%Y-%m-%d} to {table.index['last'].max():%Y-%m-%d}",
        highlight=False,
    )
    counts = Table("finding", "count", "coins", "what it is, and what was done")
    for row in summarize_findings(found).itertuples():
        counts.add_row(str(row.kind), str(row.count), str(row.coins), str(row.meaning))
    out.print(counts if counts.row_count else "no findings")
    left_out = lost(found)
    for row in found[found["kind"] == "not_a_price_file"].itertuples():
        out.print(Text(f"left out: {row.file}: {row.message}"), soft_wrap=True)
    print_lost(left_out, out)
    raise typer.Exit(SOME_FAILED if len(left_out) else 0)
