"""What people and programs are told of a model."""

import pytest

from cryptodask.models import list_models
from cryptodask.models.explained import explain_model
from tests.models.conftest import need_package

FAMILIES = (
    "keras:gru", "keras:tcn", "keras:transformer", "pooled:xgboost", "pooled:lightgbm",
    "pooled:sklearn.linear_model.SGDRegressor", "sklearn:sklearn.svm.SVR", "stats:AutoETS",
)  # fmt: skip


@pytest.mark.parametrize("name", [*list_models(), *FAMILIES])
def test_every_option_says_what_it_means(name: str) -> None:
    need_package(name)
    told = explain_model(name)
    assert told["summary"]
    assert told["description"]
    meanings = {option["name"]: option["meaning"] for option in told["options"]}
    assert [option for option, meaning in meanings.items() if len(meaning) < 5] == []


def test_a_docstring_of_google_s_style_is_read() -> None:
    need_package("stats:AutoETS")
    meanings = {o["name"]: o["meaning"] for o in explain_model("stats:AutoETS")["options"]}
    assert meanings["damped"].startswith("A parameter that 'dampens'")  # not its type


def test_the_source_of_a_network_that_ships_is_told() -> None:
    assert "arXiv:1803.01271" in explain_model("keras:tcn")["summary"]
