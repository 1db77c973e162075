"""The inputs that users reported, each with its right values."""

import pandas as pd
import pytest

from cryptodask.prices import CryptoLoader, ReadOptions
from cryptodask.prices.clean.findings import lost
from tests.conftest import REAL_DATA
from tests.prices.conftest import the_finding

CASES = REAL_DATA.parents[1] / "cases"


def right(case: str) -> pd.DataFrame:
    """Coin, date and close as they are meant."""
    if not (CASES / case).is_dir():
        pytest.skip(f"needs ../shared/cases/{case}, which is not here")
    frame = pd.read_csv(CASES / case / "expected.csv", keep_default_na=False, dtype={"coin": str})
    frame["date"] = pd.to_datetime(frame["date"]).astype("datetime64[s]")
    frame = frame.astype({"coin": "str"})
    return frame.sort_values(["coin", "date"], ignore_index=True)


def assert_right(case: str, options: ReadOptions) -> CryptoLoader:
    expected = right(case)
    loader = CryptoLoader(CASES / case / "input", options=options)
    frame = loader.get_df()[["coin", "date", "close"]]
    pd.testing.assert_frame_equal(frame, expected)
    assert lost(loader.findings()).empty
    return loader


@pytest.mark.parametrize(
    "case",
    ["coingecko-minutes-late", "kaggle-crypto-name", "quandl-bitstamp-last",
     "repeated-empty-time-columns", "tickers-NA-TRUE-NULL", "unknown-close-header-ohl",
     "us-two-digit-year"],
)  # fmt: skip
def test_a_case_reads_as_it_is_meant(case: str) -> None:
    assert_right(case, ReadOptions())


def test_a_case_reads_alike_with_the_options_that_agree_with_it() -> None:
    assert_right("us-two-digit-year", ReadOptions(day_first=False))
    assert_right("repeated-empty-time-columns", ReadOptions(columns={"date": "open_time"}))
    assert_right("quandl-bitstamp-last", ReadOptions(columns={"close": "Last"}))
    loader = assert_right("coingecko-minutes-late", ReadOptions(tolerance=600))
    message = the_finding(loader.findings(), "layout").message
    assert "2 of 60 stamps are up to 321 s off the edges of days" in message
