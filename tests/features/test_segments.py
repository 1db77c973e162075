"""What rolls along runs, against pandas' rolling windows and a plain recursion, run by run."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptodask.features.segments import Segments
from cryptodask.records import DAY, FloatArray, Panel
from tests.models.conftest import START, make_panel, panels

calm = settings(deadline=None, max_examples=30)


def runs_of(panel: Panel) -> list[slice]:
    """Return the rows of every run, found row by row."""
    found = []
    for a, b in zip(panel.indptr[:-1], panel.indptr[1:], strict=True):
        begin = a
        for row in range(a, b):
            if row + 1 == b or panel.dates[row + 1] - panel.dates[row] != panel.step:
                found.append(slice(begin, row + 1))
                begin = row + 1
    return found


@calm
@given(panel=panels(1))
def test_rows_before_and_after_are_those_of_the_run(panel: Panel) -> None:
    runs = Segments.of(panel)
    for rows in runs_of(panel):
        n = rows.stop - rows.start
        assert runs.before[rows].tolist() == list(range(n))
        assert runs.after[rows].tolist() == list(range(n))[::-1]


@calm
@given(panel=panels(1), by=st.integers(0, 70))
def test_shifts_stay_inside_runs(panel: Panel, by: int) -> None:
    runs = Segments.of(panel)
    back, ahead = runs.shift(panel.values, by), runs.ahead(panel.values, by)
    for rows in runs_of(panel):
        series = pd.Series(panel.values[rows])
        assert np.array_equal(back[rows], series.shift(by), equal_nan=True)
        assert np.array_equal(ahead[rows], series.shift(-by), equal_nan=True)


ROLLING: dict[str, tuple[Callable[[Segments, FloatArray, int], FloatArray], str]] = {
    "mean": (Segments.mean, "mean"),
    "std": (lambda runs, x, width: runs.moments(x, width)[1], "std"),
    "least": (Segments.least, "min"),
    "greatest": (Segments.greatest, "max"),
}


@pytest.mark.parametrize("name", ROLLING)
@calm
@given(panel=panels(1), width=st.integers(1, 40))
def test_windows_are_those_of_pandas(name: str, panel: Panel, width: int) -> None:
    function, theirs = ROLLING[name]
    values = np.log(panel.values)
    ours = function(Segments.of(panel), values, width)
    for rows in runs_of(panel):
        window = pd.Series(values[rows]).rolling(width)
        expected = window.std(ddof=0) if theirs == "std" else getattr(window, theirs)()
        np.testing.assert_allclose(ours[rows], expected, rtol=1e-9, atol=1e-7)


@pytest.mark.parametrize("width", [2, 3, 7, 30, 31])
def test_a_deviation_keeps_its_digits_where_the_mean_is_large(width: int) -> None:
    noise = np.random.default_rng(1).normal(0, 1, 100)
    panel = make_panel([100])
    runs = Segments.of(panel)
    one, other = (runs.moments(values, width)[1] for values in (noise, noise + 2.0**30))
    np.testing.assert_allclose(other, one, rtol=0, atol=2.0**-21)  # an ulp is 2**-23
    assert set(runs.moments(np.full(100, 0.1), width)[1][width - 1 :]) == {0.0}


@calm
@given(panel=panels(1), width=st.integers(1, 20), late=st.integers(0, 3))
def test_averages_are_those_of_the_recursion(panel: Panel, width: int, late: int) -> None:
    weight = 2 / (width + 1)
    runs = Segments.of(panel)
    values = np.where(runs.before < late, np.nan, panel.values)
    ours = runs.smoothed(values, width, weight)
    for rows in runs_of(panel):
        known = values[rows][late:]
        expected = np.full(rows.stop - rows.start, np.nan)
        if len(known) >= width:
            average = known[:width].mean()
            expected[late + width - 1] = average
            for i in range(width, len(known)):
                average += weight * (known[i] - average)
                expected[late + i] = average
        np.testing.assert_allclose(ours[rows], expected, rtol=1e-10)


def test_an_average_remembers_a_very_old_value() -> None:
    values = np.zeros(3_000)
    values[:5] = 1.0
    dates = START + np.arange(3_000) * DAY
    runs = Segments.of(Panel.from_series([("coin", values, dates)]))
    ours = runs.smoothed(values, 5, 0.2)
    np.testing.assert_allclose(ours[4:], 0.8 ** np.arange(2_996), rtol=1e-9)
