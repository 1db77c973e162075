"""The progress bar of a run."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

UNIT = "coins × models"


class Bar:
    """A progress bar over coins, which can say what else is in progress; or none at all."""

    def __init__(self, progress: "Progress | None") -> None:
        self._progress = progress

    def __call__(self, coins: int) -> None:
        """Count coins that are done."""
        if self._progress is not None:
            self._progress.advance(self._progress.tasks[0].id, coins)

    def say(self, text: str = "") -> None:
        """Show what is in progress before coins are done; nothing, for the coins themselves."""
        if self._progress is not None:
            self._progress.update(self._progress.tasks[0].id, description=text or UNIT)


@contextmanager
def progress_bar(total: int, shown: bool) -> Iterator[Bar]:
    """Show a progress bar over coins on standard error, or give one that is not shown."""
    if not shown:
        yield Bar(None)
        return
    # Only here: importing it takes as long as forecasting a hundred coins.
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    description = TextColumn("{task.description}", markup=False)
    columns = (description, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        progress.add_task(UNIT, total=total)
        yield Bar(progress)
