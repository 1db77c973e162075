"""Boosted trees for models over all coins: what is the same of XGBoost and LightGBM."""

import math
import zlib
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar

import numpy as np

from cryptodask.errors import MissingExtraError, OptionError, VersionError
from cryptodask.models.packed import Bytes
from cryptodask.models.pooled.fits import PREFIX, Fit, Library, Predictor
from cryptodask.records import FloatArray32

MOST_BYTES = 2**30
"""Of one step's trees: more are refused, lest a few bytes that were put there fill the memory."""


@dataclass(frozen=True)
class BoostedFits(Library):
    """Boosted trees as `cryptodask.models.pooled.learner` fits them.

    Attributes
    ----------
    params : mapping of str to value
        Some of `defaults`.
    """

    params: Mapping[str, Any]

    library: ClassVar[str]
    """The name of the package, of its module, and of the extra that has it."""

    title: ClassVar[str]
    """The library's name, as its authors write it."""

    defaults: ClassVar[Mapping[str, Any]]
    """The library's parameters that may be given, with our defaults."""

    counts: ClassVar[tuple[str, ...]]
    """Those that are integers of at least 1, where the library itself would take others."""

    objectives: ClassVar[tuple[str, ...]]
    """Those whose predictions are of either sign and in the unit of the target."""

    @property
    def name(self) -> str:
        """The model's name."""
        return f"{PREFIX}:{self.library}"

    def module(self) -> Any:
        """Return the library's module.

        Raises
        ------
        MissingExtraError
            It is not installed, or not whole.
        """
        try:
            return import_module(self.library)
        except ImportError as error:
            raise MissingExtraError(
                f"{self.name} needs {self.title}: pip install 'cryptodask[{self.library}]'"
            ) from error
        except OSError as error:  # a wheel may need what the system has, as libgomp
            raise MissingExtraError(
                f"{self.name}: {self.title} is installed, and can't be loaded: {error}; install "
                "that library of the system"
            ) from error

    @abstractmethod
    def docs(self, module: Any) -> list[str]:
        """Return the library's docstrings, which say what its options mean.

        Parameters
        ----------
        module : module
            Of the library.
        """

    @abstractmethod
    def load(self, content: bytes) -> tuple[Predictor, int]:
        """Return a booster and of how many features it is.

        Parameters
        ----------
        content : bytes
            As the library writes it.

        Raises
        ------
        ValueError, TypeError
            The library can't read it.
        """

    def options(self) -> dict[str, tuple[Any, Any]]:
        return {name: (type(default), default) for name, default in self.defaults.items()}

    def documented(self) -> list[str]:
        try:
            return self.docs(self.module())
        except MissingExtraError:
            return []

    def check(self) -> None:
        """Check options by training on a few rows.

        Raises
        ------
        MissingExtraError
            The library is not installed.
        OptionError
            An option is out of its range.
        """
        self.module()
        values = {**self.defaults, **self.params}
        for option, value in values.items():
            wrong = self._wrong(option, value)
            if wrong:
                raise OptionError(f"{self.name} {option}: must be {wrong}, got {value!r}")
        x = np.arange(16, dtype=np.float32).reshape(8, 2)
        try:
            type(self)({**self.params, "n_estimators": 1}).fit(x, x[:, 0], 0)
        except (TypeError, ValueError) as error:
            said = " ".join(str(error).partition("Stack trace")[0].split())
            raise OptionError(f"{self.name}: {self.title} refuses its options: {said}") from error

    def _wrong(self, option: str, value: Any) -> str:
        """Return what an option must be, if it is not."""
        is_integer = isinstance(value, int) and not isinstance(value, bool)
        if option in self.counts and not (is_integer and value >= 1):
            return "an integer of at least 1"
        if option == "objective" and value not in self.objectives:
            return f"one of {', '.join(self.objectives)}"
        default = self.defaults[option]
        if not isinstance(default, int | float):
            return ""
        if not is_integer and not (isinstance(value, float) and math.isfinite(value)):
            return "a finite number"
        # C++ would take the lower bits of a larger one.
        return "below 2**31" if isinstance(default, int) and abs(value) >= 2**31 else ""

    def fit_blocks(self, blocks: Sequence[tuple[FloatArray32, FloatArray32]], seed: int) -> Fit:
        x, y = zip(*blocks, strict=True)
        return self.fit(np.concatenate(x), np.concatenate(y), seed)

    def predictor(self, fit: Fit, columns: int, seed: int) -> Predictor:
        assert fit.kept is not None
        self.module()
        try:
            booster, features = self.load(decompressed(fit.kept))
        except (zlib.error, ValueError, TypeError) as error:
            raise VersionError(
                f"{self.name}: what was kept can't be read by {self.title}; train it again"
            ) from error
        if features != columns:
            raise VersionError(
                f"{self.name}: what was kept is of {features} features, and {columns} are "
                "declared; train it again"
            )
        return booster


def compressed(content: bytes | bytearray) -> Bytes:
    """Return what a library writes of its trees in a sixth to a third of the bytes.

    Parameters
    ----------
    content : bytes

    Returns
    -------
    ndarray of uint8, ``(n_bytes,)``
    """
    return np.frombuffer(zlib.compress(content, 9), dtype=np.uint8)


def decompressed(kept: Bytes) -> bytes:
    """Return the content of `compressed`, whose checksum shows accidents.

    Parameters
    ----------
    kept : ndarray of uint8, ``(n_bytes,)``

    Raises
    ------
    ValueError
        It ends early, or is of more than `MOST_BYTES`.
    zlib.error
        It is damaged.
    """
    stream = zlib.decompressobj()
    content = stream.decompress(kept.tobytes(), MOST_BYTES)
    if not stream.eof:
        raise ValueError("cut off, or too large")
    return content
