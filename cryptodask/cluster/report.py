"""Dask's performance report of a run."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptodask.io.files import draft_of
from cryptodask.io.paths import storing


@contextmanager
def reporting(path: Path | None) -> Iterator[None]:
    """Write Dask's performance report of this block, also where the block raises.

    Parameters
    ----------
    path : Path or None
        Of the HTML file; without one nothing is written.

    Raises
    ------
    WriteError
        It can't be written.
    """
    if path is None:
        yield
        return
    from dask.distributed import performance_report

    failed: BaseException | None = None
    try:
        with (
            draft_of(path) as draft,
            storing(path.parent),
            performance_report(filename=str(draft)),
        ):
            try:
                yield
            except BaseException as error:  # noqa: BLE001 - raised below, after the report
                failed = error
    finally:
        if failed is not None:
            raise failed
