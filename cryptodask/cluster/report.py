"""Dask's performance report of a run."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptodask.io.files import draft_of
from cryptodask.io.paths import storing

ICON = re.compile(r'<link rel="shortcut icon"[^>]*>')
"""What Dask's template fetches from its site, even where all else is in the file."""


@contextmanager
def reporting(path: Path | None) -> Iterator[None]:
    """Write Dask's performance report of this block, which needs no network, also where it raises.

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
        with draft_of(path) as draft, storing(path.parent):
            with performance_report(filename=str(draft), mode="inline"):
                try:
                    yield
                except BaseException as error:  # noqa: BLE001 - raised below, after the report
                    failed = error
            draft.write_text(ICON.sub("", draft.read_text("utf-8")), "utf-8")
    finally:
        if failed is not None:
            raise failed
