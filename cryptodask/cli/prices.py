"""``cryptodask prices``: files and exchanges to a table, and what was found on the way."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from cryptodask.cli.show import SOME_FAILED, err, out, print_lost
from cryptodask.errors import OptionError

if TYPE_CHECKING:
    import pandas as pd

    from cryptodask.prices import PriceTable, ReadOptions
    from cryptodask.prices.growth import AppendResult

prices_app = typer.Typer(
    help="Bring prices from files and exchanges into a table, and check it.", no_args_is_help=True
)

DayFirst = Annotated[
    bool | None,
    typer.Option(
        "--dayfirst/--monthfirst", help="How to read 09/10/2017 where a file does not decide it."
    ),
]
Columns = Annotated[
    list[str] | None,
    typer.Option("--column", help="A column by its header, as close=Last; also coin=..."),
]
Layout = Annotated[str | None, typer.Option(help="Read every file in this layout.")]
Corrections = Annotated[
    str, typer.Option(help="Rows that differ from the table's: replace, keep or fail.")
]


@prices_app.command("import")
def import_command(
    folder: Annotated[Path, typer.Argument(help="A folder of price files, one a coin.")],
    table: Annotated[Path, typer.Option("--out", help="Folder of the table to write.")],
    partitions: Annotated[int | None, typer.Option(help="Into how many parts.")] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace a table that is there.")] = False,
    dayfirst: DayFirst = None,
    column: Columns = None,
    layout: Layout = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Read on this cluster, as tcp://host:8786.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Read on a local cluster of so many processes.")
    ] = None,
) -> None:
    """Read a folder of price files, write them as one table, and report what was found."""
    from cryptodask.cluster import connect, ordered_map
    from cryptodask.prices import import_prices

    options = _read_options(dayfirst, column, layout)
    read = partial(
        import_prices, folder, table, partitions=partitions, overwrite=overwrite, options=options
    )
    if scheduler or workers is not None:
        with connect(scheduler, workers) as client:
            made = read(run=partial(ordered_map, client))
    else:
        made = read()
    _report(made)


@prices_app.command()
def append(
    table: Annotated[Path, typer.Argument(help="Folder of the table.")],
    files: Annotated[list[Path], typer.Argument(help="Files of prices, or folders of them.")],
    corrections: Corrections = "replace",
    dayfirst: DayFirst = None,
    column: Columns = None,
    layout: Layout = None,
) -> None:
    """Add new days, new coins and corrections from files to a table."""
    from cryptodask.prices import PriceTable, read_files

    place = PriceTable(table)
    reading = read_files(files, _read_options(dayfirst, column, layout))
    result = place.append_reading(reading, corrections=corrections)  # type: ignore[arg-type]
    _print_append(result)
    raise typer.Exit(_print_findings(result.findings))


@prices_app.command()
def compact(
    table: Annotated[Path, typer.Argument(help="Folder of the table.")],
    partitions: Annotated[int | None, typer.Option(help="Into how many parts.")] = None,
) -> None:
    """Pack a table that grew by many appends anew, so that reading it is fast again."""
    from cryptodask.prices import PriceTable

    place = PriceTable(table)
    place.compact(partitions)
    parts = len(place.manifest["parts"])
    out.print(f"{len(place):,} rows in {parts} parts, generation {place.generation}")


@prices_app.command()
def fetch(
    table: Annotated[Path, typer.Option("--out", help="Folder of the table; made or added to.")],
    since: Annotated[str, typer.Option(help="First day, YYYY-MM-DD, of coins that are new.")],
    exchange: Annotated[str, typer.Option(help="Name that ccxt has for it.")] = "binance",
    quote: Annotated[str, typer.Option(help="Currency of the prices.")] = "USDT",
    top: Annotated[int | None, typer.Option(help="So many coins of the largest volume.")] = None,
    coins: Annotated[list[str] | None, typer.Option(help="Coins by name.")] = None,
    until: Annotated[str | None, typer.Option(help="Last day. [yesterday]")] = None,
    api_url: Annotated[
        str | None, typer.Option(help="Address of a server that speaks the exchange's API.")
    ] = None,
    retries: Annotated[int, typer.Option(help="How often a request is sent again.")] = 5,
    corrections: Corrections = "replace",
) -> None:
    """Poll an exchange for daily prices; coins of the table go on where they stopped."""
    from cryptodask.errors import ExchangeError
    from cryptodask.prices.fetch import iter_prices
    from cryptodask.prices.findings import join_findings

    found: list[pd.DataFrame] = []
    counts = {"coins": 0, "rows": 0}
    try:
        for one in iter_prices(
            exchange,
            since=since,
            until=until,
            quote=quote,
            top=top,
            symbols=coins,
            already=_last_days(table),
            api_url=api_url,
            retries=retries,
        ):
            # Each coin is kept as it comes, so that a run that is stopped goes on from there.
            _keep(table, one.prices, one.findings, corrections)
            found.append(one.findings)
            counts["coins"] += bool(len(one.prices))
            counts["rows"] += len(one.prices)
            err.print(Text(f"{one.coin}: {len(one.prices):,} days"))
    except (ExchangeError, KeyboardInterrupt) as error:
        out.print(f"{counts['rows']:,} new days of {counts['coins']:,} coins were kept")
        if isinstance(error, ExchangeError):
            raise
        raise typer.Exit(130) from None
    out.print(f"{counts['rows']:,} new days of {counts['coins']:,} coins", highlight=False)
    raise typer.Exit(_print_findings(join_findings(found)))


@prices_app.command()
def check(
    table: Annotated[Path, typer.Argument(help="Folder of the table.")],
    html: Annotated[Path | None, typer.Option(help="Write the report as a page, too.")] = None,
) -> None:
    """Repeat the report of what was found in a table's files."""
    from cryptodask.prices import PriceTable

    if html and (html.suffix != ".html" or not html.parent.is_dir()):
        raise OptionError(f"--html {html}: must end in .html, in a folder that is there")
    place = PriceTable(table)
    if html:
        _write_report(place, html)
        out.print(Text(f"wrote {html}"), soft_wrap=True)
    _report(place)


def _read_options(
    day_first: bool | None, columns: list[str] | None, layout: str | None
) -> "ReadOptions":
    """Return what was said of the files."""
    from cryptodask.prices import ReadOptions

    named = {}
    for text in columns or []:
        column, equals, header = text.partition("=")
        if not equals:
            raise OptionError(f"--column {text!r}: write it as COLUMN=HEADER, such as close=Last")
        named[column] = header
    return ReadOptions(day_first, named, layout)


def _last_days(table: Path) -> "dict[str, Any]":
    """Return the last day of each coin of a table; of none where there is no table yet."""
    from cryptodask.prices import PriceTable
    from cryptodask.prices.storage import is_table

    if not is_table(table):
        return {}
    index = PriceTable(table).index
    return dict(zip(index["coin"], index["last"].dt.date, strict=True))


def _keep(table: Path, prices: "pd.DataFrame", findings: "pd.DataFrame", corrections: str) -> None:
    """Append rows to a table, or make it of them."""
    from cryptodask.prices import PriceTable, write_table
    from cryptodask.prices.findings import empty_findings
    from cryptodask.prices.readers import Reading
    from cryptodask.prices.storage import is_table

    if prices.empty:
        return
    reading = Reading(prices, findings)
    if is_table(table):
        PriceTable(table).append_reading(reading, corrections=corrections)  # type: ignore[arg-type]
    else:
        write_table(table, [reading], empty={}, notes=empty_findings())


def _print_append(result: "AppendResult") -> None:
    """Print what an append did."""
    out.print(
        f"{result.new_rows:,} new rows, {result.corrected_rows:,} corrected, "
        f"{result.kept_rows:,} differ and were left out, {result.unchanged_rows:,} were there; "
        f"{len(result.new_coins):,} new coins; generation {result.generation}",
        highlight=False,
    )


def _write_report(table: "PriceTable", path: Path) -> None:
    """Write a table's coverage and findings as a page."""
    import pandas as pd

    from cryptodask.dashboard.coverage import measure_coverage, save_report
    from cryptodask.prices.findings import lost, summarize_findings

    found = table.findings()
    losses = lost(found)
    others = found.drop(losses.index)
    # The rare kinds first: thousands of missing values would hide them.
    counts = others["kind"].map(others["kind"].value_counts())
    others = others.iloc[counts.argsort(kind="stable")]
    order = table.index.sort_values(["first", "coin"])["coin"].tolist()
    frames = (partition.read() for partition in table.partitions(table.coins))
    first, last = table.index["first"].min(), table.index["last"].max()
    save_report(
        path,
        measure_coverage(frames, order, first, last),
        summarize_findings(found),
        pd.concat([losses, others]),
        _summary(table),
    )


def _summary(table: "PriceTable") -> str:
    return (
        f"{len(table):,} rows, {len(table.coins):,} coins, {len(table.manifest['parts'])} parts, "
        f"{table.index['first'].min():%Y-%m-%d} to {table.index['last'].max():%Y-%m-%d}"
    )


def _report(table: "PriceTable") -> None:
    """Print what is in a table and what was found in its files."""
    out.print(_summary(table), highlight=False)
    raise typer.Exit(_print_findings(table.findings()))


def _print_findings(found: "pd.DataFrame") -> int:
    """Print findings by kind, and a line for each that cost rows; return the exit code."""
    from cryptodask.prices.findings import lost, summarize_findings

    counts = Table("finding", "count", "coins", "what it is, and what was done")
    for row in summarize_findings(found).to_dict("records"):
        counts.add_row(row["kind"], f"{row['count']:,}", f"{row['coins']:,}", row["meaning"])
    out.print(counts if counts.row_count else "no findings")
    layouts = found[found["kind"] == "layout"]["message"].value_counts()
    for layout, files in layouts.items():
        out.print(Text(f"{files:,} files: {layout}"), soft_wrap=True)
    others = found[found["kind"] == "not_a_price_file"]
    for file, message in zip(others["file"], others["message"], strict=True):
        out.print(Text(f"left out: {file}: {message}"), soft_wrap=True)
    left_out = lost(found)
    print_lost(left_out, out)
    return SOME_FAILED if len(left_out) else 0
