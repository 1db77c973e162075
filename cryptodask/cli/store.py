"""``cryptodask store``: keep what was forecast in a database, and read it."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from cryptodask.cli.options.help import Commands
from cryptodask.cli.options.output import check_file
from cryptodask.cli.options.specs import split_names
from cryptodask.cli.show import out, shown_price, write_table
from cryptodask.cli.tables import FittingTable, number, prose
from cryptodask.errors import OptionError
from cryptodask.text import counted, shown_date

if TYPE_CHECKING:
    import pandas as pd

store_app = Commands(help="Keep what was forecast in a database, and read it.")

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

PROSE = ("seen", "message", "reason", "models")
"""Columns of texts that may be wrapped."""

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
    """Store the results of runs; one that is stored already is compared, and nothing changes.

    For example:

        cryptodask store add my-forecasts --store cryptodask.db
    """
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
    """Show the latest forecast of each coin and model.

    For example:

        cryptodask store latest --coins Bitcoin --model ridge
    """
    from cryptodask.prices.names import CoinNames
    from cryptodask.store import open_store
    from cryptodask.store.store import LATEST

    names = tuple(coins or ())
    with open_store(store, make=False) as database:
        if any("," in name for name in names):
            names = split_names(names, CoinNames(database.coins(), {}))
        frame = database.forecasts(names or None, model, as_of=LATEST if as_of is None else as_of)
    wide = [str(name) for name in frame if name not in ("coin", "model", "date", "forecast")]
    if format_ == "table" and file is None:
        frame = _compact(frame)
        wide = [name for name in wide if name not in ("lower_80", "upper_80")]
    show_frame(frame, format_, file, wide)


@store_app.command()
def runs(store: StorePlace = DEFAULT, format_: Format = "table", file: File = None) -> None:
    """List the runs that are stored.

    For example:

        cryptodask store runs --store cryptodask.db
    """
    _list("runs", store, format_, file, ["key", "spec", "prices", "intervals", "folder"])


@store_app.command()
def requests(store: StorePlace = DEFAULT, format_: Format = "table", file: File = None) -> None:
    """List the trades that rules asked for.

    For example:

        cryptodask store requests --store cryptodask.db
    """
    _list("requests", store, format_, file, ["key", "judgement"])


@store_app.command()
def orders(store: StorePlace = DEFAULT, format_: Format = "table", file: File = None) -> None:
    """List the orders that requests became, and what was filled of each.

    For example:

        cryptodask store orders --store cryptodask.db
    """
    _list("orders", store, format_, file, ["account", "request", "client", "number"])


@store_app.command()
def fills(store: StorePlace = DEFAULT, format_: Format = "table", file: File = None) -> None:
    """List what was bought and sold, with fees and slippage.

    For example:

        cryptodask store fills --store cryptodask.db
    """
    _list("fills", store, format_, file, ["account", "order", "request", "decided", "trade"])


@store_app.command()
def accounts(store: StorePlace = DEFAULT, format_: Format = "table", file: File = None) -> None:
    """List what accounts had at the end of each day that they traded on.

    For example:

        cryptodask store accounts --store cryptodask.db
    """
    _list("trading_days", store, format_, file, ["report"])


@store_app.command()
def judgements(store: StorePlace = DEFAULT, format_: Format = "table", file: File = None) -> None:
    """List what rules saw of forecasts, and what they led to.

    For example:

        cryptodask store judgements --store cryptodask.db
    """
    _list("judgements", store, format_, file, ["run_key"])


@store_app.command()
def alerts(store: StorePlace = DEFAULT, format_: Format = "table", file: File = None) -> None:
    """List what rules and the monitor want looked at.

    For example:

        cryptodask store alerts --store cryptodask.db
    """
    _list("alerts", store, format_, file, ["key"])


def _list(what: str, store: str, format_: str, file: Path | None, wide: list[str]) -> None:
    """Print all rows that a method of a store returns; as a table without wide or empty columns."""
    from cryptodask.store import open_store

    with open_store(store, make=False) as database:
        frame = getattr(database, what)()
    if format_ == "table" and file is None:
        frame = frame.drop(columns=wide)
        if "models" in frame:
            frame["models"] = [", ".join(json.loads(text)) for text in frame["models"]]
        if len(frame):
            frame = frame.dropna(axis="columns", how="all")
        if "seen" in frame:
            frame["seen"] = [_shortened(json.loads(text)) for text in frame["seen"]]
    if format_ == "json" and "seen" in frame:
        frame["seen"] = [json.loads(text) for text in frame["seen"]]
    show_frame(frame, format_, file, wide)


def _shortened(seen: dict[str, Any]) -> str:
    """Return the numbers that a rule saw as a line."""
    names = ("return", "probability", "width", "agreement", "age")
    return ", ".join(f"{name} {seen[name]:.3g}" for name in names if seen.get(name) is not None)


def _compact(frame: "pd.DataFrame") -> "pd.DataFrame":
    """Return a forecast table with the 80% interval as a column, for the width of a terminal."""
    compact = frame[["coin", "model", "date", "forecast"]].copy()
    lower, upper = frame["lower_80"], frame["upper_80"]
    if lower.notna().any():
        pairs = zip(lower.map(shown_price), upper.map(shown_price), strict=True)
        compact["80% interval"] = [f"{low} to {high}" if low != "-" else "-" for low, high in pairs]
    return compact


def show_frame(
    frame: "pd.DataFrame", format_: str, file: Path | None, wide: Sequence[str] = ()
) -> None:
    """Print a dataframe, or write it to a file.

    Parameters
    ----------
    frame : DataFrame
    format_ : str
        ``table``, ``csv`` or ``json``.
    file : Path or None
        A .csv or .parquet.
    wide : sequence of str
        Columns that a table was spared, which are named below it.

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
        _print_frame(frame)
        if wide and len(frame):
            text = f"also there: {', '.join(wide)}; --format csv or json, or --out FILE, has all"
            out.print(Text(text), soft_wrap=True)
    elif format_ == "csv":
        from cryptodask.io.formulas import guard_frame

        sys.stdout.write(guard_frame(frame).to_csv(index=False))
    else:
        for name in frame.select_dtypes("datetime").columns:
            moments = [moment.isoformat() if moment == moment else None for moment in frame[name]]
            frame[name] = [text and text.removesuffix("T00:00:00") for text in moments]
        records = frame.astype(object).where(frame.notna(), None).to_dict("records")
        typer.echo(json.dumps(records, indent=1))


def _print_frame(frame: "pd.DataFrame") -> None:
    """Print a dataframe as a table, with texts of several words wrapped."""
    if frame.empty:
        out.print("no rows")
        return
    rows = [[_cell(value) for value in row] for row in frame.itertuples(index=False)]
    table = FittingTable()
    for name in frame.columns:
        heading = str(name).replace("_", " ")
        if name in PROSE:
            table.add(prose(heading))
        else:
            is_number = frame[name].dtype.kind in "if" or name == "80% interval"
            table.add(number(heading) if is_number else heading)
    for row in rows:
        table.add_texts(*row)
    out.print(table)


def _cell(value: Any) -> str:
    from pandas import Timestamp, isna

    if isna(value):
        return ""
    if isinstance(value, Timestamp):
        return shown_date(value)
    return shown_price(value) if isinstance(value, float) else str(value)
