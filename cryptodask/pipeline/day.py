"""The folder of a day: what each step leaves there for the next one, and for a second try."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from cryptodask.errors import InputError
from cryptodask.io.files import read_json
from cryptodask.io.paths import make_folder
from cryptodask.io.sealed import unseal, write_sealed
from cryptodask.pipeline.settings import Settings
from cryptodask.prices.days import day_text
from cryptodask.results.manifest import MANIFEST

DONE, NOTHING, WAITING, ALARM = "done", "nothing", "waiting", "alarm"
"""States that a step reports; ``nothing`` to do."""

Report = dict[str, Any]
"""What a step returns, as JSON."""

VERSIONS, CHECKED, SENT, JUDGED = "versions.json", "checked.json", "sent.json", "judged.json"
LAST = "last.json"
"""The closes that a group's run saw last."""


def _day(given: Any) -> str:
    return str(day_text(given))


@attrs.frozen
class Day:
    """A day of a pipeline.

    Attributes
    ----------
    settings : Settings
    date : str
        The last day whose prices are known, as ``2026-11-28``.
    """

    settings: Settings
    date: str = attrs.field(converter=_day)

    @property
    def folder(self) -> Path:
        """Where the steps of this day leave what they did."""
        return Path(self.settings.runs) / self.date

    def versions(self) -> list[str]:
        """Return the versions of this day, as NAME:NUMBER: those that were the first time.

        An alias that moves meanwhile does not divide a day's groups among two versions.
        """
        from cryptodask.registry import Registry

        forecast = self.settings.forecast
        if not forecast.versions:
            return []
        path = self.folder / VERSIONS
        if not path.exists():
            chosen = map(Registry(forecast.registry).find, forecast.versions)
            numbers = [f"{name}:{number}" for name, number, _ in chosen]
            make_folder(path.parent)
            write_sealed({"versions": numbers}, path)
        return list(take(path)["versions"])


LONGEST = 60
"""Characters of a value that a message shows."""


@attrs.frozen
class Group:
    """Some coins of a day, which are sent together.

    Attributes
    ----------
    day : Day
    name : str
    """

    day: Day
    name: str

    @property
    def folder(self) -> Path:
        """Where its steps leave what they did: a folder for each of the day's versions."""
        versions = "+".join(v.replace(":", "-") for v in self.day.versions()) or "models"
        return self.day.folder / versions / self.name

    @property
    def run(self) -> Path:
        """The folder of its run."""
        return self.folder / "run"

    @property
    def is_whole(self) -> bool:
        """Whether its run has ended."""
        return (self.run / MANIFEST).exists()

    def done_before(self, name: str, facts: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return what a step left, if the group's run has ended: that is not decided anew.

        Parameters
        ----------
        name : str
            A file of the group's folder.
        facts : mapping of str to Any
            What the settings ask of the step now, as JSON has it.

        Raises
        ------
        InputError
            Something else was asked for then; the message names it.
        """
        if not self.is_whole or not (self.folder / name).exists():
            return None
        left = self.read(name)
        for key, value in facts.items():
            if left["asked"].get(key) != value:
                raise InputError(
                    f"group {self.name} of {self.day.date}: {key}: the settings say "
                    f"{_short(value)}, and it was done with {_short(left['asked'].get(key))}; to "
                    f"do it anew, remove {self.folder} or name another folder as runs"
                )
        return left

    def read(self, name: str) -> dict[str, Any]:
        """Return what a step left.

        Parameters
        ----------
        name : str
            A file of the group's folder.

        Raises
        ------
        InputError
            That step did not run, or the file is damaged.
        """
        path = self.folder / name
        try:
            return take(path)
        except FileNotFoundError as error:
            step = {CHECKED: "check", SENT: "send", LAST: "send", JUDGED: "judge"}[name]
            raise InputError(
                f"{path}: is missing: run `cryptodask pipeline {step}` for group {self.name} first"
            ) from error

    def write(self, name: str, content: Mapping[str, Any]) -> None:
        """Leave something for the next step.

        Parameters
        ----------
        name : str
            A file of the group's folder.
        content : mapping of str to Any
        """
        make_folder(self.folder)
        write_sealed(content, self.folder / name)


def take(path: Path) -> dict[str, Any]:
    """Return what a step left in a file.

    Parameters
    ----------
    path : Path

    Raises
    ------
    FileNotFoundError
        It is missing.
    InputError
        It is not as it was written.
    """
    anew = f"to do that anew, remove {path.parent}"
    try:
        content = read_json(path)
    except InputError as error:
        raise InputError(f"{error}; {anew}") from error
    problem = unseal(content)
    if problem is not None:
        raise InputError(f"{path}: {problem}; {anew}")
    return dict(content)


def _short(value: Any) -> str:
    shown = json.dumps(value)
    return shown if len(shown) <= LONGEST else f"{shown[:LONGEST]}…"


def groups_of(coins: Sequence[str], count: int) -> dict[str, list[str]]:
    """Return groups of coins by name; a coin stays in its group when others come or go.

    Parameters
    ----------
    coins : sequence of str
    count : int
        How many groups; 0 for a group of each coin.

    Returns
    -------
    dict of str to list of str
        Without groups that have no coin.
    """
    groups: dict[str, list[str]] = {}
    for coin in coins:
        digest = hashlib.sha256(coin.encode()).hexdigest()
        name = f"{int(digest, 16) % count:04d}" if count else digest[:16]
        groups.setdefault(name, []).append(coin)
    return dict(sorted(groups.items()))
