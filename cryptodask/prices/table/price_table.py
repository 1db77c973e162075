"""The price table on disk: Parquet parts of whole coins, later rows, an index, and the findings.

::

    TABLE/manifest.json             names the files below; replacing it is what publishes a table
    TABLE/part-TOKEN-00000.parquet  rows of some coins, by coin and date
    TABLE/delta-TOKEN-00000.parquet rows that an append added or corrected, by coin and date; of a
                                    coin and day, the row of the last delta that has one is right
    TABLE/index-TOKEN.parquet       coin, rows, first, last, part, reason (why a coin has no row)
    TABLE/findings-TOKEN.parquet    what was found in the files that the rows came from
    TABLE/writer.lock               there only while a process writes, or after one was killed

The footers of parts and deltas have of each coin what readers of closes need most often; see
`cryptodask.prices.table.footer_stats`.

Files are never changed once written. An append, a compaction or a new import writes files under a
new token and then puts its manifest, one generation on, in place of the old one in a single step,
so that a reader sees the old table or the new one. An append or a compaction leaves the files of
the generation before it where they are, and the writer after that removes them; an import over a
table removes them at once. What a killed writer left behind is named by no manifest, read by
nobody, and removed by the next writer.
"""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from cryptodask.prices.clean.policies import Policies, check_policies
from cryptodask.prices.freq import DAILY, check_freq
from cryptodask.prices.reading import Reading
from cryptodask.prices.table.growth import AppendResult, append, compact, write_base
from cryptodask.prices.table.merge import Corrections
from cryptodask.prices.table.storage import writing
from cryptodask.prices.table.table_reader import TableReader


class PriceTable(TableReader):
    """A table of prices on disk; a `Source` of prices.

    It stays as it was when it was opened, whatever other processes append meanwhile, until
    `refresh`; but not longer than its files are there (see the head of this module).

    Parameters
    ----------
    path : path
        Folder of the table.

    Attributes
    ----------
    coins : list of str
        Coins with at least one row, in order.
    empty : dict of str to str
        Coins that had a file and no row, and why.
    index : DataFrame
        ``coin, rows, first, last, part``, one row a coin.
    freq : str
        How long a bar lasts: 1h, 4h or 1d.
    policies : dict of str to str
        What is done about each kind of finding, where that is not the default; what is appended
        goes by them too. See `cryptodask.prices.clean.policies`.

    Raises
    ------
    SourceError
        That path has no table.
    TableError
        The table is damaged or of another version.
    """

    def append(
        self,
        frame: pd.DataFrame,
        *,
        findings: pd.DataFrame | None = None,
        corrections: Corrections = "replace",
    ) -> AppendResult:
        """Add rows: new days, new coins, and corrections of days that the table has.

        The rows that it has already change nothing, so that appending the same rows again does
        not write. The cost follows the new rows, not the table. A process that is killed at any
        point leaves the table as it was or as it is to be.

        Parameters
        ----------
        frame : DataFrame
            Rows in the columns of `cryptodask.prices.schema`, in any order. Columns ``file`` and
            ``line`` may say where each row came from. A value that is missing (NaN) says
            nothing: the table keeps the one that it has.
        findings : DataFrame, optional
            What was found in the files that the rows came from, to be kept with the table. By
            default the rows themselves are looked at, and the table's policies followed.
        corrections : {"replace", "keep", "fail"}
            What to do with a row that differs from the one of the table: put it in its place,
            leave it out, or refuse all rows. The first two are each reported as a finding.

        Returns
        -------
        AppendResult

        Raises
        ------
        InputError
            Rows that are no prices, or bars of another length, or, by "fail", that differ from
            the table; or a policy of the table does not let them pass.
        OptionError
            ``corrections`` is none of the three.
        TableError
            Another process is writing the table, or the table is damaged.
        """
        return append(self, frame, findings, corrections)

    def append_reading(
        self,
        reading: Reading,
        *,
        corrections: Corrections = "replace",
        policies: Policies | None = None,
    ) -> AppendResult:
        """Add the rows and findings of files; see `append`.

        Parameters
        ----------
        reading : Reading
            Of the files.
        corrections : {"replace", "keep", "fail"}
            What to do with a row that differs from the one of the table.
        policies : mapping of str to str, optional
            Those that the files were read by, in place of the table's; they decide on gaps.

        Returns
        -------
        AppendResult

        Raises
        ------
        InputError, OptionError, TableError
            As of `append`.
        """
        return append(self, reading.prices, reading.findings, corrections, policies)

    def compact(self, partitions: int | None = None) -> None:
        """Merge the deltas into the parts, so that reading is as fast as after an import.

        The files that are not named any more go when the table is next written: those who read
        the table meanwhile may finish.

        Parameters
        ----------
        partitions : int, optional
            Number of parts to pack the coins into; see `CryptoLoader`. By default a table without
            deltas is left as it is.

        Raises
        ------
        OptionError
            ``partitions`` is below 1.
        TableError
            Another process is writing the table, or the table is damaged.
        """
        compact(self, partitions)


def write_table(
    path: str | Path,
    readings: Iterable[Reading],
    *,
    empty: dict[str, str],
    notes: pd.DataFrame,
    freq: str = DAILY,
    policies: Policies | None = None,
) -> PriceTable:
    """Write a table, or a new version of one that is there.

    Parameters
    ----------
    path : path
        Folder of the table; made where it is missing.
    readings : iterable of Reading
        One a part, in the order of coins; each is written before the next is asked for.
    empty : dict of str to str
        Coins that have no row, and why.
    notes : DataFrame
        Findings about whole files, beside those of the readings.
    freq : str
        How long a bar lasts.
    policies : mapping of str to str, optional
        What was done about findings, for the table to remember.

    Raises
    ------
    SourceError
        The readings have no row.
    TableError
        There is a manifest of something else at that path, or another process is writing there.
    """
    with writing(Path(path)) as writer:
        kept = check_policies(policies or {})
        base = write_base(writer, readings, empty, notes, check_freq(freq), kept)
        writer.publish(base, keep_old=False)
    return PriceTable(path)
