"""Two DAGs that arrange the steps of a day; ``cryptodask pipeline`` does them.

``cryptodask_daily`` polls each day, then checks, forecasts, judges, stores and requests by groups
of coins, and compares the day with what is usual. ``cryptodask_growth`` does the same, but for the
poll, where something else grows the price table and reports that by an event of the asset
``cryptodask_prices``.

Nothing here imports CryptoDask or pandas: the command has a separate environment. A step
prints JSON and ends with an exit code, which becomes what Airflow knows: 0 success, 99 skipped, 4
(of ``wait``) look again later, 3 (of ``monitor``) failed without another try, else failed.

What a task needs is an Airflow Variable, or an environment variable of the same name in capitals:
``cryptodask_command``, ``cryptodask_pipeline`` (the settings' file) and
``cryptodask_poke_seconds``. Environment variables alone are the webhook of `late`, and the times
that the DAGs have when they are read.
"""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.request import Request, urlopen

from airflow.sdk import (
    DAG,
    Asset,
    BaseSensorOperator,
    DeadlineAlert,
    DeadlineReference,
    Param,
    SyncCallback,
    Variable,
    get_current_context,
    task,
    task_group,
)
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

NOTHING_TO_DO, NOT_YET, ALARM = 99, 4, 3
"""Exit codes of ``cryptodask pipeline``."""

DAILY = "cryptodask_daily"
"""The scheduled DAG."""

PRICES = Asset("cryptodask_prices")
"""The price table. `poll` and whoever else grows it report that by an event, whose extra may have a
``date``, the last day whose prices are known."""


def setting(name: str, default: str) -> str:
    """Return a setting of the tasks: Airflow's Variable, the environment's, or the default.

    Parameters
    ----------
    name : str
        As ``cryptodask_command``.
    default : str
    """
    return str(Variable.get(name, default=os.environ.get(name.upper(), default)))


def seconds(name: str, default: float) -> timedelta:
    """Return a time that the DAGs have when they are read, from the environment.

    Parameters
    ----------
    name : str
        Of an environment variable, in seconds.
    default : float
        Seconds.
    """
    return timedelta(seconds=float(os.environ.get(name, default)))


def date_of(context: Mapping[str, Any]) -> str:
    """Return the last day whose prices are known, as ``2026-11-28``.

    Parameters
    ----------
    context : mapping of str to Any
        Of a task: the parameter ``date``, else the latest date of the events that triggered the
        run, else the day before the end of the data interval.
    """
    if given := context["params"].get("date"):
        return str(given)
    extras = [event.extra or {} for event in events_of(context)]
    if dates := [str(extra["date"]) for extra in extras if "date" in extra]:
        return max(dates)
    end = context.get("data_interval_end") or context["dag_run"].run_after
    return str((end - timedelta(days=1)).date())


def events_of(context: Mapping[str, Any]) -> list[Any]:
    """Return the asset's events that triggered a run; of a scheduled run, none.

    Parameters
    ----------
    context : mapping of str to Any
        Of a task.
    """
    by_asset = context.get("triggering_asset_events") or {}
    return [event for events in by_asset.values() for event in events]


def run_command(step: str, *options: str) -> tuple[int, dict[str, Any]]:
    """Run a step for the day of the current run; return its exit code and what it reported.

    Parameters
    ----------
    step : str
        A command of ``cryptodask pipeline``.
    *options : str
        Its further options.

    Raises
    ------
    AirflowSkipException
        There was nothing to do.
    AirflowFailException
        The monitor raised alarms, which the message has.
    AirflowException
        The step failed; the message ends with its last error.
    """
    command = shlex.split(setting("cryptodask_command", "cryptodask"))
    settings = setting("cryptodask_pipeline", "pipeline.toml")
    day = date_of(get_current_context())
    arguments = ["pipeline", step, "--settings", settings, "--date", day, *options]
    ended = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
    sys.stdout.write(ended.stdout)
    sys.stderr.write(ended.stderr)
    if ended.returncode == NOTHING_TO_DO:
        raise AirflowSkipException(f"{step} of {day}: nothing to do")
    if ended.returncode == ALARM:
        raise AirflowFailException("; ".join(json.loads(ended.stdout.splitlines()[-1])["alarms"]))
    if ended.returncode not in (0, NOT_YET):
        last = "".join(ended.stderr.strip().splitlines()[-1:])
        raise AirflowException(f"{step} of {day}: ended with {ended.returncode}: {last}")
    report: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return ended.returncode, report


def run_step(step: str, *options: str) -> dict[str, Any]:
    """Run a step; return the numbers that it reported. The task's log has all of the report.

    Parameters
    ----------
    step : str
        A command of ``cryptodask pipeline``.
    *options : str
        Its further options.
    """
    _, report = run_command(step, *options)
    return {key: value for key, value in report.items() if not isinstance(value, list | dict)}


class RunSensor(BaseSensorOperator):
    """Wait for the run of a group without holding a worker: look once, and again later.

    Parameters
    ----------
    group : str
        Name of the group.
    """

    template_fields = ("group",)

    def __init__(self, *, group: str, **options: Any) -> None:
        super().__init__(mode="reschedule", **options)
        self.group = group

    def execute(self, context: Any) -> Any:
        """Look, at the pace that ``cryptodask_poke_seconds`` says.

        Parameters
        ----------
        context : Context
        """
        self.poke_interval = float(setting("cryptodask_poke_seconds", "60"))
        return super().execute(context)

    def poke(self, context: Any) -> bool:  # noqa: ARG002
        """Return whether the run ended; a run that died is started again.

        Parameters
        ----------
        context : Context
        """
        code, _ = run_command("wait", "--group", self.group, "--timeout", "0")
        return code != NOT_YET


@task(outlets=[PRICES])
def poll() -> dict[str, Any]:
    """Grow the price table; report the day to those that wait for new prices."""
    report = run_step("poll")
    context = get_current_context()
    context["outlet_events"][PRICES].extra = {"date": date_of(context)}
    return report


@task
def groups() -> list[str]:
    """Return the names of the groups."""
    _, report = run_command("groups")
    names: list[str] = report["groups"]
    return names


def group_task(step: str) -> Any:
    """Return the task of a step that is done once for each group.

    Parameters
    ----------
    step : str
        A command of ``cryptodask pipeline``.
    """

    @task(task_id=step)
    def of_one(name: str) -> dict[str, Any]:
        return run_step(step, "--group", name)

    return of_one


@task(trigger_rule="none_failed_min_one_success")
def done() -> str:
    """Return the day: no group failed, and some forecasts are stored."""
    return date_of(get_current_context())


@task
def trade() -> dict[str, Any]:
    """Trade what was asked for, where the settings say so; real money never. A group may fail."""
    return run_step("trade")


@task
def monitor() -> dict[str, Any]:
    """Compare the day with what is usual. An alarm fails this task alone, without another try."""
    return run_step("monitor")


def arrange_groups(first: str = "none_failed", last: str = "all_done") -> Any:
    """Arrange the steps of all groups, and what follows them; return the first task.

    Parameters
    ----------
    first : str
        Trigger rule of the first task. By default a poll that brought nothing does not stop a day.
    last : str
        That of `trade` and `monitor`. By default a day is traded and watched however its groups, or
        the poll, ended.

    Notes
    -----
    A step that has nothing to do skips the rest of its group. Branches and short-circuits skip
    nothing in a mapped group: apache/airflow issue 65745.
    """

    @task_group(group_id="group")
    def of_group(name: str) -> None:
        check, send, judge, store, request = (
            group_task(step)(name) for step in ("check", "send", "judge", "store", "request")
        )
        check >> send >> RunSensor(task_id="wait", group=name) >> judge >> store
        # `request` is skipped most days, so that `done` looks at both.
        store >> [request, end]

    names, end = groups.override(trigger_rule=first)(), done()
    mapped = of_group.expand(name=names)
    mapped >> end
    watched = monitor.override(trigger_rule=last)()
    # After the names, too, which alone succeed where all groups fail.
    [names, mapped] >> trade.override(trigger_rule=last)() >> watched
    names >> watched
    return names


def late(**details: Any) -> None:
    """Report a day that is late: in the log, and to ``CRYPTODASK_WEBHOOK`` if there is one.

    Parameters
    ----------
    **details : Any
        What Airflow knows of the run: its ``context``.
    """
    run = details["context"]["dag_run"]
    text = f"CryptoDask: {run['dag_id']}: {run['dag_run_id']} is late"
    sys.stdout.write(f"{text}\n")
    if url := os.environ.get("CRYPTODASK_WEBHOOK"):
        body = json.dumps({"text": text}).encode()
        urlopen(Request(url, body, {"Content-Type": "application/json"}), timeout=10).close()


def deadline() -> DeadlineAlert | None:
    """Return after how long a day is late, and what happens then; with 0 seconds, nothing.

    ``dag.test()`` and ``airflow dags test`` of Airflow 3.3.2 can't end where there is a deadline.
    """
    interval = seconds("CRYPTODASK_DEADLINE_SECONDS", 6 * 3600)
    if not interval:
        return None
    # From when it was queued, so that a day which is run again much later is not late at once.
    reference = DeadlineReference.DAGRUN_QUEUED_AT
    return DeadlineAlert(reference=reference, interval=interval, callback=SyncCallback(late))


OPTIONS: dict[str, Any] = {
    "catchup": False,  # `airflow backfill create` runs past days
    "max_active_runs": 1,  # days grow the same table
    "tags": ["cryptodask"],
    "params": {
        "date": Param(
            None,
            type=["null", "string"],
            format="date",
            description="Last day whose prices are known, if not the one before the run's.",
        )
    },
    "default_args": {
        # At least two: a task's call to Airflow's API may time out, too.
        "retries": 2,
        "retry_delay": seconds("CRYPTODASK_RETRY_SECONDS", 30),
        "retry_exponential_backoff": 2.0,
        "max_retry_delay": timedelta(minutes=15),
        "execution_timeout": seconds("CRYPTODASK_STEP_SECONDS", 2 * 3600),
    },
    "deadline": deadline(),
}
"""What both DAGs have."""


@task
def others() -> int:
    """Return how many of the events are not of the scheduled DAG, which forecasts by itself."""
    events = events_of(get_current_context())
    count = sum(event.source_dag_id != DAILY for event in events)
    if events and not count:
        raise AirflowSkipException(f"{DAILY} forecasts what it polled")
    return count


with DAG(
    DAILY,
    schedule=os.environ.get("CRYPTODASK_SCHEDULE", "30 0 * * *") or None,
    start_date=datetime(2017, 1, 1, tzinfo=UTC),
    doc_md=__doc__,
    **OPTIONS,
):
    poll() >> arrange_groups()

with DAG("cryptodask_growth", schedule=[PRICES], doc_md=__doc__, **OPTIONS):
    # Neither groups nor `monitor` where the day is left to the other DAG.
    others() >> arrange_groups(first="all_success", last="all_done_min_one_success")
