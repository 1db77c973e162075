import math
import shlex
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptodask.prices.clean.declared import Split
from cryptodask.prices.clean.units import hint_unit

DAY = datetime(2024, 3, 1)


@pytest.mark.parametrize(
    ("ratio", "factor", "words"),
    [
        (1000, 0.001, "about 1,000 times the close before"),
        (0.01, 100, "about 1/100 of the close before"),
        (1.15e6, 1e-6, "about 1,000,000 times the close before"),
        (8.5, 0.1, "about 10 times the close before"),
    ],
)
def test_a_move_by_a_power_of_ten_is_hinted_at_as_another_unit(
    ratio: float, factor: float, words: str
) -> None:
    hint = hint_unit("Acoin", DAY, math.log(ratio))
    assert hint.startswith(words)
    assert hint.endswith(f"--split Acoin:2024-03-01:{factor:g}")


@pytest.mark.parametrize("ratio", [1.2, 0.5, 3, 7.9, 13, 0.05, 40, 250])
def test_other_moves_are_no_other_unit(ratio: float) -> None:
    assert hint_unit("Acoin", DAY, math.log(ratio)) == ""


def test_no_split_is_declared_within_a_day() -> None:
    hint = hint_unit("Acoin", datetime(2024, 3, 1, 13), math.log(1000))
    assert "--split" not in hint
    assert "correct the file" in hint


@given(st.text("a:b '\"$-", min_size=1).filter(str.strip), st.sampled_from([-6, -3, -1, 1, 2, 4]))
def test_the_option_is_read_as_it_is_pasted(coin: str, power: int) -> None:
    hint = hint_unit(coin, DAY, power * math.log(10))
    option, text = shlex.split(hint[hint.index("--split") :])
    assert option == "--split"
    split = Split.parse(text)
    assert (split.coin, split.day) == (coin, "2024-03-01")
    assert split.factor == pytest.approx(10.0**-power)
