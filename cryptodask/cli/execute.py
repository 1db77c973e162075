"""What all commands that run a spec do: connect, run it, print, write, and exit.

A `View` says what is special to a kind of runs. `cryptodask resume` finds them by kind.
"""

import os
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.text import Text

from cryptodask.cli.options import ClusterOptions, OutputOptions
from cryptodask.cli.options.specs import open_prices
from cryptodask.cli.show import (
    SOME_FAILED,
    err,
    out,
    print_failures,
    print_lost,
    print_profile,
    write_table,
)
from cryptodask.errors import CryptoDaskError
from cryptodask.runs.spec import RunSpec

if TYPE_CHECKING:
    import pandas as pd

    from cryptodask.io.paths import AnyPath
    from cryptodask.runs import Session

TRACEBACK = "CRYPTODASK_TRACEBACK"
"""A variable of the environment that has errors which nobody raised on purpose print tracebacks."""

Profile = Annotated[bool, typer.Option("--profile", help="Print where the time went.")]


def write_tables(result: Any, path: "AnyPath") -> list["AnyPath"]:
    """Write the rows of a result to a file, and its failures beside it.

    Parameters
    ----------
    result : Forecasts or Backtest
    path : Path or UPath
        A .csv or .parquet file.

    Returns
    -------
    list of Path or UPath
        The files.
    """
    beside = path.with_name(f"{path.stem}.failures{path.suffix}")
    for frame, place in ((result.get_df(), path), (result.failures, beside)):
        write_table(frame, place)
    return [path, beside]


@dataclass(frozen=True)
class View:
    """What is special to the results of one kind of runs.

    Attributes
    ----------
    show : callable
        Prints the tables of a result.
    announce : callable, optional
        Prints what a spec will do, before it connects; raises the errors that it can see by then.
    failures : callable
        Prints the failures of a result.
    write : callable
        Writes a result to the file of ``--out`` and returns the files.
    """

    show: Callable[[Any], None]
    announce: Callable[[Any], None] | None = None
    failures: Callable[[Any], None] = print_failures
    write: Callable[[Any, "AnyPath"], list["AnyPath"]] = write_tables


def execute(
    spec: RunSpec,
    view: View,
    cluster: ClusterOptions,
    output: OutputOptions,
    *,
    folder: "AnyPath | None" = None,
    profile: bool = False,
    report: Path | None = None,
    run: "Callable[[Any, Session], Any] | None" = None,
    write_more: "Callable[[Any, Session], Iterable[AnyPath]] | None" = None,
) -> NoReturn:
    """Run a spec, print and write its result, and exit.

    Parameters
    ----------
    spec : RunSpec
    view : View
        That of its kind.
    cluster : ClusterOptions
    output : OutputOptions
    folder : Path or UPath, optional
        The folder that workers write to, where ``--out`` is not it.
    profile : bool
        Whether to print where the time went.
    report : Path, optional
        An .html file for Dask's performance report.
    run : callable, optional
        Runs the spec with a session, where it is not `run_spec` with these options.
    write_more : callable, optional
        Writes further files of a result, from the session, and returns them.

    Raises
    ------
    typer.Exit
        Always: 0, 3 where coins failed altogether or rows were lost, 130 after Ctrl-C, or 1 after
        an error that nobody raised on purpose.
    """
    started, begun = time.perf_counter(), time.time()
    folder = folder or output.folder
    with _ending(folder):
        from cryptodask.cluster.report import reporting
        from cryptodask.runs import Session, run_spec
        from cryptodask.runs.plan import check_plan

        usual = partial(run_spec, out=folder, overwrite=output.overwrite)
        if folder is not None and not output.overwrite:
            check_plan(folder)
        loader, spec = open_prices(spec)
        if view.announce is not None:
            view.announce(spec)
        with cluster.connect() as client:
            connected = time.time()
            with reporting(report):
                session = Session(loader, client)
                result = (run or usual)(spec, session)
            returned = time.time()
            # All of this before the cluster closes, which takes seconds.
            view.show(result)
            files = [] if folder is None else [folder]
            files += view.write(result, output.file) if output.file is not None else []
            files += write_more(result, session) if write_more is not None else []
            out.print(f"{time.perf_counter() - started:.1f} seconds in all", highlight=False)
            if profile:
                print_profile(result.tasks, begun, connected, returned)
            files += _report_lost(result.lost, output.file)
            view.failures(result)
            for path in [*files, *([report] if report else [])]:
                out.print(Text(f"wrote {path}"), soft_wrap=True)
    raise typer.Exit(0 if result.is_complete else SOME_FAILED)


@contextmanager
def _ending(folder: "AnyPath | None") -> Iterator[None]:
    """Say how a run is resumed that is stopped in this block, or meets a fault; no traceback."""
    try:
        yield
    except KeyboardInterrupt:
        print_stopped(folder)
        raise typer.Exit(130) from None
    except (CryptoDaskError, typer.Exit):
        raise
    except Exception as error:
        if TRACEBACK in os.environ:
            raise
        *_, last = traceback.extract_tb(error.__traceback__)
        where = f"{Path(last.filename).name}:{last.lineno}"
        text = f"error: {type(error).__name__}: {error}".splitlines()[0]
        text += f" ({where}); {TRACEBACK}=1 in the environment prints where it came from"
        err.print(Text(text, style="red"), soft_wrap=True)
        print_stopped(folder)
        raise typer.Exit(1) from None


def _report_lost(lost: "pd.DataFrame", path: "AnyPath | None") -> list["AnyPath"]:
    """Print what was left out, and write all of it beside the result, or say how to list it."""
    print_lost(lost, err)
    if lost.empty:
        return []
    if path is None:
        text = "`cryptodask prices import FOLDER --out TABLE --findings FILE.csv` writes them"
        err.print(Text(f"all rows that were left out: {text}"), soft_wrap=True)
        return []
    beside = path.with_name(f"{path.stem}.lost.csv")
    write_table(lost, beside)
    return [beside]


def print_stopped(folder: "AnyPath | None") -> None:
    """Print what a run that was stopped has left, and how it is resumed."""
    from cryptodask.io.paths import exists
    from cryptodask.results.manifest import PLAN

    if folder is None or not exists(folder / PLAN):
        text = "stopped; the fits in progress were cancelled, and nothing more was written"
    else:
        text = f"stopped; what was written is kept: `cryptodask resume {folder}` continues it"
    err.print(Text(text), soft_wrap=True)
