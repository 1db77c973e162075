"""``cryptodask monitor``: watch what forecasts are worth, day by day.

Exit codes of ``check``: 0 no alarm; 3 an alarm, which is stored; 1 something could not be done, as
a webhook that does not answer, after numbers and alerts were stored; 2 bad use.
"""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from cryptodask.cli.options.help import Commands
from cryptodask.cli.show import SOME_FAILED, counted, err, out
from cryptodask.cli.store import DEFAULT, StorePlace
from cryptodask.cli.tables import FittingTable, prose

if TYPE_CHECKING:
    from cryptodask.pipeline.monitor.watching import Watched

monitor_app = Commands(
    help="Watch forecasts: limits from a backtest, numbers and alarms day by day.",
)


@monitor_app.command()
def learn(
    backtest: Annotated[
        str, typer.Argument(help="Folder or URL of a backtest with origins a bar apart.")
    ],
    file: Annotated[Path, typer.Option("--out", metavar="FILE", help="Write limits to this file.")],
    model: Annotated[
        str | None, typer.Option(help="A model of the backtest. [the one beside naive]")
    ] = None,
    step: Annotated[int, typer.Option(min=1, help="Bars ahead.")] = 1,
    failures: Annotated[
        float,
        typer.Option("--failures", min=0, max=1, help="Share of coins that may lack a forecast."),
    ] = 0.1,
    age: Annotated[
        float, typer.Option("--age", min=0, help="Days since training that a version may have.")
    ] = 90.0,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
) -> None:
    """Learn from a backtest what is usual, and limits of it.

    For example:

        cryptodask monitor learn my-backtest --out limits.json
    """
    from cryptodask.pipeline.monitor.reference import learn_reference, write_reference
    from cryptodask.results import open_backtest

    reference = learn_reference(
        open_backtest(backtest), model, step, most_failed=failures, oldest=age, seed=seed
    )
    write_reference(reference, file.absolute())
    text = (
        f"wrote {file}: {reference.model}, {counted(reference.days, 'day')} from {reference.first} "
        f"to {reference.last}, {reference.coins:g} coins a day"
    )
    out.print(Text(text), soft_wrap=True)


@monitor_app.command()
def check(
    reference: Annotated[
        Path, typer.Option("--reference", metavar="FILE", help="Limits, of `monitor learn`.")
    ],
    store: StorePlace = DEFAULT,
    date: Annotated[
        str | None,
        typer.Option("--date", help="Last day whose prices are known. [yesterday, in UTC]"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    webhook: Annotated[
        str | None,
        typer.Option(
            envvar="CRYPTODASK_WEBHOOK", metavar="URL", help="Post alarms there, as JSON."
        ),
    ] = None,
    prometheus: Annotated[
        Path | None,
        typer.Option(metavar="FILE.prom", help="Write gauges for Prometheus' textfile collector."),
    ] = None,
) -> None:
    """Measure a day, store the numbers, and raise an alarm where one is beyond its limits.

    For example:

        cryptodask monitor check --reference limits.json --store cryptodask.db
    """
    from cryptodask.pipeline.monitor.notifying import check_webhook, pass_on
    from cryptodask.pipeline.monitor.reference import read_reference
    from cryptodask.pipeline.monitor.watching import watch_day

    if webhook:
        check_webhook(webhook)
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    watched = watch_day(store, read_reference(reference.absolute()), date or yesterday.isoformat())
    if as_json:
        typer.echo(json.dumps(watched.summary(), allow_nan=False))
    else:
        _print(watched)
    problems = pass_on(watched, str(prometheus or ""), webhook or "")
    for problem in problems:
        err.print(Text(f"error: {problem}", style="red"), soft_wrap=True)
    if problems:
        raise typer.Exit(1)
    raise typer.Exit(SOME_FAILED if watched.alarms else 0)


def _print(watched: "Watched") -> None:
    """Print a line for each number."""
    from cryptodask.pipeline.monitor.watching import lines_of

    columns = ("measure", "value", "limits", "state", prose("what"))
    table = FittingTable(*columns, title=f"{watched.model}, {watched.day}")
    for line in lines_of(watched):
        table.add_texts(*line)
    out.print(table)


@monitor_app.command()
def page(
    file: Annotated[Path, typer.Option("--out", metavar="FILE.html", help="Write this page.")],
    store: StorePlace = DEFAULT,
    model: Annotated[str | None, typer.Option(help="Only this model. [all]")] = None,
) -> None:
    """Draw forecasts against what came, requests and the monitor's numbers, as one HTML file.

    For example:

        cryptodask monitor page --out days.html --store cryptodask.db
    """
    from cryptodask.dashboard.days_page import save_days
    from cryptodask.dashboard.days_view import read_days

    view = read_days(store, model)
    save_days(file, view)
    out.print(Text(f"wrote {file}: {view.summary}"), soft_wrap=True)
