"""Run a day of the pipeline by a real Airflow scheduler, and print the state of each task.

``VENV/bin/python deploy/airflow/run.py`` with the Python of Airflow's environment starts an API
server, a scheduler with `LocalExecutor` and a DAG processor, triggers ``cryptodask_daily``, waits
until the run ended, and ends what it started. Exit codes: 0 the run succeeded; 1 it did not.
"""

import argparse
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
DAG = "cryptodask_daily"
PARTS = (
    ("api-server",),
    ("scheduler", "--skip-serve-logs"),
    ("dag-processor",),
)
STOPPING = 30
"""Seconds that a part has to end."""

SAMPLE = """\
# Made by deploy/airflow/run.py: the sample.
store = "store.db"

[prices]
table = "table"
folder = "{data}"

[forecast]
models = ["naive", "linear"]
horizon = 10
groups = {groups}

[check]
max_age = 10000  # histories of the sample end on many days

[[rules]]
name = "rise"
action = "request"
model = "linear"
min_return = 0.05
weight = 0.1
"""


def parse() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description="Run a day of the pipeline by Airflow.")
    parser.add_argument("--home", type=Path, default=ROOT / ".cache/airflow", help="its folder")
    parser.add_argument("--command", default=str(ROOT / ".venv/bin/cryptodask"))
    parser.add_argument("--settings", type=Path, help="of the pipeline [of the sample]")
    parser.add_argument("--groups", type=int, default=4, help="of the sample's coins")
    parser.add_argument("--date", default="2026-06-30", help="last day whose prices are known")
    parser.add_argument("--database", help="URL of Airflow's PostgreSQL [SQLite in its folder]")
    parser.add_argument("--parallelism", type=int, default=2, help="tasks at a time")
    parser.add_argument("--poke", type=float, default=5, help="seconds between looks at a run")
    parser.add_argument("--timeout", type=float, default=1800, help="seconds")
    return parser.parse_args()


def free_port() -> int:
    """Return a port that is free."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def environment(options: argparse.Namespace) -> dict[str, str]:
    """Return what Airflow's parts find in their environment."""
    home, port = options.home.resolve(), free_port()
    database = options.database or f"sqlite:///{home / 'airflow.db'}"
    settings = options.settings or home / "pipeline.toml"
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": str(options.parallelism),
        "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG": str(options.parallelism),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database,
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API__SECRET_KEY": secrets.token_urlsafe(),
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_urlsafe(48),
        "CRYPTODASK_COMMAND": options.command,
        "CRYPTODASK_PIPELINE": str(settings.resolve()),
        "CRYPTODASK_POKE_SECONDS": str(options.poke),
        # Triggered here, and not by the clock.
        "CRYPTODASK_SCHEDULE": "",
    }


def airflow(*arguments: str) -> None:
    """Run a command of Airflow."""
    done = subprocess.run(
        [sys.executable, "-m", "airflow", *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"airflow {' '.join(arguments)}:\n{done.stdout}{done.stderr}")


@contextmanager
def parts(home: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Start the parts of Airflow, with a log each, and end them after the block."""
    processes = []
    try:
        for part in PARTS:
            with (home / f"{part[0]}.log").open("wb") as log:
                command = [sys.executable, "-m", "airflow", *part]
                processes.append(subprocess.Popen(command, stdout=log, stderr=log))
        yield processes
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(STOPPING)
            process.kill()


def wait_for_run(run_id: str, processes: list[subprocess.Popen[bytes]], until: float) -> Any:
    """Return the run when it has ended."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session

    while True:
        if any(process.poll() is not None for process in processes):
            sys.exit("a part of Airflow ended; see its log")
        with create_session() as session:
            run = session.query(DagRun).filter_by(dag_id=DAG, run_id=run_id).one()
            if str(run.state) in ("success", "failed"):
                session.expunge(run)
                return run
        if time.monotonic() > until:
            sys.exit("the run did not end in time")
        time.sleep(1)


def show_tasks(run_id: str) -> int:
    """Print the state of each task of a run; return how many there are."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session

    with create_session() as session:
        tasks = session.query(TaskInstance).filter_by(dag_id=DAG, run_id=run_id).all()
        rows = sorted(
            (t.start_date.timestamp() if t.start_date else float("inf"), t.task_id, t.map_index,
             str(t.state), t.try_number, t.duration or 0.0)
            for t in tasks
        )  # fmt: skip
    print(f"{'task':16} {'group':>5} {'state':16} {'tries':>5} {'seconds':>7}")
    for _, task, index, state, tries, duration in rows:
        print(f"{task:16} {index if index >= 0 else '':>5} {state:16} {tries:>5} {duration:>7.1f}")
    return len(rows)


def main() -> int:
    """Run a day, and return the exit code."""
    options = parse()
    options.home.mkdir(parents=True, exist_ok=True)
    os.environ.update(environment(options))
    if options.settings is None:
        text = SAMPLE.format(data=ROOT / "data", groups=options.groups)
        (options.home / "pipeline.toml").write_text(text, encoding="utf-8")
    begun = time.monotonic()
    airflow("db", "migrate")
    airflow("dags", "reserialize")
    migrated = time.monotonic()
    run_id = f"by-hand-{options.date}-{int(time.time())}"
    with parts(options.home.resolve()) as processes:
        airflow("dags", "unpause", DAG)
        conf = f'{{"date": "{options.date}"}}'
        airflow("dags", "trigger", DAG, "--run-id", run_id, "--conf", conf)
        run = wait_for_run(run_id, processes, time.monotonic() + options.timeout)
    count = show_tasks(run_id)
    seconds = (run.end_date - run.queued_at).total_seconds()
    print(
        f"{run.state}: {count} tasks in {seconds:.0f} s; {migrated - begun:.0f} s before that to "
        f"make Airflow's database; logs are in {options.home}"
    )
    return 0 if str(run.state) == "success" else 1


if __name__ == "__main__":
    sys.exit(main())
