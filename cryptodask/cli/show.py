"""What commands print: consoles, and the lines that several of them share."""

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from cryptodask.io.files import draft_of
from cryptodask.io.paths import AnyPath, storing

if TYPE_CHECKING:
    import pandas as pd

SOME_FAILED = 3
"""Exit code of a command that did its work, save for coins or rows that it names."""

out = Console()
err = Console(stderr=True)


def print_lost(findings: "pd.DataFrame", console: Console) -> None:
    """Print a line for each row or file that was left out."""
    for row in findings.to_dict("records"):
        line = f", line {row['line']}" if row["line"] else ""
        value = f": {row['value']!r}" if row["value"] else ""
        text = f"{row['kind']}: {row['file']}{line}{value}: {row['message']}"
        console.print(Text(text), soft_wrap=True)


def shown_date(date: Any) -> str:
    """Write a date, with the hour where it is not that of a whole day."""
    return f"{date:%Y-%m-%d}" if date == date.normalize() else f"{date:%Y-%m-%d %H:%M}"


def write_table(frame: "pd.DataFrame", path: AnyPath) -> None:
    """Write a table as .csv, or else as Parquet; whole or not at all."""
    with draft_of(path) as draft, storing(draft.parent):
        if path.suffix == ".csv":
            frame.to_csv(draft, index=False)
        else:
            frame.to_parquet(draft, index=False)
