"""The tree of errors, from the classes themselves, and what exit codes mean."""

import inspect
from pathlib import Path

import cryptodask.errors
from cryptodask.errors import CryptoDaskError, InputError

EXIT_CODES = """\
| code | what |
|---|---|
| 0 | all went well |
| 1 | something could not be done: an error below that is not an `InputError`, or of Python |
| 2 | bad use: an unknown option, or an `InputError` |
| 3 | done, but some coins failed or some rows were lost, which are named |
| 3 | `monitor check`, `pipeline trade`: an alarm |
| 4 | `pipeline wait --timeout`: not yet |
| 99 | a step of `pipeline`: nothing to do |
| 130 | stopped by Ctrl-C |
| 143 | stopped by SIGTERM |
"""

INTRODUCTION = """\
# Errors and exit codes

A message names the file, line or coin, the rule, the value received, and what to do. In Python
every error that CryptoDask raises on purpose derives from `cryptodask.CryptoDaskError`. One coin's
failure never ends a run: it becomes a row of the failures, by the error's name (`SeriesError` and
below, `PriceFileError`, and what a model raised).

## Exit codes of the command
"""


def pages(folder: Path) -> dict[str, str]:
    """Return the page by its name below a folder."""
    del folder
    tree = "\n".join(lines(CryptoDaskError))
    warnings = "\n".join(
        f"- `{kind.__name__}`: {inspect.getdoc(kind)}"
        for kind in vars(cryptodask.errors).values()
        if isinstance(kind, type) and issubclass(kind, Warning)
    )
    text = (
        f"{INTRODUCTION}\n{EXIT_CODES}\n## Errors\n\nEach is an `InputError` where it stands below "
        f"it, and so on. They are in `cryptodask.errors`.\n\n{tree}\n\n## Warnings\n\n{warnings}\n"
    )
    assert InputError.__name__ in tree
    return {"errors.md": text}


def lines(kind: type, depth: int = 0) -> list[str]:
    """Return an error and those below it, each a line of a nested list."""
    first = (inspect.getdoc(kind) or "").partition("\n\n")[0].replace("\n", " ")
    below = [line for child in kind.__subclasses__() for line in lines(child, depth + 1)]
    return [f"{'  ' * depth}- `{kind.__name__}`: {first}", *below]
