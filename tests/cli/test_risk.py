"""`cryptodask risk`, as a user runs it: what it prints, writes, and leaves as exit code."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.cli.command import inside, run
from tests.runs import commands


def test_a_whole_command_ends_with_0_and_its_files(healthy: Path, tmp_path: Path) -> None:
    out, paths = tmp_path / "r.parquet", tmp_path / "paths.parquet"
    done = run("risk", healthy, "--horizon", 3, "--levels", "50,90", "--tail", 5, "--above", "10%",
               "--weights", "equal", "--paths", 200, "--out", out,
               "--paths-out", paths)  # fmt: skip
    assert done.returncode == 0, done.stderr
    frame = pd.read_parquet(out)
    assert frame.columns.tolist() == [
        "coin", "cutoff", "date", "step", "last", "volatility", "lower_50", "upper_50",
        "lower_90", "upper_90", "var_5", "es_5",
    ]  # fmt: skip
    assert frame["coin"].nunique() == len(frame) == 4
    assert len(pd.read_parquet(tmp_path / "r.probabilities.parquet")) == 4
    assert len(pd.read_parquet(tmp_path / "r.portfolio.parquet")) == 1
    assert pd.read_parquet(tmp_path / "r.weights.parquet")["weight"].tolist() == [0.25] * 4
    assert not (tmp_path / "r.failures.parquet").exists()
    closes = pd.read_parquet(paths)
    assert closes.columns.tolist() == ["coin", "path", "date", "close"]
    assert len(closes) == 4 * 200 * 3
    ends = closes[closes["date"] == closes["date"].max()].groupby("coin")["close"]
    bounds = frame.set_index("coin")
    assert (ends.quantile(0.05) / bounds["lower_90"]).to_numpy() == pytest.approx(1, abs=0.02)
    assert str(paths) in done.stdout
    assert "Traceback" not in done.stderr


def test_coins_that_are_left_out_are_named_and_end_with_3(
    small_folder: Path, tmp_path: Path
) -> None:
    done = inside("risk", small_folder, "--out", tmp_path / "r.csv")
    assert done.returncode == 3, done.stderr
    assert "left out: risk: ConstantSeriesError: " in done.stderr
    failures = pd.read_csv(tmp_path / "r.failures.csv")
    assert failures["exception"].tolist() == ["ConstantSeriesError"]


def test_files_are_equal_whatever_the_partitions(small_folder: Path, tmp_path: Path) -> None:
    outs = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    for out, partitions in zip(outs, (1, 5), strict=True):
        inside("risk", small_folder, "--partitions", partitions, "--paths", 100, "--horizon", 2,
               "--paths-out", out)  # fmt: skip
    assert outs[0].read_bytes() == outs[1].read_bytes()


def test_all_lines_fit_80_columns(healthy: Path) -> None:
    done = commands.inside(
        "risk", str(healthy), "--levels", "50,80,90,99", "--every-step", "--horizon", "2",
        "--below", "-20%", "--weights", "equal", columns=80,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert max(map(len, done.out.splitlines())) <= 80
    assert "…" not in done.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--levels", "120"], "levels: must be percents"),
        (["--horizon", "0"], "horizon: must be at least 1"),
        (["--above", "10"], "above: must be a change"),
        (["--above", "Doge=1"], "Doge"),
        (["--coins", "Doge"], "Doge"),
        (["--weights", "none.csv"], "none.csv can't be read"),
        (["--out", "r.xlsx"], "--out r.xlsx: must end in .csv or .parquet"),
        (["--paths-out", "r.csv"], "--paths-out r.csv: must end in .parquet"),
        (["--to", "1999-01-01"], "none of the coins has a row in the days asked for"),
    ],
)
def test_bad_use_ends_with_2(healthy: Path, words: list[str], said: str) -> None:
    done = inside("risk", healthy, *words)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert not done.stdout


def test_weights_whose_sum_is_not_1_and_few_moves_are_told(tmp_path: Path) -> None:
    hours = pd.date_range("2024-01-01", periods=100, freq="h")
    closes = np.exp(np.random.default_rng(0).normal(0, 0.01, (2, 100)).cumsum(axis=1))
    frames = [
        pd.DataFrame({"coin": coin, "date": hours, "close": of_coin})
        for coin, of_coin in zip(("A", "B"), closes, strict=True)
    ]
    source, weights = tmp_path / "prices.csv", tmp_path / "weights.csv"
    pd.concat(frames).to_csv(source, index=False)
    said = "weights add up to 0.9, and were divided by it"
    for second, told in ((0.4, True), (0.5, False)):
        weights.write_text(f"coin,weight\nA,0.5\nB,{second}\n")
        done = inside("risk", source, "--weights", weights, "--horizon", 2)
        assert done.returncode == 0, done.stderr
        assert (said in done.stdout) == told
    text = " ".join(done.stdout.split())
    assert "of one hour, of 2 coins on a date at most, and more from the usual distribution" in text


def test_help_has_an_example() -> None:
    assert "cryptodask risk data --horizon 5" in " ".join(inside("risk", "--help").stdout.split())
