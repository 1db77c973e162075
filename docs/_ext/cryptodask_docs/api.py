"""The reference of Python's names: a page for each package that has public ones."""

from importlib import import_module
from pathlib import Path

PACKAGES = (
    "cryptodask",
    "cryptodask.prices",
    "cryptodask.runs",
    "cryptodask.results",
    "cryptodask.models",
    "cryptodask.features",
    "cryptodask.testing",
    "cryptodask.registry",
    "cryptodask.store",
    "cryptodask.trading",
    "cryptodask.risk",
)


def pages(folder: Path) -> dict[str, str]:
    """Return the pages by their names below a folder."""
    del folder
    texts = {f"api/{name}.rst": page(name) for name in PACKAGES}
    named = "".join(f"   {name}\n" for name in PACKAGES)
    listed = "".join(f"- :doc:`{name}`: {summary(name)}\n" for name in PACKAGES)
    texts["api/index.rst"] = f"{heading('API')}\n{listed}\n.. toctree::\n   :hidden:\n\n{named}"
    return texts


def heading(text: str, line: str = "=") -> str:
    """Return a heading of reStructuredText."""
    return f"{text}\n{line * len(text)}\n"


def summary(name: str) -> str:
    """Return the first sentence of a package's docstring."""
    paragraph = (import_module(name).__doc__ or "").partition("\n\n")[0]
    return " ".join(paragraph.split())


def page(name: str) -> str:
    """Return the page of a package: what it says of itself, and each public name.

    A name that an earlier package of `PACKAGES` has, too, is only listed there.
    """
    module = import_module(name)
    parts = [heading(name), f".. automodule:: {name}\n   :no-index:\n"]
    for public in module.__all__:
        home = next(p for p in reversed(PACKAGES) if public in import_module(p).__all__)
        if home != name:
            parts.append(f"``{public}``: see :doc:`{home}`.\n")
        elif isinstance(getattr(module, public), type):
            parts.append(
                f".. autoclass:: {name}.{public}\n   :members:\n   :inherited-members: Exception\n"
            )
        elif callable(getattr(module, public)):
            parts.append(f".. autofunction:: {name}.{public}\n")
        else:
            parts.append(f".. autodata:: {name}.{public}\n")
    return "\n".join(parts)
