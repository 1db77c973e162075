"""`cryptodask tune`, as a user runs it."""

import json
import re
from pathlib import Path

import pytest

from tests.cli.command import inside, run
from tests.conftest import Cluster


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
    assert "failed: ridge: ConstantSeriesError: 2 candidates, as " in told
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
    done = inside("tune", small_folder, "--model", "ridge", "--scheduler", nowhere, *options)
    assert done.returncode == 2
    assert told in " ".join(done.stderr.split())


def test_a_search_in_a_folder_is_resumed_and_its_result_is_the_same(
    cluster: Cluster, healthy: Path, tmp_path: Path
) -> None:
    out, where = tmp_path / "out", ["--scheduler", cluster.address]
    command = ["tune", healthy, "--model", "ridge", "--search", "ridge.alpha=1,10", "--origins", 4,
               "--splits", 2, "--horizon", 5, *where]  # fmt: skip
    done = inside(*command, "--folder", out, "--out", tmp_path / "a.json", "--profile")
    assert done.returncode == 0, done.stderr
    assert "where the time went" in done.stdout
    assert f"wrote {out}" in done.stdout
    assert "nothing is left to do" in " ".join(inside("resume", out).stdout.split())
    for path in [out / "_manifest.json", next(out.glob("_done-*")), next(out.glob("*.parquet"))]:
        path.unlink()
    resumed = inside("resume", out, *where)
    assert resumed.returncode == 0, resumed.stderr
    assert "ridge: as given, and 2 candidates" in resumed.stderr
    table = done.stdout.partition("seconds in all")[0].rpartition("\n")[0]
    assert resumed.stdout.startswith(table)
    done = inside(*command, "--out", tmp_path / "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    done = inside(*command, "--out", tmp_path / "candidates.csv")
    assert done.returncode == 0, done.stderr
    assert len((tmp_path / "candidates.csv").read_text().splitlines()) == 1 + 3
