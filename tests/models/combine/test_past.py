"""What members would have forecast at past origins, against a plain loop."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptodask.errors import OptionError, UnknownModelError
from cryptodask.models import create_model, list_models, predict_one
from cryptodask.models.combine.past import create_members, past_errors
from cryptodask.models.pooled.base import is_pooled
from cryptodask.records import DAY, FloatArray, Panel
from tests.models.conftest import make_panel, panels


def plain_errors(
    names: list[str], closes: FloatArray, dates: Any, horizon: int, inner: int
) -> FloatArray:
    """Errors of one coin, ``(inner, n_members, horizon)``, the slow way."""
    errors = np.full((inner, len(names), horizon), np.nan)
    at = dict(zip(dates.tolist(), closes, strict=True))
    for k in range(inner):
        n = len(closes) - (k + 1) * horizon
        for m, name in enumerate(names):
            model = create_model(name)
            if n < model.min_length(horizon):
                continue
            try:
                forecast = predict_one(model, closes[:n], dates[:n], horizon)
            except Exception:  # noqa: BLE001 - too few rows after a gap
                continue
            for h, price in enumerate(forecast):
                actual = at.get((dates[n - 1] + (h + 1) * DAY).tolist(), np.nan)
                errors[k, m, h] = np.log(price / actual) if price > 0 else np.nan
    return errors


@settings(max_examples=15, deadline=None)
@given(panel=panels(1, 60), horizon=st.integers(1, 6))
def test_errors_are_those_of_a_plain_loop(panel: Panel, horizon: int) -> None:
    names = ["naive", "linear", "ridge"]
    members = create_members("auto", names, 1)
    errors = past_errors(members, panel, horizon, 4, seed=0)
    for i, (_, closes, dates) in enumerate(panel):
        expected = plain_errors(names, closes, dates, horizon, 4)
        np.testing.assert_allclose(errors[:, :, i], expected, atol=1e-9)


def test_a_coin_is_not_compared_with_what_it_does_not_have() -> None:
    errors = past_errors(create_members("auto", ["naive"], 1), make_panel([9, 31]), 5, 8, 0)
    assert np.isfinite(errors[:, 0, 0]).all(axis=1).tolist() == [True] + [False] * 7
    assert np.isfinite(errors[:, 0, 1]).all(axis=1).tolist() == [True] * 6 + [False] * 2


@pytest.mark.parametrize("model", ["ensemble", "auto"])
@pytest.mark.parametrize(
    ("members", "told"),
    [
        ((), "members: must be at least 1"),
        ("ridge,drift,ridge", "members: ridge given twice"),
        ("drift,ensemble", "members: ensemble has members itself"),
        ("auto", "members: auto has members itself"),
        ("lstm_global,drift", "members: lstm_global is trained on all coins together"),
    ],
)
def test_members_that_make_no_sense_are_told(model: str, members: object, told: str) -> None:
    with pytest.raises(OptionError, match=f"{model} {told}"):
        create_model(model, members=members)


@pytest.mark.parametrize("model", ["ensemble", "auto"])
def test_an_unknown_member_is_told_as_an_unknown_model(model: str) -> None:
    with pytest.raises(UnknownModelError, match="'rigde': no such model; did you mean ridge"):
        create_model(model, members="rigde")


def test_every_pooled_model_is_refused() -> None:
    for name in list_models():
        if is_pooled(create_model(name)):
            with pytest.raises(OptionError, match="trained on all coins"):
                create_members("auto", [name], 1)
