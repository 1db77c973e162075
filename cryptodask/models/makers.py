"""What makes the models of a name in the catalog or of a library, with options and texts."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from cryptodask.models.base import Model
from cryptodask.models.options import class_docs, convert
from cryptodask.models.things import field_options


@dataclass(frozen=True)
class OfCatalog:
    """A model of `CATALOG`."""

    name: str
    kind: Any

    def options(self) -> dict[str, tuple[Any, Any]]:
        """Return type and default of each option."""
        return field_options(self.kind, self.name)

    def create(self, values: Mapping[str, Any]) -> Model:
        """Create a model from options, as text or not."""
        known = self.options()
        typed = {k: convert(self.name, k, v, known[k][0]) for k, v in values.items()}
        model: Model = self.kind(**typed)
        return model

    def describe(self) -> str:
        """Return a text whose first line says what it is."""
        return self.text()

    def text(self) -> str:
        """Return all that its docstring says."""
        return self.kind.__doc__ or ""

    def docs(self) -> list[str]:
        """Return the docstrings that explain its options."""
        return class_docs(self.kind)

    def gaps(self) -> str:
        """Return what it makes of gaps; see `Model.gaps`."""
        return str(self.kind().gaps)


@dataclass(frozen=True)
class OfFamily:
    """A model of a library, or one that is built of others; see `FAMILIES`."""

    kind: Any
    inner: str

    def options(self) -> dict[str, tuple[Any, Any]]:
        """Return type and default of each option."""
        options: dict[str, tuple[Any, Any]] = self.kind.options(self.inner)
        return options

    def create(self, values: Mapping[str, Any]) -> Model:
        """Create a model from options, as text or not."""
        model: Model = self.kind.create(self.inner, values)
        return model

    def describe(self) -> str:
        """Return a text whose first line says what it is."""
        return str(self.kind.describe(self.inner))

    def docs(self) -> list[str]:
        """Return the docstrings that explain its options."""
        documented = getattr(self.kind, "documented", None)
        library = [] if documented is None else documented(self.inner)
        return [*library, self.kind.__doc__ or ""]

    def text(self) -> str:
        """Return all that its docstring says."""
        _, _, rest = (self.kind.__doc__ or "").partition("\n")
        return f"{self.describe()}\n{rest}"

    def gaps(self) -> str:
        """Return what it makes of gaps; see `Model.gaps`."""
        return str(self.kind.gaps)


def import_place(place: str) -> Any:
    """Return what ``MODULE:NAME`` names, of CryptoDask's own modules.

    Parameters
    ----------
    place : str
    """
    module, _, attribute = place.partition(":")
    return getattr(import_module(module), attribute)
