"""Which coins failed altogether, and which at some origins only."""

import numpy as np
import pandas as pd

from cryptodask.records import CoinFailure
from cryptodask.results.failures import failed_at_some, failed_throughout, failure_table

ORIGINS = np.array(["2026-01-01", "2026-01-11"], dtype="datetime64[s]")


def test_a_coin_that_failed_at_each_origin_failed_throughout() -> None:
    failures = failure_table(
        [
            CoinFailure("A", "ridge", "TooShortError", "early", ORIGINS[0]),
            CoinFailure("A", "ridge", "ConstantSeriesError", "late", ORIGINS[1]),
            CoinFailure("B", "ridge", "TooShortError", "early", ORIGINS[0]),
            CoinFailure("C", "ridge", "NoPricesError", "none"),
            CoinFailure("D", "ridge", "TooShortError", "before", np.datetime64("2025-01-01", "s")),
            CoinFailure("A", "naive", "TooShortError", "early", ORIGINS[0]),
        ],
        dated=True,
    )
    throughout = failed_throughout(failures, ORIGINS)
    pairs = list(zip(throughout["coin"], throughout["model"], throughout["message"], strict=True))
    assert pairs == [("A", "ridge", "late"), ("C", "ridge", "none")]
    rest = failed_at_some(failures, throughout)
    assert sorted(zip(rest["coin"], rest["model"], strict=True)) == [
        ("A", "naive"), ("B", "ridge"), ("D", "ridge"),
    ]  # fmt: skip


def test_none_failed_without_failures() -> None:
    none = failure_table([], dated=True)
    assert failed_throughout(none, ORIGINS).empty
    assert isinstance(failed_at_some(none, none), pd.DataFrame)
