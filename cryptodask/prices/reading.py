"""What reading prices gives: clean rows, what was found, and what the rows were before."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cryptodask.prices.schema import TABLE_COLUMNS, as_text

RAW_COLUMNS = (*TABLE_COLUMNS, "file", "line", "future")
"""Columns of rows as they were read: where from, and whether they were in the future then."""


@dataclass(frozen=True)
class Reading:
    """Prices that were read, and what was found in reading them.

    Attributes
    ----------
    prices : DataFrame, ``(n_rows,)``
        Clean rows in the columns of `cryptodask.prices.schema`, by coin and date.
    findings : DataFrame
        See `cryptodask.prices.clean.findings`.
    origin : DataFrame, ``(n_rows,)``, optional
        ``file, line`` of each of these rows.
    changed : DataFrame, optional
        Rows that a policy dropped or repaired for what is beside them in their series, as they
        were read: `RAW_COLUMNS`. Rows that come later may show them in another light.
    parts : tuple of int, optional
        Where these rows are divided to be written as several parts: the row behind the last of
        each.
    further : DataFrame, optional
        The columns of a user's own that were asked for, with ``coin, date``, by coin and date; see
        `cryptodask.prices.own`.
    """

    prices: pd.DataFrame
    findings: pd.DataFrame
    origin: pd.DataFrame | None = None
    changed: pd.DataFrame | None = None
    parts: tuple[int, ...] = ()
    further: pd.DataFrame | None = None

    def raw(self) -> pd.DataFrame:
        """Return all rows as they were read, one a bar.

        Returns
        -------
        DataFrame
            `RAW_COLUMNS`, by coin and date.
        """
        frame = self.prices.reset_index(drop=True)
        if self.origin is None:
            frame = frame.assign(file="", line=0)
        else:
            origin = self.origin.reset_index(drop=True)
            frame = frame.assign(file=as_text(origin["file"]), line=origin["line"])
        return over_rows(frame.assign(future=False), self.changed)

    def until(self, end: np.datetime64) -> "Reading":
        """Return the rows up to a moment, and what was noted about them or about no row.

        Parameters
        ----------
        end : datetime64
            Date of the last row, in UTC.
        """
        kept = (self.prices["date"] <= end).to_numpy()
        noted = self.findings["date"]
        changed = self.changed
        return Reading(
            self.prices[kept].reset_index(drop=True),
            self.findings[noted.isna() | (noted <= end)].reset_index(drop=True),
            None if self.origin is None else self.origin[kept].reset_index(drop=True),
            None if changed is None else changed[changed["date"] <= end].reset_index(drop=True),
            further=self.further,
        )


def over_rows(rows: pd.DataFrame, others: pd.DataFrame | None) -> pd.DataFrame:
    """Return rows by coin and date, with others in place of those of the same bar.

    Parameters
    ----------
    rows, others : DataFrame
        ``coin, date`` and the same further columns, each bar once.
    """
    if others is None or others.empty:
        return rows
    keys = pd.MultiIndex.from_frame(others[["coin", "date"]])
    kept = rows[~np.asarray(pd.MultiIndex.from_frame(rows[["coin", "date"]]).isin(keys))]
    both = pd.concat([kept, others[list(rows.columns)]], ignore_index=True)
    return both.sort_values(["coin", "date"], ignore_index=True)
