"""``cryptodask cluster``: the workers of a cluster, and the runs in progress."""

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from cryptodask.cli.options import Tls, read_tls
from cryptodask.cli.show import err, out
from cryptodask.cli.tables import FittingTable, number, prose
from cryptodask.text import counted

if TYPE_CHECKING:
    from cryptodask.cluster.versions import Versions
    from cryptodask.dashboard.live import Run


def cluster(
    scheduler: Annotated[
        str, typer.Option(help="Address of the running cluster, as tcp://host:8786.")
    ],
    tls: Tls = None,
) -> None:
    """Print workers, their memory and versions, and the runs in progress.

    For example:

        cryptodask cluster --scheduler tcp://127.0.0.1:8786
    """
    from cryptodask.cluster import connect
    from cryptodask.cluster.events import RUNNING, TOPIC
    from cryptodask.cluster.versions import mismatches, versions_of
    from cryptodask.dashboard.live import Live

    with connect(scheduler, (0, 1), read_tls(tls), check=False) as client:
        info = client.scheduler_info(n_workers=-1)
        versions = versions_of(client)
        out.print(_workers_table(info["workers"], versions))
        out.print(f"scheduler {info['address']}, {_shown(versions['scheduler'])}", highlight=False)
        if client.dashboard_link:
            out.print(f"dashboard: {client.dashboard_link}", highlight=False)
        live = Live()
        for stamp, message in client.get_events(TOPIC):
            live.take(message, stamp)
        runs = [run for run in live.latest() if run.state == RUNNING]
        out.print(_runs_table(runs) if runs else _in_progress(runs), highlight=False)
    differing = mismatches(versions)
    for line in differing:
        err.print(Text(f"versions differ: {line}", style="red"), soft_wrap=True)
    raise typer.Exit(1 if differing else 0)


def _workers_table(workers: dict[str, Any], versions: "dict[str, Versions]") -> FittingTable:
    """Return a line a worker, with resources and differing versions if there are any."""
    table = FittingTable(
        "worker",
        *map(number, ("threads", "memory", "CPU", "tasks")),
        title=counted(len(workers), "worker"),
    )
    expected = _shown(versions["scheduler"])
    resources = {
        address: ", ".join(f"{name}={amount:g}" for name, amount in worker["resources"].items())
        for address, worker in workers.items()
    }
    shown = {address: _shown(versions.get(address, {})) for address in workers}
    others = {address: "" if text == expected else text for address, text in shown.items()}
    columns = {"resources": resources, "versions": others}
    columns = {name: texts for name, texts in columns.items() if any(texts.values())}
    for name in columns:
        table.add(prose(name))
    for address, worker in sorted(workers.items()):
        metrics = worker["metrics"]
        limit = worker["memory_limit"]
        table.add_texts(
            address,
            str(worker["nthreads"]),
            f"{_gib(metrics['memory'])} of {_gib(limit) if limit else 'all'}",
            f"{metrics['cpu']:.0f}%",
            str(metrics["task_counts"].get("executing", 0)),
            *(texts[address] for texts in columns.values()),
        )
    return table


def _runs_table(runs: "list[Run]") -> FittingTable:
    """Return a line a model of each run."""
    columns = map(number, ("done", "failed", "left", "seconds left"))
    table = FittingTable("run", "model", *columns, title=_in_progress(runs))
    for run in runs:
        for model, progress in run.models.items():
            left = run.seconds_left(model)
            counts = [f"{n:,}" for n in (progress.done, progress.failed, progress.left)]
            table.add_texts(
                f"{run.kind} {run.id}",
                model,
                *counts,
                "?" if left is None else f"{left:,.0f}",
            )
    return table


def _in_progress(runs: "list[Run]") -> str:
    return f"{counted(len(runs), 'run')} in progress"


def _shown(versions: "Versions") -> str:
    names = ("cryptodask", "python", "dask")
    return ", ".join(f"{name} {versions[name]}" for name in names if versions.get(name))


def _gib(size: int) -> str:
    return f"{size / 2**30:.2f} GiB"
