"""`cryptodask forecast`, as a user runs it: what it prints, writes, and leaves as exit code."""

import contextlib
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest

from cryptodask.prices import CryptoLoader
from tests.cli.command import COMMAND, ENV, inside, run
from tests.conftest import Cluster


def test_a_whole_run_ends_with_0_and_two_files(cluster: Cluster, healthy: Path, tmp_path: Path):
    out = tmp_path / "f.parquet"
    done = run("forecast", healthy, "--scheduler", cluster.address, "--model", "naive",
               "--model", "linear", "--horizon", 3, "--out", out)  # fmt: skip
    assert done.returncode == 0, done.stderr
    frame = pd.read_parquet(out)
    assert len(frame) == 4 * 2 * 3
    assert pd.read_parquet(tmp_path / "f.failures.parquet").empty
    lines = [line.split() for line in done.stdout.splitlines()]
    assert sum(words[1:2] == ["linear"] for words in lines) == 4  # a line a coin
    assert sum(words[:1] == ["linear"] for words in lines) == 1  # and one of the model
    assert "80% interval" not in done.stdout
    assert str(out) in done.stdout
    assert "Traceback" not in done.stderr


def test_a_coin_that_fails_is_named_and_ends_with_3(
    cluster: Cluster, small_folder: Path, tmp_path: Path
):
    out = tmp_path / "f.csv"
    done = run("forecast", small_folder, "--model", "linear", "--scheduler", cluster.address,
               "--out", out)  # fmt: skip
    assert done.returncode == 3, done.stderr
    assert "ConstantSeriesError" in done.stderr
    failures = pd.read_csv(tmp_path / "f.failures.csv")
    assert failures["exception"].tolist() == ["ConstantSeriesError"]
    assert failures["coin"].iloc[0] in done.stderr
    assert pd.read_csv(out)["coin"].nunique() == 11


def test_files_are_equal_byte_by_byte(cluster: Cluster, small_folder: Path, tmp_path: Path):
    outs = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    options = ["--model", "random", "--model", "linear", "--scheduler", cluster.address]
    inside("forecast", small_folder, *options, "--out", outs[0])
    inside("forecast", small_folder, *options, "--out", outs[1], "--partitions", 2)
    assert outs[0].read_bytes() == outs[1].read_bytes()
    inside("forecast", small_folder, *options, "--out", outs[1], "--seed", 1)
    assert outs[0].read_bytes() != outs[1].read_bytes()


def test_a_folder_is_written_by_workers_and_the_profile_says_where_time_went(
    cluster: Cluster, small_folder: Path, tmp_path: Path
):
    done = inside("forecast", small_folder, "--model", "naive", "--scheduler", cluster.address,
               "--out", tmp_path / "out", "--profile", "--report", tmp_path / "r.html")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(pd.read_parquet(tmp_path / "out")) == 120
    for stage in ("start", "read", "trace", "fit", "predict", "write", "gather"):
        assert f"\n{stage} " in done.stdout
    assert done.stdout.count("\ntcp://127.0.0.1:") == 1  # one task, so one worker
    report = (tmp_path / "r.html").read_text()
    assert "Dask Performance Report" in report
    assert not re.search(r'<(script|link|img)[^>]*(src|href)="http', report)  # works offline
    refused = inside("forecast", small_folder, "--out", tmp_path / "more", "--plot", "x.html")
    assert refused.returncode == 2
    assert "not brought here to be drawn" in " ".join(refused.stderr.split())


def test_intervals_are_written_where_they_are_asked_for_and_lacking_ones_are_told(
    cluster: Cluster, small_folder: Path, tmp_path: Path
):
    command = ["forecast", small_folder, "--model", "naive", "--horizon", 4, "--scheduler",
               cluster.address, "--intervals", "--calibrate", 10, "--warmup", 60]  # fmt: skip
    done = inside(*command, "--out", tmp_path / "f.csv", "--plot", tmp_path / "f.html")
    assert done.returncode == 0, done.stderr
    assert "80% interval" in done.stdout
    assert "without intervals" not in done.stderr
    rows = pd.read_csv(tmp_path / "f.csv", parse_dates=["cutoff"])
    bounds = rows[["lower_95", "lower_80", "upper_80", "upper_95"]].to_numpy()
    assert bounds.shape == (12 * 4, 4)
    assert (bounds > 0).all()
    assert (np.diff(bounds, axis=1) >= 0).all()
    assert "lower_95_0" in (tmp_path / "f.html").read_text(encoding="utf-8")

    since = rows["cutoff"].max() - pd.Timedelta(days=1)
    done = inside(*command, "--out", tmp_path / "out", "--from", f"{since:%Y-%m-%d}")
    assert done.returncode == 0, done.stderr
    assert "naive: 12 of the coins without intervals: they have fewer" in done.stderr
    assert "- to -" not in done.stdout
    written = pd.read_parquet(tmp_path / "out")
    assert written["forecast"].notna().all()
    assert written[["lower_80", "upper_80", "lower_95", "upper_95"]].isna().all(axis=None)


def test_options_of_models_reach_them(cluster: Cluster, healthy: Path, tmp_path: Path):
    small = ["--option", "lstm.window=8", "--option", "lstm.units=4", "--coins", "all,of"]
    coins = sorted(p.stem for p in healthy.iterdir())[:2]
    small[-1] = ",".join(coins)
    done = inside("forecast", healthy, "--model", "lstm", *small, "--scheduler", cluster.address,
               "--from", "2020-01-01", "--out", tmp_path / "f.csv")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert pd.read_csv(tmp_path / "f.csv")["coin"].unique().tolist() == coins


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (
            ["--model", "arima"],
            "no such model; models: random, naive, drift, ",
        ),
        (["--coins", "Bitcon"], "no coin of that name"),
        (["--horizon", "0"], "horizon: must be at least 1"),
        (["--option", "lstm.epochs=3"], "--model that is run"),
        (["--model", "lstm", "--option", "lstm.depth=3"], "its options: window, units"),
        (["--model", "lstm", "--option", "lstm.epochs=x"], "must be int, got 'x'"),
        (["--out", "f.xlsx"], "must end in .parquet or .csv"),
        (["--plot", "f.svg"], "must end in .html or .png"),
        (["--plot", "f.png"], "name it with --plot-coin"),
        (["--plot", "f.html", "--plot-coin", "Bitcon"], "no coin of that name"),
        (["--plot-coin", "Bitcoin"], "give --plot FILE, too"),
        (["--out", "no/such/f.csv"], "make it first"),
        (["--from", "yesterdayish"], "write it as YYYY-MM-DD"),
        (["--from", "2024-01-02", "--to", "2024-01-01"], "is after"),
        (["--warmup", "90"], "--warmup 90: says how intervals are made; add --intervals"),
        (["--intervals", "--warmup", "4"], "warmup: must be at least calibrate, 5 bars, got 4"),
        (["--gaps", "fill"], "gap_limit: says up to how many missing bars are filled"),
        (["--gaps", "drop"], "gaps: must be one of leave, fill, split, got 'drop'"),
        (["--workers", "0"], "must be at least 1"),
        (["--partitions", "0"], "must be at least 1"),
        (["--scheduler", "tcp://127.0.0.1:1", "--workers", "2"], "has its own"),
    ],
)
def test_bad_use_ends_with_2_and_says_what_to_do(healthy: Path, args: list[str], told: str):
    done = inside("forecast", healthy, *args)
    assert done.returncode == 2
    assert told in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("command", ["forecast", "backtest", "risk"])
def test_prices_are_not_written_over(healthy: Path, tmp_path: Path, command: str):
    [first, *_] = sorted(healthy.glob("*.csv"))
    source = tmp_path / "prices.csv"
    source.write_bytes(first.read_bytes())
    done = inside(command, source, "--out", tmp_path / "." / "prices.csv")
    assert done.returncode == 2
    assert "--out" in done.stderr
    assert "is what SOURCE names" in " ".join(done.stderr.split())
    assert source.read_bytes() == first.read_bytes()


def test_the_coin_of_a_plot_is_found_in_any_case(healthy: Path, tmp_path: Path):
    coin = CryptoLoader(healthy).get_crypto_names()[0]
    plot = tmp_path / "f.png"
    done = inside("forecast", healthy, "--horizon", 2, "--plot", plot, "--plot-coin", coin.lower())
    assert done.returncode == 0, done.stderr
    assert coin.lower() != coin
    assert plot.stat().st_size


def test_a_source_that_is_none_ends_with_2(tmp_path: Path):
    done = run("forecast", tmp_path / "nowhere")
    assert done.returncode == 2
    assert "does not exist; give a folder of price files" in done.stderr
    done = run("prices", "check", tmp_path)
    assert done.returncode == 2
    assert "no price table" in done.stderr


def test_no_scheduler_ends_with_1(healthy: Path):
    done = inside("forecast", healthy, "--scheduler", "tcp://127.0.0.1:1")
    assert done.returncode == 1
    assert "no scheduler answers there" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "out", "says"),
    [(signal.SIGINT, "f.parquet", "nothing more was written"),
     (signal.SIGTERM, "f", "`cryptodask resume {out}` continues it")],
)  # fmt: skip
def test_a_signal_stops_a_run_with_a_local_cluster_cleanly(
    healthy: Path, tmp_path: Path, number: signal.Signals, out: str, says: str
) -> None:
    path = tmp_path / out
    process = subprocess.Popen(
        [*COMMAND, "forecast", str(healthy), "--model", "lstm", "--option", "lstm.epochs=100000",
         "--workers", "2", "--out", str(path)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENV | {"COLUMNS": "300"},
        start_new_session=True,
        # A shell gives its background jobs an ignored SIGINT, which would be inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    children = []
    try:
        assert process.stderr is not None
        assert process.stderr.readline() == "starting 2 workers on this machine\n"
        assert "dashboard" in process.stderr.readline()
        time.sleep(8)  # into the fit, or the import before it: either must stop
        children = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, number)  # as a terminal does: to every process of the job
        stdout, stderr = process.communicate(timeout=60)
        assert psutil.wait_procs(children, timeout=20)[1] == []
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert process.returncode == 128 + number, stderr
    assert says.format(out=path) in stderr
    assert "Traceback" not in stderr
    assert not path.exists() or path.is_dir()
    assert stdout == ""
