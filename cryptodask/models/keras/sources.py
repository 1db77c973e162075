"""Where a network comes from: a function that builds it, or a file that holds it."""

import hashlib
import random
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4
from weakref import WeakKeyDictionary

import numpy as np

from cryptodask.errors import OptionError, UnknownModelError
from cryptodask.io.modules import module_file
from cryptodask.models.keras import networks
from cryptodask.models.keras.saved import check_content
from cryptodask.models.own import is_place, named, note

SHIPPED = ("gru", "tcn", "transformer")
"""Builders of `cryptodask.models.keras.networks`."""

SHAPE = ("window", "features", "outputs")
"""The arguments of a builder that are given to it; all others are options."""

_keys: "WeakKeyDictionary[Any, str]" = WeakKeyDictionary()


class Source(Protocol):
    """What a network comes from; of equal sources come equal networks."""

    @property
    def place(self) -> str:
        """The name behind ``keras:``."""

    @property
    def arguments(self) -> dict[str, tuple[Any, Any]]:
        """Type and default of each option of the network; a default of ... is none."""

    def build(self, keras: Any, shape: tuple[int, int, int], params: Any, seed: int) -> Any:
        """Return a new compiled network.

        Parameters
        ----------
        keras : module
        shape : (int, int, int)
            Window, features and outputs.
        params : iterable of (str, value)
            Values of `arguments`.
        seed : int
            Of all that is drawn: first weights, and later dropout.
        """


@dataclass(frozen=True)
class Builder:
    """A function that builds and compiles a network.

    Attributes
    ----------
    place : str
    key : str
        Differs where the function may be another.
    function : callable
    """

    place: str
    key: str
    function: Callable[..., Any] = field(compare=False, repr=False)

    @property
    def arguments(self) -> dict[str, tuple[Any, Any]]:
        """Type and default of each argument but `SHAPE`; a default of ... is none."""
        from inspect import Parameter, signature

        variable = Parameter.VAR_KEYWORD, Parameter.VAR_POSITIONAL
        return {
            p.name: (type(p.default), ... if p.default is Parameter.empty else p.default)
            for p in signature(self.function).parameters.values()
            if p.name not in SHAPE and p.kind not in variable
        }

    def build(self, keras: Any, shape: tuple[int, int, int], params: Any, seed: int) -> Any:
        from inspect import signature

        takes = signature(self.function).parameters
        given = {name: n for name, n in zip(SHAPE, shape, strict=True) if name in takes}
        with _seeded(keras, seed):
            try:
                return self.function(**given, **dict(params))
            except Exception as error:
                raise OptionError(f"keras:{self.place}: {self._why(error)}") from error

    def _why(self, error: Exception) -> str:
        """Return the line of the user at which the function failed, and why."""
        path = getattr(getattr(self.function, "__code__", None), "co_filename", "")
        lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == path]
        where = f"{path}, line {lines[-1]}: " if lines else ""
        return f"{where}{type(error).__name__}: {error}"


@dataclass(frozen=True)
class Saved:
    """A compiled network that Keras saved, as the bytes of a ``.keras`` file.

    Attributes
    ----------
    place : str
    digest : str
        SHA-256 of the bytes.
    content : bytes
        Those of a zip archive of settings as JSON and weights, and no code.
    window : int or None
        Rows that its input takes; None of any number of them.
    """

    place: str
    digest: str
    content: bytes = field(compare=False, repr=False)
    window: int | None = None

    @property
    def arguments(self) -> dict[str, tuple[Any, Any]]:
        """No option: its settings are in the file."""
        return {}

    @classmethod
    def of(cls, place: str, content: bytes) -> "Saved":
        """Return a source of bytes that need no code but Keras's own.

        Parameters
        ----------
        place : str
        content : bytes

        Raises
        ------
        OptionError
            They are not of a ``.keras`` file, or need other code.
        """
        window = check_content(place, content)
        return cls(place, hashlib.sha256(content).hexdigest(), content, window)

    def build(self, keras: Any, shape: tuple[int, int, int], params: Any, seed: int) -> Any:
        with (
            _seeded(keras, seed),
            tempfile.TemporaryDirectory() as folder,
            warnings.catch_warnings(),
        ):
            path = Path(folder) / "network.keras"
            path.write_bytes(self.content)
            # Of an optimiser that has not made a step, and has no state yet.
            warnings.filterwarnings("ignore", "Skipping variable loading for optimizer")
            try:
                return keras.saving.load_model(path, safe_mode=True)
            except Exception as error:
                raise OptionError(
                    f"keras:{self.place}: Keras can't load it: {type(error).__name__}: {error}; "
                    "save it by this release of Keras, or name a function that builds it"
                ) from error


def source_named(place: str) -> Source:
    """Return the source of a name; no user's code is imported that was not named before.

    Parameters
    ----------
    place : str
        One of `SHIPPED`, ``MODULE:BUILDER``, or the path of a ``.keras`` file.

    Raises
    ------
    UnknownModelError
        It names nothing.
    OptionError
        It names a file that can't be used, or something that is not a function.
    """
    if place in SHIPPED:
        return Builder(place, "", getattr(networks, place))
    if place.endswith(".keras"):
        try:
            return Saved.of(place, Path(place).read_bytes())
        except OSError as error:
            raise UnknownModelError(f"keras:{place}: can't be read: {error}") from error
    if not is_place(place):
        raise UnknownModelError(
            f"'keras:{place}': no such network; name one of {', '.join(SHIPPED)}, a function that "
            "builds one as keras:MODULE:BUILDER, or a file as keras:network.keras"
        )
    builder = named(place)
    if not callable(builder):
        raise OptionError(
            f"keras:{place}: is a {type(builder).__name__}; name a function of (window, features, "
            "outputs) that returns a compiled Keras model"
        )
    return source_of_builder(builder, place)


def source_of_object(network: Any) -> Source:
    """Return the source of a function, or of a compiled Keras model.

    Parameters
    ----------
    network : callable or keras.Model

    Raises
    ------
    OptionError
        It is neither, or a model that needs code beside Keras's own.
    """
    keras = sys.modules.get("keras")  # without it, nothing can be a Keras model
    if keras is not None and isinstance(network, keras.Model):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "network.keras"
            network.save(path)
            return Saved.of(str(network.name), path.read_bytes())
    if not callable(network):
        raise OptionError(
            f"keras: network is {network!r}; give a name, a function that builds a compiled "
            "keras.Model, or one that is compiled"
        )
    module = getattr(network, "__module__", None) or type(network).__module__
    name = getattr(network, "__name__", type(network).__name__)
    return source_of_builder(network, f"{module}:{name}")


def source_of_builder(function: Callable[..., Any], place: str) -> Builder:
    """Return the source of a builder; of the same name again after a change, it is another.

    Parameters
    ----------
    function : callable
    place : str
    """
    module, _, name = place.partition(":")
    if getattr(networks, name, None) is function and module == networks.__name__:
        return Builder(name, "", function)
    file = module_file(module) if note(place, function) else None
    if file is not None:
        return Builder(place, file.digest, function)
    return Builder(place, _keys.setdefault(function, uuid4().hex), function)


@contextmanager
def _seeded(keras: Any, seed: int) -> Iterator[None]:
    """Seed what a network may draw from; afterwards Python's and NumPy's states are as before.

    Keras draws the seeds of its layers from Python's `random`, as do Dask's threads meanwhile. So
    that theirs can't change ours, Keras gets a generator for itself, of the same numbers.
    """
    from keras.src.random import seed_generator

    if not hasattr(seed_generator, "python_random"):
        raise OptionError(
            f"keras {keras.__version__}: draws seeds in a way that is not known here, so that "
            "forecasts would differ from run to run; install keras 3.10 to 3.15"
        )
    states = random.getstate(), np.random.get_state()
    keras.utils.set_random_seed(seed)
    seed_generator.python_random = random.Random(seed)
    try:
        yield
    finally:
        seed_generator.python_random = random
        random.setstate(states[0])
        np.random.set_state(states[1])
