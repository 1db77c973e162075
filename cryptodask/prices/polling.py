"""A price table that grows by what an exchange has: each coin is kept as it comes."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import pandas as pd

from cryptodask.errors import OptionError
from cryptodask.prices.freq import DAILY, check_freq, long_bars
from cryptodask.prices.table.manifest import is_table

if TYPE_CHECKING:
    from cryptodask.prices.exchange.fetch import Fetched
    from cryptodask.prices.reading import Reading


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

    def keep(self, *coins: "Fetched") -> None:
        """Append the rows of coins to the table, or make it of them.

        Parameters
        ----------
        *coins : Fetched
            Those that gave no row leave nothing.
        """
        from cryptodask.prices import PriceTable, write_table
        from cryptodask.prices.clean.findings import empty_findings

        came = [fetched for fetched in coins if len(fetched.prices)]
        if not came:
            return
        reading = _joined(came)
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


def _joined(coins: "Sequence[Fetched]") -> "Reading":
    """Return what several coins gave as one reading."""
    from cryptodask.prices.clean.findings import join_findings
    from cryptodask.prices.reading import Reading

    prices = pd.concat([fetched.prices for fetched in coins], ignore_index=True)
    changed = [fetched.changed for fetched in coins if fetched.changed is not None]
    return Reading(
        prices.sort_values(["coin", "date"], kind="stable", ignore_index=True),
        join_findings([fetched.findings for fetched in coins]),
        changed=pd.concat(changed, ignore_index=True) if changed else None,
    )
