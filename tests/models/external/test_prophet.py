"""Prophet coin by coin; and what is told where it is not installed."""

import logging
import sys

import numpy as np
import pandas as pd
import pytest

from cryptodask.errors import MissingExtraError, OptionError, VersionError
from cryptodask.models import create_model, run_model
from cryptodask.models.external.prophet import Prophet
from cryptodask.models.learned import Learned, ragged
from cryptodask.records import Panel
from tests.models.conftest import make_panel, need_package, one_coin, walk


@pytest.fixture
def installed() -> None:
    need_package("prophet")


@pytest.mark.usefixtures("installed")
def test_it_is_prophet_on_calendar_days() -> None:
    from prophet import Prophet as Theirs

    panel = make_panel([120], gaps=True, run=14)
    [row] = Prophet().forecast(panel, 5, seed=0)
    theirs = Theirs(yearly_seasonality=False, daily_seasonality=False, uncertainty_samples=0)
    theirs.fit(
        pd.DataFrame({"ds": panel.dates, "y": np.log(panel.values / panel.values[-1])}), seed=1
    )
    ahead = pd.DataFrame({"ds": panel.future_dates(5)[0]})
    # Optimisation stops a little elsewhere where the week begins on another day.
    growth = np.log(row / panel.values[-1])
    np.testing.assert_allclose(growth, theirs.predict(ahead)["yhat"], atol=0.05)


@pytest.mark.usefixtures("installed")
def test_a_week_comes_again() -> None:
    days = np.arange(140)
    closes = 100 + np.where(days % 7 == 3, 10.0, 0.0)
    [row] = Prophet(log=False).forecast(one_coin(closes), 7, seed=0)
    assert row.argmax() == 3
    assert row[3] == pytest.approx(110, abs=1)
    assert np.delete(row, 3) == pytest.approx(100, abs=1)


@pytest.mark.usefixtures("installed")
def test_it_is_quiet_and_leaves_the_log_as_it_was(caplog: pytest.LogCaptureFixture) -> None:
    before = logging.getLogger("cmdstanpy").level
    Prophet().forecast(one_coin(walk(30)[0]), 2, seed=0)
    assert [record for record in caplog.records if record.levelno < logging.WARNING] == []
    assert logging.getLogger("cmdstanpy").level == before


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("growth", "logistic", "prophet growth: must be linear or flat, got 'logistic'"),
        ("n_changepoints", -1, "prophet n_changepoints: must be at least 0, got -1"),
        ("changepoint_prior_scale", 0, "must be above 0 and finite, got 0.0"),
        ("seasonality_prior_scale", "nan", "must be above 0 and finite, got nan"),
    ],
)
def test_options_out_of_range_are_told(option: str, value: object, told: str) -> None:
    with pytest.raises(OptionError, match=told):
        create_model("prophet", **{option: value})


def test_without_prophet_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prophet", None)
    with pytest.raises(MissingExtraError, match=r"needs the package prophet.*\[prophet\]"):
        run_model(create_model("prophet"), make_panel([40]), 3)


@pytest.mark.parametrize("log", [True, False])
def test_what_it_learned_is_extended_by_the_bars_since_then(log: bool) -> None:
    need_package("prophet")
    model, panel = create_model("prophet", n_changepoints=2, log=log), make_panel([60])
    known = model.learn(panel, 5, 0)
    later = panel.future_dates(2)[0]
    rows = np.append(panel.values, [1.0, 2.0]), np.append(panel.dates, later)
    newer = Panel.from_series([("coin-0", *rows)])
    expected = model.forecast(panel, 5, 0)[:, 2:]
    values = model.forecast_from(known, newer, 3, 0)
    np.testing.assert_allclose(values, expected, rtol=1e-12)


def test_json_that_was_changed_is_refused() -> None:
    need_package("prophet")
    model, panel = create_model("prophet", n_changepoints=2), make_panel([60])
    known = model.learn(panel, 5, 0)
    for text in (b"{}", b"[", b'{"growth": 1}'):
        changed = ragged("json", [np.frombuffer(text, dtype=np.uint8)])
        damaged = Learned(known.coins, {**known.arrays, **changed})
        with pytest.raises(VersionError, match=r"^coin-0: prophet: what was kept can't be read: "):
            model.forecast_from(damaged, panel, 5, 0)
