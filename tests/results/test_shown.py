"""What results show of themselves: what is in them, and never their rows."""

import numpy as np
import pandas as pd

from cryptodask.evaluate.backtest import empty_backtest
from cryptodask.results import Backtest, Forecasts, SearchResult
from cryptodask.results.failures import failure_table
from cryptodask.results.forecasts import empty_forecasts

HOSTILE = "<script>alert(1)</script>"
ORIGINS = np.array(["2024-01-01", "2024-02-01"], dtype="datetime64[s]")


def test_a_backtest_is_a_line_whatever_its_length() -> None:
    rows = pd.concat([empty_backtest()] * 3)
    backtest = Backtest(["naive", HOSTILE], 5, ORIGINS, frame=rows)
    assert repr(backtest) == (
        f"Backtest(models: naive, {HOSTILE}; horizon: 5 bars; coins: 0; rows: 0; "
        "origins: 2, 2024-01-01 to 2024-02-01; failures: 0; files: in memory)"
    )
    assert HOSTILE not in backtest._repr_html_()
    assert "&lt;script&gt;" in backtest._repr_html_()


def test_forecasts_say_models_cutoffs_failures_and_place() -> None:
    day = pd.Timestamp("2024-03-01")
    rows = pd.DataFrame([["A", "naive", day, day, 1, 2.0]], columns=list(empty_forecasts().columns))
    forecasts = Forecasts(["naive"], 1, frame=rows.astype(empty_forecasts().dtypes.to_dict()))
    assert repr(forecasts) == (
        "Forecasts(models: naive; horizon: 1 bar; rows: 1; cutoffs: 2024-03-01; intervals: none; "
        "failures: 0; files: in memory)"
    )
    assert "\x1b" not in repr(Forecasts(["a\x1b[2J"], 1, frame=forecasts.frame))


def test_many_models_are_counted() -> None:
    backtest = Backtest([f"model{i}" for i in range(40)], 5, ORIGINS, frame=empty_backtest())
    assert "model5 and 34 more" in repr(backtest)


def test_a_search_says_what_it_found_and_what_that_was_worth() -> None:
    candidates = pd.DataFrame(
        {"model": ["ridge"] * 2, "candidate": ["a", "b"], "options": ["", "alpha=1"],
         "relative_mae": [1.1, 0.9], "forecasts": [4, 4], "chosen": [False, True]}
    )  # fmt: skip
    held = pd.DataFrame({"model": ["ridge"], "role": ["tuned"], "relative_mae": [0.987]})
    search = SearchResult(
        5, ORIGINS, {"ridge": {"alpha": HOSTILE}}, candidates, pd.DataFrame(), held,
        failure_table([], dated=True),
    )  # fmt: skip
    assert repr(search) == (
        "SearchResult(models: ridge; horizon: 5 bars; candidates: 2; "
        "origins: 2, 2024-01-01 to 2024-02-01; failures: 0; files: in memory)"
    )
    page = search._repr_html_()
    assert "0.900" in page
    assert "0.987" in page
    assert HOSTILE not in page
    assert "alpha=" in page
