"""Every benchmark starts, in a tiny form, and prints versions and what it compared."""

import importlib.util
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
BY_THEMSELVES = {"lstm_workers", "plot"}
HELPERS = {"celery_tasks", "common", "interval_peers", "jobs", "processes", "sleeping", "tables"}
SOURCE = "SOURCE"
SPREAD = r"median \S+( s)? \(from \S+ to \S+, n=\d+\)"
RABBITMQ = ("127.0.0.1", 5672)

# Arguments, and lines that are printed: what is compared, and median and spread of times.
SCRIPTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "append": ((), (f"rewrite / append: {SPREAD}", f"after compact: {SPREAD}")),
    "backtest_speed": ((), (
        f"statsforecast, n_jobs=1 / cryptodask, core: {SPREAD}",
        f"cryptodask, cluster of 2: {SPREAD}",
    )),
    "closed_form": ((), (
        r"linear: cryptodask / statsforecast.*: \S+ \(\S+ to \S+, n=2\) times",
        r"statsforecast, n_jobs=-1 +\S+ \(\S+ to \S+",
    )),
    "intervals": ((SOURCE,), (
        r"\d+ coins, 4 origins 15 bars apart", r"naive: pinball \d.*80%: \d+\.\d \[",
        r"arch GARCH-t: pinball \d", r"statsforecast AutoETS: pinball \d",
        r"naive beside arch HAR-t: loss [-+]\d+\.\d+% below, t ",
    )),
    "keras_networks": ((SOURCE,), (
        r"keras:tcn: largest difference, as a share of the last close: \d",
        f"keras loop / cryptodask: {SPREAD}",
    )),
    "known_signals": ((), (
        "ar1, horizon 3: least relative MAE", r"walk: \d of 6 models better", r"truth +\d",
    )),
    "leaderboard": ((SOURCE,), (r"3 origins", r"MAE/naive", r"naive +\d", r"drift +\d")),
    "leak": ((), (
        "cryptodask, small: 20 fits", "cryptodask, default: 10 fits", "keras loop: 1 fits",
        r"MB after N fits: 10: \d+, 20: \d+",
    )),
    "linear": ((SOURCE,), (f"scikit-learn loop / batch: {SPREAD}",)),
    "lstm_peers": ((SOURCE,), (f"cryptodask: {SPREAD} windows a second",)),
    "lstm_per_coin": ((SOURCE,), (f"per coin / batched: {SPREAD}",)),
    "lstm_rate": ((SOURCE,), (
        f"fit and predict / matmul: {SPREAD}", f"fit and predict / Keras's step: {SPREAD}",
    )),
    "million": ((), (r"lstm: workers \S+ s", "binds first: ", "20,000 coins x 100 days on 10")),
    "overhead": ((SOURCE,), (
        r"ms a task and \S+ s a run", r"share of ideal speed on 2 workers: .*n=1\)",
        "sleeping, 2 workers",
    )),
    "pooled_learners": ((), (
        rf"cryptodask: {SPREAD}, median \S+ MB .*, found median", f"cryptodask, sample: {SPREAD}",
    )),
    "prices": ((), (f"cryptodask / pandas: {SPREAD}",)),
    "registry": ((), (
        f"npz a coin, read / version, read: {SPREAD}", "one coin of 6, version open: median",
        f"forecast anew / predict: {SPREAD}", "the same bits: True",
    )),
    "scale": ((), (
        r"100 coins: \S+ s \(\S+ to \S+, n=1\)", r"1,000 coins: \S+ s \(\S+ to \S+, n=1\)",
        "largest worker",
    )),
    "simulate": ((), (f"cryptodask: {SPREAD}", r"cryptodask, memory: median \S+ MB")),
    "size": ((), (r"import: \S+ s", r"append: \S+ s", "checked: 8,160 rows")),
    "start": ((SOURCE,), (
        f"cryptodask forecast: {SPREAD}", f"a wrong coin: {SPREAD}", f"--help: {SPREAD}",
    )),
    "store": ((), (
        f"to_sql / store: {SPREAD}", f"stored again, compared: {SPREAD}", "2,000 forecasts, SQLite",
    )),
    "viewers": ((SOURCE,), (f"with viewers / without: {SPREAD}",)),
    "volatility": ((), (
        f"arch, a fit / cryptodask, a fit: {SPREAD}", r"log likelihood less that of arch: least",
        r"alpha: true \S+, mean \S+", f"cryptodask, 60 coins: {SPREAD} fits a second",
    )),
    "worth": ((SOURCE,), (
        "hold each coin", r"log return a year less that of holding, \d+ bars",
        r"momentum:top=10: [-+]\d+\.\d+ \(95%: ",
    )),
}  # fmt: skip

VERSIONS = {"  cryptodask", "  dask", "  numpy", "  pandas"}


def run(name: str, folder: Path, *arguments: str) -> str:
    """Run a benchmark's tiny form in a folder, and return what it printed."""
    there = os.environ.get("PYTHONPATH")
    path = os.pathsep.join([str(BENCHMARKS.parent), *([there] if there else [])])
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / f"{name}.py"), *arguments, "--tiny"],
        cwd=folder, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True,
        timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def without_broker() -> str:
    """Return why Celery can't be compared with, or an empty string."""
    if importlib.util.find_spec("celery") is None:
        return 'celery is not installed: pip install -e ".[bench]"'
    with socket.socket() as trial:
        trial.settimeout(5)
        if trial.connect_ex(RABBITMQ):
            return f"no RabbitMQ at {RABBITMQ[0]}:{RABBITMQ[1]}; start rabbitmq-server"
    return ""


def skip_or_fail(reason: str) -> None:
    """Skip a test, or fail it on CI, where everything is there."""
    pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)


def test_the_list_is_of_all_benchmarks():
    assert {path.stem for path in BENCHMARKS.glob("*.py")} == {*SCRIPTS, *BY_THEMSELVES, *HELPERS}
    texts = {path.stem: path.read_text(encoding="utf-8") for path in BENCHMARKS.glob("*.py")}
    for name in (*SCRIPTS, *BY_THEMSELVES):
        assert '__name__ == "__main__"' in texts[name], name
    for name in HELPERS:
        assert '__name__ == "__main__"' not in texts[name], name
        assert any(f"from {name} import" in text for text in texts.values()), name


@pytest.fixture(scope="module")
def printed_by(
    small_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], str]:
    """Run a benchmark of the list, once for all tests, and return what it printed."""

    @cache
    def printed(name: str) -> str:
        arguments = (str(small_folder) if a == SOURCE else a for a in SCRIPTS[name][0])
        return run(name, tmp_path_factory.mktemp(name), *arguments)

    return printed


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_a_benchmark_runs_and_prints_what_it_compared(name: str, printed_by: Callable[[str], str]):
    lines, printed = SCRIPTS[name][1], printed_by(name)
    assert {line.rpartition(" ")[0] for line in printed.splitlines()} >= VERSIONS
    for line in (r"^python 3", *lines):
        assert re.search(line, printed, re.MULTILINE), f"{line}\n{printed}"


def test_the_lstm_runs_beside_celery(small_folder: Path, tmp_path: Path):
    reason = without_broker()
    options = ("--only", "dask") if reason else ()
    printed = run("lstm_workers", tmp_path, str(small_folder), *options)
    assert re.search(f"dask, model a coin / cryptodask: {SPREAD}", printed), printed
    if reason:
        skip_or_fail(f"Celery left out: {reason}")
    assert re.search(f"celery, model a coin / cryptodask: {SPREAD}", printed), printed


def test_an_import_is_compared_with_duckdb(printed_by: Callable[[str], str]):
    if importlib.util.find_spec("duckdb") is None:
        skip_or_fail('duckdb is not installed: pip install -e ".[bench]"')
    printed = printed_by("prices")
    assert re.search(f"cryptodask / duckdb: {SPREAD}", printed), printed


def test_results_are_drawn(tmp_path: Path):
    run("plot", tmp_path, "--out", str(tmp_path / "results.png"))
    assert (tmp_path / "results.png").read_bytes().startswith(b"\x89PNG")
