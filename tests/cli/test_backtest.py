"""`cryptodask backtest`, as a user runs it."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cryptodask.cli.backtest import print_unbounded
from cryptodask.results import open_backtest
from tests.cli.command import inside, run
from tests.conftest import Cluster


def test_a_backtest_prints_a_leaderboard_and_writes_table_scores_and_page(
    cluster: Cluster, small_folder: Path, tmp_path: Path
) -> None:
    command = ["backtest", small_folder, "--model", "linear", "--model", "drift", "--origins", 3,
               "--horizon", 5, "--scheduler", cluster.address, "--out", tmp_path / "out",
               "--scores", tmp_path / "scores.csv", "--page", tmp_path / "page.html"]  # fmt: skip
    done = run(*command)
    assert done.returncode == 3, done.stderr
    assert "3 origins from" in done.stdout
    for model in ("naive", "linear", "drift"):
        assert re.search(rf"\n{model} +1[0-2] +", done.stdout), done.stdout
    # The constant coin failed at each origin: once for it, and not once an origin.
    assert done.stderr.count("failed: linear: ConstantSeriesError: ") == 1
    scores = pd.read_csv(tmp_path / "scores.csv")
    assert set(scores["model"]) == {"naive", "linear", "drift"}
    naive = scores[scores["model"] == "naive"]
    assert (naive["relative_mae"].dropna() == 1).all()
    assert "<html" in (tmp_path / "page.html").read_text(encoding="utf-8")
    files = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").iterdir()}
    again = run(*command)
    assert again.returncode == 3, again.stderr
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "out").iterdir()} == files
    other = run(*command, "--seed", 5)
    assert other.returncode == 2
    assert "holds a backtest of other seed; name another folder" in other.stderr


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--window", "many"], "window: must be 'expanding' or a number of rows, got 'many'"),
        (["--origins", "soon"], "origins: 'soon' is not a day"),
        (["--page", "page.pdf"], "--page page.pdf: must end in .html"),
        (["--out", "b.csv", "--scores", "b.csv"], "--scores b.csv: is what --out names"),
        (["--refit", "0"], "refit: must be at least 1, got 0"),
    ],
)
def test_a_backtest_that_makes_no_sense_is_told(
    cluster: Cluster, small_folder: Path, options: list[str], told: str
) -> None:
    done = inside("backtest", small_folder, "--scheduler", cluster.address, *options)
    assert done.returncode == 2
    assert told in " ".join(done.stderr.split())


def test_a_backtest_of_few_rows_says_that_it_has_no_intervals(tmp_path: Path) -> None:
    days = pd.date_range("2024-01-01", periods=12).strftime("%Y-%m-%d")
    prices = pd.DataFrame({"Date": days, "Close": np.arange(12) % 5 + 10.0})
    prices.to_csv(tmp_path / "Tiny.csv", index=False)
    words = ("backtest", tmp_path, "--model", "drift", "--origins", 1, "--horizon", 2)
    done = inside(*words)
    assert done.returncode == 0, done.stderr
    assert "no forecast has an interval: " in done.stderr
    assert "no forecast has an interval" not in inside(*words, "--no-intervals").stderr


def test_a_backtest_is_written_to_a_file_and_says_where_time_went(
    cluster: Cluster, small_folder: Path, tmp_path: Path
) -> None:
    command = ["backtest", small_folder, "--model", "linear", "--origins", 3, "--horizon", 5,
               "--scheduler", cluster.address, "--no-intervals", "--timeout", 60,
               "--profile"]  # fmt: skip
    done = inside(*command, "--out", tmp_path / "rows.csv")
    assert done.returncode == 3, done.stderr
    for stage in ("start", "read", "predict", "gather"):
        assert f"\n{stage} " in done.stdout
    rows = pd.read_csv(tmp_path / "rows.csv", parse_dates=["cutoff", "date"])
    failures = pd.read_csv(tmp_path / "rows.failures.csv")
    assert set(failures["exception"]) == {"ConstantSeriesError"}
    assert set(rows["model"]) == {"naive", "linear"}
    assert f"wrote {tmp_path / 'rows.failures.csv'}" in done.stdout
    done = inside(*command, "--out", tmp_path / "out")
    assert done.returncode == 3, done.stderr
    written = open_backtest(tmp_path / "out").get_df()
    assert written["forecast"].to_numpy() == pytest.approx(rows["forecast"].to_numpy(), rel=1e-15)


def test_rows_that_are_lost_are_printed_and_end_with_3(cluster: Cluster, healthy: Path) -> None:
    [path, *_] = sorted(healthy.iterdir())
    lines = path.read_text().splitlines()
    text = path.read_text()
    try:
        path.write_text("\n".join([*lines, lines[-1].replace(lines[-1].split(",")[0], "soon")]))
        for command in (
            ["forecast", healthy],
            ["backtest", healthy, "--origins", 2],
            ["tune", healthy, "--model", "ridge", "--search", "ridge.alpha=1", "--origins", 4,
             "--splits", 2],
        ):  # fmt: skip
            done = inside(*command, "--scheduler", cluster.address)
            assert done.returncode == 3, done.stderr
            assert f"unreadable_row: {path.name}, line {len(lines) + 1}" in done.stderr
    finally:
        path.write_text(text)


def test_coins_that_no_origin_reaches_are_named(cluster: Cluster, tmp_path: Path) -> None:
    days = [f"2024-{month:02d}-{day:02d}" for month in (1, 2, 3) for day in range(1, 29)]
    rows = [f"{day},{1 + i % 7}" for i, day in enumerate(days)]
    (tmp_path / "Acoin.csv").write_text("\n".join(["Date,Close", *rows, ""]))
    (tmp_path / "Ended.csv").write_text("\n".join(["Date,Close", *rows[:40], ""]))
    how = ("--model", "naive", "--origins", "2", "--horizon", "2", "--no-intervals")
    done = inside("backtest", tmp_path, *how, "--scheduler", cluster.address)
    assert done.returncode == 0
    text = " ".join(done.stderr.split())
    assert "not scored: 1 coin without bars at and after any of these origins: Ended;" in text
    chosen = inside("backtest", tmp_path, "--coins", "acoin", *how, "--scheduler", cluster.address)
    assert "not scored" not in chosen.stderr


def test_forecasts_without_intervals_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    scores = pd.DataFrame(
        {"model": ["naive", "[b]x", "none"], "n": [100, 40, 9], "n_interval": [100, 38, 0]}
    )
    print_unbounded(scores)
    said = " ".join(capsys.readouterr().out.split())
    assert said.startswith("[b]x: 2 of 40 forecasts have no interval")
    assert "naive" not in said
    assert "none" not in said
