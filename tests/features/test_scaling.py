"""Normalisation over a window and over a coin, against a look at each row."""

import numpy as np
import pytest
from hypothesis import given, settings

from cryptodask.features.space import FeatureSpace
from cryptodask.records import Panel
from tests.features.test_definitions import compute
from tests.features.test_segments import runs_of
from tests.models.conftest import one_coin, panels


@settings(deadline=None, max_examples=25)
@given(panel=panels(1))
def test_a_window_is_that_of_the_last_rows(panel: Panel) -> None:
    plain, scaled = (
        compute(FeatureSpace.parse("lag:1 mean:3", "price", how), panel)
        for how in ("none", "window:5")
    )
    for run in runs_of(panel):
        for row in range(run.start, run.stop):
            window = plain[max(row - 4, run.start) : row + 1]
            if len(window) < 5 or np.isnan(window).any(axis=0).all():
                assert np.isnan(scaled[row]).all()
                continue
            expected = (window[-1] - window.mean(axis=0)) / window.std(axis=0)
            np.testing.assert_allclose(scaled[row], expected, rtol=1e-6, atol=1e-9)


@settings(deadline=None, max_examples=25)
@given(panel=panels(4))
def test_over_a_coin_each_feature_has_mean_0_and_deviation_1_but_for_the_calendar(
    panel: Panel,
) -> None:
    space = FeatureSpace.parse("lag:1 weekday return:2", "price", "coin")
    scaled = compute(space, panel)
    plain = compute(FeatureSpace.parse(space.text, "price"), panel)
    assert np.array_equal(scaled[:, 1:7], plain[:, 1:7])
    for a, b in zip(panel.indptr[:-1], panel.indptr[1:], strict=True):
        for place in (0, 7):
            own, before = scaled[a:b, place], plain[a:b, place]
            known = np.isfinite(before)
            assert np.array_equal(known, np.isfinite(own))
            if known.sum() > 1:
                assert own[known].mean() == pytest.approx(0, abs=1e-9)
                assert own[known].std() == pytest.approx(1)
                slope = np.polyfit(before[known], own[known], 1)[0]
                assert slope == pytest.approx(1 / before[known].std())


def test_what_does_not_vary_is_0() -> None:
    still = one_coin(np.full(40, 3.0))
    for how in ("window:5", "coin"):
        values = compute(FeatureSpace.parse("lag:1 std:3 bollinger:4", "price", how), still)
        assert set(values[np.isfinite(values)]) == {0.0}
