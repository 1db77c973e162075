"""Read price files into rows and findings, many files at a time.

Files are split into cells one by one, and the cells of all are parsed as one long frame, which
takes a tenth of the time of parsing file by file. Nothing here knows of folders, tables or Dask.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from cryptodask.errors import PriceFileError
from cryptodask.prices.clean.cleaning import clean_reading
from cryptodask.prices.clean.findings import file_finding, join_findings, stack_findings
from cryptodask.prices.clean.policies import settle
from cryptodask.prices.freq import DAILY, FREQS
from cryptodask.prices.own import merge_own
from cryptodask.prices.read.cells import read_all_cells
from cryptodask.prices.read.columns import TextColumns, add_file
from cryptodask.prices.read.options import DEFAULT_OPTIONS, ReadOptions
from cryptodask.prices.read.price_file import PriceFile, kind_of, reason_of
from cryptodask.prices.read.rows import parse_rows
from cryptodask.prices.reading import Reading


def read_price_files(files: Sequence[PriceFile], options: ReadOptions = DEFAULT_OPTIONS) -> Reading:
    """Return the rows and findings of price files in any layout.

    The layout is found from the content; see `cryptodask.prices.read.layouts`. Columns are found
    by their names, in any order; only date and close are needed. What can't be read becomes a
    finding with its file, line and reason, and everything else is kept. A file of many coins is
    read once for all of them that are wanted.

    Parameters
    ----------
    files : sequence of PriceFile
        Files and the coins that are wanted of them.
    options : ReadOptions
        What the files leave open. Bars are daily where it has no frequency.

    Raises
    ------
    PolicyError
        There is a finding whose policy is to fail.
    """
    freq = options.freq or DAILY
    options = replace(options, freq=freq)
    unread: list[pd.DataFrame] = []
    texts = TextColumns.wanted(options)
    groups: dict[Path, list[PriceFile]] = {}
    for file in files:
        groups.setdefault(file.path, []).append(file)
    cells_of = read_all_cells({path: group[0].known for path, group in groups.items()}, options)
    for path, group in groups.items():
        try:
            cells = cells_of[path]
            if isinstance(cells, PriceFileError):
                raise cells
            add_file(texts, cells, group, options)
        except PriceFileError as error:
            unread += [
                file_finding(kind_of(error), file.coin, path.name, reason_of(error))
                for file in group
            ]
    rows, row_findings, further = parse_rows(texts.frame(), texts, FREQS[freq], options)
    # Parsing has noted further findings in the texts.
    read_findings = stack_findings([*unread, *texts.findings(), row_findings])
    reading = clean_reading(rows, read_findings, options.policies, freq, options.now)
    return _with_own(reading, further, options) if texts.further else reading


def _with_own(reading: Reading, rows: pd.DataFrame, options: ReadOptions) -> Reading:
    """Return a reading with its own columns, without those of files that were left out."""
    noted = reading.findings
    out = noted[(noted["kind"] == "contradicting_file") & (noted["action"] == "drop")]
    if len(out):
        pairs = pd.MultiIndex.from_frame(out[["coin", "file"]])
        rows = rows[~pd.MultiIndex.from_frame(rows[["coin", "file"]].astype("str")).isin(pairs)]
    further, contradictions = merge_own(rows)
    more = settle(contradictions, options.policies)
    return replace(
        reading, further=further, findings=join_findings([noted, more]) if len(more) else noted
    )
