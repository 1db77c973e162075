"""Checks of models: the rules of `cryptodask.models.Model`, for models of users, too.

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

__all__ = ["RULES", "check_lookahead", "check_model", "random_panel", "random_walk"]
