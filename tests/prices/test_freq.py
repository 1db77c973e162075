import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptodask.errors import OptionError
from cryptodask.prices.freq import (
    FREQS,
    bar,
    bars,
    check_freq,
    counted_bars,
    long_bars,
    name_step,
    step_of,
)


@given(st.sampled_from(sorted(FREQS)), st.floats(-0.049, 0.049))
def test_bars_that_come_a_little_early_or_late_are_those_of_their_frequency(
    freq: str, off: float
) -> None:
    assert name_step(FREQS[freq] * (1 + off)) == freq


@pytest.mark.parametrize(
    "seconds", [0, 1, 60, 900, 0.94 * 3600, 1.06 * 3600, 7200, 0.94 * 14_400, 1.06 * 14_400,
                8 * 3600, 0.94 * 86_400, float("nan")],
)  # fmt: skip
def test_what_is_between_two_frequencies_is_none(seconds: float) -> None:
    assert name_step(seconds) is None


@given(st.floats(86_400, 400 * 86_400))
def test_rows_that_are_days_apart_are_daily_bars_with_gaps(seconds: float) -> None:
    assert name_step(seconds) == "1d"


@pytest.mark.parametrize("freq", FREQS)
def test_a_frequency_that_is_one_is_given_back(freq: str) -> None:
    assert check_freq(freq) == freq


@pytest.mark.parametrize("freq", ["2h", "60min", "1D", "", "d"])
def test_a_frequency_that_is_none_is_refused_with_those_that_are(freq: str) -> None:
    with pytest.raises(OptionError, match=f"freq: must be one of 1h, 4h, 1d, got {freq!r}"):
        check_freq(freq)
    with pytest.raises(OptionError, match="must be one of 1h, 4h, 1d"):
        step_of(freq)


def test_a_step_is_the_time_from_one_bar_to_the_next() -> None:
    assert {freq: step_of(freq) for freq in FREQS} == {
        "1h": np.timedelta64(1, "h"), "4h": np.timedelta64(4, "h"), "1d": np.timedelta64(1, "D"),
    }  # fmt: skip
    assert np.datetime64("2021-01-01", "s") + 25 * step_of("1h") == np.datetime64("2021-01-02T01")


def test_bars_are_called_hours_and_days_or_by_their_frequency() -> None:
    assert [bars(freq) for freq in FREQS] == ["hours", "bars of 4h", "days"]
    assert [bar(freq) for freq in FREQS] == ["hour", "bar of 4h", "day"]
    assert [long_bars(freq) for freq in FREQS] == ["hourly bars", "bars of 4h", "daily bars"]
    assert [counted_bars(1, freq, "new") for freq in FREQS] == [
        "1 new hour", "1 new bar of 4h", "1 new day",
    ]  # fmt: skip
    assert counted_bars(1200, "1h") == "1,200 hours"
