"""What commands print: consoles, and the lines that several of them share."""

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from cryptodask.cli.tables import FittingTable, number, wrap_words
from cryptodask.text import counted, printable, shown_date

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from cryptodask.io.paths import AnyPath
    from cryptodask.results import Backtest, Forecasts

__all__ = [
    "SOME_FAILED", "counted", "err", "out", "print_failures", "print_lost", "print_profile",
    "shown_date", "shown_origins", "shown_price", "shown_size",
    "write_table",
]  # fmt: skip

SOME_FAILED = 3
"""Exit code of a command that did its work, save for coins or rows that it names."""


class PlainConsole(Console):
    """A console on which text from files can't do anything but be read; see `printable`.

    Where ``soft_wrap`` is asked for, a line stays one for programs that read it, and a terminal
    gets it with breaks between words.
    """

    def print(self, *objects: Any, soft_wrap: bool | None = None, **options: Any) -> None:
        """Print as rich does, but for lines that a terminal would break anywhere.

        Parameters
        ----------
        *objects : renderable
        soft_wrap : bool, optional
        **options
            Of rich's console.
        """
        if soft_wrap and self.is_terminal and len(objects) == 1:
            [line] = objects
            text = line if isinstance(line, Text) else Text(str(line))
            objects = (Text(wrap_words(text.plain, self.width), style=text.style),)
        super().print(*objects, soft_wrap=soft_wrap, **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Return the segments of what is printed, with styles of ours and no controls of others.

        Parameters
        ----------
        renderable : renderable
        options : ConsoleOptions, optional
        """
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else printable(text), style, control)


out = PlainConsole()
err = PlainConsole(stderr=True)


def print_lost(findings: "pd.DataFrame", console: Console) -> None:
    """Print a line for each kind and file of what was left out, with the first and their number.

    Parameters
    ----------
    findings : DataFrame
        Of rows and files that were left out.
    console : Console
    """
    for _, rows in findings.groupby(["kind", "file"], sort=False):
        row = rows.iloc[0]
        line = f", line {row['line']}" if row["line"] else ""
        value = f": {row['value']!r}" if row["value"] else ""
        more = f" (the first of {len(rows):,})" if len(rows) > 1 else ""
        text = f"{row['kind']}: {row['file']}{line}{value}: {row['message']}{more}"
        console.print(Text(text.replace("\n", "\\n")), soft_wrap=True)


def print_failures(result: "Forecasts | Backtest") -> None:
    """Print each coin that failed throughout; of failures at some dates, their number by model."""
    from cryptodask.results.failures import failed_at_some, failed_throughout

    failures = result.failures
    throughout = failures
    if "cutoff" in failures.columns:
        throughout = failed_throughout(failures, result.origins)  # type: ignore[union-attr]
    for row in throughout.itertuples():
        err.print(Text(f"failed: {row.model}: {row.exception}: {row.message}"), soft_wrap=True)
    rest = failed_at_some(failures, throughout)
    for (model, exception), rows in rest.groupby(["model", "exception"]):
        text = (
            f"{model}: {counted(len(rows), 'forecast')} missing of "
            f"{counted(rows['coin'].nunique(), 'coin')}: {exception}, as "
            f"{rows['message'].iloc[0]}"
        )
        err.print(Text(text), soft_wrap=True)


def print_profile(tasks: "pd.DataFrame", started: float, connected: float, returned: float) -> None:
    """Print where the time of a run went, by stage and by worker.

    Parameters
    ----------
    tasks : DataFrame
        A row a task: ``worker``, ``began`` and ``ended`` in seconds since 1970, and seconds by
        stage.
    started, connected, returned : float
        When the command started, had a cluster, and had the result, in seconds since 1970.
    """
    from cryptodask.timing import STAGES

    spent = {name: float(tasks[name].sum()) for name in STAGES}
    spent["start"] += connected - started
    if len(tasks):
        spent["gather"] += returned - float(tasks["ended"].max())
    stages = FittingTable(
        "stage", number("seconds (client and all workers)"), title="where the time went"
    )
    for name, seconds in spent.items():
        stages.add_texts(name, f"{seconds:.2f}")
    out.print(stages)
    names = ("tasks", "busy", "first began", "last ended")
    workers = FittingTable("worker", *map(number, names), title="workers")
    for worker, rows in tasks.groupby("worker"):
        workers.add_texts(
            str(worker),
            f"{len(rows):,}",
            f"{rows[list(STAGES)].to_numpy().sum():.2f} s",
            f"{rows['began'].min() - connected:.2f} s",
            f"{rows['ended'].max() - connected:.2f} s",
        )
    out.print(workers)


def shown_origins(origins: "np.ndarray") -> str:
    """Return how many origins there are, and the first and last of them.

    Parameters
    ----------
    origins : array of datetime64, shape (n_origins,)
    """
    import pandas as pd

    number = counted(len(origins), "origin")
    if not len(origins):
        return number
    first, last = (shown_date(pd.Timestamp(date)) for date in origins[[0, -1]])
    return f"{number}, {first}" if first == last else f"{number} from {first} to {last}"


def shown_price(price: float, digits: int = 6, least: float = 1e-10) -> str:
    """Return a price with its significant digits, and no exponent where that can be read.

    Parameters
    ----------
    price : float
    digits : int
        How many.
    least : float
        Prices below it have an exponent.

    Examples
    --------
    >>> [shown_price(price) for price in (64123.456, 0.00000123, 1.5, float("nan"))]
    ['64,123.5', '0.00000123', '1.5', '-']
    """
    if not math.isfinite(price):
        return "-"
    if price != 0 and not least <= abs(price) < 1e12:
        return f"{price:.{digits}g}"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(price)))) if price else 0
    text = f"{price:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def shown_size(size: int) -> str:
    """Return a number of bytes with its unit.

    Parameters
    ----------
    size : int

    Examples
    --------
    >>> [shown_size(size) for size in (900, 21_538, 284_000_000)]
    ['900 B', '21.5 kB', '284.0 MB']
    """
    if size < 1000:
        return f"{size} B"
    return f"{size / 1e3:,.1f} kB" if size < 1e6 else f"{size / 1e6:,.1f} MB"


def write_table(frame: "pd.DataFrame", path: "AnyPath") -> None:
    """Write a table as .csv, or else as Parquet; whole or not at all.

    Texts in a .csv are no formulas; see `cryptodask.io.formulas`.
    """
    from cryptodask.io.files import draft_of
    from cryptodask.io.formulas import guard_frame
    from cryptodask.io.paths import storing

    with draft_of(path) as draft, storing(draft.parent):
        if path.suffix == ".csv":
            guard_frame(frame).to_csv(draft, index=False)
        else:
            frame.to_parquet(draft, index=False)
