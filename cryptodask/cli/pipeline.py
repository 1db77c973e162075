"""``cryptodask pipeline``: the steps of a day, each for itself or all of them.

Each prints what it did as JSON, on one line. Exit codes: 0 done; 99 nothing to do; 4 not yet; 3 the
monitor raised an alarm, or a day was done, but a group or coins failed or were stopped; 2 bad
settings or order; 1 failed.
"""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cryptodask.cli.options.help import Commands
from cryptodask.cli.show import SOME_FAILED

if TYPE_CHECKING:
    from cryptodask.pipeline.day import Day, Report

pipeline_app = Commands(
    help="Poll, check, send, wait, judge, store, request, trade and monitor: the steps of a day.",
)

NOT_YET, NOTHING_TO_DO = 4, 99
"""Exit codes. Airflow skips a task that ends with 99."""

Settings = Annotated[
    str,
    typer.Option(
        "--settings",
        envvar="CRYPTODASK_PIPELINE",
        metavar="FILE",
        help="What the pipeline does, in TOML.",
    ),
]
DEFAULT = "pipeline.toml"
Date = Annotated[
    str | None,
    typer.Option("--date", help="Last day whose prices are known, YYYY-MM-DD. [yesterday, in UTC]"),
]
Live = Annotated[
    int,
    typer.Option(
        "--live",
        count=True,
        help="Trade real money, where the settings say live = true; to be said twice.",
    ),
]
GroupName = Annotated[str, typer.Option("--group", help="Group of coins, as `groups` lists them.")]


def day_of(settings: str, date: str | None) -> "Day":
    """Return the day that options name.

    Parameters
    ----------
    settings : str
        File of the settings.
    date : str or None
        By default yesterday, in UTC.
    """
    from cryptodask.pipeline.day import Day
    from cryptodask.pipeline.settings import read_settings

    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    return Day(read_settings(settings), date or yesterday.isoformat())


def show(report: "Report") -> None:
    """Print what a step did, as JSON on a line.

    Parameters
    ----------
    report : dict
    """
    typer.echo(json.dumps({k: v for k, v in report.items() if k != "asked"}, allow_nan=False))


def end(report: "Report") -> None:
    """Print what a step did, and end with its exit code.

    Parameters
    ----------
    report : dict
    """
    show(report)
    codes = {"nothing": NOTHING_TO_DO, "waiting": NOT_YET, "alarm": SOME_FAILED}
    raise typer.Exit(codes.get(report["state"], 0))


@pipeline_app.command()
def poll(settings: Settings = DEFAULT, date: Date = None) -> None:
    """Grow the table by what the exchange, or the folder, has.

    For example:

        cryptodask pipeline poll --settings pipeline.toml
    """
    from cryptodask.pipeline.polling import poll

    end(poll(day_of(settings, date)))


@pipeline_app.command()
def groups(settings: Settings = DEFAULT, date: Date = None) -> None:
    """List the groups of coins.

    For example:

        cryptodask pipeline groups --settings pipeline.toml
    """
    from cryptodask.pipeline.forecasting import groups

    end(groups(day_of(settings, date)))


@pipeline_app.command()
def check(group: GroupName, settings: Settings = DEFAULT, date: Date = None) -> None:
    """Decide which coins of a group are fit to be forecast.

    For example:

        cryptodask pipeline check --settings pipeline.toml --group 0
    """
    from cryptodask.pipeline.forecasting import check

    end(check(day_of(settings, date), group))


@pipeline_app.command()
def send(
    group: GroupName,
    settings: Settings = DEFAULT,
    date: Date = None,
    foreground: Annotated[
        bool, typer.Option("--foreground", help="Run here, and end when the run does.")
    ] = False,
) -> None:
    """Start the run of a group, in a separate process.

    For example:

        cryptodask pipeline send --settings pipeline.toml --group 0 --foreground
    """
    from cryptodask.pipeline.forecasting import send

    end(send(day_of(settings, date), group, foreground=foreground))


@pipeline_app.command()
def wait(
    group: GroupName,
    settings: Settings = DEFAULT,
    date: Date = None,
    timeout: Annotated[
        float | None, typer.Option(help="Seconds to wait at most; 0 to look once. [no limit]")
    ] = None,
) -> None:
    """Wait, for some seconds or without limit, for the run of a group.

    For example:

        cryptodask pipeline wait --settings pipeline.toml --group 0 --timeout 600
    """
    from cryptodask.pipeline.forecasting import wait

    end(wait(day_of(settings, date), group, timeout=timeout))


@pipeline_app.command()
def judge(group: GroupName, settings: Settings = DEFAULT, date: Date = None) -> None:
    """Apply the rules to the forecasts of a group.

    For example:

        cryptodask pipeline judge --settings pipeline.toml --group 0
    """
    from cryptodask.pipeline.acting import judge

    end(judge(day_of(settings, date), group))


@pipeline_app.command()
def store(group: GroupName, settings: Settings = DEFAULT, date: Date = None) -> None:
    """Store the forecasts of a group, but for those that a rule skips.

    For example:

        cryptodask pipeline store --settings pipeline.toml --group 0
    """
    from cryptodask.pipeline.acting import keep

    end(keep(day_of(settings, date), group))


@pipeline_app.command()
def request(group: GroupName, settings: Settings = DEFAULT, date: Date = None) -> None:
    """Store the trades that rules ask for.

    For example:

        cryptodask pipeline request --settings pipeline.toml --group 0
    """
    from cryptodask.pipeline.acting import request

    end(request(day_of(settings, date), group))


@pipeline_app.command()
def trade(settings: Settings = DEFAULT, date: Date = None, live: Live = 0) -> None:
    """Fill orders and make new ones of requests, as section `trade` of the settings says.

    For example:

        cryptodask pipeline trade --settings pipeline.toml --date 2026-06-30
    """
    from cryptodask.pipeline.trading import trade

    end(trade(day_of(settings, date), live))


@pipeline_app.command()
def monitor(settings: Settings = DEFAULT, date: Date = None) -> None:
    """Compare a day with what is usual, as section `monitor` of the settings says.

    For example:

        cryptodask pipeline monitor --settings pipeline.toml --date 2026-06-30
    """
    from cryptodask.pipeline.monitor.step import monitor

    end(monitor(day_of(settings, date)))


@pipeline_app.command()
def run(settings: Settings = DEFAULT, date: Date = None, live: Live = 0) -> None:
    """Run all steps of a day; groups that fail harm no other.

    For example:

        cryptodask pipeline run --settings pipeline.toml --date 2026-06-30
    """
    from rich.text import Text

    from cryptodask.cli.show import err
    from cryptodask.pipeline.steps import lacking, run_day

    reasons = lacking(run_day(day_of(settings, date), live=live, on_report=show))
    if reasons:
        err.print(Text(f"not complete: {'; '.join(reasons)}"), soft_wrap=True)
    raise typer.Exit(SOME_FAILED if reasons else 0)


@pipeline_app.command()
def replay(
    source: Annotated[str, typer.Argument(help="Daily prices, whose last days are played again.")],
    folder: Annotated[
        Path, typer.Option("--out", help="Folder for settings, table, runs and store.")
    ],
    days: Annotated[int, typer.Option(min=1, help="Number of days.")] = 10,
    coins: Annotated[int, typer.Option(min=1, help="Coins: those with the most rows.")] = 20,
    horizon: Annotated[int, typer.Option(min=1, help="Bars ahead.")] = 5,
    groups: Annotated[int, typer.Option(min=0, help="Groups of coins; 0: one a coin.")] = 2,
) -> None:
    """Play past days again: an exchange on this machine is polled, day by day.

    Ends with a page of the days: forecasts against what came, requests, the account and its trades,
    the monitor's numbers.

    For example:

        cryptodask pipeline replay data --out replayed --days 10
    """
    from rich.text import Text

    from cryptodask.cli.show import err, out
    from cryptodask.dashboard.days_page import save_days
    from cryptodask.dashboard.days_view import read_days
    from cryptodask.pipeline.replay import replay_days
    from cryptodask.pipeline.steps import shown

    failed = False
    for date, reports in replay_days(
        source, folder, days, coins=coins, horizon=horizon, groups=groups
    ):
        out.print(Text(f"{date}: {shown(reports)}"), soft_wrap=True)
        for report in reports:
            for alarm in report.get("alarms", ()):
                err.print(Text(f"alarm: {report['step']}: {alarm}"), soft_wrap=True)
            if report["state"] == "failed":
                failed = True
                where = f"group {report['group']}" if "group" in report else "the day"
                text = f"failed: {report['step']}, {where}: {report['error']}"
                err.print(Text(text), soft_wrap=True)
    view = read_days(folder / "cryptodask.db")
    save_days(folder / "days.html", view)
    for name in ("cryptodask.db", "days.html"):
        out.print(Text(f"wrote {folder / name}"), soft_wrap=True)
    command = f"`cryptodask store accounts --store {folder / 'cryptodask.db'}`"
    out.print(Text(f"trades: {command}; orders, fills, too"), soft_wrap=True)
    raise typer.Exit(SOME_FAILED if failed else 0)
