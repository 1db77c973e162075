"""The reference of the command, from typer's own description of it: a page a command."""

import re
from pathlib import Path

import typer
from typer.cli import get_docs_for_click

NAME = "cryptodask"

EXAMPLE = re.compile(r"^(?: *cryptodask .*\n)+", re.M)
"""Lines of a help text that are commands."""


def as_code(match: re.Match[str]) -> str:
    """Return commands as a block of code."""
    lines = "".join(f"$ {line.strip()}\n" for line in match[0].splitlines())
    return f"```console\n{lines}```\n"


def pages(folder: Path) -> dict[str, str]:
    """Return the pages by their names below a folder."""
    del folder
    from cryptodask.cli.app import app

    root = typer.main.get_command(app)
    context = typer.Context(root, info_name=NAME)
    texts = {}
    for name in root.list_commands(context):
        command = root.get_command(context, name)
        assert command is not None
        text = get_docs_for_click(obj=command, ctx=context, name=name, call_prefix=NAME)
        texts[f"commands/{name}.md"] = EXAMPLE.sub(as_code, text)
    listed = "\n".join(sorted(path.removeprefix("commands/").removesuffix(".md") for path in texts))
    texts["commands/index.md"] = (
        "# Commands\n\nWritten from the command itself; `cryptodask COMMAND --help` prints the "
        f"same.\n\n```{{toctree}}\n:maxdepth: 1\n\n{listed}\n```\n"
    )
    return texts
