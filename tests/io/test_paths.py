"""Runs in stores: an S3 server and workers that are processes, and what URLs are refused."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import fsspec
import pandas as pd
import pytest
from dask.distributed import Client
from upath import UPath

from cryptodask import CryptoLoader, CryptoManager, backtest, create_model
from cryptodask.dashboard.cache import Entry, coins_of, failures_of, view_of
from cryptodask.dashboard.serve import page_of
from cryptodask.errors import (
    ClusterError,
    InputError,
    MissingExtraError,
    OptionError,
    TableError,
    WriteError,
)
from cryptodask.io.files import draft_of, write_text
from cryptodask.io.lock import locked
from cryptodask.io.paths import exists, names_in, path_of, read_text, remove
from cryptodask.results import open_backtest, open_forecasts
from cryptodask.results.forecasts import sort_forecasts
from cryptodask.results.manifest import read_manifest
from cryptodask.worker.calls import visibility_error
from tests.chaos.harness import table_of
from tests.chaos.hosts import skip_without_mount
from tests.conftest import Cluster

SECRET = "hush"  # pragma: allowlist secret
SLOW_LSTM = {"window": 8, "units": (24, 24), "epochs": 120}


@pytest.fixture
def client(store_cluster: Cluster) -> Iterator[Client]:
    with Client(store_cluster.address) as client:
        client.wait_for_workers(2)
        yield client


@pytest.fixture
def url(store: UPath, request: pytest.FixtureRequest) -> str:
    """A folder of the store for one test."""
    return f"{store}{request.node.name}"


def words(*args: object) -> list[str]:
    return [sys.executable, "-m", "cryptodask.cli", *map(str, args)]


def command(*args: object, **env: str) -> "subprocess.CompletedProcess[str]":
    env = os.environ | {"COLUMNS": "200"} | env
    return subprocess.run(
        words(*args), capture_output=True, text=True, env=env, timeout=120, check=False
    )


def written(url: str, kind: str) -> dict[str, Any]:
    """Return when each file of a run was written."""
    fs = UPath(url).fs
    fs.invalidate_cache()
    found = fs.ls(UPath(url).path, detail=True) if fs.exists(UPath(url).path) else []
    names = {one["name"].rpartition("/")[2]: one["LastModified"] for one in found}
    return {name: when for name, when in names.items() if name.startswith(f"{kind}-")}


# What users write.


@pytest.mark.parametrize("given", ["{}/a", "file://{}/a", "local://{}/a"])
def test_what_is_of_this_machine_is_a_path_of_it(given: str, tmp_path: Path) -> None:
    found = path_of(given.format(tmp_path))
    assert isinstance(found, Path)
    assert found == tmp_path / "a"


def test_a_url_is_one_and_keeps_its_words() -> None:
    found = path_of("memory://run/of today/")
    assert isinstance(found, UPath)
    assert (str(found), found.name) == ("memory://run/of today", "of today")
    assert str(path_of(found) / "a") == "memory://run/of today/a"
    assert path_of(Path("a")) == Path("a")
    assert path_of("C:\\a") == Path("C:\\a")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("foo://bucket/run", "results can't be put there: Protocol not known: foo"),
        ("simplecache::s3://bucket/run", "URLs inside URLs are not for results"),
        (f"ftp://me:{SECRET}@host/run", "ftp URL: has host, password, username in it"),
        (f"s3://me:{SECRET}@bucket/run", "s3 URL: has a password in it"),
        ("hdfs://host/run", "as the environment's FSSPEC_HDFS_…, and write hdfs://PATH"),
    ],
)
def test_a_url_that_can_not_be_used_or_has_secrets_is_refused(given: str, message: str) -> None:
    with pytest.raises(OptionError, match=message) as told:
        path_of(given)
    assert SECRET not in str(told.value)


def test_a_package_that_is_not_installed_is_named() -> None:
    fsspec.register_implementation(
        "lacking", "lacking_package.FileSystem", errtxt="no", clobber=True
    )
    with pytest.raises(MissingExtraError, match=r"lacking://a: .*`pip install lacking_package`"):
        path_of("lacking://a")


# Files and locks.


def test_an_object_is_there_when_it_is_whole_and_not_if_writing_it_fails(url: str) -> None:
    folder = path_of(url)
    with draft_of(folder / "a") as draft:
        draft.write_text("one")
        assert not exists(folder)
    assert (names_in(folder), read_text(folder / "a")) == (["a"], "one")

    class StopError(Exception):
        pass

    def fail() -> None:
        with draft_of(folder / "a") as draft:
            draft.write_text("two")
            raise StopError

    with pytest.raises(StopError):
        fail()
    assert read_text(folder / "a") == "one"
    # What another wrote is seen, though a file system may have looked before.
    fsspec.filesystem("s3", skip_instance_cache=True).pipe_file(f"{folder.path}/b", b"1")
    assert sorted(names_in(folder)) == ["a", "b"]
    assert visibility_error(folder / "b", 1) is None
    assert visibility_error(folder / "b", 2) == "it has 1 bytes, and not 2"
    assert visibility_error(folder / "c", 2) == "it is not there"
    remove([folder / "a", folder / "b", folder / "c"])
    assert not exists(folder)


def test_a_store_that_does_not_answer_or_has_no_such_bucket_is_told(store: UPath) -> None:
    nowhere = path_of("s3://nowhere/run")
    assert not exists(nowhere)
    with pytest.raises(WriteError, match=r"s3://nowhere/run: .*bucket does not exist; see that"):
        write_text("", nowhere / "a")
    with pytest.raises(InputError, match="bucket does not exist"), locked(nowhere, "_lock"):
        pass
    mute = UPath("s3://forecasts/run", client_kwargs={"endpoint_url": "http://127.0.0.1:9"})
    with pytest.raises(InputError, match=r"s3://forecasts/run: can't be read: .*127.0.0.1:9"):
        exists(mute)


@pytest.fixture
def strict(store: UPath) -> Iterator[None]:
    """Have the server look at who asks, and let nobody in."""

    def let_in(requests: int) -> None:
        at = os.environ["AWS_ENDPOINT_URL"] + "/moto-api/reset-auth"
        asked = Request(at, str(requests).encode(), {"Content-Type": "text/plain"})
        urlopen(asked, timeout=20).close()

    let_in(0)
    yield
    let_in(1_000_000_000)


def test_a_store_that_lets_nobody_in_is_told(
    strict: None, store: UPath, small_folder: Path, url: str
) -> None:
    with pytest.raises(WriteError, match=f"{url}: can't be written to: PermissionError: .*may use"):
        write_text("", path_of(url) / "a")
    for asked in (["resume", url], ["forecast", small_folder, "--workers=1", "--out", url]):
        done = command(*asked)
        assert done.returncode == 2
        assert f"error: {url}" in done.stderr
        assert "can't be read: PermissionError" in done.stderr


def test_two_do_not_hold_the_lock_of_a_store_at_once(url: str) -> None:
    folder = path_of(url)
    with locked(folder, "_lock"):
        with (
            pytest.raises(TableError, match=r"is being written by process .* --unlock` continues"),
            locked(folder, "_lock"),
        ):
            pass
        assert names_in(folder) == ["_lock"]
    assert not exists(folder)


HOLD = (
    "import sys, time; from cryptodask.io.lock import locked; "
    "from cryptodask.io.paths import path_of\n"
    "with locked(path_of(sys.argv[1]), '_lock'): print('held', flush=True); time.sleep(60)"
)
"""Holds the lock of a folder for a minute."""


def test_a_lock_of_a_process_that_was_killed_here_is_taken_over_and_of_others_not(url: str) -> None:
    folder = path_of(url)
    with subprocess.Popen([sys.executable, "-c", HOLD, url], stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(TableError, match=f"process {process.pid} on"), locked(folder, "_lock"):
            pass
        process.kill()
    left = json.loads(read_text(folder / "_lock"))
    with locked(folder, "_lock"):
        assert json.loads(read_text(folder / "_lock"))["pid"] == os.getpid()
    write_text(json.dumps(left | {"machine": "another"}), folder / "_lock")
    with pytest.raises(TableError, match=f"process {process.pid} on"), locked(folder, "_lock"):
        pass


def test_a_lock_is_not_taken_over_because_the_clock_was_set(url: str, tmp_path: Path) -> None:
    # When the machine started is all that changes in what the kernel says of processes.
    stat = Path("/proc/stat").read_text("utf-8")
    booted = int(re.findall(r"^btime (\d+)$", stat, re.MULTILINE)[0])
    moved = tmp_path / "stat"
    moved.write_text(stat.replace(f"btime {booted}\n", f"btime {booted + 86_400}\n"))
    bind = ["unshare", "--mount", "sh", "-c", f'mount --bind {moved} /proc/stat && exec "$@"', "sh"]
    try:
        subprocess.run([*bind, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        skip_without_mount(error)
    with subprocess.Popen([sys.executable, "-c", HOLD, url], stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"held\n"
        second = subprocess.run([*bind, sys.executable, "-c", HOLD, url], capture_output=True,
                                text=True, check=False, timeout=60)  # fmt: skip
        process.kill()
    assert f"is being written by process {process.pid} on" in second.stderr
    assert second.returncode == 1


def test_a_lock_of_a_process_that_was_killed_and_is_still_listed_is_taken_over(url: str) -> None:
    folder = path_of(url)
    with subprocess.Popen([sys.executable, "-c", HOLD, url], stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"held\n"
        process.kill()
        assert process.stdout.read() == b""  # it has ended; nobody has waited for it yet
        with locked(folder, "_lock"):
            assert json.loads(read_text(folder / "_lock"))["pid"] == os.getpid()


@pytest.mark.parametrize("change", [{"pid": "x"}, {"start": None}, {"pid": None}])
def test_a_lock_that_says_nothing_of_its_process_is_not_taken_over(
    url: str, change: dict[str, Any]
) -> None:
    folder = path_of(url)
    with locked(folder, "_lock"):
        left = json.loads(read_text(folder / "_lock"))
    write_text(json.dumps(left | change), folder / "_lock")
    with pytest.raises(TableError, match="is being written by process"), locked(folder, "_lock"):
        pass


# Runs.


def test_forecasts_in_a_store_are_those_of_a_folder_bit_for_bit(
    client: Client, small_folder: Path, tmp_path: Path, url: str
) -> None:
    models = ["naive", "linear"]
    asked: dict[str, Any] = {"intervals": True, "progress": False}
    manager = CryptoManager(CryptoLoader(small_folder, 3), client)
    here = manager.forecast(models, 4, out=tmp_path / "out", **asked)
    there = manager.forecast(models, 4, out=url, **asked)
    assert str(there.path) == url
    assert set(names_in(there.path)) == {file.name for file in (tmp_path / "out").iterdir()}
    assert json.loads(read_text(there.path / "_plan.json")) == json.loads(
        (tmp_path / "out" / "_plan.json").read_text()
    )
    opened = open_forecasts(url)
    pd.testing.assert_frame_equal(opened.failures, here.failures)
    assert (len(opened), opened.has_intervals) == (len(here), True)
    # Read by the workers.
    tables = [sort_forecasts([one.get_ddf().compute()], models, True) for one in (opened, here)]
    pd.testing.assert_frame_equal(*tables, check_exact=True)
    when = written(url, "forecasts")
    again = manager.forecast(models, 4, out=url, **asked)
    assert (len(again), written(url, "forecasts")) == (len(here), when)
    with pytest.raises(InputError, match=f"{url}: holds a forecast of other horizon"):
        manager.forecast(models, 5, out=url, **asked)
    manager.forecast(["naive"], 5, out=url, overwrite=True, progress=False)
    assert read_manifest(there.path).horizon == 5


@pytest.mark.slow
def test_a_run_whose_client_was_killed_goes_on_by_its_url_and_does_nothing_twice(
    store_cluster: Cluster, client: Client, small_folder: Path, tmp_path: Path, url: str
) -> None:
    options = [f"--option=lstm.{name}={value}" for name, value in SLOW_LSTM.items()]
    options = [one.replace("(24, 24)", "24,24") for one in options]
    asked = ["forecast", small_folder, "--model=naive", "--model=lstm", *options, "--horizon=3",
             "--partitions=6", "--scheduler", store_cluster.address, "--out", url]  # fmt: skip
    with subprocess.Popen(words(*asked), stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 120
        while len(written(url, "forecasts")) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.send_signal(signal.SIGKILL)
    time.sleep(2)  # a worker that had begun writes yet
    assert "_manifest.json" not in names_in(path_of(url))
    assert "_lock" in names_in(path_of(url))
    kept = written(url, "forecasts")
    done = command("resume", url, "--scheduler", store_cluster.address)
    assert done.returncode == 3, done.stderr  # the constant coin fails, as ever
    assert f"wrote {url}" in done.stdout
    after = written(url, "forecasts")
    assert {name: after[name] for name in kept} == kept
    assert len(after) == 12
    assert "_lock" not in names_in(path_of(url))
    again = command("resume", url)
    assert (again.returncode, "whole already" in again.stdout) == (3, True)
    whole = tmp_path / "whole"
    CryptoManager(CryptoLoader(small_folder, 2), client).forecast(
        ["naive", create_model("lstm", **SLOW_LSTM)], 3, out=whole, progress=False
    )
    pd.testing.assert_frame_equal(table_of(path_of(url)), table_of(whole), check_exact=True)


def test_a_lock_left_on_another_machine_is_given_up_where_one_says_so(
    store_cluster: Cluster, client: Client, small_folder: Path, url: str, tmp_path: Path
) -> None:
    class StopError(Exception):
        pass

    def stop(_: int) -> None:
        raise StopError

    manager, folder = CryptoManager(CryptoLoader(small_folder, 2), client), path_of(url)
    for out in (url, tmp_path / "out"):
        with pytest.raises(StopError):
            manager.forecast(["naive"], 3, out=out, progress=False, on_done=stop)
    assert "_lock" not in names_in(folder)
    write_text('{"holder": "process 7 on elsewhere"}', folder / "_lock")
    held = command("resume", url, "--scheduler", store_cluster.address)
    assert held.returncode == 1
    assert f"{url}: is being written by process 7 on elsewhere" in held.stderr
    done = command("resume", url, "--scheduler", store_cluster.address, "--unlock")
    assert done.returncode == 0, done.stderr
    assert len(open_forecasts(url)) == 36
    refused = command("resume", tmp_path / "out", "--unlock")
    assert (refused.returncode, "--unlock: is for URLs" in refused.stderr) == (2, True)


def test_a_backtest_in_a_store_is_that_of_a_folder_and_goes_on(
    client: Client, small_folder: Path, url: str, tmp_path: Path, store_cluster: Cluster
) -> None:
    asked: dict[str, Any] = {"origins": 3, "step": 10, "client": client, "progress": False}
    loader = CryptoLoader(small_folder, 3)
    here = backtest(loader, ["linear"], 4, out=tmp_path / "out", **asked)
    there = backtest(loader, ["linear"], 4, out=url, **asked)
    assert str(there.path) == url
    for one in (there, open_backtest(url)):
        pd.testing.assert_frame_equal(one.get_df(), here.get_df(), check_exact=True)
        pd.testing.assert_frame_equal(one.failures, here.failures)
        pd.testing.assert_frame_equal(one.scores(), here.scores(), check_exact=True)
    assert len(there.get_ddf()) == len(here.get_df())
    folder = path_of(url)
    files = written(url, "backtest")
    lost = sorted(files)[1]
    remove([folder / "_manifest.json", folder / lost])
    with pytest.raises(TableError, match="holds no result that is whole"):
        open_backtest(url)
    done = command("resume", url, "--scheduler", store_cluster.address)
    assert done.returncode == 3, done.stderr
    after = written(url, "backtest")
    assert [name for name in after if after[name] != files[name]] == [lost]
    pd.testing.assert_frame_equal(open_backtest(url).get_df(), here.get_df(), check_exact=True)


@pytest.mark.slow
def test_a_search_by_the_command_writes_to_a_store(
    store_cluster: Cluster, small_folder: Path, url: str
) -> None:
    asked = ["--search=ridge.alpha=1,10", "--horizon=3", "--origins=8", "--splits=2"]
    done = command("tune", small_folder, "--model=ridge", *asked, "--scheduler",
                   store_cluster.address, "--folder", url)  # fmt: skip
    assert done.returncode in (0, 3), done.stderr
    assert f"wrote {url}" in done.stdout
    assert len(open_backtest(url).models) == 4  # naive, as given, and two candidates


def test_a_file_url_is_its_path(
    store_cluster: Cluster, client: Client, small_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = command("forecast", small_folder, "--model=naive", "--horizon=3", "--scheduler",
                   store_cluster.address, "--out", out.as_uri())  # fmt: skip
    assert done.returncode == 0, done.stderr
    when = (out / "_manifest.json").stat().st_mtime_ns
    same = CryptoManager(small_folder, client).forecast(["naive"], 3, out=out, progress=False)
    assert same.path == out
    assert (out / "_manifest.json").stat().st_mtime_ns == when
    assert open_forecasts(out.as_uri()).path == out
    assert "whole already" in command("resume", out.as_uri()).stdout


def test_what_is_written_by_the_client_may_be_a_url_too(
    store_cluster: Cluster, small_folder: Path, url: str
) -> None:
    done = command("forecast", small_folder, "--model=naive", "--horizon=3", "--scheduler",
                   store_cluster.address, "--out", f"{url}/f.csv")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert sorted(names_in(path_of(url))) == ["f.csv", "f.failures.csv"]
    assert len(read_text(path_of(url) / "f.csv").splitlines()) == 1 + 12 * 3


@pytest.mark.parametrize(
    ("out", "code", "message"),
    [
        ("s3://nowhere/run", 2, "s3://nowhere/run: can't be written to: FileNotFoundError: The"),
        ("foo://bucket/run", 2, "foo://bucket/run: results can't be put there: Protocol not known"),
    ],
)
@pytest.mark.parametrize("what", ["forecast", "backtest"])
def test_a_command_ends_with_an_error_where_a_url_leads_nowhere(
    store_cluster: Cluster, small_folder: Path, what: str, out: str, code: int, message: str
) -> None:
    asked = [what, small_folder, "--model=naive", "--horizon=2", "--out", out]
    done = command(*asked, "--scheduler", store_cluster.address)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert "cryptodask resume" not in done.stderr  # nothing was written


def test_workers_that_lack_a_package_or_the_settings_are_named(
    own_cluster: Cluster, small_folder: Path, tmp_path: Path, url: str, monkeypatch
) -> None:
    lacking = tmp_path / "lacking" / "s3fs"
    lacking.mkdir(parents=True)
    code = "raise ModuleNotFoundError(\"No module named 's3fs'\", name='s3fs')\n"
    (lacking / "__init__.py").write_text(code)
    with monkeypatch.context() as patch:
        patch.setenv("PYTHONPATH", str(lacking.parent), prepend=os.pathsep)
        own_cluster.add_worker()
    with Client(own_cluster.address) as client:
        client.wait_for_workers(1)
        manager = CryptoManager(small_folder, client)
        with pytest.raises(ClusterError, match=r"not every worker sees .*`pip install s3fs`"):
            manager.forecast(["naive"], 2, out=url, progress=False)
        own_cluster.workers[0].terminate()
        own_cluster.workers[0].wait(20)
        with monkeypatch.context() as patch:
            patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
            own_cluster.add_worker()
        client.wait_for_workers(1)
        with pytest.raises(ClusterError, match=r"not every worker sees .*127.0.0.1:9"):
            manager.forecast(["naive"], 2, out=url, progress=False)
    assert names_in(path_of(url)) == []


def test_the_pages_show_what_is_in_a_store(client: Client, small_folder: Path, url: str) -> None:
    CryptoManager(small_folder, client).forecast(["linear"], 3, out=f"{url}/f", progress=False)
    backtest(small_folder, ["naive"], 3, origins=2, calibrate=0, out=f"{url}/b", client=client,
             progress=False)  # fmt: skip
    for name in ("f", "b"):
        assert callable(page_of(path_of(f"{url}/{name}"), small_folder))
    with pytest.raises(InputError, match="is neither a forecast nor a backtest that has ended"):
        page_of(path_of(url))
    nothing: dict[str, list[str]] = {"coin": [], "model": [], "exception": [], "message": []}
    entry = Entry(url, "f", 0, ("linear",), str(small_folder), f"{url}/f", (), nothing)
    assert failures_of(entry)["exception"] == ["ConstantSeriesError"]
    assert len(coins_of(entry)) == 11
    view, word = view_of(entry, coins_of(entry)[0])
    assert (view.models, word) == (("linear",), "")
