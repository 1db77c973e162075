"""What reading prices gives: clean rows, and what was found."""

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class Reading:
    """Prices that were read, and what was found in reading them.

    Attributes
    ----------
    prices : DataFrame
        Clean rows in the columns of `cryptodask.prices.schema`, by coin and date.
    findings : DataFrame
        See `cryptodask.prices.clean.findings`.
    """

    prices: pd.DataFrame
    findings: pd.DataFrame
