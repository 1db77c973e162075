"""``cryptodask store``: what it lists, in each format, and how coins are named."""

import json
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest

from cryptodask.store import Alert, Judgement, Request, open_store
from tests.cli.command import inside, run
from tests.pipeline.histories import store_days

COINS = ("Coin, the", "Other", "Third")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A store of three coins, a request, and alerts."""
    day = pd.Timestamp("2026-01-01")
    rows = pd.DataFrame({"coin": COINS, "model": "naive", "cutoff": day, "step": 1})
    rows = rows.assign(date=day + pd.Timedelta(days=1), forecast=2.0, last=1.0, actual=3.0)
    for bound in ("lower_80", "upper_80", "lower_95", "upper_95"):
        rows[bound] = 2.0
    path = tmp_path / "store.db"
    store_days(path, rows.astype({"cutoff": "M8[s]", "date": "M8[s]"}))
    judgement = Judgement(
        run_key="k", rule="rise", coin="Other", model="naive", action="request",
        seen={"return": 0.125, "width": None, "age": 0},
    )  # fmt: skip
    with open_store(path) as store:
        store.add_requests(
            [Request(judgement=judgement, cutoff="2026-01-01", side="sell", weight=0.25)]
        )
        store.add_alerts([Alert(key="a", kind="rule", subject="2026-01-01", message="look [red]")])
    return path


@pytest.mark.parametrize("what", ["requests", "judgements", "alerts"])
def test_what_days_brought_is_listed_in_each_format(file: Path, what: str, tmp_path: Path) -> None:
    with open_store(file) as store:
        frame = getattr(store, what)()
    listed = inside("store", what, "--store", file, "--format", "json")
    assert listed.returncode == 0, listed.stderr
    (record,) = json.loads(listed.stdout)
    assert set(record) == set(frame.columns)
    rows = pd.read_csv(StringIO(inside("store", what, "--store", file, "--format", "csv").stdout))
    assert rows.columns.tolist() == frame.columns.tolist()
    table = inside("store", what, "--store", file).stdout
    key = {"requests": "sell", "judgements": "return 0.125, age 0", "alerts": "look [red]"}[what]
    assert key in " ".join(table.replace("│", " ").split())
    written = inside("store", what, "--store", file, "--out", tmp_path / "all.parquet")
    assert "1 row" in written.stdout
    assert pd.read_parquet(tmp_path / "all.parquet").columns.tolist() == frame.columns.tolist()


def test_what_a_rule_saw_is_an_object_of_json(file: Path) -> None:
    (record,) = json.loads(
        inside("store", "judgements", "--store", file, "--format", "json").stdout
    )
    assert record["seen"] == {"return": 0.125, "width": None, "age": 0}
    (request,) = json.loads(inside("store", "requests", "--store", file, "--format", "json").stdout)
    assert (request["rule"], request["cutoff"]) == ("rise", "2026-01-01")


def test_coins_are_named_as_for_other_commands(file: Path) -> None:
    for given, wanted in (
        (["Coin, the"], {"Coin, the"}),
        (["Other, Third"], {"Other", "Third"}),
        (["Coin, the", "--coins", "Other"], {"Coin, the", "Other"}),
    ):
        done = inside("store", "latest", "--store", file, "--format", "json", "--coins", *given)
        assert done.returncode == 0, done.stderr
        assert {row["coin"] for row in json.loads(done.stdout)} == wanted
    unknown = inside("store", "latest", "--store", file, "--coins", "Other, Nobody")
    assert unknown.returncode == 2
    assert "coin Nobody: no such forecast" in unknown.stderr


def test_a_store_that_is_missing_is_said_by_the_command(tmp_path: Path) -> None:
    done = run("store", "requests", "--store", tmp_path / "none.db")
    assert done.returncode == 1
    assert "no store there" in done.stderr
    assert not (tmp_path / "none.db").exists()
