"""What may be asked, and what is refused."""

from typing import Any

import pytest

from cryptodask.errors import OptionError
from cryptodask.risk.options import Event, RiskOptions


def test_percents_are_read_from_texts_and_numbers() -> None:
    given: dict[str, Any] = {"levels": "50, 80,99.5", "tail": (1, 2.5)}
    options = RiskOptions(**given)
    assert options.levels == (50.0, 80.0, 99.5)
    assert options.tail == (1.0, 2.5)
    assert options.bounds["lower_80"] == 0.1
    assert options.bounds["upper_99.5"] == 0.9975


def test_the_levels_are_those_of_intervals() -> None:
    from cryptodask.evaluate.rows import BOUND_QUANTILES

    assert RiskOptions().bounds == BOUND_QUANTILES


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"levels": "80,100"}, "levels: must be percents above 0 and below 100.*'80,100'"),
        ({"levels": "0"}, "levels: .*got '0'"),
        ({"levels": "80,80"}, "levels: .*each once.*'80,80'"),
        ({"levels": "nan"}, "levels: .*'nan'"),
        ({"levels": "eighty"}, "levels: .*'eighty'"),
        ({"levels": ""}, "levels: "),
        ({"tail": "50"}, "tail: .*below 50.*'50'"),
        ({"tail": [5, 5]}, "tail: .*each once"),
        ({"horizon": 0}, "horizon: must be at least 1, got 0"),
        ({"paths": 10}, "paths: must be at least 100, got 10"),
        ({"volatility": "arch"}, "volatility: must be one of spreads, .*'arch'"),
        ({"above": "10"}, "above: must be a change, as 10% or -20%, or COIN=PRICE.*'10'"),
        ({"above": "ten%"}, "above: must be a change"),
        ({"below": "-100%"}, "below: must be a change above -100%.*'-100%'"),
        ({"below": "=5"}, "below: must be a change, .*or COIN=PRICE"),
        ({"above": "Bitcoin=-5"}, "above: must be a price above 0.*'Bitcoin=-5'"),
        ({"above": "nan%"}, "above: must be a change above -100%, and finite"),
        ({"above": ["10%", "10.0%"]}, "above: must be given once each, got '10.0%'"),
        ({"above": [0.1]}, "above: must be a change, .*got 0.1"),
        ({"below": -0.2}, "below: must be a change, .*got -0.2"),
        ({"levels": "99.99999"}, "levels: .*six digits.*'99.99999'"),
        ({"to_date": "yesterday"}, "to_date"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(given: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        RiskOptions(**given)


def test_events_are_changes_of_all_coins_or_prices_of_one() -> None:
    assert Event.read("above", "10%") == Event("above", "10%", 0.1)
    assert Event.read("below", "-20%").value == -0.2
    assert Event.read("above", "A=B=70000") == Event("above", "A=B=70000", 70_000.0, "A=B")


def test_steps_are_the_last_or_all() -> None:
    assert RiskOptions(horizon=3).steps == (3,)
    assert RiskOptions(horizon=3, every_step=True).steps == (1, 2, 3)
