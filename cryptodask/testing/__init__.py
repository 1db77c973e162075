"""Checks of models and of trading rules, for those of users, too.

Examples
--------
>>> from cryptodask import create_model
>>> check_model(create_model("naive"), rules=["forecasts", "repeats"])
('forecasts', 'repeats')
>>> check_lookahead(create_model("naive"))
6
"""

from cryptodask.evaluate.lookahead import check_lookahead
from cryptodask.models.walks import random_panel, random_walk
from cryptodask.testing.check import check_model
from cryptodask.testing.rules import RULES
from cryptodask.trading.lookahead import check_rule_lookahead

__all__ = [
    "RULES",
    "check_lookahead",
    "check_model",
    "check_rule_lookahead",
    "random_panel",
    "random_walk",
]
