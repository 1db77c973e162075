"""Options for reading price files: what the files leave open."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from cryptodask.errors import OptionError
from cryptodask.prices.clean.policies import Policies, check_policies
from cryptodask.prices.freq import DAILY, FREQS, check_freq
from cryptodask.prices.own import check_own, names_of
from cryptodask.prices.schema import TABLE_COLUMNS

LAYOUTS: Mapping[str, str] = {
    "listing": "the day as written",
    "long": "a column names the coin; the day as written",
    "finance": "the day as written, whatever its time zone",
    "klines": "stamped at the open; the UTC day (or shorter bar) in which the bar closes",
    "prices": "a day without a time is that day; an instant at 00:00 closes the day before",
    "wide": "a column a coin; a day without a time is that day, an instant at 00:00 closes the "
    "day before",
}
"""Name of a layout -> what its date means."""

LAYOUT_STAMPS: Mapping[str, str] = {
    name: {"klines": "open", "prices": "instant", "wide": "instant"}.get(name, "day")
    for name in LAYOUTS
}
"""Name of a layout -> what its stamps are: a ``day`` as written, the ``open`` of a bar, or the
``instant`` at which it closes."""


@dataclass(frozen=True)
class ReadOptions:
    """What a user knows of price files, and the files do not show.

    Attributes
    ----------
    day_first : bool, optional
        How to read days such as ``09/10/2017`` in a file that does not decide it: the day first
        (True) or the month (False).
    columns : mapping of str to str
        Column of the schema (or ``coin``) -> the name it has in the header. It wins over what
        the header's names would mean; a file without that name is refused.
    layout : str, optional
        Read every file in this one of `LAYOUTS`.
    freq : str, optional
        How long a bar lasts: 1h, 4h or 1d. Files of another frequency are left out and reported. By
        default that of the files, which then must all have one.
    policies : mapping of str to str
        What to do about each kind of finding; see `cryptodask.prices.clean.policies`.
    stamps : str, optional
        Whether stamps with a time are those at which a bar opens (``open``) or closes (``close``).
        By default as the layout of a file says; a day without a time is that day in any case.
    tolerance : float, optional
        Seconds about the edge of a bar within which a stamp is on it, where most stamps of a file
        are; 0 takes all stamps as they are. By default a sixth of a bar, and half an hour at most.
    now : datetime, optional
        Moment in UTC that files are read at: bars that end after it are left out. By default the
        present one, each time that files are read.
    further, facts : tuple of str
        Names of further columns to read, as the header has them: numbers, and facts of a coin that
        are the same on all its dates. See `cryptodask.prices.own`.

    Raises
    ------
    OptionError
        A column, layout, frequency or policy that is not known, a tolerance below 0 or of half a
        bar and more, or a further column of a name that it can't have.
    """

    day_first: bool | None = None
    columns: Mapping[str, str] = field(default_factory=dict, hash=False)
    layout: str | None = None
    freq: str | None = None
    policies: Policies = field(default_factory=dict, hash=False)
    stamps: str | None = None
    tolerance: float | None = None
    now: datetime | None = None
    further: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", dict(self.columns))
        object.__setattr__(self, "policies", check_policies(self.policies))
        object.__setattr__(self, "own", tuple(self.further))
        object.__setattr__(self, "facts", tuple(self.facts))
        check_own(self.further, self.facts)
        if self.freq is not None:
            check_freq(self.freq)
        for name in self.columns:
            if name not in TABLE_COLUMNS:
                known = ", ".join(TABLE_COLUMNS)
                raise OptionError(
                    f"columns: no column {name!r}, write COLUMN=HEADER; known: {known}"
                )
        if self.layout is not None and self.layout not in LAYOUTS:
            raise OptionError(f"layout: no layout {self.layout!r}; known: {', '.join(LAYOUTS)}")
        if self.stamps not in (None, "open", "close"):
            raise OptionError(f"stamps: must be open or close, got {self.stamps!r}")
        longest = FREQS[self.freq or DAILY]
        if self.tolerance is not None and not 0 <= self.tolerance < longest / 2:
            raise OptionError(
                f"tolerance: must be at least 0 and less than half a bar, {longest / 2:,.0f} "
                f"seconds, got {self.tolerance:,}"
            )

    def with_own(self, columns: Iterable[str]) -> "ReadOptions":
        """Return options to read the further columns that models ask for, and no others.

        Parameters
        ----------
        columns : iterable of str
            See `cryptodask.models.base.Model.columns`.

        Raises
        ------
        OptionError
            A name can't be that of a further column.
        """
        numbers, facts = names_of(columns)
        return replace(self, further=numbers, facts=facts)

    def tolerance_for(self, step: int) -> float:
        """Return the tolerance about the edges of bars, in seconds.

        Parameters
        ----------
        step : int
            Seconds of a bar.
        """
        return min(step / 6, 1_800.0) if self.tolerance is None else self.tolerance


DEFAULT_OPTIONS = ReadOptions()
"""Everything is decided from the files."""
