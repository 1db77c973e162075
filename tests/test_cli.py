"""The command, as a user runs it: what it prints, writes, and leaves as its exit code."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cryptodask import CryptoLoader, PriceTable, __version__
from cryptodask.cli.tune import read_search
from cryptodask.cluster import RunLog, connect
from cryptodask.errors import OptionError
from cryptodask.prices.clean.findings import ACTIONS, FINDING_KINDS
from tests.conftest import Cluster
from tests.exchange_server import ExchangeServer, Listing

COMMAND = [sys.executable, "-m", "cryptodask.cli"]
ENV = os.environ | {"COLUMNS": "120", "NO_COLOR": "1"}


def run(*args: object) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    words = [*COMMAND, *map(str, args)]
    return subprocess.run(words, capture_output=True, text=True, env=ENV, timeout=300, check=False)


@pytest.fixture(scope="module")
def healthy(small_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Coins that every model can forecast."""
    folder = tmp_path_factory.mktemp("healthy")
    paths = [p for p in sorted(small_folder.iterdir()) if len(p.read_text().splitlines()) > 80]
    for path in paths[-4:]:
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def test_a_whole_run_ends_with_0_and_two_files(cluster: Cluster, healthy: Path, tmp_path: Path):
    out = tmp_path / "f.parquet"
    done = run("forecast", healthy, "--scheduler", cluster.address, "--model", "naive",
               "--model", "linear", "--horizon", 3, "--out", out)  # fmt: skip
    assert done.returncode == 0, done.stderr
    frame = pd.read_parquet(out)
    assert len(frame) == 4 * 2 * 3
    assert pd.read_parquet(tmp_path / "f.failures.parquet").empty
    assert "first of 24 rows" in done.stdout
    assert str(out) in done.stdout
    assert "Traceback" not in done.stderr


def test_a_coin_that_fails_is_named_and_ends_with_3(
    cluster: Cluster, small_folder: Path, tmp_path: Path
):
    out = tmp_path / "f.csv"
    done = run("forecast", small_folder, "--scheduler", cluster.address, "--out", out)
    assert done.returncode == 3, done.stderr
    assert "ConstantSeriesError" in done.stderr
    failures = pd.read_csv(tmp_path / "f.failures.csv")
    assert failures["exception"].tolist() == ["ConstantSeriesError"]
    assert failures["coin"].iloc[0] in done.stderr
    assert pd.read_csv(out)["coin"].nunique() == 11


def test_files_are_equal_byte_by_byte(cluster: Cluster, small_folder: Path, tmp_path: Path):
    outs = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    options = ["--model", "random", "--model", "linear", "--scheduler", cluster.address]
    run("forecast", small_folder, *options, "--out", outs[0])
    run("forecast", small_folder, *options, "--out", outs[1], "--partitions", 2)
    assert outs[0].read_bytes() == outs[1].read_bytes()
    run("forecast", small_folder, *options, "--out", outs[1], "--seed", 1)
    assert outs[0].read_bytes() != outs[1].read_bytes()


def test_a_folder_is_written_by_workers_and_the_profile_says_where_time_went(
    cluster: Cluster, small_folder: Path, tmp_path: Path
):
    done = run("forecast", small_folder, "--model", "naive", "--scheduler", cluster.address,
               "--out", tmp_path / "out", "--profile", "--report", tmp_path / "r.html")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(pd.read_parquet(tmp_path / "out")) == 120
    for stage in ("start", "read", "trace", "fit", "predict", "write", "gather"):
        assert f"│ {stage} " in done.stdout
    assert done.stdout.count("│ tcp://127.0.0.1:") == 1  # one task, so one worker
    assert "Dask Performance Report" in (tmp_path / "r.html").read_text()
    refused = run("forecast", small_folder, "--out", tmp_path / "more", "--plot", "x.html")
    assert refused.returncode == 2
    assert "not brought here to be drawn" in " ".join(refused.stderr.split())


def test_intervals_are_written_where_they_are_asked_for_and_lacking_ones_are_told(
    cluster: Cluster, small_folder: Path, tmp_path: Path
):
    command = ["forecast", small_folder, "--model", "naive", "--horizon", 4, "--scheduler",
               cluster.address, "--intervals", "--calibrate", 10, "--warmup", 60]  # fmt: skip
    done = run(*command, "--out", tmp_path / "f.csv", "--plot", tmp_path / "f.html")
    assert done.returncode == 0, done.stderr
    assert "upper_95" in done.stdout
    assert "without intervals" not in done.stderr
    rows = pd.read_csv(tmp_path / "f.csv", parse_dates=["cutoff"])
    bounds = rows[["lower_95", "lower_80", "upper_80", "upper_95"]].to_numpy()
    assert bounds.shape == (12 * 4, 4)
    assert (bounds > 0).all()
    assert (np.diff(bounds, axis=1) >= 0).all()
    assert "lower_95_0" in (tmp_path / "f.html").read_text(encoding="utf-8")

    since = rows["cutoff"].max() - pd.Timedelta(days=1)
    done = run(*command, "--out", tmp_path / "out", "--from", f"{since:%Y-%m-%d}")
    assert done.returncode == 0, done.stderr
    assert "naive: 12 of the coins without intervals: no error" in done.stderr
    written = pd.read_parquet(tmp_path / "out")
    assert written["forecast"].notna().all()
    assert written[["lower_80", "upper_80", "lower_95", "upper_95"]].isna().all(axis=None)


def test_options_of_models_reach_them(cluster: Cluster, healthy: Path, tmp_path: Path):
    small = ["--option", "lstm.window=8", "--option", "lstm.units=4", "--coins", "all,of"]
    coins = sorted(p.stem for p in healthy.iterdir())[:2]
    small[-1] = ",".join(coins)
    done = run("forecast", healthy, "--model", "lstm", *small, "--scheduler", cluster.address,
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
    done = run("forecast", healthy, *args)
    assert done.returncode == 2
    assert told in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_source_that_is_none_ends_with_2(tmp_path: Path):
    done = run("forecast", tmp_path / "nowhere")
    assert done.returncode == 2
    assert "does not exist; give a folder of price files" in done.stderr
    done = run("prices", "check", tmp_path)
    assert done.returncode == 2
    assert "no price table" in done.stderr


def test_no_scheduler_ends_with_1(healthy: Path):
    done = run("forecast", healthy, "--scheduler", "tcp://127.0.0.1:1")
    assert done.returncode == 1
    assert "no scheduler answers there" in done.stderr


def test_the_models_are_listed_with_their_options():
    done = run("models")
    assert done.returncode == 0
    for word in (
        "random",
        "naive",
        "linear",
        "lstm",
        "validation_split=0.05",
        "units=50,100",
        "stats:CLASS",
    ):
        assert word in done.stdout


def test_an_option_of_a_model_with_dots_in_its_name_reaches_it():
    from cryptodask.cli.options import make_models

    name = "sklearn:sklearn.linear_model.HuberRegressor"
    [model] = make_models([name], [f"{name}.alpha=0.5", f"{name}.lags=4"])
    assert (model.lags, model.params) == (4, (("alpha", 0.5),))


def test_the_version():
    done = run("--version")
    assert done.returncode == 0
    assert done.stdout.startswith("cryptodask 0.")


def test_import_reports_and_check_repeats_it(tmp_path: Path, healthy: Path):
    folder = tmp_path / "prices"
    folder.mkdir()
    for path in healthy.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    done = run("prices", "import", folder, "--out", tmp_path / "clean")
    assert done.returncode == 0, done.stderr
    (folder / "list.csv").write_text("#,Name,Price\n1,Bitcoin,3\n")
    (folder / "Odd.csv").write_text(
        'Date,Open,High,Low,Close,Volume\n"Feb 30, 2024",1,1,1,1,5\n2024-01-02,1,1,1,1,"1,234"\n'
    )
    done = run("prices", "import", folder, "--out", tmp_path / "table", "--partitions", 2)
    assert done.returncode == 3
    text = " ".join(done.stdout.split())
    assert "5 coins, 2 parts" in text
    assert "left out: list.csv: has no date column" in text
    assert "unreadable_row: Odd.csv, line 2: 'Feb 30, 2024': date: no such day" in text
    again = run("prices", "check", tmp_path / "table")
    assert (again.returncode, again.stdout) == (3, done.stdout)
    page = tmp_path / "report.html"
    assert run("prices", "check", tmp_path / "table", "--html", page).returncode == 3
    assert "no such day in the calendar" in page.read_text()
    assert run("prices", "check", tmp_path / "table", "--html", "report.pdf").returncode == 2
    refused = run("prices", "import", folder, "--out", tmp_path / "table")
    assert refused.returncode == 2
    assert "there is a table already" in refused.stderr
    assert (
        run("prices", "import", folder, "--out", tmp_path / "table", "--overwrite").returncode == 3
    )


def test_append_adds_new_days_and_tells_corrections(tmp_path: Path):
    folder = tmp_path / "prices"
    folder.mkdir()
    (folder / "Acoin.csv").write_text("Date,Close\n2024-01-01,1\n2024-01-02,2\n")
    table = tmp_path / "table"
    assert run("prices", "import", folder, "--out", table).returncode == 0
    new = tmp_path / "Acoin.csv"
    new.write_text("Date,Close\n2024-01-02,2.5\n2024-01-03,3\n2024-02-30,4\n")
    done = run("prices", "append", table, new)
    text = " ".join(done.stdout.split())
    assert "1 new rows, 1 corrected" in text
    assert "unreadable_row: Acoin.csv, line 4: '2024-02-30'" in text
    assert done.returncode == 3
    again = run("prices", "append", table, new)
    assert "0 new rows, 0 corrected, 0 differ and were left out, 2 were there" in " ".join(
        again.stdout.split()
    )
    refused = run("prices", "append", table, folder, "--corrections", "fail")
    assert refused.returncode == 2
    assert "Acoin" in refused.stderr
    packed = run("prices", "compact", table)
    assert packed.returncode == 0
    assert "3 rows in 1 parts" in packed.stdout
    assert "unreadable_row" in run("prices", "check", table).stdout


def test_what_files_do_not_tell_is_said_by_options(tmp_path: Path):
    folder = tmp_path / "prices"
    folder.mkdir()
    (folder / "Acoin.csv").write_text("Day,Last\n03/04/2024,1\n04/04/2024,2\n")
    options = ["--column", "date=Day", "--column", "close=Last", "--out", tmp_path / "table"]
    asked = run("prices", "import", folder, *options)
    assert asked.returncode == 2
    assert "--dayfirst" in asked.stderr
    done = run("prices", "import", folder, *options, "--dayfirst")
    assert done.returncode == 0, done.stderr
    assert "2024-04-03 to 2024-04-04" in done.stdout
    wrong = run("prices", "import", folder, "--column", "close", "--out", tmp_path / "other")
    assert wrong.returncode == 2
    assert "COLUMN=HEADER" in wrong.stderr


def test_fetch_makes_a_table_and_goes_on_where_it_stopped(tmp_path: Path):
    table = tmp_path / "table"
    listings = [Listing("AAA"), Listing("BBB", volume=5e5)]
    with ExchangeServer(listings) as server:
        options = ["--api-url", server.url, "--since", "2024-01-01", "--out", table]
        done = run("prices", "fetch", *options, "--top", 2, "--until", "2024-02-01")
        assert done.returncode == 0, done.stderr
        assert "64 new days of 2 coins" in done.stdout
        more = run("prices", "fetch", *options, "--coins", "BBB", "--until", "2024-02-03")
        assert "2 new days of 1 coins" in more.stdout
    checked = run("prices", "check", table)
    assert "66 rows, 2 coins" in checked.stdout
    down = run("prices", "fetch", *options, "--retries", 0)
    assert down.returncode == 1
    assert "Traceback" not in down.stderr
    assert PriceTable(table).coins == ["AAA", "BBB"]


def test_the_policies_are_listed_with_the_default_first():
    done = run("prices", "policies")
    assert done.returncode == 0
    words = " ".join(done.stdout.replace("│", " ").split())
    for kind, k in FINDING_KINDS.items():
        assert (kind in words) == bool(k.actions)
    for action, what in ACTIONS.items():
        assert f"{action}: {what.split()[0]}" in words
    assert "volume of zero keep: kept" in words


def test_a_policy_that_is_none_ends_with_2_and_says_what_there_is(tmp_path: Path):
    (tmp_path / "prices").mkdir()
    importing = ["prices", "import", tmp_path / "prices", "--out", tmp_path / "table"]
    for policy, told in (
        ("oddity=drop", "no kind of finding 'oddity' to choose for; known: not_a_price_file,"),
        ("gap", "--policy 'gap': write it as KIND=ACTION, such as stale_run=drop"),
    ):
        done = run(*importing, "--policy", policy)
        assert (done.returncode, done.stdout) == (2, "")
        assert told in " ".join(done.stderr.split())
        assert "Traceback" not in done.stderr
    done = run(*importing, "--freq", "2h")
    assert (done.returncode, done.stdout) == (2, "")
    assert "freq: must be one of 1h, 4h, 1d, got '2h'" in done.stderr


def test_a_table_has_policies_and_what_is_appended_goes_by_them(tmp_path: Path):
    folder, table = tmp_path / "prices", tmp_path / "table"
    folder.mkdir()
    header = "Date,Open,High,Low,Close,Volume\n"
    (folder / "Acoin.csv").write_text(header + "2024-01-01,1,2,1,1,5\n2024-01-02,1,2,1,2,0\n")
    importing = ["prices", "import", folder, "--out", table]
    refused = run(*importing, "--policy", "zero_volume=fail")
    assert (refused.returncode, refused.stdout) == (2, "")
    text = " ".join(refused.stderr.split())
    assert "error: Acoin.csv, line 3, Acoin, 2024-01-02: zero_volume: '0'" in text
    assert "choose another policy: keep, repair:missing, drop" in text
    assert "Traceback" not in refused.stderr
    assert not table.exists()

    done = run(*importing, "--policy", "zero_volume=drop", "--policy", "high_under_low=repair")
    assert done.returncode == 0, done.stderr
    text = " ".join(done.stdout.replace("│", " ").split())
    assert "1 rows, 1 coins" in text
    assert "zero_volume: drop; high_under_low: repair:swap" in text
    assert "zero_volume 1 1 a volume of zero left out" in text

    new = tmp_path / "Acoin.csv"
    new.write_text(header + "2024-01-03,1,1,2,1,0\n2024-01-04,1,1,2,1,5\n")
    done = run("prices", "append", table, new)
    assert done.returncode == 0, done.stderr
    assert "1 new rows, 0 corrected" in done.stdout
    rows = CryptoLoader(table).get_df()
    assert rows[["low", "high"]].to_numpy().tolist() == [[1, 2], [1, 2]]
    text = " ".join(done.stdout.replace("│", " ").split())
    assert "high and low swapped" in text
    assert "gap 1 1" in text

    fetched = run("prices", "fetch", "--out", table, "--since", "2024-01-01", "--freq", "4h")
    assert (fetched.returncode, fetched.stdout) == (2, "")
    assert "--freq 4h: the bars of" in fetched.stderr
    assert "last 1d; name another" in " ".join(fetched.stderr.split())


def test_hours_are_imported_appended_and_forecast(cluster: Cluster, tmp_path: Path):
    folder, table = tmp_path / "prices", tmp_path / "table"
    folder.mkdir()

    def hours(first: int, last: int) -> str:
        rows = [f"2024-01-01 {h:02d}:00:00,{1 + h}" for h in range(first, last)]
        return "\n".join(["Open time,Close", *rows, ""])

    (folder / "Acoin.csv").write_text(hours(0, 20))
    (folder / "Bcoin.csv").write_text("Date,Close\n2024-01-01,1\n2024-01-02,2\n")
    importing = ["prices", "import", folder, "--out", table, "--layout", "klines"]
    mixed = run(*importing)
    assert mixed.returncode == 2
    assert "bars of 1d (Bcoin.csv) and of 1h (Acoin.csv) are mixed" in mixed.stderr
    done = run(*importing, "--freq", "1h")
    assert done.returncode == 3, done.stderr
    assert "20 rows, 1 coins" in done.stdout
    assert "; bars of 1h" in done.stdout
    assert "Bcoin.csv: date: bars of 1d, and those of 1h are wanted" in done.stdout
    (tmp_path / "Acoin.csv").write_text(hours(21, 23))
    grown = run("prices", "append", table, tmp_path / "Acoin.csv", "--layout", "klines")
    assert "2 new rows" in grown.stdout
    out = tmp_path / "f.csv"
    done = run("forecast", table, "--scheduler", cluster.address, "--horizon", 3,
               "--gaps", "fill", "--gap-limit", 1, "--out", out)  # fmt: skip
    assert done.returncode == 3, done.stderr  # of the other coin there is nothing
    text = " ".join(done.stdout.replace("│", " ").split())
    assert "Acoin linear 2024-01-01 22:00 2024-01-01 23:00 1" in text
    assert "Acoin linear 2024-01-01 22:00 2024-01-02 2" in text  # the hour at midnight
    dates = pd.to_datetime(pd.read_csv(out)["date"])
    assert dates.tolist() == list(pd.date_range("2024-01-01 23:00", periods=3, freq="h"))


def test_hours_are_fetched_and_go_on_hour_by_hour(tmp_path: Path):
    table = tmp_path / "table"
    with ExchangeServer([Listing("AAA")]) as server:
        options = [
            "--api-url",
            server.url,
            "--since",
            "2024-01-01",
            "--out",
            table,
            "--coins",
            "AAA",
        ]
        done = run("prices", "fetch", *options, "--until", "2024-01-02", "--freq", "4h")
        assert done.returncode == 0, done.stderr
        assert "12 new bars of 4h of 1 coins" in done.stdout
        more = run("prices", "fetch", *options, "--until", "2024-01-03")
        assert "6 new bars of 4h of 1 coins" in more.stdout
    opened = PriceTable(table)
    assert (opened.freq, len(opened)) == ("4h", 18)
    assert CryptoLoader(table).get_df()["date"].diff().dropna().unique().tolist() == [
        pd.Timedelta(hours=4)
    ]


@pytest.mark.slow
def test_ctrl_c_stops_a_run_with_a_local_cluster_cleanly(healthy: Path, tmp_path: Path):
    out = tmp_path / "f.parquet"
    process = subprocess.Popen(
        [*COMMAND, "forecast", str(healthy), "--model", "lstm", "--option", "lstm.epochs=100000",
         "--workers", "2", "--out", str(out)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENV, start_new_session=True,
        # A shell gives its background jobs an ignored SIGINT, which would be inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    try:
        assert process.stderr is not None
        assert "dashboard" in process.stderr.readline()
        time.sleep(8)  # into the fit, or the import before it: either must stop
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to every process of the job
        stdout, stderr = process.communicate(timeout=60)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert process.returncode == 130, stderr
    assert "stopped" in stderr
    assert "Traceback" not in stderr
    assert not out.exists()
    assert stdout == ""


def test_the_page_of_a_table_that_lost_nothing_is_written_too(
    small_folder: Path, tmp_path: Path
) -> None:
    assert run("prices", "import", small_folder, "--out", tmp_path / "table").returncode == 0
    page = tmp_path / "report.html"
    done = run("prices", "check", tmp_path / "table", "--html", page)
    assert done.returncode == 0, done.stderr
    assert "stale_run" in page.read_text()


def test_a_backtest_prints_a_leaderboard_and_writes_table_scores_and_page(
    cluster: Cluster, small_folder: Path, tmp_path: Path
) -> None:
    command = ["backtest", small_folder, "--model", "linear", "--model", "drift", "--origins", 3,
               "--horizon", 5, "--scheduler", cluster.address, "--out", tmp_path / "out",
               "--scores", tmp_path / "scores.csv", "--page", tmp_path / "page.html"]  # fmt: skip
    done = run(*command)
    assert done.returncode == 0, done.stderr
    assert "3 origins from" in done.stdout
    for model in ("naive", "linear", "drift"):
        assert re.search(rf"│ {model} +│ 1[0-2] +│", done.stdout), done.stdout
    assert "linear: 3 coins and origins without a forecast: ConstantSeriesError" in done.stderr
    scores = pd.read_csv(tmp_path / "scores.csv")
    assert set(scores["model"]) == {"naive", "linear", "drift"}
    naive = scores[scores["model"] == "naive"]
    assert (naive["relative_mae"].dropna() == 1).all()
    assert "<html" in (tmp_path / "page.html").read_text(encoding="utf-8")
    files = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").iterdir()}
    again = run(*command)
    assert again.returncode == 0, again.stderr
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "out").iterdir()} == files
    other = run(*command, "--seed", 5)
    assert other.returncode == 2
    assert "holds a backtest of other seed; name another folder" in other.stderr


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--window", "many"], "--window many: write a number of rows, or expanding"),
        (["--origins", "soon"], "origins: 'soon' is no day"),
        (["--page", "page.pdf"], "--page page.pdf: must end in .html"),
        (["--refit", "0"], "refit: must be at least 1, got 0"),
    ],
)
def test_a_backtest_that_makes_no_sense_is_told(
    cluster: Cluster, small_folder: Path, options: list[str], told: str
) -> None:
    done = run("backtest", small_folder, "--scheduler", cluster.address, *options)
    assert done.returncode == 2
    assert told in " ".join(done.stderr.split())


def test_a_search_prints_both_figures_and_options_to_paste(
    cluster: Cluster, small_folder: Path, tmp_path: Path
) -> None:
    best = tmp_path / "best.json"
    done = run("tune", small_folder, "--model", "ridge", "--search", "ridge.lags=2,90",
               "--option", "ridge.alpha=50", "--origins", 6, "--splits", 2, "--horizon", 5,
               "--scheduler", cluster.address, "--out", best)  # fmt: skip
    assert done.returncode == 3, done.stderr  # most coins are too short for 90 lags
    said, told = " ".join(done.stdout.split()), " ".join(done.stderr.split())
    assert "ridge: as given, and 2 candidates" in told
    assert "failed: ridge[lags=90]: forecast " in told
    assert "failed: ridge: ConstantSeriesError: 12 times, of 2 candidates and 1 coins" in told
    assert "ridge: 3 candidates, 6 origins from" in said
    figures = re.search(r"chosen by (\S+), the best of many .* coins\): (\S+) where each", said)
    assert figures, said
    found = json.loads(best.read_text(encoding="utf-8"))
    assert float(figures[1]) == pytest.approx(found["best"]["ridge"]["relative_mae"], abs=1e-4)
    assert float(figures[2]) == pytest.approx(found["held_out"][0]["relative_mae"], abs=1e-4)
    arguments = found["best"]["ridge"]["arguments"]
    assert arguments[:4] == ["--model", "ridge", "--option", "ridge.alpha=50"]
    pasted = "".join(f" {flag} {value}" for flag, value in zip(*[iter(arguments)] * 2, strict=True))
    assert f"best of all origins:{pasted}" in said


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--search", "ridge.alpha=1,ten"], "ridge alpha: must be float, got 'ten'"),
        (["--search", "ridge.alpha=1", "--out", "best.xlsx"], "must end in .json or .csv"),
    ],
)
def test_a_search_that_makes_no_sense_is_told_before_a_cluster_is_asked_for(
    small_folder: Path, options: list[str], told: str
) -> None:
    nowhere = "tcp://127.0.0.1:9"
    done = run("tune", small_folder, "--model", "ridge", "--scheduler", nowhere, *options)
    assert done.returncode == 2
    assert told in " ".join(done.stderr.split())


def test_values_to_search_are_divided_at_commas_or_else_at_bars() -> None:
    texts = ["lstm.units=50,100|32,32", "lstm.epochs=1, 2", "ridge.alpha=1e-3,1",
             "lstm.loss=mae"]  # fmt: skip
    assert read_search(["lstm", "ridge"], texts) == {
        "lstm": {"units": ["50,100", "32,32"], "epochs": ["1", "2"], "loss": ["mae"]},
        "ridge": {"alpha": ["1e-3", "1"]},
    }


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        (["lstm.epochs=1,2"], "--search 'lstm.epochs=1,2': write it as MODEL.OPTION=VALUES"),
        (["ridge.alpha"], "write it as MODEL.OPTION=VALUES, of a --model that is run"),
        (["ridge.alpha=1", "ridge.alpha=2"], "ridge.alpha is given twice"),
        (["ridge.alpha=1,,2"], "a value is empty"),
        (["ridge.alpha="], "a value is empty"),
    ],
)
def test_values_to_search_that_make_no_sense_are_told(texts: list[str], told: str) -> None:
    with pytest.raises(OptionError, match=re.escape(told)):
        read_search(["ridge"], texts)


def test_certificates_are_made_and_the_user_is_told_what_goes_where(tmp_path: Path):
    tls = tmp_path / "tls"
    done = run("security", "init", tls, "--host", "10.1.2.3", "--days", 7, "--at", "/etc/tls")
    assert done.returncode == 0, done.stderr
    assert f"{tls}/ca.key stays here" in done.stdout
    assert f"To each worker's machine, copy {tls}/worker; there:" in done.stdout
    assert done.stdout.count("export DASK_CONFIG=/etc/tls") == 3
    done = run("security", "issue", tls, "worker-2")
    assert f"export DASK_CONFIG={tls}/worker-2" in done.stdout
    done = run("security", "init", tls)
    assert done.returncode == 2
    assert "ca.key is there already" in done.stderr


def test_a_cluster_tells_of_its_workers_and_of_runs_under_way(
    own_cluster: Cluster, small_folder: Path
) -> None:
    own_cluster.add_worker("--resources", "GPU=1")
    own_cluster.add_worker()
    with connect(own_cluster.address) as client:
        client.wait_for_workers(2)
        with RunLog(client, "forecast", ["naive"], ["A", "B"], 3) as log:
            log.ended("naive", ["A"])
            time.sleep(1)
            done = run("cluster", "--scheduler", own_cluster.address)
            log.end()
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert "2 workers" in said
    assert "GPU=1" in said
    assert "1 runs under way" in said
    assert f"cryptodask {__version__}" in said
    assert "0 runs under way" in run("cluster", "--scheduler", own_cluster.address).stdout

    asked = ["forecast", small_folder, "--model", "naive", "--scheduler", own_cluster.address]
    done = run(*asked, "--resources", "GPU=1", "--profile")
    assert done.returncode == 0, done.stderr
    for amount, told in (("GPU=2", "no worker has GPU=2"), ("GPU", "write it as NAME=AMOUNT")):
        done = run(*asked, "--resources", amount)
        assert done.returncode in (1, 2)
        assert told in " ".join(done.stderr.split())
