"""``cryptodask prices list``: what a source has of each coin."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from cryptodask.cli.options.output import check_file
from cryptodask.cli.prices.options import (
    ColumnOption,
    DayFirstOption,
    FreqOption,
    LayoutOption,
    read_options,
)
from cryptodask.cli.show import SOME_FAILED, err, out, print_lost, shown_price, write_table
from cryptodask.cli.tables import FittingTable, number
from cryptodask.errors import OptionError
from cryptodask.text import counted, shown_date

if TYPE_CHECKING:
    import pandas as pd

FORMATS = ("table", "csv", "json")


def list_command(
    source: Annotated[
        str, typer.Argument(help="Price files, a folder or pattern of them, a URL, or a table.")
    ],
    format_: Annotated[str, typer.Option("--format", help="What to print: table, csv or json.")] = (
        "table"
    ),
    file: Annotated[
        Path | None, typer.Option("--out", help="Write to this .csv, .json or .parquet file.")
    ] = None,
    dayfirst: DayFirstOption = None,
    column: ColumnOption = None,
    layout: LayoutOption = None,
    freq: FreqOption = None,
) -> None:
    """List the coins of a source: symbol, first and last date, bars, last close, gaps.

    For example:

        cryptodask prices list data

        cryptodask prices list data --format csv --out coins.csv
    """
    from cryptodask.io.files import write_text
    from cryptodask.prices import CryptoLoader, PriceTable
    from cryptodask.prices.clean.findings import lost
    from cryptodask.prices.overview import list_coins

    if format_ not in FORMATS:
        raise OptionError(f"--format {format_}: must be one of {', '.join(FORMATS)}")
    check_file("--out", file, (".csv", ".json", ".parquet"))
    loader = CryptoLoader(source, options=read_options(dayfirst, column, layout, freq, {}))
    coins = list_coins(loader.source)
    if file is not None:
        if file.suffix == ".json":
            write_text(_as_json(coins), file)
        else:
            write_table(_with_days(coins) if file.suffix == ".csv" else coins, file)
        out.print(Text(f"wrote {file}"), soft_wrap=True)
    elif format_ == "table":
        _print_table(coins)
    else:
        text = _as_json(coins) if format_ == "json" else _as_csv(coins)
        sys.stdout.write(text)
    left_out = lost(loader.findings())
    print_lost(left_out, err)
    # Of a table, what its import lost is not lost now.
    is_lost = len(left_out) > 0 and not isinstance(loader.source, PriceTable)
    raise typer.Exit(SOME_FAILED if is_lost or (coins["bars"] == 0).any() else 0)


def _print_table(coins: "pd.DataFrame") -> None:
    has_symbols = bool((coins["symbol"] != "").any())
    table = FittingTable(
        "coin",
        *(["symbol"] if has_symbols else []),
        *("first", "last"),
        *map(number, ("bars", "last close", "gaps", "missing")),
    )
    for row in coins.to_dict("records"):
        has_rows = row["bars"] > 0
        table.add_texts(
            str(row["coin"]),
            *([str(row["symbol"])] if has_symbols else []),
            *(shown_date(row[end]) if has_rows else "" for end in ("first", "last")),
            f"{row['bars']:,}",
            shown_price(row["last_close"], 10) if has_rows else "",
            f"{row['gaps']:,}",
            f"{row['missing']:,}",
        )
    out.print(table)
    bars = counted(int(coins["bars"].sum()), "bar")
    missing = counted(int(coins["missing"].sum()), "bar")
    text = f"{counted(len(coins), 'coin')}, {bars}, {missing} missing in gaps"
    out.print(text, highlight=False)


def _with_days(coins: "pd.DataFrame") -> "pd.DataFrame":
    """Return the list with dates as text, as people write them."""
    import pandas as pd

    texts = {
        name: coins[name]
        .map(shown_date, na_action="ignore")
        .astype("object")
        .where(coins[name].notna(), None)
        for name in ("first", "last")
    }
    return pd.DataFrame(coins).assign(**texts)


def _as_csv(coins: "pd.DataFrame") -> str:
    from cryptodask.io.formulas import guard_frame

    return str(guard_frame(_with_days(coins)).to_csv(index=False))


def _as_json(coins: "pd.DataFrame") -> str:
    rows = _with_days(coins).astype("object")
    return json.dumps(rows.where(rows.notna(), None).to_dict("records"), indent=1) + "\n"
