"""The code blocks of README, CONTRIBUTING and the site's pages: found, checked, run.

A comment in the line above a block says what is different about it::

    <!-- block: parsed: WHY -->     it is not run; what its commands name is there all the same
    <!-- block: s3 -->              it needs an S3 server
    <!-- block: exit 3 -->          its last command ends with that code

Blocks of a page are run in their order, in a folder that has ``data``, the sample; ``my-prices``,
files of six coins; and ``my-table``, a table of those. A block of Python or TOML whose first line
is ``# NAME.py`` or ``# NAME.toml`` becomes that file, for later blocks.
"""

import re
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import typer

from cryptodask.cli.app import app
from cryptodask.io.structure import structured
from cryptodask.pipeline.settings import Settings
from tests.ci_script import ROOT

PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *(ROOT / "docs").rglob("*.md"),
    )
    if "generated" not in path.parts
)

LANGUAGES = {"console", "python", "toml"}
DIRECTIVE = re.compile(r"\{[\w-]+\}")
"""Of the site's generator, as ``{toctree}``: not code."""

BLOCK = re.compile(
    r"(?:^<!-- block: (?P<mark>.+?) -->\n)?^(?P<fence>```+)(?P<language>[^\n]*)\n"
    r"(?P<text>.*?)^(?P=fence)$",
    re.M | re.S,
)
FILE = re.compile(r"# (?P<name>[\w-]+\.(?:py|toml))$", re.M)

OPERATORS = {"&&", "||", ";", "|", ">", "&"}


@dataclass(frozen=True)
class Command:
    """A command of a block of the kind ``console``.

    Attributes
    ----------
    text : str
        Without the prompt; lines that continue it are joined.
    output : str
        What the page says that it prints; empty if it doesn't.
    """

    text: str
    output: str


@dataclass(frozen=True)
class Block:
    """A block of code.

    Attributes
    ----------
    page : str
        Below the root.
    line : int
        Of its fence, from 1.
    mark : str
        What its comment says.
    language, text : str
    """

    page: str
    line: int
    mark: str
    language: str
    text: str

    @property
    def place(self) -> str:
        """Where it is, as an editor opens it."""
        return f"{self.page}:{self.line}"

    @property
    def is_parsed_only(self) -> bool:
        return self.mark.startswith("parsed:")

    @property
    def file(self) -> str:
        """Name of the file that it is; empty if none."""
        match = FILE.match(self.text)
        return match["name"] if match else ""

    def commands(self) -> list[Command]:
        """Return the commands, each with what it prints."""
        commands: list[Command] = []
        lines = iter(self.text.splitlines())
        for line in lines:
            if line.startswith("$ "):
                text = line[2:]
                while text.endswith("\\"):
                    text = text[:-1] + next(lines).strip()
                commands.append(Command(text, ""))
            else:
                assert commands, f"{self.place}: output before the first `$ `: {line}"
                last = commands.pop()
                commands.append(Command(last.text, last.output + line + "\n"))
        return commands


def blocks_of(page: str) -> list[Block]:
    """Return the blocks of a page of `PAGES`."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = []
    for match in BLOCK.finditer(text):
        if not DIRECTIVE.match(match["language"]):
            line = text.count("\n", 0, match.start("fence")) + 1
            mark = match["mark"] or ""
            found.append(Block(page, line, mark, match["language"], match["text"]))
    return found


def simple_commands(text: str) -> Iterator[list[str]]:
    """Yield the words of each command between a shell's operators, without settings before them."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if word not in OPERATORS:
            words.append(word)
            continue
        while words and re.match(r"[A-Z_]+=", words[0]):
            words = words[1:]
        if words:
            yield words
        words = []


def check_cryptodask(words: list[str]) -> None:
    """Fail if a command of ours, or an option of it, is not there."""
    command: Any = typer.main.get_command(app)
    rest = words[1:]
    while hasattr(command, "commands"):
        assert rest, f"which command of {command.name}?"
        assert rest[0] in command.commands, f"no command {rest[0]!r}"
        command, rest = command.commands[rest[0]], rest[1:]
    known = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
    asked = {word.partition("=")[0] for word in rest if word.startswith("--")}
    assert asked <= known | {"--help"}, f"no option {', '.join(asked - known)} of {command.name}"


def check_words(words: list[str]) -> None:
    """Fail if what a command names is not there: commands, options, extras, targets, files."""
    name, *rest = words
    if name == "cryptodask":
        check_cryptodask(words)
    elif name == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M)
        assert {word for word in rest if "=" not in word} <= set(targets), words
    elif name == "pip":
        check_extras(rest)
    elif name in ("docker", "kubectl"):
        places = [word for word in rest if word.startswith("deploy/")]
        assert places
        assert all((ROOT / place).exists() for place in places), words
    else:
        assert name in ("dask", "export", "mkdir", "[", "python", "sudo", ".ci/run"), words


def check_extras(words: list[str]) -> None:
    """Fail if pip would be asked for an extra that the package does not have."""
    setup = (ROOT / "setup.cfg").read_text(encoding="utf-8")
    assert words[0] == "install"
    for word in words[1:]:
        for extra in re.findall(r"\[([\w,]+)\]", word):
            assert all(re.search(rf"^{name} =$", setup, re.M) for name in extra.split(",")), word


def check_block(block: Block, page: list[Block]) -> None:
    """Fail if a block can't be what it seems to be; nothing of it is run.

    Parameters
    ----------
    block : Block
    page : list of Block
        All blocks of its page: settings in TOML may be a part of those of another block.
    """
    assert block.language in LANGUAGES, f"{block.place}: {block.language!r}"
    if block.language == "console":
        assert block.commands(), block.place
        for command in block.commands():
            for words in simple_commands(command.text):
                check_words(words)
    elif block.language == "python":
        compile(block.text, block.place, "exec")
    elif block.is_parsed_only:
        tomllib.loads(block.text)
    else:
        others = [tomllib.loads(b.text) for b in page if b.language == "toml"]
        whole = next(content for content in others if "prices" in content)
        structured(Settings, whole | tomllib.loads(block.text), block.place, by_hand=True)
