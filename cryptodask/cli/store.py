"""``cryptodask store``: keep what was forecast in a database, and read it."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from cryptodask.cli.options.output import check_file
from cryptodask.cli.options.specs import split_names
from cryptodask.cli.show import out, write_table
from cryptodask.errors import OptionError
from cryptodask.text import counted, shown_date

if TYPE_CHECKING:
    import pandas as pd

store_app = typer.Typer(
    help="Keep what was forecast in a database, and read it.", no_args_is_help=True
)

StorePlace = Annotated[
    str,
    typer.Option(
        "--store",
        envvar="CRYPTODASK_STORE",
        metavar="PLACE",
        help="File of an SQLite database, or postgresql://user@host/database.",
    ),
]
DEFAULT = "cryptodask.db"

DAY = 10
"""Width of a day, which is not cut."""

Coins = Annotated[
    list[str] | None,
    typer.Option("--coins", help="Coins, separated by commas or given several times. [all]"),
]
Models = Annotated[
    list[str] | None, typer.Option("--model", help="A model; may be given several times. [all]")
]
Format = Annotated[str, typer.Option("--format", help="What to print: table, csv or json.")]
File = Annotated[Path | None, typer.Option("--out", help="Write to this .csv or .parquet file.")]


@store_app.command()
def add(
    folders: Annotated[
        list[str], typer.Argument(metavar="FOLDER...", help="Folders or URLs of runs that ended.")
    ],
    store: StorePlace = DEFAULT,
) -> None:
    """Store the results of runs; one that is stored already is compared, and nothing changes."""
    from cryptodask.io.paths import path_of, resolved
    from cryptodask.results.manifest import read_manifest
    from cryptodask.store import open_store

    for folder in folders:
        read_manifest(resolved(path_of(folder)))  # before a store is made for nothing
    with open_store(store) as database:
        for folder in folders:
            stored = database.add(folder)
            done = "stored" if stored.new else "was stored before, and is the same"
            what = f"run {stored.run}, {counted(stored.rows, 'forecast')}"
            failed = len(database.failures(stored.run))
            what += f", {counted(failed, 'failure')}" if failed else ""
            out.print(Text(f"{folder}: {done}: {what}"), soft_wrap=True)


@store_app.command()
def latest(
    coins: Coins = None,
    model: Models = None,
    as_of: Annotated[
        str | None, typer.Option(help="Latest forecasts from cutoffs up to this date.")
    ] = None,
    store: StorePlace = DEFAULT,
    format_: Format = "table",
    file: File = None,
) -> None:
    """Show the latest forecast of each coin and model."""
    from cryptodask.prices.names import CoinNames
    from cryptodask.store import open_store
    from cryptodask.store.store import LATEST

    names = tuple(coins or ())
    with open_store(store, make=False) as database:
        if any("," in name for name in names):
            names = split_names(names, CoinNames(database.coins(), {}))
        frame = database.forecasts(names or None, model, as_of=LATEST if as_of is None else as_of)
    if format_ == "table" and file is None:
        frame = _compact(frame)
    show_frame(frame, format_, file)


@store_app.command()
def runs(store: StorePlace = DEFAULT, format_: Format = "table", file: File = None) -> None:
    """List the runs that are stored."""
    _list("runs", store, format_, file, ["key", "spec", "prices", "intervals"])


@store_app.command()
def requests(store: StorePlace = DEFAULT, format_: Format = "table", file: File = None) -> None:
    """List the trades that rules asked for."""
    _list("requests", store, format_, file, ["key", "judgement"])


@store_app.command()
def orders(store: StorePlace = DEFAULT, format_: Format = "table", file: File = None) -> None:
    """List the orders that requests became, and what was filled of each."""
    _list("orders", store, format_, file, ["account", "request", "client", "number"])


@store_app.command()
def fills(store: StorePlace = DEFAULT, format_: Format = "table", file: File = None) -> None:
    """List what was bought and sold, with fees and slippage."""
    _list("fills", store, format_, file, ["account", "order", "request", "decided", "trade"])


@store_app.command()
def accounts(store: StorePlace = DEFAULT, format_: Format = "table", file: File = None) -> None:
    """List what accounts had at the end of each day that they traded on."""
    _list("trading_days", store, format_, file, ["report"])


@store_app.command()
def judgements(store: StorePlace = DEFAULT, format_: Format = "table", file: File = None) -> None:
    """List what rules saw of forecasts, and what they led to."""
    _list("judgements", store, format_, file, ["run_key"])


@store_app.command()
def alerts(store: StorePlace = DEFAULT, format_: Format = "table", file: File = None) -> None:
    """List what rules and the monitor want looked at."""
    _list("alerts", store, format_, file, ["key"])


def _list(what: str, store: str, format_: str, file: Path | None, wide: list[str]) -> None:
    """Print all rows that a method of a store returns; as a table without wide or empty columns."""
    from cryptodask.store import open_store

    with open_store(store, make=False) as database:
        frame = getattr(database, what)()
    if format_ == "table" and file is None:
        frame = frame.drop(columns=wide)
        if len(frame):
            frame = frame.dropna(axis="columns", how="all")
        if "seen" in frame:
            frame["seen"] = [_shortened(json.loads(text)) for text in frame["seen"]]
    if format_ == "json" and "seen" in frame:
        frame["seen"] = [json.loads(text) for text in frame["seen"]]
    show_frame(frame, format_, file)


def _shortened(seen: dict[str, Any]) -> str:
    """Return the numbers that a rule saw as a line."""
    names = ("return", "probability", "width", "agreement", "age")
    return ", ".join(f"{name} {seen[name]:.3g}" for name in names if seen.get(name) is not None)


def _compact(frame: "pd.DataFrame") -> "pd.DataFrame":
    """Return a forecast table with an interval a column, for the width of a terminal."""
    compact = frame[["coin", "model", "date", "forecast"]].copy()
    for level in (80, 95):
        lower, upper = frame[f"lower_{level}"], frame[f"upper_{level}"]
        if lower.notna().any():
            pairs = zip(lower, upper, strict=True)
            compact[f"{level}%"] = [f"{low:.5g} to {high:.5g}" for low, high in pairs]
    return compact


def show_frame(frame: "pd.DataFrame", format_: str, file: Path | None) -> None:
    """Print a dataframe, or write it to a file.

    Parameters
    ----------
    frame : DataFrame
    format_ : str
        ``table``, ``csv`` or ``json``.
    file : Path or None
        A .csv or .parquet.

    Raises
    ------
    OptionError
        It is none of these.
    """
    if format_ not in ("table", "csv", "json"):
        raise OptionError(f"--format {format_}: must be one of table, csv, json")
    check_file("--out", file, (".csv", ".parquet"))
    if file is not None:
        write_table(frame, file)
        out.print(Text(f"wrote {file}, {counted(len(frame), 'row')}"), soft_wrap=True)
    elif format_ == "table":
        rows = [[_cell(value) for value in row] for row in frame.itertuples(index=False)]
        table = Table()
        for place, name in enumerate(frame.columns):
            is_day = frame[name].dtype.kind == "M" and all(len(row[place]) <= DAY for row in rows)
            table.add_column(Text(name), overflow="fold", width=DAY if is_day else None)
        for row in rows:
            table.add_row(*map(Text, row))
        out.print(table)
    elif format_ == "csv":
        from cryptodask.io.formulas import guard_frame

        sys.stdout.write(guard_frame(frame).to_csv(index=False))
    else:
        for name in frame.select_dtypes("datetime").columns:
            moments = [moment.isoformat() if moment == moment else None for moment in frame[name]]
            frame[name] = [text and text.removesuffix("T00:00:00") for text in moments]
        records = frame.astype(object).where(frame.notna(), None).to_dict("records")
        typer.echo(json.dumps(records, indent=1))


def _cell(value: Any) -> str:
    from pandas import Timestamp, isna

    if isna(value):
        return ""
    if isinstance(value, Timestamp):
        return shown_date(value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)
