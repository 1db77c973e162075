"""Versions of trained models: what a run learned, in a folder, read coin by coin.

The folder is that of the run, with a manifest of kind ``parameters``. Beside it are the files of
what tasks learned, ``parameters-N.safetensors``, each of some coins; what serves any coin,
``_shared.safetensors``; and ``_index.parquet``, which says of each coin where it lies, its last
date, and the checksum of its rows. Whoever reads coins compares the checksums of their rows and of
the header that says where they are, so that a flipped bit is noticed before it is a forecast, and
a single coin costs no more than its bytes. Nothing in these files can run.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import pandas as pd

from cryptodask.errors import DamagedFileError, TableError, UntrainedError, VersionError
from cryptodask.evaluate.intervals.bounds import Calibration
from cryptodask.io.files import FileRecord, damage, damaged, size_damage
from cryptodask.io.parquet import read_frame
from cryptodask.io.paths import AnyPath, names_in, path_of, resolved
from cryptodask.models.base import Model
from cryptodask.models.catalog import is_own
from cryptodask.models.learned import Learned
from cryptodask.prices.clean.findings import empty_findings
from cryptodask.records import DateArray
from cryptodask.results.learned_files import OWN, join_rows, read_learned, read_shared
from cryptodask.results.manifest import FAILURES, LOST, TASKS, Manifest, read_manifest
from cryptodask.results.shown import ShowsFacts
from cryptodask.results.version_facts import (
    KIND,
    SPREADS_SINCE,
    VersionFacts,
    model_of,
    read_facts,
)
from cryptodask.text import counted

INDEX, SHARED = "_index.parquet", "_shared.safetensors"

TRACES = re.compile(
    r"_(plan|manifest|pools|shared)\.json|_(done|split)-[0-9.]+\.json|_lock"
    r"|\.[\w.-]+\.[0-9a-f]{8}"
)
"""Names of other files in the folder of a training: its records, its lock, and drafts."""

CALIBRATION = ("ratio", "market", "quantiles")
"""Fields of a `Calibration`; its arrays are named so, after a dot."""


@dataclass(frozen=True, repr=False)
class Version(ShowsFacts):
    """A version of a trained model.

    Attributes
    ----------
    path : Path or UPath
        Its folder.
    manifest : Manifest
    facts : VersionFacts
    """

    path: AnyPath
    manifest: Manifest
    facts: VersionFacts

    def _facts(self) -> dict[str, object]:
        """Return what it says of itself."""
        facts = self.facts
        options = [f"{name}={value}" for name, value in facts.model["options"].items()]
        return {
            "model": facts.model["name"],
            "options": ", ".join(options) or None,
            "coins": f"{facts.coins:,}",
            "rows": f"{facts.first} to {facts.last}",
            "trained": facts.trained,
            "horizon": counted(self.manifest.horizon, "bar"),
            "files": self.path,
        }

    @cached_property
    def model(self) -> Model:
        """The model with its options, without what it learned.

        Raises
        ------
        VersionError
            This catalog has none like it, or one whose features are others.
        """
        return model_of(self.path, self.facts, self.manifest.features)

    @property
    def is_own(self) -> bool:
        """Whether the model is of a user's code, and not of the catalog or a package."""
        return is_own(str(self.facts.model.get("model") or self.facts.model["name"]))

    @cached_property
    def index(self) -> pd.DataFrame:
        """Where each coin lies, by name; see `make_index`."""
        frame = read_frame(self.path / INDEX, self._record(INDEX))
        return frame.set_index("coin")

    @property
    def coins(self) -> list[str]:
        """Those that it was trained on, in order."""
        return [str(coin) for coin in self.index.index]

    @cached_property
    def failures(self) -> pd.DataFrame:
        """Coins that nothing was learned of: ``coin, model, exception, message``."""
        return read_frame(self.path / FAILURES, self._record(FAILURES)).astype("str")

    @cached_property
    def lost(self) -> pd.DataFrame:
        """Rows and files that could not be read; see `Forecasts.lost`."""
        frame = read_frame(self.path / LOST, self._record(LOST))
        return frame.astype(empty_findings().dtypes.to_dict())

    @cached_property
    def tasks(self) -> pd.DataFrame:
        """What each job did; see `Forecasts.tasks`."""
        return read_frame(self.path / TASKS, self._record(TASKS))

    @property
    def is_complete(self) -> bool:
        """Whether it has learned of every coin, and every row could be read."""
        return self.failures.empty and self.lost.empty

    @property
    def size(self) -> int:
        """Bytes of all files that the manifest names."""
        return sum(record.size for record in (*self.manifest.files, *self.manifest.beside))

    def check(self) -> None:
        """See that small files are as they were written, and that large ones are as long.

        The latter, what was learned of single coins, are compared as they are read.

        Raises
        ------
        DamagedFileError
            A file is missing, or not as it was written.
        """
        look = damage if self.facts.any_coin else size_damage
        reasons = {self.path / r.name: look(self.path / r.name, r) for r in self.manifest.files}
        reasons |= {self.path / r.name: damage(self.path / r.name, r) for r in self.manifest.beside}
        for path, reason in reasons.items():
            if reason is not None:
                raise damaged(path, reason)

    def unknown(self, coins: Sequence[str], lasts: DateArray) -> dict[str, UntrainedError]:
        """Return why it can't forecast some coins.

        Parameters
        ----------
        coins : sequence of str
        lasts : ndarray of datetime64[s], ``(n_coins,)``
            The last date of each that it would see.
        """
        errors = {}
        places = self.index.index.get_indexer(pd.Index(coins))
        trained = self.index["last"].to_numpy().astype("datetime64[s]")
        for coin, place, last in zip(coins, places, lasts, strict=True):
            if place < 0 and not self.facts.any_coin:
                errors[coin] = UntrainedError(self._why_untrained(coin))
            elif place >= 0 and last < trained[place]:
                errors[coin] = UntrainedError(
                    f"{coin}: {self.path} was trained on its prices up to {_day(trained[place])}, "
                    f"and here they end on {_day(last)}: it has seen what it would forecast; use a "
                    "version of before, or newer prices"
                )
        return errors

    def _why_untrained(self, coin: str) -> str:
        """Return why it can't forecast a coin that it does not know, and what to do."""
        failures = self.failures
        reasons = failures["message"][failures["coin"] == coin]
        if len(reasons):
            return f"{coin}: {self.path} could not be trained on it: {reasons.iloc[0]}"
        return (
            f"{coin}: {self.path} was not trained on it; train a new version with it, or forecast "
            "it anew"
        )

    def learned(self, coins: Sequence[str]) -> tuple[Learned, Calibration | None]:
        """Return what was learned of coins, in this order, each compared with its checksum.

        Parameters
        ----------
        coins : sequence of str
            Each of them known, where the version serves those alone.

        Returns
        -------
        learned : Learned
        calibration : Calibration or None
            For intervals, where the version has them; of the coins in their order.

        Raises
        ------
        DamagedFileError
            A file is missing, or what was read of it is not as it was written.
        """
        shared = self._shared() if self.facts.any_coin else None
        if shared is not None and not self.manifest.intervals:
            return shared, None
        known = [coin for coin in coins if coin in self.index.index]
        rows = self.index.loc[known]
        parts = [
            read_learned(self.path / str(name), some)
            for name, some in rows.groupby("file", sort=False)
        ]
        learned = join_rows(known, parts)
        arrays = {n: a for n, a in learned.arrays.items() if not n.startswith(OWN)}
        of_coins = Learned(learned.coins, arrays)
        return shared or of_coins, self._calibration(coins, learned)

    def _calibration(self, coins: Sequence[str], learned: Learned) -> Calibration | None:
        """Return what intervals of coins are made from; nothing of those that are not known."""
        if not self.manifest.intervals or self.facts.format < SPREADS_SINCE:
            return None
        calibration = Calibration.nothing(len(coins), self.manifest.horizon)
        place = {coin: i for i, coin in enumerate(coins)}
        rows = [place[coin] for coin in learned.coins or ()]
        if rows:
            for name in CALIBRATION:
                getattr(calibration, name)[rows] = learned.arrays[OWN + name]
        return calibration

    def _shared(self) -> Learned:
        """Return what serves any coin."""
        if not self.facts.learns:
            return Learned(None, {})
        return read_shared(self.path / SHARED, self._record(SHARED))

    def _record(self, name: str) -> FileRecord:
        record = self.manifest.record(name)
        if record is None:
            raise damaged(self.path, f"its manifest names no {name}")
        return record


def open_version(path: str | os.PathLike[str] | AnyPath) -> Version:
    """Open a version; nothing is read but its manifest.

    Parameters
    ----------
    path : str or path
        Its folder, or a URL that fsspec knows.

    Raises
    ------
    VersionError
        There is none, its training did not end, or it is of a format that this release can't read.
    InputError
        The manifest is damaged.
    """
    folder = resolved(path_of(path))
    try:
        manifest = read_manifest(folder, [KIND])
    except TableError as error:
        raise VersionError(
            f"{folder}: holds no version that is whole; `cryptodask resume {folder}` ends a "
            "training that was stopped"
        ) from error
    facts = read_facts(manifest.facts, str(folder))
    _check_foreign(folder, manifest)
    return Version(folder, manifest, facts)


def _check_foreign(folder: AnyPath, manifest: Manifest) -> None:
    """Check that a version's folder has nothing that no training wrote.

    Raises
    ------
    VersionError
        It has.
    """
    known = {record.name for record in (*manifest.files, *manifest.beside)}
    foreign = sorted(n for n in names_in(folder) if n not in known and not TRACES.fullmatch(n))
    if foreign:
        raise VersionError(
            f"{folder / foreign[0]}: no training wrote it; it is not read, and nothing of it is "
            "run: find out who put it there, and remove it"
        )


@lru_cache(maxsize=16)
def version_at(path: AnyPath, key: str) -> Version:
    """Return a version that does not change, opened once in a process.

    Parameters
    ----------
    path : Path or UPath
    key : str
        That of its manifest.

    Raises
    ------
    DamagedFileError
        Another version is there now.
    """
    version = open_version(path)
    if version.manifest.key != key:
        raise DamagedFileError(f"{path}: another version is there than when the run began")
    return version


def _day(date: Any) -> str:
    return str(np.datetime_as_string(np.datetime64(date, "s"), unit="D"))
