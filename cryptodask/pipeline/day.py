"""The folder of a day: what each step leaves there for the next one, and for a second try."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from cryptodask.errors import InputError
from cryptodask.io.files import read_json, write_json
from cryptodask.pipeline.settings import Settings
from cryptodask.prices.days import day_text

DONE, NOTHING, WAITING = "done", "nothing", "waiting"
"""States that a step reports; ``nothing`` to do."""

Report = dict[str, Any]
"""What a step returns, as JSON."""

VERSIONS, CHECKED, SENT, JUDGED = "versions.json", "checked.json", "sent.json", "judged.json"


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
            found = map(Registry(forecast.registry).find, forecast.versions)
            numbers = [f"{name}:{number}" for name, number, _ in found]
            path.parent.mkdir(parents=True, exist_ok=True)
            write_json({"versions": numbers}, path)
        return list(read_json(path)["versions"])


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

    def read(self, name: str) -> dict[str, Any]:
        """Return what a step left.

        Parameters
        ----------
        name : str
            A file of the group's folder.

        Raises
        ------
        InputError
            That step did not run.
        """
        path = self.folder / name
        try:
            content: dict[str, Any] = read_json(path)
        except FileNotFoundError as error:
            step = {CHECKED: "check", SENT: "send", JUDGED: "judge"}[name]
            raise InputError(
                f"{path}: is missing: run `cryptodask pipeline {step}` for group {self.name} first"
            ) from error
        return content

    def write(self, name: str, content: Mapping[str, Any]) -> None:
        """Leave something for the next step.

        Parameters
        ----------
        name : str
            A file of the group's folder.
        content : mapping of str to Any
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(dict(content), self.folder / name)


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
