"""What all commands that run a spec do: connect, run it, print, write, and exit.

A `View` says what is special to a kind of runs. `cryptodask resume` finds them by kind.
"""

import os
import time
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.text import Text

from cryptodask.cli.options import ClusterOptions, OutputOptions, check_apart
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
    from cryptodask.prices import CryptoLoader
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
    shows_closes : bool
        Whether it gets a function besides, which returns the last closes of coins.
    announce : callable, optional
        Prints what a spec will do, before it connects; raises the errors that it can see by then.
    failures : callable
        Prints the failures of a result.
    write : callable
        Writes a result to the file of ``--out`` and returns the files.
    """

    show: Callable[..., None]
    shows_closes: bool = False
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
    check: "Callable[[Any, CryptoLoader], None] | None" = None,
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
        Writes further files of a result, from the session, and returns them. Its errors are raised
        when the result is written and printed.
    check : callable, optional
        Refuses by its spec and prices a run that makes no sense, before anything is started.

    Raises
    ------
    typer.Exit
        Always: 0, 3 where coins failed altogether or rows were lost, 130 after Ctrl-C, or 1 after
        an error that nobody raised on purpose.
    """
    started, begun = time.perf_counter(), time.time()
    check_apart({"SOURCE": spec.source, "--out": output.out})
    folder = folder or output.folder
    with _ending(folder):
        loader, spec = _opened(spec, folder, output, check)
        from cryptodask.cluster.report import reporting
        from cryptodask.runs import run_spec

        if view.announce is not None:
            view.announce(spec)
        with _session(loader, cluster, needs_cluster=report is not None) as session:
            with reporting(report):
                usual = partial(run_spec, out=folder, overwrite=output.overwrite)
                result = (run or usual)(spec, session)
            returned = time.time()
            # All of this before the cluster closes, which takes seconds.
            files = [] if folder is None else [folder]
            files += view.write(result, output.file) if output.file is not None else []
            view.show(result, *([partial(last_closes, loader, spec)] if view.shows_closes else []))
            faults: list[Exception] = []
            try:
                files += write_more(result, session) if write_more is not None else []
            except Exception as error:  # noqa: BLE001 - after the result, which is written
                faults.append(error)
            out.print(f"{time.perf_counter() - started:.1f} seconds in all", highlight=False)
            if profile:
                print_profile(result.tasks, begun, session.ready, returned)
            files += _report_lost(result.lost, output.file)
            view.failures(result)
            _print_written([*files, *([report] if report else [])], faults)
    raise typer.Exit(0 if result.is_complete else SOME_FAILED)


def _opened(
    spec: RunSpec,
    folder: "AnyPath | None",
    output: OutputOptions,
    check: "Callable[[Any, CryptoLoader], None] | None",
) -> "tuple[CryptoLoader, RunSpec]":
    """Open the prices of a spec, and refuse what makes no sense before anything is started."""
    with err.status(Text(f"opening {spec.source}")):  # for a terminal alone
        loader, spec = open_prices(spec)
        _check_coins(spec, loader)
        if check is not None:
            check(spec, loader)
        if folder is not None and not output.overwrite:
            from cryptodask.runs.plan import check_plan

            check_plan(folder)
    return loader, spec


@contextmanager
def _session(
    loader: "CryptoLoader", cluster: ClusterOptions, *, needs_cluster: bool
) -> "Iterator[Session]":
    """Give a session in this block: on the cluster that was asked for, or where work is done best.

    A line says what is started.
    """
    from cryptodask.runs import Session

    if not (cluster.is_given or needs_cluster):
        with Session(loader, say=_say) as session:
            yield session
        return
    with cluster.connect() as client:
        yield Session(loader, client)


def _check_coins(spec: RunSpec, loader: "CryptoLoader") -> None:
    """Refuse coins that the source has not; those without a row fail by name in the run."""
    names = loader.names
    wanted = [coin for coin in spec.coins or () if names.find(coin) not in names.empty]
    if wanted:
        loader.check_names(wanted)


def last_closes(loader: "CryptoLoader", spec: RunSpec, coins: Sequence[str]) -> Mapping[str, float]:
    """Return the last close that models saw of some coins.

    Parameters
    ----------
    loader : CryptoLoader
    spec : RunSpec
    coins : sequence of str

    Returns
    -------
    mapping of str to float
        By coin, of those that have one.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what was left out is printed with the run
        rows = loader.get_df(list(coins), 1, spec.from_date, spec.to_date)
    return dict(zip(rows["coin"], rows["close"].astype(float), strict=True))


def _say(text: str) -> None:
    err.print(Text(text), soft_wrap=True)


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


def _print_written(files: "Iterable[AnyPath]", faults: Iterable[Exception]) -> None:
    """Print which files were written, and then report what could not be."""
    for path in files:
        out.print(Text(f"wrote {path}"), soft_wrap=True)
    for fault in faults:
        _report_fault(fault)


def _report_fault(fault: Exception) -> NoReturn:
    """Name what failed beside a result that is printed and written, and end with 1.

    Raises
    ------
    CryptoDaskError
        The fault, where it was raised on purpose.
    typer.Exit
        Otherwise.
    """
    if isinstance(fault, CryptoDaskError) or TRACEBACK in os.environ:
        raise fault
    text = f"error: {type(fault).__name__}: {fault}".splitlines()[0]
    err.print(Text(f"{text}; the result itself is whole", style="red"), soft_wrap=True)
    raise typer.Exit(1)


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
        text = (
            "stopped; the fits in progress were cancelled, and nothing more was written; a run "
            "with --out FOLDER can be continued where it was stopped: `cryptodask resume FOLDER`"
        )
    else:
        text = f"stopped; what was written is kept: `cryptodask resume {folder}` continues it"
    err.print(Text(text), soft_wrap=True)
