"""Runs that go on where they were stopped, and what is refused."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from dask.distributed import Client, SchedulerPlugin
from hypothesis import given
from hypothesis import strategies as st

from cryptodask import CryptoLoader, CryptoManager, create_model
from cryptodask.cluster import TaskId
from cryptodask.errors import ClusterError, InputError, OptionError, TableError, WriteError
from cryptodask.io.parquet import write_frames
from cryptodask.io.sealed import write_sealed
from cryptodask.prices.clean.findings import empty_findings
from cryptodask.prices.reading import Reading
from cryptodask.prices.row_filter import RowFilter
from cryptodask.prices.synthetic import synthetic_prices
from cryptodask.prices.table.price_table import write_table
from cryptodask.results import open_forecasts
from cryptodask.runs.folder import RunFolder
from cryptodask.runs.model_spec import ModelSpec
from cryptodask.runs.plan import read_plan
from cryptodask.runs.spec import ForecastSpec, to_json
from cryptodask.runs.specs import spec_from_json
from cryptodask.runs.workload import Task, Workload
from cryptodask.worker.forecast import forecast_job
from tests.chaos.harness import table_of
from tests.chaos.poison import Poison
from tests.conftest import Cluster, write_folder
from tests.runs.commands import inside

MODELS: list[Any] = ["naive", "linear", create_model("lstm", window=8, units=(4, 6))]


def command(*args: object) -> "subprocess.CompletedProcess[str]":
    words = [sys.executable, "-m", "cryptodask.cli", *map(str, args)]
    env = os.environ | {"COLUMNS": "200"}
    return subprocess.run(words, capture_output=True, text=True, env=env, timeout=120, check=False)


@pytest.mark.parametrize("intervals", [False, True])
def test_a_run_that_was_killed_goes_on_and_does_nothing_twice(
    client: Client, small_folder: Path, tmp_path: Path, intervals: bool
) -> None:
    class StopError(Exception):
        pass

    out, whole = tmp_path / "out", tmp_path / "whole"
    asked: dict[str, Any] = {"intervals": intervals, "seed": 3, "progress": False}
    models = ["naive", "linear"] if intervals else MODELS
    loader = CryptoLoader(small_folder, 4)
    expected = CryptoManager(loader, client).forecast(models, 4, out=whole, **asked)

    def stop(coins: int) -> None:
        if list(out.glob("forecasts-*.parquet")):
            raise StopError

    if intervals:
        manager = CryptoManager(loader, client)
        manager.forecast(models, 4, out=out, **asked)
        kept = {f.name: f.stat().st_mtime_ns for f in sorted(out.glob("forecasts-*"))[3:]}
        assert expected.has_intervals
    else:
        with pytest.raises(StopError):
            CryptoManager(loader, client).forecast(models, 4, out=out, on_done=stop, **asked)
        time.sleep(1)  # a worker that had begun writes yet
        kept = {f.name: f.stat().st_mtime_ns for f in out.glob("forecasts-*")}
        assert len(kept) > 0
    with pytest.raises(InputError, match="holds a forecast of other seed; name another folder"):
        CryptoManager(loader, client).forecast(models, 4, out=out, **(asked | {"seed": 4}))
    # Another number of partitions would cut the work otherwise; the plan that began is kept.
    done = CryptoManager(CryptoLoader(small_folder, 2), client).forecast(
        models, 4, out=out, **asked
    )
    pd.testing.assert_frame_equal(table_of(out), table_of(whole), check_exact=True)
    pd.testing.assert_frame_equal(done.failures, expected.failures)
    pd.testing.assert_frame_equal(done.lost, expected.lost)
    assert sorted(done.tasks["coins"]) == sorted(expected.tasks["coins"])
    for name, when in kept.items():
        assert (out / name).stat().st_mtime_ns == when
    assert {f.name for f in out.iterdir() if not f.name.startswith(("forecasts-", "_done-"))} == {
        "_plan.json", "_manifest.json", "_failures.parquet", "_lost.parquet", "_tasks.parquet",
        *(["_pools.json"] if intervals else []),
    }  # fmt: skip
    # A whole one is read, and nothing is done.
    again = CryptoManager(loader).forecast(models, 4, out=out, **asked)
    assert len(again) == len(expected)
    pd.testing.assert_frame_equal(again.tasks, done.tasks)


def test_prices_that_changed_are_told_of(
    client: Client, small_prices: pd.DataFrame, tmp_path: Path
) -> None:
    folder = write_folder(tmp_path / "prices", small_prices)
    out = tmp_path / "out"
    CryptoManager(folder, client).forecast(["naive"], 3, out=out, progress=False)
    file = sorted(folder.iterdir())[-1]
    file.write_text(file.read_text().rsplit("\n", 2)[0] + "\n")
    manager = CryptoManager(folder, client)
    with pytest.raises(InputError, match="the prices changed since the run that it holds began"):
        manager.forecast(["naive"], 3, out=out, progress=False)
    manager.forecast(["naive"], 3, out=out, overwrite=True, progress=False)
    spec = read_plan(out).spec
    assert spec is not None
    assert spec.source == str(folder)


@pytest.mark.parametrize("change", ["seed", "tasks"])
def test_done_files_beside_a_plan_that_is_not_theirs_are_made_again(
    client: Client, small_folder: Path, tmp_path: Path, change: str
) -> None:
    """A plan is put beside files of another run, or its tasks trade places, as a copy may do."""
    forecast = partial(
        CryptoManager(small_folder, client).forecast,
        ["ridge", "random"], 5, intervals=True, progress=False,
    )  # fmt: skip
    expected = forecast(seed=1, out=tmp_path / "expected")
    out, other = tmp_path / "out", tmp_path / "other"
    forecast(seed=2 if change == "seed" else 1, out=out)
    shutil.copytree(tmp_path / "expected", other)
    for path in [other / "_manifest.json", out / "_manifest.json"]:
        path.unlink()
    shutil.copy(other / "_plan.json", out)
    if change == "tasks":
        content = json.loads((out / "_plan.json").read_text())
        first, second, *others = content.pop("tasks")
        content.pop("checksum")
        write_sealed({**content, "tasks": [second, first, *others]}, out / "_plan.json")
        next(out.glob("_done-*0.json")).unlink()
    again = forecast(seed=1, out=out)
    assert len(again) == len(expected)
    pd.testing.assert_frame_equal(table_of(out), table_of(tmp_path / "expected"), check_exact=True)


@pytest.mark.parametrize("change", ["no file", "file of another", "coins"])
def test_a_record_that_was_changed_is_as_if_it_were_not_there(
    client: Client, small_folder: Path, tmp_path: Path, change: str
) -> None:
    out = tmp_path / "out"
    forecast = partial(
        CryptoManager(small_folder, client).forecast, ["ridge", "naive"], 5, progress=False, out=out
    )
    forecast()
    expected = table_of(out)
    (out / "_manifest.json").unlink()
    first, second, *_ = sorted(out.glob("_done-*.json"))
    content, other = json.loads(first.read_text()), json.loads(second.read_text())
    content |= {"no file": {"file": None}, "coins": {"coins": 99}}.get(
        change, {"file": other["file"]}
    )
    first.write_text(json.dumps(content))
    assert len(forecast()) == len(expected)
    pd.testing.assert_frame_equal(table_of(out), expected, check_exact=True)


def test_a_manifest_that_was_changed_or_is_of_another_run_is_not_believed(
    client: Client, small_folder: Path, tmp_path: Path
) -> None:
    forecast = partial(CryptoManager(small_folder, client).forecast, ["random"], 5, progress=False)
    out, other = tmp_path / "out", tmp_path / "other"
    forecast(out=out, seed=1)
    forecast(out=other, seed=2)
    expected = table_of(out)
    manifest = out / "_manifest.json"
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(content | {"files": content["files"][:-1]}))
    with pytest.raises(InputError, match=r"_manifest\.json: checksum: does not fit"):
        open_forecasts(out)
    for path in [manifest, *other.glob("forecasts-*")]:
        shutil.copy(other / path.name, out)
    assert len(forecast(out=out, seed=1)) == len(expected)
    pd.testing.assert_frame_equal(table_of(out), expected, check_exact=True)


def test_two_do_not_write_the_same_run_at_once(
    client: Client, small_folder: Path, tmp_path: Path
) -> None:
    manager, out = CryptoManager(small_folder, client), tmp_path / "out"

    def again(_: int) -> None:
        with pytest.raises(TableError, match="is being written by process"):
            CryptoManager(small_folder, client).forecast(["naive"], out=out, progress=False)
        told.append(True)

    told: list[bool] = []
    manager.forecast(["naive"], out=out, progress=False, on_done=again)
    assert told
    assert open_forecasts(out).path == out


@given(st.lists(st.integers(1, 5), min_size=1, max_size=5))
def test_halves_have_all_coins_once_and_in_order(sizes: list[int]) -> None:
    edges = [sum(sizes[:i]) for i in range(len(sizes) + 1)]
    task = Task(0, tuple(pairwise(edges)))
    tasks = [task]
    while any(len(one) > 1 for one in tasks):
        tasks = [half for one in tasks for half in (one.halves if len(one) > 1 else (one,))]
        assert max(map(len, tasks)) - min(map(len, tasks)) <= max(1, len(task) // 2)
    assert [a for one in tasks for a, _ in one.spans] == list(range(sum(sizes)))


def test_a_spec_that_json_can_hold_is_repeatable_and_makes_equal_models() -> None:
    names = [
        "lstm",
        "ensemble",
        "sklearn:sklearn.linear_model.Ridge",
        "auto",
        "pooled_linear",
        "naive",
    ]
    models = [create_model(name) for name in names]
    models[0] = create_model("lstm", units=(3, 4), learning_rate=0.1 + 0.2)
    spec = ForecastSpec(source="prices", models=models, seed=1)
    assert spec.is_repeatable
    again = spec_from_json("forecast", json.loads(json.dumps(to_json(spec))))
    assert again == spec
    assert isinstance(again, ForecastSpec)
    assert [model.create() for model in again.models] == models
    # A module's class is described by its place; one of a function can't be found again.
    assert ForecastSpec(source="prices", models=[Poison()]).is_repeatable

    class Local(Poison):
        pass

    assert not ForecastSpec(source="prices", models=[Local()]).is_repeatable
    assert not ForecastSpec(source=None, models=models).is_repeatable
    with pytest.raises(InputError, match="was made in Python"):
        ModelSpec.of(Local()).create()


def test_a_time_limit_is_one_and_never_ends_this_process(client, small_folder: Path) -> None:
    manager = CryptoManager(small_folder, client)
    with pytest.raises(OptionError, match="timeout: must be more than 0 seconds, got -1"):
        manager.forecast(timeout=-1, progress=False)
    with (
        Client(n_workers=1, processes=False, dashboard_address=None) as threads,
        pytest.raises(OptionError, match="the workers are threads of this one"),
    ):
        CryptoManager(small_folder, threads).forecast(timeout=9, progress=False)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no such device here")
def test_a_full_disk_is_told_and_leaves_no_draft(tmp_path: Path, monkeypatch) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer = pq.ParquetWriter
    monkeypatch.setattr(pq, "ParquetWriter", lambda _, *a, **k: writer("/dev/full", *a, **k))
    table = pa.table({"forecast": [1.5] * 100_000})
    with (
        pytest.raises(WriteError, match="can't be written to: No space left on device; make room"),
        write_frames(tmp_path / "forecasts-00000.parquet", table.schema) as write,
    ):
        write(table)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_scheduler_that_died_is_told_and_the_command_goes_on_elsewhere(
    own_cluster: Cluster, cluster: Cluster, small_folder: Path, tmp_path: Path
) -> None:
    out, whole = tmp_path / "out", tmp_path / "whole"
    lstm = create_model("lstm", window=8, units=(24, 24), epochs=20)
    own_cluster.add_worker()
    with Client(own_cluster.address, timeout=3) as client:
        client.wait_for_workers(1)

        def die(_: int) -> None:
            own_cluster.scheduler.send_signal(signal.SIGKILL)

        loader = CryptoLoader(small_folder, 3)
        with pytest.raises(ClusterError, match=f"scheduler was lost.*cryptodask resume {out}"):
            CryptoManager(loader, client).forecast(
                ["naive", lstm], 3, out=out, progress=False, on_done=die
            )
    done = command("resume", out, "--scheduler", cluster.address)
    assert done.returncode == 3, done.stderr  # the constant coin fails, as ever
    assert "ConstantSeriesError" in done.stderr
    assert "lstm" in done.stdout
    again = command("resume", out)
    assert (again.returncode, "whole already" in again.stdout) == (3, True)
    with Client(cluster.address) as client:
        CryptoManager(small_folder, client).forecast(["naive", lstm], 3, out=whole, progress=False)
    pd.testing.assert_frame_equal(table_of(out), table_of(whole), check_exact=True)
    told = command("resume", tmp_path)
    assert (told.returncode, "holds no plan of a run" in told.stderr) == (2, True)


@pytest.mark.parametrize("over", [True, False], ids=["ended", "replaced"])
def test_a_worker_that_wakes_up_late_writes_nothing_into_the_folder(
    client: Client, small_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, over: bool
) -> None:
    monkeypatch.setattr("cryptodask.results.jobs.LOOKS", 1, raising=False)
    loader, out = CryptoLoader(small_folder, 3), tmp_path / "out"
    manager, model = CryptoManager(loader, client), create_model("naive")
    manager.forecast([model], 3, out=out, progress=False)
    folder, plan = RunFolder(out, "forecasts"), read_plan(out)
    folder.key, first = plan.key, TaskId(0)
    workload = Workload(loader.source, loader.get_crypto_names()[1:], [model], plan.tasks, list)
    files, job = folder.files(first, workload.task(first)), workload.job(first)
    if not over:
        manager.forecast(["linear"], 3, out=out, overwrite=True, progress=False)
    before = {path: path.read_bytes() for path in out.iterdir()}
    with pytest.raises(WriteError, match="its run has ended, or another one is in the folder"):
        forecast_job(job, RowFilter.of(None, None, None), model, 3, 0, files)
    assert {path: path.read_bytes() for path in out.iterdir()} == before


def held(dask_scheduler=None) -> int:
    """Return the bytes that the scheduler knows workers to hold."""
    return sum(worker.nbytes for worker in dask_scheduler.workers.values())


@pytest.mark.parametrize("model", ["linear", "lstm_global"])
def test_a_run_that_ended_leaves_nothing_on_the_workers(
    client: Client, small_folder: Path, model: str
) -> None:
    small = {"window": 8, "units": (4,), "steps": 2, "sample": 4}
    made = create_model(model, **(small if model == "lstm_global" else {}))
    result = CryptoManager(small_folder, client).forecast([made], 2, progress=False)
    assert len(result)
    deadline = time.monotonic() + 20
    while client.run_on_scheduler(held):
        assert time.monotonic() < deadline
        time.sleep(0.05)


ASKED = ["--model", "linear", "--model", "drift", "--model", "naive", "--horizon", 3, "--intervals",
         "--warmup", 40, "--partitions", 12, "--seed", 3]  # fmt: skip

PASSES = [("linear", 3), ("count-errors", 2), ("count-errors", 50), ("intervals", 3)]
"""Tasks of a run with intervals, and after how many of them it is killed: in the first pass, as
errors are counted for the first and the second time, and as intervals are made."""


@pytest.fixture(scope="module")
def undisturbed(
    cluster: Cluster, small_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Forecasts with intervals of a run that nothing happened to."""
    out = tmp_path_factory.mktemp("runs") / "undisturbed"
    done = inside("forecast", small_folder, *ASKED, "--scheduler", cluster.address, "--out", out)
    assert done.code == 3, done.said
    return out


class KillAt(SchedulerPlugin):  # type: ignore[misc]
    """Kills a process, whose number is in a file, when so many tasks of a name have ended."""

    name = "kill-at"

    def __init__(self, file: Path, task: str, count: int) -> None:
        self.file, self.task, self.left = file, task, count

    def transition(self, key: Any, start: str, finish: str, *args: Any, **kwargs: Any) -> None:
        """Count a task that has ended."""
        if (start, finish) != ("processing", "memory") or not key[0].startswith(self.task):
            return
        self.left -= 1
        if not self.left:
            os.kill(int(self.file.read_text()), signal.SIGKILL)


def nothing_left(dask_scheduler: Any = None) -> bool:
    """Tell whether the scheduler knows no task and no worker is at one."""
    busy = any(worker.processing for worker in dask_scheduler.workers.values())
    return not dask_scheduler.tasks and not busy


@pytest.mark.slow
@pytest.mark.parametrize(("task", "count"), PASSES)
def test_a_run_with_intervals_goes_on_after_a_kill_in_any_pass(
    client: Client,
    small_folder: Path,
    tmp_path: Path,
    undisturbed: Path,
    task: str,
    count: int,
) -> None:
    out, number = tmp_path / "out", tmp_path / "number"
    address = client.scheduler.address
    client.register_plugin(KillAt(number, task, count))
    try:
        words = ["forecast", small_folder, *ASKED, "--scheduler", address, "--out", out]
        run = subprocess.Popen([sys.executable, "-m", "cryptodask.cli", *map(str, words)])
        number.write_text(str(run.pid))
        assert run.wait(120) == -signal.SIGKILL
    finally:
        client.unregister_scheduler_plugin(KillAt.name)
    deadline = time.monotonic() + 60
    while not client.run_on_scheduler(nothing_left):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(1)  # what a worker had begun, it ends
    kept = {file.name: file.stat().st_mtime_ns for file in out.glob("forecasts-*")}
    whole = len(list(undisturbed.glob("forecasts-*")))
    assert (0 < len(kept) < whole) if task == "intervals" else not kept
    assert not (out / "_manifest.json").exists()
    done = inside("resume", out, "--scheduler", address)
    assert done.code == 3, done.said  # the constant coin fails, as ever
    pd.testing.assert_frame_equal(table_of(out), table_of(undisturbed), check_exact=True)
    for name, when in kept.items():
        assert (out / name).stat().st_mtime_ns == when


def megabytes(process: "subprocess.Popen[bytes]", what: str) -> float:
    """Return what Linux tells of a process: VmRSS, its memory now, or VmHWM, the most it had."""
    told = Path(f"/proc/{process.pid}/status").read_text()
    return int(told.split(f"{what}:")[1].split()[0]) / 1024


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="not Linux")
def test_a_run_of_much_memory_leaves_little_of_it_on_the_workers(
    own_cluster: Cluster, tmp_path: Path
) -> None:
    prices = synthetic_prices(600, 1500, seed=5, short=(), broken=())
    reading = Reading(prices, empty_findings())
    table = write_table(tmp_path / "table", [reading], empty={}, notes=empty_findings())
    loader = CryptoLoader(table.path, 2)
    workers = [own_cluster.add_worker("--no-nanny") for _ in range(2)]
    with Client(own_cluster.address) as client:
        client.wait_for_workers(2)

        def run(coins: list[str] | None) -> None:
            manager = CryptoManager(loader, client)
            assert len(manager.forecast(["pooled_linear"], 5, coins, progress=False))

        run(loader.get_crypto_names()[:8])
        time.sleep(3)  # for what has been imported to be all there, and the rest given back
        small = [megabytes(worker, "VmRSS") for worker in workers]
        for _ in range(2):
            run(None)
            most = [megabytes(worker, "VmHWM") for worker in workers]
            assert max(more - less for more, less in zip(most, small, strict=True)) > 100
            bounds = [(less + more) / 2 for more, less in zip(most, small, strict=True)]
            deadline = time.monotonic() + 60
            while any(
                megabytes(worker, "VmRSS") > bound
                for worker, bound in zip(workers, bounds, strict=True)
            ):
                assert time.monotonic() < deadline, (small, most)
                time.sleep(0.2)
            while not client.run_on_scheduler(nothing_left):
                assert time.monotonic() < deadline
                time.sleep(0.05)


@pytest.mark.parametrize(
    ("models", "options"),
    [(["linear"], {"intervals": True}), (["linear", "pooled_linear"], {"out": "out"}),
     (["pooled_linear"], {"gaps": "split"}), (["pooled_linear"], {"intervals": True})],
)  # fmt: skip
def test_the_scheduler_knows_nothing_of_a_run_that_ended(
    client: Client, small_folder: Path, tmp_path: Path, models: list[str], options: dict[str, Any]
) -> None:
    asked = options | ({"out": tmp_path / "out"} if "out" in options else {})
    done = CryptoManager(small_folder, client).forecast(models, 2, progress=False, **asked)
    assert len(done)
    deadline = time.monotonic() + 30
    while not client.run_on_scheduler(nothing_left):
        assert time.monotonic() < deadline
        time.sleep(0.05)
