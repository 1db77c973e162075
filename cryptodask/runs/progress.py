"""The progress bar of a run."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

UNIT = "coins × models"


class Bar:
    """A progress bar over coins, which can say what else is in progress."""

    def __init__(self, progress: "Progress") -> None:
        self._progress = progress
        self._task = progress.tasks[0].id

    def __call__(self, coins: int) -> None:
        """Count coins that are done."""
        self._progress.advance(self._task, coins)

    def say(self, text: str = "") -> None:
        """Show what is in progress before coins are done; nothing, for the coins themselves."""
        self._progress.update(self._task, description=text or UNIT)


@contextmanager
def progress_bar(total: int, shown: bool) -> Iterator[Bar]:
    """Show a progress bar over coins on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    description = TextColumn("{task.description}", markup=False)
    columns = (description, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not shown) as progress:
        progress.add_task(UNIT, total=total)
        yield Bar(progress)
