"""Plays cases, each of which a seed and a number make again."""

import logging
import shutil
import time
import warnings
from pathlib import Path

import numpy as np

from tests.fuzz.targets import targets


class Fuzz:
    """Damages what is read, again and again, all targets in turn.

    Parameters
    ----------
    place : Path
        An empty folder to work in.
    seed : int

    Attributes
    ----------
    counts : dict of str to list of int
        How often each target was read and refused.
    faults : dict of int to str
        What was wrong, by the number of the case.
    """

    def __init__(self, place: Path, seed: int) -> None:
        self.seed, self._work = seed, place / "work"
        (place / "written").mkdir()
        self.targets = list(targets(place / "written"))
        self.counts = {target.name: [0, 0] for target in self.targets}
        self.faults: dict[int, str] = {}

    def play(self, case: int) -> None:
        """Play one case, and raise where a promise is not kept.

        Parameters
        ----------
        case : int
        """
        target = self.targets[case % len(self.targets)]
        self._work.mkdir()
        try:
            random = np.random.default_rng([self.seed, case])
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                was_read = target.play(self._work, random)
        finally:
            shutil.rmtree(self._work)
        self.counts[target.name][not was_read] += 1

    def run(self, seconds: float) -> None:
        """Play cases for a while, each target once at least; note faults, and go on.

        Parameters
        ----------
        seconds : float
        """
        logging.disable(logging.WARNING)
        try:
            ends, case = time.monotonic() + seconds, 0
            while case < len(self.targets) or time.monotonic() < ends:
                try:
                    self.play(case)
                except Exception as error:  # noqa: BLE001 - each is a fault to be told
                    self.faults[case] = f"{type(error).__name__}: {error}"
                case += 1
        finally:
            logging.disable(logging.NOTSET)
