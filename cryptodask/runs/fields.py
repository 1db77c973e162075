"""Fields of specs: what a value may be, what the command calls it, and what its help says.

A field is declared once. Its converter takes what Python, a command line or JSON gives; its check
refuses what makes no sense, by the field's name; its metadata make the option of the command.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any, Literal

import attrs

from cryptodask.errors import OptionError

Check = Callable[[Any, "attrs.Attribute[Any]", Any], None]


def option(
    default: Any = attrs.NOTHING,
    help: str = "",
    *,
    check: Check | None = None,
    converter: Callable[[Any], Any] | None = None,
    flag: str | None = None,
    decides: bool = True,
    **metadata: Any,
) -> Any:
    """Declare a field of a spec.

    Parameters
    ----------
    default : Any
        By default there is none.
    help : str
        A sentence for the command's help.
    check : callable, optional
        Raises `OptionError` for a value that makes no sense.
    converter : callable, optional
        Turns what a user gives into the value.
    flag : str, optional
        The option's name, if it is not the field's; empty for a field that is not an option.
    decides : bool
        Whether a result depends on it: such fields tell runs in one folder apart.
    **metadata
        What else the command needs to know; ``needs`` names the field without which a field has no
        effect.
    """
    facts = {"help": help, "flag": flag, "decides": decides, **metadata}
    return attrs.field(default=default, converter=converter, validator=check, metadata=facts)


def refused(name: str, rule: str, value: Any) -> OptionError:
    """Return the error of a value that breaks a rule."""
    return OptionError(f"{name}: {rule}, got {value!r}")


MOST = 2**53
"""The largest whole number that every reader of JSON keeps."""

YEAR = 366 * 86_400
"""The longest time limit, in seconds."""


def whole_number(least: int, unit: str = "", most: int = MOST) -> Check:
    """Return the check of a whole number that is not below one and not above another."""

    def check(_: Any, field: "attrs.Attribute[Any]", value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int):
            raise refused(field.name, "must be a whole number", value)
        if value < least:
            raise refused(field.name, f"must be at least {least}{unit and ' ' + unit}", value)
        if value > most:
            raise refused(field.name, f"must be at most {most:,}{unit and ' ' + unit}", value)

    return check


def optional(check: Check) -> Check:
    """Return a check that lets None pass."""

    def of_some(spec: Any, field: "attrs.Attribute[Any]", value: Any) -> None:
        if value is not None:
            check(spec, field, value)

    return of_some


def flag(_: Any, field: "attrs.Attribute[Any]", value: Any) -> None:
    """Check that a value is true or false."""
    if not isinstance(value, bool):
        raise refused(field.name, "must be true or false", value)


def seconds(_: Any, field: "attrs.Attribute[Any]", value: Any) -> None:
    """Check a time limit in seconds."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not value > 0:
        raise refused(field.name, "must be more than 0 seconds", value)
    if value > YEAR:
        raise refused(field.name, f"must be at most {YEAR:,} seconds, a year", value)


def one_of(*values: str) -> Check:
    """Return the check of a word that must be among these."""

    def check(_: Any, field: "attrs.Attribute[Any]", value: Any) -> None:
        if value not in values:
            raise refused(field.name, f"must be one of {', '.join(values)}", value)

    return check


def text(_: Any, field: "attrs.Attribute[Any]", value: Any) -> None:
    """Check a text."""
    if not isinstance(value, str):
        raise refused(field.name, "must be text", value)


def as_tuple(given: Any) -> Any:
    """Return a list as a tuple, as JSON has none; all else as it is."""
    return tuple(given) if isinstance(given, list) else given


def texts(_: Any, field: "attrs.Attribute[Any]", value: Any) -> None:
    """Check several texts."""
    for item in value:
        text(None, field, item)


def coin_names(given: Any) -> tuple[str, ...] | None:
    """Return names of coins as a tuple; one name is a tuple of one, None stays."""
    if given is None:
        return None
    if isinstance(given, str):
        return (given,)
    if not isinstance(given, Iterable):
        raise refused("coins", "must be names of coins", given)
    return tuple(given)


def day(name: str) -> Callable[[Any], str | None]:
    """Return the converter of a day to text as ``2017-09-22``; None stays."""

    def convert(given: Any) -> str | None:
        if given is None:
            return None
        from cryptodask.prices.days import read_day

        return str(read_day(name, given).astype("datetime64[D]"))

    return convert


def rows_or_expanding(given: Any) -> int | Literal["expanding"]:
    """Return a number of rows, or ``expanding`` for all since the first."""
    if given == "expanding":
        return "expanding"
    try:
        rows = int(given) if isinstance(given, str) else given
    except ValueError:
        rows = 0
    if isinstance(rows, bool) or not isinstance(rows, int) or not 1 <= rows <= MOST:
        raise refused("window", "must be 'expanding' or a number of rows", given)
    return rows


def count_or_days(given: Any) -> int | tuple[str, ...]:
    """Return how many origins, or their days; a text of days has commas."""
    if isinstance(given, str) and re.fullmatch("[0-9]{1,9}", given.strip()):
        given = int(given)
    if isinstance(given, bool):
        raise refused("origins", "must be a number of origins, or their days", given)
    if isinstance(given, int):
        if given < 1:
            raise refused("origins", "must be at least 1", given)
        if given > MOST:
            raise refused("origins", f"must be at most {MOST:,}", given)
        return given
    if isinstance(given, str):
        given = [part.strip() for part in given.split(",") if part.strip()]
    if not isinstance(given, Iterable):
        raise refused("origins", "must be a number of origins, or their days", given)
    from cryptodask.prices.days import read_day

    return tuple(str(read_day("origins", item).astype("datetime64[D]")) for item in given)
