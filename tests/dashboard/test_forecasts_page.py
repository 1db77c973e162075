"""One viewer's page of forecasts, without a browser: which coin it shows during a run."""

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import replace

import pandas as pd
import pytest
from bokeh.document import Document

from cryptodask.cluster.events import to_stream
from cryptodask.dashboard.cache import Entry
from cryptodask.dashboard.forecasts_page import ForecastsPage
from cryptodask.dashboard.tables import Columns
from cryptodask.results.forecasts import empty_forecasts

FAILED = ("Aaa", "Mmm")


class RunningPage:
    """The page of a run that forecasts one coin after the other."""

    def __init__(self) -> None:
        failures: Columns = {
            "coin": list(FAILED),
            "model": ["naive"] * 2,
            "exception": ["TooShortError"] * 2,
            "message": ["too short"] * 2,
        }
        self.entry = Entry(
            uuid.uuid4().hex, "run", 0, ("naive",), "", "", (), failures, is_over=False
        )
        self.page = ForecastsPage(Document(), lambda: [self.entry])
        asyncio.run(self.page._read_coins())

    def forecast(self, *coins: str) -> None:
        """Forecast coins."""
        day = pd.Timestamp("2020-01-01")
        rows = pd.DataFrame(
            [[coin, "naive", day, day + pd.Timedelta(days=1), 1, 2.0] for coin in coins],
            columns=["coin", "model", "cutoff", "date", "step", "forecast"],
        )
        tables = (*self.entry.tables, to_stream(pd.concat([empty_forecasts(), rows])))
        self.entry = replace(self.entry, version=self.entry.version + 1, tables=tables)
        asyncio.run(self.page.follow())


@pytest.fixture
def running() -> RunningPage:
    return RunningPage()


def test_a_coin_that_failed_first_gives_way_to_one_with_a_forecast(running: RunningPage) -> None:
    assert running.page.coin.value == "Aaa"
    running.forecast("Zzz")
    assert running.page.coin.value == "Zzz"
    running.forecast("Bbb")
    assert running.page.coin.value == "Zzz"
    assert running.page.coin.options == ["Aaa", "Bbb", "Mmm", "Zzz"]


@pytest.mark.parametrize(
    "choose",
    [
        lambda page: page._step(1),
        lambda page: setattr(page.coin, "value", "Mmm"),
        lambda page: setattr(page.find, "value_input", "mm"),
    ],
)
def test_a_coin_that_somebody_chose_stays(
    running: RunningPage, choose: Callable[[ForecastsPage], None]
) -> None:
    choose(running.page)
    assert running.page.coin.value == "Mmm"
    running.forecast("Zzz", "Ammm")
    assert running.page.coin.value == "Mmm"


def test_clearing_the_text_leaves_the_coin(running: RunningPage) -> None:
    running.page.find.value_input = "mm"
    running.page.find.value_input = ""
    assert running.page.coin.value == "Mmm"
    assert running.page.coin.options == list(FAILED)
