"""A short form of ``make fuzz``."""

from pathlib import Path

import pytest

from tests.fuzz.play import Fuzz

SECONDS = 30.0


@pytest.mark.slow
def test_no_damage_is_read_without_a_word_or_ends_in_a_traceback(tmp_path: Path) -> None:
    fuzz = Fuzz(tmp_path, seed=1)
    fuzz.run(SECONDS)
    assert not fuzz.faults
    assert all(sum(count) for count in fuzz.counts.values())
    # How many there are depends on how fast the machine is.
    assert any(refused for _, refused in fuzz.counts.values())
