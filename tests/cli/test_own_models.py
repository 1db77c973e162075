"""Models of a user's own file, by name: from the shell, resumed, tuned, on a cluster, refused."""

import json
import os
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from tests.ci_script import ROOT
from tests.cli.command import COMMAND, ENV
from tests.conftest import Cluster

MINE = """
from dataclasses import dataclass

import numpy as np

from cryptodask.models import Model
from sklearn.linear_model import Ridge


@dataclass(frozen=True)
class LastTimes(Model):
    \"\"\"The last close times a factor.

    Attributes
    ----------
    factor : float
        Above 0.
    \"\"\"

    name = "last_times"
    learns = False
    factor: float = 1.0

    def min_length(self, horizon):
        return 1

    def forecast(self, panel, horizon, seed):
        last = panel.values[panel.indptr[1:] - 1]
        return np.repeat(FACTOR * self.factor * last[:, None], horizon, axis=1)


FACTOR = 1.0


def mean(prices, horizon, window: int = 5):
    return [prices[-window:].mean()] * horizon


def short(prices, horizon):
    return [1.0]


def broken(prices, horizon):
    return 1 / 0


def leaving(prices, horizon):
    raise SystemExit(4)


class Shrunk(Ridge):
    pass


reg = Shrunk(alpha=2.0)
number = 7
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder outside of the repository with one file."""
    place = tmp_path / "place"
    place.mkdir()
    (place / "mine.py").write_text(MINE, encoding="utf-8")
    return place


def run(folder: Path, *args: object) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder, as a user does."""
    env = ENV | {"PYTHONPATH": str(ROOT)}
    words = [*COMMAND, *map(str, args)]
    return subprocess.run(
        words, cwd=folder, env=env, capture_output=True, text=True, timeout=300, check=False
    )


def test_classes_functions_and_aliases_run_beside_each_other(folder: Path, healthy: Path) -> None:
    done = run(
        folder, "forecast", healthy, "--model", "mine:LastTimes", "--model", "twice=mine:LastTimes",
        "--model", "mine:mean", "--model", "naive", "--option", "twice.factor=2", "--option",
        "mean.window=1", "--horizon", 2, "--out", "f.csv", "--workers", 1,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(folder / "f.csv").set_index(["coin", "step", "model"])["forecast"].unstack()
    naive = table["naive"]
    pd.testing.assert_series_equal(table["last_times"], naive, check_names=False)
    pd.testing.assert_series_equal(table["twice"], 2 * naive, check_names=False)
    pd.testing.assert_series_equal(table["mean"], naive, check_names=False)


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ("mine:Missing", "has no Missing"),
        ("theirs:Model", "no module theirs"),
        ("mine:number", "is an int, and no model"),
        ("mine:LastTimes.factor", "no such model"),
        ("mine.py:LastTimes", "write mine:LastTimes"),
        ("keras:mine.py:build", "write mine:build"),
        ("models/mine.py:LastTimes", "write mine:LastTimes, in the folder models"),
    ],
)
def test_what_is_not_a_model_is_refused_in_a_line(
    folder: Path, healthy: Path, model: str, told: str
) -> None:
    done = run(folder, "forecast", healthy, "--model", model)
    assert done.returncode == 2, done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_that_fails_is_named_with_its_line(folder: Path, healthy: Path) -> None:
    (folder / "mine.py").write_text("import numpy\n\nx = 1 / 0\n", encoding="utf-8")
    done = run(folder, "forecast", healthy, "--model", "mine:Model")
    assert done.returncode == 2, done.stderr
    assert "mine.py, line 3" in done.stderr
    assert "division by zero" in done.stderr


def test_failures_of_a_users_code_name_coin_model_and_line(folder: Path, healthy: Path) -> None:
    done = run(
        folder, "forecast", healthy, "--model", "mine:broken", "--model", "mine:short", "--model",
        "naive", "--model", "mine:leaving", "--workers", 1, "--horizon", 3,
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    line = MINE.splitlines().index("    return 1 / 0") + 1
    assert f"broken: division by zero (mine.py, line {line})" in done.stderr
    assert "short: ForecastError: " in done.stderr
    line = MINE.splitlines().index("    raise SystemExit(4)") + 1
    assert "leaving: called sys.exit(4), which ends no run" in done.stderr
    assert f"in its place (mine.py, line {line})" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("model", ["pooled:sklearn.linear_model.Ridge", "pooled_linear"])
def test_a_horizon_that_a_model_is_not_made_for_is_refused_before_the_work(
    folder: Path, healthy: Path, model: str
) -> None:
    done = run(
        folder, "forecast", healthy, "--model", model, "--option", f"{model}.ahead=2",
        "--horizon", 5, "--workers", 1,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(f"error: {model} ahead: 2 steps have")
    assert "Traceback" not in done.stderr
    assert "reading" not in done.stderr


def test_a_plan_imports_no_code_until_it_is_named(folder: Path, healthy: Path) -> None:
    (folder / "mine.py").write_text(
        MINE + "\nfrom pathlib import Path\nPath('ran').touch()\n", encoding="utf-8"
    )
    asked = ["backtest", healthy, "--model", "mine:LastTimes", "--origins", 3, "--horizon", 2,
             "--no-intervals", "--workers", 1, "--out", "tested"]  # fmt: skip
    assert run(folder, *asked).returncode == 0
    (folder / "tested" / "_manifest.json").unlink()
    (folder / "ran").unlink()
    refused = run(folder, "resume", "tested")
    assert refused.returncode == 2, refused.stderr
    assert "--model mine:LastTimes" in refused.stderr
    assert not (folder / "ran").exists()
    named = run(folder, "resume", "tested", "--model", "mine:LastTimes")
    assert named.returncode == 0, named.stderr
    (folder / "tested" / "_manifest.json").unlink()
    (folder / "mine.py").write_text(MINE.replace("FACTOR = 1.0", "FACTOR = 2.0"), encoding="utf-8")
    changed = run(folder, "resume", "tested", "--model", "mine:LastTimes")
    assert changed.returncode == 2, changed.stderr
    assert "tested: mine.py changed since the run that it holds began" in changed.stderr
    unlocked = run(folder, "resume", "tested", "--model", "mine:LastTimes", "--unlock")
    assert unlocked.returncode == 2, unlocked.stderr
    assert "there is nothing to remove: leave --unlock out" in unlocked.stderr


def test_what_tune_prints_can_be_pasted_for_own_models(folder: Path, healthy: Path) -> None:
    done = run(
        folder, "tune", healthy, "--model", "mine:reg", "--search", "Shrunk.alpha=0.1,0.9",
        "--model", "a=mine:mean", "--search", "a.window=3,9", "--origins", 6, "--splits", 2,
        "--horizon", 2, "--workers", 1, "--out", "best.json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert "--model mine:reg" in lines
    assert "--model a=mine:mean" in lines
    best = json.loads((folder / "best.json").read_text(encoding="utf-8"))["best"]
    words = [word for model in best.values() for word in model["arguments"]]
    assert words[:2] == ["--model", "mine:reg"]
    assert best["a"]["options"].get("window", 3) in (3, 9)
    pasted = run(folder, "forecast", healthy, *words, "--horizon", 2, "--workers", 1)
    assert pasted.returncode == 0, pasted.stderr


def test_versions_of_own_models_and_aliases_are_scored(folder: Path, healthy: Path) -> None:
    for model in ("mine:LastTimes", "twice=mine:LastTimes", "ridge5=ridge"):
        trained = run(folder, "train", healthy, "--model", model, "--registry", "models",
                      "--horizon", 2, "--workers", 1)  # fmt: skip
        assert trained.returncode == 0, trained.stderr
    predicted = run(folder, "predict", healthy, "--model", "twice:1=mine:LastTimes", "--registry",
                    "models", "--workers", 1)  # fmt: skip
    assert predicted.returncode == 0, predicted.stderr
    assert "--model twice:1=mine:LastTimes --registry models`" in predicted.stdout
    how = ["--registry", "models", "--origins", 3, "--calibrate", 0, "--workers", 1]
    score = ["registry", "score", healthy, *how]
    refused = run(folder, *score, "--model", "last_times:1")
    assert refused.returncode == 2, refused.stderr
    assert "last_times:NUMBER=mine:LastTimes" in refused.stderr
    done = run(
        folder, *score, "--model", "last_times:1=mine:LastTimes", "--model",
        "twice:1=mine:LastTimes", "--model", "ridge5:1",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for name in ("last_times", "twice", "ridge5"):
        assert f"{name}:1: scored on 4 coins at 3 origins" in done.stdout
    (folder / "mine.py").write_text(MINE.replace("FACTOR = 1.0", "FACTOR = 2.0"), encoding="utf-8")
    changed = run(folder, *score, "--model", "last_times:1=mine:LastTimes")
    assert changed.returncode == 2, changed.stderr
    assert "mine.py" in changed.stderr


def test_models_are_explained_as_text_and_json(folder: Path) -> None:
    text = run(folder, "models", "mine:LastTimes")
    assert text.returncode == 0, text.stderr
    assert "The last close times a factor." in text.stdout
    assert "Above 0." in text.stdout
    assert "options as last_times.NAME=VALUE" in text.stdout
    listed = run(folder, "models", "--json")
    assert listed.returncode == 0, listed.stderr
    assert '"ridge"' in listed.stdout


@pytest.mark.slow
def test_on_a_cluster_the_file_is_uploaded_also_when_it_changed(
    folder: Path, healthy: Path, cluster: Cluster
) -> None:
    asked = ["forecast", healthy, "--model", "mine:LastTimes", "--horizon", 2, "--scheduler",
             cluster.address]  # fmt: skip
    first = run(folder, *asked, "--out", "a.csv")
    assert first.returncode == 0, first.stderr
    (folder / "mine.py").write_text(MINE.replace("FACTOR = 1.0", "FACTOR = 2.0"), encoding="utf-8")
    second = run(folder, *asked, "--out", "b.csv")
    assert second.returncode == 0, second.stderr
    once, twice = (pd.read_csv(folder / name)["forecast"] for name in ("a.csv", "b.csv"))
    pd.testing.assert_series_equal(twice, 2 * once)


@pytest.mark.slow
def test_a_file_that_it_imports_goes_with_it_and_counts_as_its_code(
    folder: Path, healthy: Path, cluster: Cluster
) -> None:
    function = "def times(prices, horizon):\n    return [FACTOR * prices[-1]] * horizon\n"
    text = f"from factors_of_mine import FACTOR\n\n\n{function}"
    (folder / "mine.py").write_text(text, encoding="utf-8")
    (folder / "factors_of_mine.py").write_text("FACTOR = 2.0\n", encoding="utf-8")
    asked = [healthy, "--model", "last=mine:times", "--horizon", 2]
    done = run(folder, "forecast", *asked, "--scheduler", cluster.address, "--out", "a.csv")
    assert done.returncode == 0, done.stderr
    assert run(folder, "train", *asked, "--registry", "registry").returncode == 0
    predict = ["predict", healthy, "--model", "last:1=mine:times", "--registry", "registry"]
    assert run(folder, *predict, "--out", "b.csv").returncode == 0
    a, b = (pd.read_csv(folder / name)["forecast"] for name in ("a.csv", "b.csv"))
    pd.testing.assert_series_equal(a, b)
    (folder / "factors_of_mine.py").write_text("FACTOR = 3.0\n", encoding="utf-8")
    refused = run(folder, *predict)
    assert refused.returncode == 2, refused.stdout
    assert "factors_of_mine.py: is " in refused.stderr
    assert "forecasts of two codes would be mixed" in refused.stderr


@pytest.mark.slow
def test_two_files_of_one_name_are_not_mixed(
    folder: Path, tmp_path: Path, healthy: Path, cluster: Cluster
) -> None:
    slow = MINE.replace(
        "return [prices[-window:]", "import time; time.sleep(4)\n    return [prices"
    )
    (folder / "mine.py").write_text(slow, encoding="utf-8")
    words = [*COMMAND, "forecast", str(healthy), "--model", "mine:mean", "--scheduler",
             cluster.address]  # fmt: skip
    env = os.environ | {"PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine.py").write_text(MINE, encoding="utf-8")
    with subprocess.Popen(words, cwd=folder, env=env, stderr=subprocess.PIPE, text=True) as first:
        assert first.stderr is not None
        while "connecting" not in first.stderr.readline():
            assert first.poll() is None
        refused = ""
        while first.poll() is None and not refused:
            second = run(other, *words[len(COMMAND) :])
            refused = second.stderr if second.returncode else ""
        assert first.wait(120) == 0
    assert "another client of this scheduler runs another mine.py" in refused
