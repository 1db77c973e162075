"""The steps of a day on real runs: done once whatever is called again, killed or refused."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import attrs
import numpy as np
import pandas as pd
import pytest

from cryptodask.errors import ClusterError, InputError, PolicyError
from cryptodask.pipeline import sending
from cryptodask.pipeline.acting import judge, keep, request
from cryptodask.pipeline.day import CHECKED, Day, Group
from cryptodask.pipeline.forecasting import check, groups, send, wait
from cryptodask.pipeline.polling import poll
from cryptodask.pipeline.settings import Settings, read_settings
from cryptodask.pipeline.steps import is_complete, lacking, run_day
from cryptodask.store import open_store
from tests.conftest import Cluster, write_folder

DAYS = pd.date_range("2026-01-01", periods=70, freq="D", unit="s")
LAST = "2026-03-11"

TEXT = """
[prices]
table = "table"
folder = "new"
[forecast]
models = ["naive", "drift"]
horizon = 2
intervals = false
groups = 2
scheduler = "{address}"
[[rules]]
name = "still"
action = "skip"
model = "drift"
max_return = -0.001
[[rules]]
name = "rise"
action = "request"
model = "drift"
min_return = 0.0
weight = 0.25
"""


def prices(coins: int = 6) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    closes = 100 * np.exp(rng.normal(0, 0.02, (coins, len(DAYS))).cumsum(axis=1))
    frames = [
        pd.DataFrame({"coin": f"C{i}", "date": DAYS, "close": row}) for i, row in enumerate(closes)
    ]
    return pd.concat(frames, ignore_index=True)


@pytest.fixture
def settings(tmp_path: Path, cluster: Cluster) -> Settings:
    write_folder(tmp_path / "new", prices())
    (tmp_path / "pipeline.toml").write_text(TEXT.format(address=cluster.address))
    return read_settings(tmp_path / "pipeline.toml")


def test_a_day_done_twice_is_done_once(settings: Settings) -> None:
    day = Day(settings, LAST)
    first = run_day(day)
    assert [r["state"] for r in first if r["state"] == "failed"] == []
    assert first[0]["rows"] == 6 * len(DAYS)
    again = run_day(day)
    assert again[0] == {"step": "poll", "state": "nothing"} | {
        k: again[0][k] for k in ("rows", "coins", "last", "findings", "unfetched")
    }
    with open_store(settings.store) as store:
        rows, runs = store.forecasts(), store.runs()
        judgements, requests = store.judgements(), store.requests()
        actuals = store.actuals()
    skipped = judgements[judgements["action"] == "skip"]
    risen = judgements[judgements["action"] == "request"]
    assert len(runs) == 2
    assert len(skipped) + len(risen) > 0
    assert len(rows) == 6 * 2 * 2 - 2 * len(skipped)
    keys = set(zip(rows["coin"], rows["model"], strict=True))
    assert not keys & set(zip(skipped["coin"], skipped["model"], strict=True))
    assert sorted(requests["coin"]) == sorted(risen["coin"])
    assert (requests["weight"] == 0.25).all()
    assert requests["judgement"].isin(risen["id"]).all()
    assert actuals["date"].max() == pd.Timestamp(LAST)
    seen = json.loads(judgements["seen"].iloc[0])
    assert seen["last"] == pytest.approx(
        prices().set_index(["coin", "date"])["close"][(seen["coin"], pd.Timestamp(LAST))]
    )


def test_a_past_day_sees_no_later_row(settings: Settings) -> None:
    poll(Day(settings, LAST))
    past = Day(settings, "2026-03-01")
    for report in run_day(past):
        assert report["state"] in ("done", "nothing")
    with open_store(settings.store) as store:
        assert store.forecasts()["cutoff"].unique().tolist() == [pd.Timestamp("2026-03-01")]
        assert store.actuals()["date"].max() == pd.Timestamp("2026-03-01")


def test_stale_coins_are_stopped_and_too_many_stop_the_group(
    settings: Settings, tmp_path: Path
) -> None:
    late = prices()
    late = late[~((late["coin"] == "C1") & (late["date"] > "2026-03-01"))]
    write_folder(tmp_path / "new", late)
    day = Day(settings, LAST)
    poll(day)
    reports = [check(day, name) for name in groups(day)["groups"]]
    stopped = {coin: why for report in reports for coin, why in report["stopped"].items()}
    assert stopped == {"C1": f"its last row is 10 days before {LAST}"}
    later = Day(settings, "2026-04-01")
    with pytest.raises(PolicyError, match=r"3 of 3 coins are stopped|of .* coins? are stopped"):
        check(later, reports[0]["group"])
    failed = [r for r in run_day(later) if r["state"] == "failed"]
    assert {r["step"] for r in failed} == {"check"}


def test_steps_say_which_one_is_missing(settings: Settings) -> None:
    day = Day(settings, LAST)
    poll(day)
    name = groups(day)["groups"][0]
    for step, missing in ((send, "check"), (wait, "check"), (judge, "check")):
        with pytest.raises(InputError, match=f"run `cryptodask pipeline {missing}`"):
            step(day, name)  # type: ignore[operator]
    check(day, name)
    with pytest.raises(InputError, match="run `cryptodask pipeline send`"):
        wait(day, name)
    with pytest.raises(InputError, match="run `cryptodask pipeline judge`"):
        keep(day, name)
    with pytest.raises(InputError, match="run `cryptodask pipeline judge`"):
        request(day, name)
    with pytest.raises(InputError, match="group nobody: has no coin"):
        check(day, "nobody")


def test_a_run_that_is_killed_is_started_again_and_gives_the_same(settings: Settings) -> None:
    day = Day(settings, LAST)
    poll(day)
    name = groups(day)["groups"][0]
    check(day, name)
    send(day, name)
    group = Group(day, name)
    pid = int((group.folder / sending.PROCESS).read_text().split()[-1])
    time.sleep(0.4)  # it imports
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert wait(day, name)["state"] == "done"
    assert sending.starts(group.folder) == 2
    judge(day, name)
    stored = keep(day, name)
    other = Day(attrs.evolve(settings, runs=f"{settings.runs}-2"), LAST)
    check(other, name)
    send(other, name, foreground=True)
    judge(other, name)
    assert not keep(other, name)["new"], "the same run, compared number by number"
    assert stored["rows"] > 0


def test_a_run_that_fails_every_time_is_said_with_its_log(settings: Settings) -> None:
    unknown = attrs.evolve(settings.forecast, models=["nobody"])
    day = Day(attrs.evolve(settings, forecast=unknown), LAST)
    poll(day)
    name = groups(day)["groups"][0]
    check(day, name)
    send(day, name)
    with pytest.raises(ClusterError, match=r"ended 3 times without a result; .*nobody"):
        wait(day, name)


def test_commands_print_json_and_end_with_codes(settings: Settings, tmp_path: Path) -> None:
    def command(*arguments: str) -> tuple[int, dict[str, object]]:
        done = subprocess.run(
            [sys.executable, "-m", "cryptodask.cli", "pipeline", *arguments, "--date", LAST,
             "--settings", str(tmp_path / "pipeline.toml")],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.returncode, json.loads(done.stdout or "{}")

    assert command("poll")[1]["rows"] == 6 * len(DAYS)
    code, report = command("poll")
    assert (code, report["state"]) == (99, "nothing")
    code, report = command("groups")
    assert isinstance(report["groups"], list)
    name = report["groups"][0]
    assert command("check", "--group", name)[0] == 0
    assert command("send", "--group", name)[0] == 0
    code, _ = command("wait", "--group", name, "--timeout", "0")
    assert code in (0, 4)
    assert command("wait", "--group", name)[0] == 0
    assert command("judge", "--group", name)[0] == 0
    code, report = command("store", "--group", name)
    assert report["new"] is True
    assert command("store", "--group", name)[1]["new"] is False
    assert command("request", "--group", name)[0] in (0, 99)
    assert command("check", "--group", "nobody")[0] == 2


def test_a_coin_that_can_not_be_forecast_is_in_the_store_with_why(
    settings: Settings, tmp_path: Path
) -> None:
    steady = prices(2).assign(coin=lambda f: f["coin"].replace({"C1": "Steady"}))
    steady.loc[steady["coin"] == "Steady", "close"] = 5.0
    for file in (tmp_path / "new").iterdir():
        file.unlink()
    write_folder(tmp_path / "new", steady)
    run_day(Day(settings, LAST))
    with open_store(settings.store) as store:
        failures = store.failures()
    assert failures[["coin", "model", "exception"]].to_numpy().tolist() == [
        ["Steady", "drift", "ConstantSeriesError"]
    ]


def test_a_group_whose_coins_are_all_stopped_has_nothing_to_do(
    settings: Settings, tmp_path: Path
) -> None:
    lenient = attrs.evolve(settings, check=attrs.evolve(settings.check, most=1.0))
    day = Day(lenient, "2026-04-01")
    states = {(r["step"], r["state"]) for r in run_day(day)}
    assert ("check", "nothing") in states
    assert not [s for s in states if s[1] == "failed"]
    assert Group(day, "0000").read(CHECKED)["coins"] == []


# What changes between the steps of a day.


def test_a_price_that_is_corrected_after_the_run_changes_no_judgement(
    settings: Settings, tmp_path: Path
) -> None:
    day = Day(settings, LAST)
    poll(day)
    name = groups(day)["groups"][0]
    coins = check(day, name)["coins"]
    send(day, name, foreground=True)
    other = prices()
    other.loc[(other["coin"] == coins[0]) & (other["date"] == LAST), "close"] = 1.0
    write_folder(tmp_path / "new", other)
    assert poll(day)["findings"]["corrected_row"] == 1
    judge(day, name)
    judged = Group(day, name).read("judged.json")["judged"]
    assert [abs(j["seen"]["return"]) < 0.1 for j in judged] == [True] * len(judged)
    strict = attrs.evolve(settings.check, refuse=["corrected_row"], most=1.0)
    with pytest.raises(InputError, match=r"check: the settings say .*corrected_row"):
        check(Day(attrs.evolve(settings, check=strict), LAST), name)


@pytest.mark.parametrize(
    ("changed", "step", "why"),
    [
        ({"models": ["naive"]}, "send", "models: the settings say"),
        ({"horizon": 3}, "send", "horizon: the settings say 3, and it was done with 2"),
        ({"groups": 1}, "check", "members: the settings say"),
    ],
)
def test_settings_that_were_changed_are_refused_for_a_group_that_is_done(
    settings: Settings, changed: dict[str, object], step: str, why: str
) -> None:
    run_day(Day(settings, LAST), foreground=True)
    other = attrs.evolve(settings, forecast=attrs.evolve(settings.forecast, **changed))
    failed = [r for r in run_day(Day(other, LAST), foreground=True) if r["state"] == "failed"]
    assert failed
    assert {r["step"] for r in failed} == {step}
    assert why in failed[0]["error"]


def test_rules_that_were_changed_are_refused_for_a_group_that_is_judged(settings: Settings) -> None:
    run_day(Day(settings, LAST), foreground=True)
    rules = [attrs.evolve(rule, weight=0.9) for rule in settings.rules]
    reports = run_day(Day(attrs.evolve(settings, rules=rules), LAST), foreground=True)
    assert {r["step"] for r in reports if r["state"] == "failed"} == {"judge"}


def test_a_hole_at_a_past_day_makes_a_coin_old_and_one_to_come_has_no_row(
    settings: Settings, tmp_path: Path
) -> None:
    rows = prices()
    hole = (rows["coin"] == "C2") & (rows["date"] > "2026-02-10") & (rows["date"] <= "2026-02-26")
    late = (rows["coin"] == "C3") & (rows["date"] <= "2026-03-01")
    write_folder(tmp_path / "new", rows[~(hole | late)])
    day = Day(settings, "2026-02-26")
    poll(Day(settings, LAST))
    stopped: dict[str, str] = {}
    for name in groups(day)["groups"]:
        lenient = attrs.evolve(settings, check=attrs.evolve(settings.check, most=1.0))
        stopped |= check(Day(lenient, day.date), name)["stopped"]
    assert stopped == {
        "C2": "its last row is 16 days before 2026-02-26", "C3": "no row up to 2026-02-26",
    }  # fmt: skip


def test_a_group_without_any_forecast_harms_no_other(settings: Settings, tmp_path: Path) -> None:
    rows = prices(3)
    rows.loc[rows["coin"] == "C1", "close"] = 5.0  # constant: drift has nothing to fit
    for file in (tmp_path / "new").iterdir():
        file.unlink()
    write_folder(tmp_path / "new", rows)
    forecast = attrs.evolve(settings.forecast, groups=0, models=["drift"])
    rules = [attrs.evolve(rule, model=None) for rule in settings.rules]
    reports = run_day(
        Day(attrs.evolve(settings, forecast=forecast, rules=rules), LAST), foreground=True
    )
    assert not [r for r in reports if r["state"] == "failed"]
    assert not is_complete(reports), "a coin failed"
    assert any(reason.endswith(": 1 coin failed") for reason in lacking(reports)), lacking(reports)
    with open_store(settings.store) as store:
        assert len(store.runs()) == 3


@pytest.mark.parametrize("damage", [b"", b"{}", b"[]", b"null", b'{"coins": 3}', b"\xff", None])
def test_what_a_step_left_and_was_damaged_is_refused_with_what_to_remove(
    settings: Settings, damage: bytes | None
) -> None:
    day = Day(settings, LAST)
    poll(day)
    name = groups(day)["groups"][0]
    check(day, name)
    group = Group(day, name)
    file = group.folder / CHECKED
    good = file.read_bytes()
    file.write_bytes(good.replace(b'"C', b'"D') if damage is None else damage)
    for step in (send, wait, judge, keep, request):
        with pytest.raises(InputError, match=rf"{CHECKED}: .*remove {group.folder}"):
            step(day, name)  # type: ignore[operator]
    assert check(day, name)["state"] == "done", "its run has not ended, so that it is decided anew"
    assert file.read_bytes() == good
