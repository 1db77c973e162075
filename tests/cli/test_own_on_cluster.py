"""Users' models on a scheduler and workers that have none of their code until it is sent."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from dask.distributed import Client

from cryptodask.models import create_model
from cryptodask.runs import forecast
from tests.ci_script import ROOT
from tests.cli.command import COMMAND, ENV
from tests.conftest import Cluster, running

MINE = '''
from dataclasses import dataclass

import numpy as np

from cryptodask.models import Learned
from cryptodask.models.pooled.base import PooledModel
from cryptodask.models.pooled.gathered import GatheredModel


class Closes:
    """Closes of coins, by name; a class that the scheduler does not have."""

    def __init__(self, coins):
        self.coins = coins

    def __add__(self, other):
        return Closes({**self.coins, **other.coins})


class Level:
    def __init__(self, value):
        self.value = value


@dataclass(frozen=True)
class Least(PooledModel):
    """The lowest of all last closes, at each step; two steps, with messages of an own class."""

    name = "least"

    @property
    def steps(self):
        return 2

    def min_length(self, horizon):
        return 1

    def prepare(self, panel):
        return Closes({c: closes[-1] for c, closes, _ in panel})

    def begin(self, seed):
        return Level(1e300)

    def message(self, state):
        return state

    def contribute(self, prepared, message, step, seed):
        return Closes({c: min(x, message.value) for c, x in prepared.coins.items()})

    def advance(self, state, sums):
        return Level(min(sums.coins.values()))

    def learned(self, state):
        return Learned(None, {"level": np.array([state.value])})

    def forecast_from(self, known, panel, horizon, seed):
        return np.full((len(panel), horizon), known.arrays["level"][0])


class Median:
    """An estimator of the user's own."""

    def fit(self, rows):
        self.value = float(np.median(rows))
        return self


@dataclass(frozen=True)
class Middle(GatheredModel):
    """The median of all last closes, found by an own estimator where the rows meet."""

    name = "middle"
    function: str = "median"
    place: str = "here"  # names that models of ours have, too

    @property
    def steps(self):
        return 1

    @property
    def fits(self):
        return 1

    def min_length(self, horizon):
        return 1

    def prepare(self, panel):
        return Closes({c: closes[-1] for c, closes, _ in panel})

    def begin(self, seed):
        return None

    def message(self, state):
        return Level(0.0)

    def contribute(self, prepared, message, step, seed):
        return prepared

    def join(self, rows):
        return [rows.coins[coin] for coin in sorted(rows.coins)]

    def fit(self, joined, part, seed):
        return Median().fit(joined)

    def fitted(self, state, fits):
        return fits[0]

    def advance(self, state, sums):
        return self.fitted(state, [self.fit(self.join(sums), 0, 0)])

    def learned(self, state):
        return Learned(None, {"level": np.array([state.value])})

    def forecast_from(self, known, panel, horizon, seed):
        return np.full((len(panel), horizon), known.arrays["level"][0])


def build(window, features, outputs, units=2):
    from keras import Sequential, layers

    inputs = layers.Input((window, features))
    network = Sequential([inputs, layers.GRU(units), layers.Dense(outputs)])
    network.compile("adam", "mse")
    return network
'''

ASKED = ("--horizon", 2)


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A scheduler and two workers, none of which was started where a user's file is."""
    with running(tmp_path_factory.mktemp("bare"), workers=2) as cluster:
        yield cluster


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of a user, with one file."""
    place = tmp_path / "place"
    place.mkdir()
    (place / "mine.py").write_text(MINE, encoding="utf-8")
    return place


def run(
    folder: Path, *args: object, command: list[str] = COMMAND, path: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder, as a user does, with further modules on the path."""
    env = ENV | {"PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), path]))}
    return subprocess.run(
        [*command, *map(str, args)], cwd=folder, env=env, capture_output=True, text=True,
        timeout=300, check=False,
    )  # fmt: skip


def table(folder: Path, name: str) -> pd.DataFrame:
    """Return forecasts that were written, in order."""
    return pd.read_csv(folder / name).sort_values(["model", "coin", "step"], ignore_index=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    "model",
    [
        ("mine:Least",),
        ("mine:Middle",),
        ("keras:mine:build", "--option", "keras:mine:build.pooled=true", "--option",
         "keras:mine:build.window=5", "--option", "keras:mine:build.epochs=1"),
    ],
    ids=["pooled", "gathered", "keras"],
)  # fmt: skip
def test_models_over_all_coins_are_those_of_this_machine(
    folder: Path, healthy: Path, bare: Cluster, model: tuple[str, ...]
) -> None:
    asked = ("forecast", healthy, "--model", *model, *ASKED)
    there = run(folder, *asked, "--scheduler", bare.address, "--out", "there.csv")
    assert there.returncode == 0, there.stderr
    here = run(folder, *asked, "--workers", 1, "--out", "here.csv")
    assert here.returncode == 0, here.stderr
    pd.testing.assert_frame_equal(table(folder, "there.csv"), table(folder, "here.csv"))


NOTING = """
import os


def noting(prices, horizon):
    with open(PIDS, "a", encoding="utf-8") as file:
        file.write(f"{os.getpid()}\\n")
    return [prices[-1]] * horizon
"""


@pytest.mark.slow
def test_a_worker_that_joins_later_gets_the_file(
    folder: Path, small_folder: Path, own_cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    pids = folder / "pids"
    (folder / "later.py").write_text(f"PIDS = {str(pids)!r}\n{NOTING}", encoding="utf-8")
    monkeypatch.chdir(folder)
    first = own_cluster.add_worker("--no-nanny")
    with Client(own_cluster.address) as client:
        model = create_model("later:noting")
        once = forecast(small_folder, [model], 2, client=client, progress=False)
        assert {int(line) for line in pids.read_text().split()} == {first.pid}
        later = own_cluster.add_worker("--no-nanny")
        client.wait_for_workers(2)
        first.terminate()
        first.wait(20)
        again = forecast(small_folder, [model], 2, client=client, progress=False)
    pd.testing.assert_frame_equal(once.get_df(), again.get_df())
    assert {int(line) for line in pids.read_text().split()} == {first.pid, later.pid}


SCRIPT = """
from dataclasses import dataclass

import numpy as np
from dask.distributed import Client

from cryptodask.models import Model
from cryptodask.runs import forecast


def last(prices, horizon):
    return np.repeat(prices[-1], horizon)


@dataclass(frozen=True)
class Last(Model):
    name = "last_of_script"

    def min_length(self, horizon):
        return 1

    def forecast(self, panel, horizon, seed):
        return np.repeat(panel.values[panel.indptr[1:] - 1][:, None], horizon, axis=1)


if __name__ == "__main__":
    with Client(ADDRESS) as client:
        done = forecast(PRICES, [last, Last], 2, client=client, progress=False)
        assert done.failures.empty, done.failures
        done.get_df().to_csv("script.csv", index=False)
"""


@pytest.mark.slow
def test_what_a_script_defines_travels_with_the_calls(
    folder: Path, healthy: Path, bare: Cluster
) -> None:
    text = f"ADDRESS, PRICES = {bare.address!r}, {str(healthy)!r}\n{SCRIPT}"
    (folder / "script.py").write_text(text, encoding="utf-8")
    done = run(folder, "script.py", command=[sys.executable])
    assert done.returncode == 0, done.stderr
    of_models = table(folder, "script.csv").groupby("model")["forecast"].apply(list)
    assert of_models["last"] == of_models["last_of_script"]


@pytest.fixture(scope="module")
def other_python(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A Python environment of the client alone, in which a package names a model."""
    home = tmp_path_factory.mktemp("other")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
    [site] = home.glob("lib/python*/site-packages")
    theirs = "\n".join(entry for entry in sys.path if entry.endswith("site-packages"))
    (site / "tests_own.pth").write_text(theirs, encoding="utf-8")
    (site / "theirs").mkdir()
    (site / "theirs" / "__init__.py").write_text("")
    (site / "theirs" / "models.py").write_text(MINE, encoding="utf-8")
    facts = site / "theirs-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[cryptodask.models]\nleast = theirs.models:Least\n")
    return [str(home / "bin" / "python"), "-m", "cryptodask.cli"]


@pytest.mark.slow
def test_a_package_that_workers_lack_is_named_with_how_to_install_it(
    folder: Path, healthy: Path, bare: Cluster, other_python: list[str]
) -> None:
    asked = ("forecast", healthy, "--model", "least", *ASKED, "--out", "f.csv")
    here = run(folder, *asked, "--workers", 1, command=other_python)
    assert here.returncode == 0, here.stderr
    there = run(folder, *asked, "--scheduler", bare.address, command=other_python)
    assert there.returncode != 0
    said = " ".join(there.stderr.split())
    assert "can't import theirs.models: ModuleNotFoundError" in said
    assert "install the package on all workers, by `pip install`" in said
    assert "Traceback" not in said
