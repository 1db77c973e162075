"""The help of every command: an example that the command takes, and options under headings."""

import os
import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from cryptodask.cli.app import app
from tests.docs.blocks import check_words

EXAMPLE = re.compile(r"^ *(cryptodask .+)$", re.M)


def commands(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield each command that does something, by its words."""
    if not hasattr(command, "commands"):
        yield words, command
        return
    for name, each in command.commands.items():
        yield from commands(each, (*words, name))


COMMANDS = dict(commands(typer.main.get_command(app)))


@pytest.fixture(scope="module")
def helps() -> dict[tuple[str, ...], str]:
    """What ``-h`` prints on a terminal of 80 columns."""
    env = {**os.environ, "COLUMNS": "80", "NO_COLOR": "1"}
    texts = {}
    for words in COMMANDS:
        done = CliRunner().invoke(app, [*words, "-h"], prog_name="cryptodask", env=env)
        assert done.exit_code == 0
        texts[words] = done.output
    return texts


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_has_examples_that_the_command_takes(
    words: tuple[str, ...], helps: dict[tuple[str, ...], str]
) -> None:
    examples = [match[1].rstrip() for match in EXAMPLE.finditer(helps[words])]
    assert examples
    for example in examples:
        name, *rest = shlex.split(example)
        assert tuple(rest[: len(words)]) == words, example
        check_words([name, *rest])
        # As the command reads it, but for what it then does: a missing option or value is an error.
        COMMANDS[words].make_context(name, rest[len(words) :])


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_each_option_is_under_a_heading_in_the_help(words: tuple[str, ...]) -> None:
    options = [param for param in COMMANDS[words].params if param.param_type_name == "option"]
    loose = [param.name for param in options if not (param.hidden or param.rich_help_panel)]
    assert not loose


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_fits_80_columns_and_cuts_nothing(
    words: tuple[str, ...], helps: dict[tuple[str, ...], str]
) -> None:
    assert max(map(len, helps[words].splitlines())) <= 80
    assert not re.search(r"\w…", helps[words])
