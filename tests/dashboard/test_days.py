"""The page of days: its numbers are those of the store, and it is shown wherever pages are."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cryptodask.dashboard import days_view
from cryptodask.dashboard.days_view import read_days
from cryptodask.dashboard.serve import page_of
from cryptodask.errors import InputError, StoreError
from cryptodask.store import Alert, Judgement, Request, is_store, open_store
from tests.conftest import Cluster
from tests.dashboard.test_serve import Serve, served  # noqa: F401
from tests.pipeline.histories import store_days
from tests.store.conftest import place  # noqa: F401

HOSTILE = "<script>alert(1)</script>"
COINS, MODELS, DAYS, HORIZON = ("Alpha", HOSTILE, "Gamma"), ("naive", "<b>bold</b>"), 6, 2
FIRST = pd.Timestamp("2026-01-10")


@pytest.fixture
def rows() -> pd.DataFrame:
    """Forecasts of some days; the closes of the last ones have not come."""
    rng = np.random.default_rng(4)
    closes = {coin: 10 * np.exp(rng.normal(0, 0.05, DAYS + HORIZON).cumsum()) for coin in COINS}
    made = []
    for coin, close in closes.items():
        for model in MODELS:
            for day in range(DAYS):
                for step in range(1, HORIZON + 1):
                    last, came = close[day], close[day + step] if day + step < DAYS else np.nan
                    middle = last if model == "naive" else last * np.exp(rng.normal(0, 0.05))
                    made.append((coin, model, day, step, middle, last, came))
    names = ["coin", "model", "day", "step", "forecast", "last", "actual"]
    frame = pd.DataFrame(made, columns=names)
    frame["cutoff"] = FIRST + pd.to_timedelta(frame.pop("day"), unit="D")
    frame["date"] = frame["cutoff"] + pd.to_timedelta(frame["step"], unit="D")
    for level, width in (("80", 0.06), ("95", 0.1)):
        frame[f"lower_{level}"] = frame["forecast"] * (1 - width)
        frame[f"upper_{level}"] = frame["forecast"] * (1 + width)
    return frame.astype({"cutoff": "M8[s]", "date": "M8[s]"})


def add_requests(place: object, rows: pd.DataFrame) -> None:  # noqa: F811
    """Add two requests at the horizon: one whose close came, and one whose did not."""
    at = rows[(rows["coin"] == HOSTILE) & (rows["model"] == "naive") & (rows["step"] == HORIZON)]
    with open_store(str(place)) as store:
        for n, row in enumerate((at.iloc[0], at.iloc[-1])):
            seen = {"step": HORIZON, "last": row["last"], "return": 0.5}
            judgement = Judgement(
                run_key=str(n), rule="rise", coin=HOSTILE, model="naive", action="request",
                seen=seen,
            )  # fmt: skip
            cutoff = f"{row['cutoff']:%Y-%m-%d}"
            store.add_requests(
                [Request(judgement=judgement, cutoff=cutoff, side="buy", weight=0.1)]
            )
        subject = f"{FIRST:%Y-%m-%d}"
        store.add_alerts([Alert(key="1", kind="rule", subject=subject, message=HOSTILE)])


def test_the_numbers_of_the_page_are_those_of_the_store(
    place: str,  # noqa: F811
    rows: pd.DataFrame,
) -> None:
    store_days(place, rows)
    add_requests(place, rows)
    view = read_days(place)
    assert view.summary == "6 days, 2026-01-10 to 2026-01-15 · 2 models · 3 coins"
    heads = rows[rows["step"] == 1]
    by_hand = heads.assign(
        error=(np.log(heads["actual"]) - np.log(heads["forecast"])).abs(),
        move=(np.log(heads["actual"]) - np.log(heads["last"])).abs(),
        in_80=heads["actual"].between(heads["lower_80"], heads["upper_80"]),
    )
    assert len(view.ahead) == DAYS * len(MODELS)
    assert view.ahead["day"].iloc[0] == "2026-01-16"
    assert view.ahead.iloc[:2][["came", "error"]].fillna(-1).to_numpy().tolist() == [[0, -1]] * 2
    for _, row in view.ahead.iloc[2:].iterrows():
        same = by_hand[(by_hand["date"] == row["day"]) & (by_hand["model"] == row["model"])]
        assert (row["coins"], row["came"]) == (3, 3)
        for name in ("error", "move", "in_80"):
            assert row[name] == pytest.approx(same[name].mean())
    assert view.brought["forecasts"].tolist() == [12] * DAYS
    assert view.brought["requests"].tolist() == [1, 0, 0, 0, 0, 1]
    assert view.brought["alerts"].tolist() == [0, 0, 0, 0, 0, 1]
    late, early = view.requests.to_dict("records")
    close = rows[(rows["coin"] == HOSTILE) & (rows["cutoff"] == FIRST)].iloc[1]
    assert early["came"] == pytest.approx(close["actual"] / close["last"] - 1)
    assert np.isnan(late["came"])
    assert (early["expected"], early["day"]) == (0.5, "2026-01-10")
    assert set(view.overlay.coins) == set(COINS)
    assert view.left_out == ""
    assert read_days(place, "naive").overlay.models == ("naive",)
    with pytest.raises(InputError, match="no forecast of model lstm"):
        read_days(place, "lstm")


def test_a_page_has_the_latest_days_and_not_too_many_rows(
    tmp_path: Path, rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "store.db"
    store_days(file, rows)
    monkeypatch.setattr(days_view, "MOST_DAYS", 4)
    assert read_days(file).summary.startswith("4 days, 2026-01-12 to")
    monkeypatch.setattr(days_view, "MOST_ROWS", 13)  # two days of six, and a bit
    assert read_days(file).summary.startswith("2 days, 2026-01-14 to")
    monkeypatch.setattr(days_view, "how_many", lambda *_: (2, 2))
    view = read_days(file)
    assert view.overlay.coins == (HOSTILE, "Alpha")
    assert view.left_out == "The first 2 of 3 coins by name are drawn; tables have all."
    monkeypatch.setattr(days_view, "MOST_ROWS", 1)
    assert read_days(file).summary.startswith("1 day, 2026-01-15 to")


def test_a_store_is_told_from_what_is_not(tmp_path: Path, rows: pd.DataFrame) -> None:
    file = tmp_path / "store.db"
    with open_store(file):
        pass
    assert is_store(file)
    assert is_store("postgresql://me@host/db")
    (tmp_path / "no.db").write_text("SQL")
    assert not is_store(tmp_path / "no.db")
    assert not is_store(tmp_path)
    with pytest.raises(InputError, match="has no forecast; `cryptodask pipeline run`"):
        read_days(file)
    with pytest.raises(StoreError, match="no store there"):
        read_days(tmp_path / "none.db")
    with pytest.raises(InputError, match="or a store"):
        page_of(tmp_path / "none.db")


@pytest.mark.slow
def test_the_page_is_shown_by_the_command_and_by_a_scheduler(
    served: Serve,  # noqa: F811
    open_url: Callable[..., Any],
    rows: pd.DataFrame,
    tmp_path: Path,
) -> None:
    file = tmp_path / "store.db"
    store_days(file, rows)
    add_requests(file, rows)
    preload = ("--preload", "cryptodask.dashboard", "--store", str(file))
    cluster = Cluster(tmp_path, *preload)
    try:
        for url in (served(str(file)), f"{cluster.dashboard}/crypto-days"):
            page = open_url(url, url.removesuffix("/crypto-days"))
            page.locator(".summary").get_by_text("6 days, 2026-01-10 to").wait_for()
            page.locator(".slick-row", has_text="2026-01-16").first.wait_for()
            page.locator(".slick-row", has_text="rise").get_by_text(HOSTILE).first.wait_for()
            page.get_by_text("No numbers yet").wait_for()
            page.get_by_label("Coin").select_option(HOSTILE)
            page.locator(".coin_heading").get_by_text(HOSTILE, exact=True).wait_for()
            assert page.locator("script", has_text="alert(1)").count() == 0
            page.close()
    finally:
        cluster.stop()
