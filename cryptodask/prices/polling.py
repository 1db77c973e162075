"""A price table that grows by what an exchange has: each coin is kept as it comes."""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from cryptodask.errors import OptionError
from cryptodask.prices.freq import DAILY, check_freq, long_bars
from cryptodask.prices.table.manifest import is_table

if TYPE_CHECKING:
    from cryptodask.prices.exchange.fetch import Fetched


@attrs.frozen
class Growing:
    """A table that may be there already.

    Attributes
    ----------
    table : Path
    freq : str
        Of its bars.
    policies : dict of str to str
        What is done about each kind of finding.
    last : dict of str to date
        Date of the last row of each coin.
    corrections : str
        What is done about rows that differ from those there: ``replace``, ``keep`` or ``fail``.
    """

    table: Path
    freq: str
    policies: dict[str, str]
    last: dict[str, date]
    corrections: str = "replace"

    @classmethod
    def open(
        cls, table: Path, freq: str | None, policies: dict[str, str], corrections: str = "replace"
    ) -> "Growing":
        """Return a table, or what one will be.

        Parameters
        ----------
        table : Path
        freq : str or None
            Of its bars; None for those it has, or days.
        policies : dict of str to str
            Those that differ from what the table was made with.
        corrections : str
            See the class.

        Raises
        ------
        OptionError
            The table has other bars.
        """
        from cryptodask.prices import PriceTable

        if freq is not None:
            check_freq(freq)
        if not is_table(table):
            return cls(table, freq or DAILY, policies, {}, corrections)
        there = PriceTable(table)
        if freq not in (None, there.freq):
            raise OptionError(f"--freq {freq}: {table} has {long_bars(there.freq)}; name another")
        last = dict(zip(there.index["coin"], there.index["last"], strict=True))
        return cls(table, there.freq, there.policies | policies, last, corrections)

    def keep(self, fetched: "Fetched") -> None:
        """Append the rows of a coin to the table, or make it of them.

        Parameters
        ----------
        fetched : Fetched
        """
        from cryptodask.prices import PriceTable, write_table
        from cryptodask.prices.clean.findings import empty_findings
        from cryptodask.prices.reading import Reading

        if fetched.prices.empty:
            return
        reading = Reading(fetched.prices, fetched.findings, changed=fetched.changed)
        if is_table(self.table):
            PriceTable(self.table).append_reading(
                reading,
                corrections=self.corrections,  # type: ignore[arg-type]
                policies=self.policies,
            )
            return
        write_table(
            self.table,
            [reading],
            empty={},
            notes=empty_findings(),
            freq=self.freq,
            policies=self.policies,
        )
