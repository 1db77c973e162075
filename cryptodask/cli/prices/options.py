"""Options that commands of prices share, and what they mean."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cryptodask.errors import OptionError

if TYPE_CHECKING:
    from cryptodask.prices import PriceTable, ReadOptions

DayFirstOption = Annotated[
    bool | None,
    typer.Option(
        "--dayfirst/--monthfirst", help="How to read 09/10/2017 where a file does not show it."
    ),
]

ColumnOption = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        help="Header of a column, as close=Last; or the name of a further column of numbers to "
        "keep, as sentiment. Repeat it for more.",
    ),
]

FactOption = Annotated[
    list[str] | None,
    typer.Option(
        "--fact",
        help="Name of a column to keep that is a fact of a coin, the same on all its days, as "
        "category. Repeat it for more.",
    ),
]

LayoutOption = Annotated[
    str | None, typer.Option(help="Layout of all files; by default found from each file.")
]

FreqOption = Annotated[
    str | None, typer.Option(help="Length of a bar: 1h, 4h or 1d; by default that of the files.")
]

StampsOption = Annotated[
    str | None,
    typer.Option(help="Stamps with a time are those at which bars open or close: open, close."),
]

ToleranceOption = Annotated[
    float | None,
    typer.Option(
        "--stamp-tolerance",
        help="Seconds off the edge of a bar within which a stamp is on it; by default a sixth of a "
        "bar, and half an hour at most.",
    ),
]

PolicyOption = Annotated[
    list[str] | None,
    typer.Option(help="Action for a kind of finding, as stale_run=drop; see `prices policies`."),
]

FindingsOption = Annotated[
    Path | None,
    typer.Option("--findings", help="Write all findings to this .csv or .parquet."),
]

SplitOption = Annotated[
    list[str] | None,
    typer.Option(
        "--split",
        metavar="COIN:DATE:FACTOR",  # in a help, ":DATE:" would be printed as an emoji
        help="FACTOR new coins came for one on that day, so prices before it are divided by "
        "FACTOR: A:2024-03-01:0.001.",
    ),
]

RenameOption = Annotated[
    list[str] | None,
    typer.Option(
        "--rename", metavar="OLD:NEW", help="Rows of the older name are those of NEW: MATIC:POL."
    ),
]

CorrectionsOption = Annotated[
    str, typer.Option(help="Rows that differ from the table's: replace, keep or fail.")
]


def read_options(
    day_first: bool | None,
    columns: list[str] | None,
    layout: str | None,
    freq: str | None,
    policies: dict[str, str],
    stamps: str | None = None,
    tolerance: float | None = None,
    facts: list[str] | None = None,
) -> "ReadOptions":
    """Return what the options of a command say of files.

    Parameters
    ----------
    day_first : bool or None
        Whether days such as 09/10/2017 have the day first.
    columns : list of str or None
        ``COLUMN=HEADER`` of each, or the name of a further column.
    layout, freq : str or None
        As of `cryptodask.prices.ReadOptions`.
    policies : dict of str to str
        As `read_policies` returns them.
    stamps : str or None
        Whether stamps are opens or closes.
    tolerance : float or None
        Seconds about the edges of bars.
    facts : list of str or None
        Names of columns of facts.

    Raises
    ------
    OptionError
        One of them makes no sense.
    """
    from cryptodask.prices import ReadOptions
    from cryptodask.prices.schema import TABLE_COLUMNS

    further = tuple(name for name in columns or [] if "=" not in name)
    for name in further:
        if name in TABLE_COLUMNS:
            raise OptionError(
                f"--column {name}: every table has it; write COLUMN=HEADER, such as {name}=Last, "
                "to say which column of the files it is"
            )
    headers = [name for name in columns or [] if "=" in name]
    named = _pairs("--column", headers, "COLUMN=HEADER, such as close=Last")
    return ReadOptions(
        day_first,
        named,
        layout,
        freq,
        policies,
        stamps,
        tolerance,
        further=further,
        facts=tuple(facts or ()),
    )


def options_of_table(options: "ReadOptions", table: "PriceTable") -> "ReadOptions":
    """Return options by which files are read for a table, with the further columns that it has.

    Parameters
    ----------
    options : ReadOptions
        Of a command.
    table : PriceTable

    Raises
    ------
    OptionError
        They name further columns.
    """
    if options.further:
        raise OptionError(
            f"--column {options.further[0]}: a table keeps the columns that it was imported with, "
            "and append reads these in any case; write COLUMN=HEADER, or import again"
        )
    return table.options_with_own(options)


def read_policies(given: list[str] | None) -> dict[str, str]:
    """Return the policies of a command.

    Parameters
    ----------
    given : list of str or None
        ``KIND=ACTION`` of each.

    Raises
    ------
    OptionError
        A kind or an action is unknown.
    """
    from cryptodask.prices.clean.policies import check_policies

    chosen = _pairs("--policy", given, "KIND=ACTION, such as stale_run=drop")
    check_policies(chosen)
    return chosen


def _pairs(option: str, texts: list[str] | None, form: str) -> dict[str, str]:
    pairs = {}
    for text in texts or []:
        name, equals, value = text.partition("=")
        if not equals:
            raise OptionError(f"{option} {text!r}: write it as {form}")
        pairs[name.strip()] = value.strip()
    return pairs
