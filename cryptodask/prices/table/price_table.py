"""The price table on disk: Parquet parts of whole coins, later rows, an index, and the findings.

::

    TABLE/manifest.json             names the files below; replacing it is what publishes a table
    TABLE/part-TOKEN-00000.parquet  rows of some coins, by coin and date
    TABLE/delta-TOKEN-00000.parquet rows that an append added or corrected, by coin and date; of a
                                    coin and day, the row of the last delta that has one is right
    TABLE/index-TOKEN.parquet       coin, rows, first, last, part, reason (why a coin has no row)
    TABLE/findings-TOKEN.parquet    what was found in the files that the rows came from
    TABLE/raw-TOKEN.parquet         rows that a policy dropped or repaired, as they were read
    TABLE/own-TOKEN.parquet         columns of a user's own, by coin and date; of an append, those
                                    that it added or corrected
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

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from cryptodask.prices.clean.declared import Declared
from cryptodask.prices.clean.policies import Policies, check_policies, of_rows_alone
from cryptodask.prices.frames.kinds import Frame, is_frame
from cryptodask.prices.freq import DAILY, check_freq
from cryptodask.prices.read.options import ReadOptions
from cryptodask.prices.reading import Reading
from cryptodask.prices.schema import TABLE_COLUMNS, starts_of
from cryptodask.prices.table.growth import compact, write_base
from cryptodask.prices.table.storage import writing
from cryptodask.prices.table.table_reader import TableReader

if TYPE_CHECKING:
    from cryptodask.prices.table.appending import AppendResult
    from cryptodask.prices.table.merge import Corrections


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
        frame: Frame,
        *,
        findings: pd.DataFrame | None = None,
        corrections: "Corrections" = "replace",
        splits: Sequence[str] = (),
        renames: Sequence[str] = (),
        options: ReadOptions | None = None,
    ) -> "AppendResult":
        """Add rows: new days, new coins, and corrections of days that the table has.

        The rows that it has already change nothing, so that appending the same rows again does
        not write. The cost follows the new rows, not the table. A process that is killed at any
        point leaves the table as it was or as it is to be.

        Parameters
        ----------
        frame : pandas DataFrame or Series, polars frame, Arrow table or Dask dataframe
            Rows in any order. A frame of pandas with all columns of `cryptodask.prices.schema` is
            taken as it is and must be valid; columns ``file`` and ``line`` may say where each row
            came from. Any other frame is read as of `CryptoLoader`, and rows that can't be read
            are findings; the rows of a Dask frame come here. A value that is missing (NaN) says
            nothing: the table keeps the one that it has.
        findings : DataFrame, optional
            What was found in the files that the rows came from, to be kept with the table. By
            default none. The series are looked at with the rows that the table has in any case,
            and dealt with as the table's policies say: a row of before may be repaired or left out
            for what comes.
        corrections : {"replace", "keep", "fail"}
            What to do with a row that differs from the one of the table: put it in its place,
            leave it out, or refuse all rows. The first two are each reported as a finding.
        splits : sequence of str
            ``COIN:DATE:FACTOR``, of splits that the table does not know yet: prices before the
            date, those of the table too, are divided by the factor.
        renames : sequence of str
            ``OLD:NEW``, of names that the table does not know yet: rows of the older name, those
            of the table too, become rows of the new one, and never replace a row of it.
        options : ReadOptions, optional
            What the frame leaves open, such as the names of its columns; it then is read in any
            case. Policies that are not given are the table's.

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

        Warns
        -----
        PriceWarning
            A split or rename is of a coin that is not there.
        """
        # What appends alone need is loaded by them, since a forecast opens tables, too.
        from cryptodask.prices.frames.frame_source import read_frame
        from cryptodask.prices.table.appending import append
        from cryptodask.prices.table.growing_own import split_own

        further = None
        is_rows = isinstance(frame, pd.DataFrame) and set(TABLE_COLUMNS) <= set(frame.columns)
        if is_rows and options is None:
            frame, further = split_own(frame, self.own_names, self.empty_own())  # type: ignore[arg-type]
        if not is_frame(frame) or (options is None and (is_rows or findings is not None)):
            declared = Declared.of(splits, renames)
            return append(self, frame, findings, corrections, None, declared, further)  # type: ignore[arg-type]
        options = options or ReadOptions()
        policies = self.policies | dict(options.policies)
        # The table may have the rows that a frame lacks, so it decides what is a gap.
        how = self.options_with_own(
            replace(options, freq=options.freq or self.freq, policies=of_rows_alone(policies))
        )
        return self.append_reading(
            read_frame(frame, how),
            corrections=corrections,
            policies=policies,
            splits=splits,
            renames=renames,
        )

    def append_reading(
        self,
        reading: Reading,
        *,
        corrections: "Corrections" = "replace",
        policies: Policies | None = None,
        splits: Sequence[str] = (),
        renames: Sequence[str] = (),
    ) -> "AppendResult":
        """Add the rows and findings of files; see `append`.

        Parameters
        ----------
        reading : Reading
            Of the files.
        corrections : {"replace", "keep", "fail"}
            What to do with a row that differs from the one of the table.
        policies : mapping of str to str, optional
            In place of the table's. Files are to be read by those of rows alone, as of
            `cryptodask.prices.clean.policies.of_rows_alone`.
        splits, renames : sequence of str
            As of `append`.

        Returns
        -------
        AppendResult

        Raises
        ------
        InputError, OptionError, TableError
            As of `append`.
        """
        from cryptodask.prices.table.appending import append

        return append(
            self,
            reading.raw(),
            reading.findings,
            corrections,
            policies,
            Declared.of(splits, renames),
            reading.further,
        )

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
    declared: Declared | None = None,
    further: pd.DataFrame | None = None,
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
    declared : Declared, optional
        Splits and renames that were applied, for the table to remember.
    further : DataFrame, optional
        No rows of the own columns that the readings have; see `cryptodask.prices.own.empty_own`.

    Raises
    ------
    SourceError
        The readings have no row.
    InputError
        A coin has a name that no table has, or another's but for its case.
    TableError
        There is a manifest of something else at that path, or another process is writing there.
    """
    with writing(Path(path)) as writer:
        kept = check_policies(policies or {})
        base = write_base(
            writer,
            _named(readings, empty),
            empty,
            notes,
            check_freq(freq),
            kept,
            declared or Declared(),
            further=further,
        )
        writer.publish(base, keep_old=False)
    return PriceTable(path)


def _named(readings: Iterable[Reading], empty: dict[str, str]) -> Iterator[Reading]:
    """Yield readings whose coins have names that a table may have."""
    from cryptodask.prices.table.merge import check_names

    known: set[str] = set()
    for reading in readings:
        names = reading.prices["coin"]
        coins = set(names.iloc[starts_of(names)])
        check_names(sorted(coins - known, key=repr), known)
        known |= coins
        yield reading
    # Those that had no row are known when all readings are.
    check_names(sorted(set(empty) - known), known)
