"""``cryptodask resume``: go on with a run that was stopped, from what is in its folder."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from cryptodask.cli.backtest import print_backtest
from cryptodask.cli.forecast import print_forecasts
from cryptodask.cli.options import Scheduler, Tls, Workers, read_tls, read_workers
from cryptodask.cli.show import SOME_FAILED, err, out
from cryptodask.errors import InputError
from cryptodask.io.paths import AnyPath, exists, path_of, remove

if TYPE_CHECKING:
    from dask.distributed import Client

    from cryptodask.models import Model
    from cryptodask.prices import CryptoLoader


def resume(
    out_folder: Annotated[
        str,
        typer.Argument(
            metavar="FOLDER", help="The --out of a forecast or backtest, a folder or its URL."
        ),
    ],
    scheduler: Scheduler = None,
    workers: Workers = None,
    tls: Tls = None,
    unlock: Annotated[
        bool,
        typer.Option(
            "--unlock",
            help="Of a URL: take the run over from a process that was killed on another machine.",
        ),
    ] = False,
) -> None:
    """Go on with a forecast or backtest that was stopped, where it was."""
    from cryptodask.cluster import connect
    from cryptodask.prices import CryptoLoader
    from cryptodask.results.forecasts import MANIFEST
    from cryptodask.runs.folder import KINDS, LOCK, models_of, read_plan

    folder = path_of(out_folder)
    plan = read_plan(folder)
    if plan is None:
        raise InputError(
            f"{folder}: holds no plan of a run; name the --out of a forecast or backtest by this "
            "version"
        )
    if exists(folder / MANIFEST):
        out.print(Text(f"{folder}: {KINDS[plan['kind']]}, whole already; nothing is left to do"))
        return
    if unlock:
        if isinstance(folder, Path):
            raise InputError(
                f"--unlock: is for URLs; a process that ends leaves no lock in {folder}, so that "
                "one which is running holds it"
            )
        remove([folder / LOCK])
    call = plan["call"]
    if call is None:
        raise InputError(
            f"{folder}: was begun from Python with what no command can tell again (a model that is "
            "not of the catalog, or how files are read); make the same call again, and it goes on"
        )
    began = time.perf_counter()
    loader = CryptoLoader(call["source"], call["partitions"])
    rest = {k: v for k, v in call.items() if k not in ("source", "partitions", "models")}
    run = _forecast if plan["kind"] == "forecasts" else _backtest
    try:
        with connect(scheduler, read_workers(workers), read_tls(tls)) as client:
            failed = run(client, loader, models_of(call), folder, rest, began)
            out.print(Text(f"wrote {folder}"), soft_wrap=True)
    except KeyboardInterrupt:
        err.print("stopped; what was written is kept, and the same command goes on from there")
        raise typer.Exit(130) from None
    raise typer.Exit(SOME_FAILED if failed else 0)


def _forecast(
    client: "Client",
    loader: "CryptoLoader",
    models: "list[Model]",
    folder: AnyPath,
    rest: dict[str, Any],
    began: float,
) -> bool:
    from cryptodask.evaluate.intervals.cohorts import Intervals
    from cryptodask.manager import CryptoManager
    from cryptodask.results.forecasts import ForecastFolder

    how = rest.pop("intervals")
    result = CryptoManager(loader, client).forecast(
        models, intervals=Intervals(**how) if how else False, out=folder, **rest
    )
    assert isinstance(result, ForecastFolder)
    print_forecasts(result, [m.name for m in models], time.perf_counter() - began)
    return bool(len(result.failures) or len(result.lost))


def _backtest(
    client: "Client",
    loader: "CryptoLoader",
    models: "list[Model]",
    folder: AnyPath,
    rest: dict[str, Any],
    began: float,
) -> bool:
    from cryptodask.backtests import backtest

    done = backtest(loader, models, client=client, out=folder, **rest)
    print_backtest(done, time.perf_counter() - began)
    return bool(done.failures["cutoff"].isna().any())
