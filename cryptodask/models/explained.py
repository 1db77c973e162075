"""What a model is, from its docstring and its options: for people and for programs."""

import inspect
import re
from collections.abc import Mapping
from typing import Any

from cryptodask.models.catalog import (
    FAMILIES,
    find_maker,
    import_place,
    model_gaps,
    model_options,
)

EXTRAS: Mapping[str, str] = {"prophet": "prophet", "stats": "stats"}
"""By model or prefix, the extra of CryptoDask that it needs."""


def explain_model(name: str) -> dict[str, Any]:
    """Return what a model is, with its formula, source and options, as JSON has it.

    Parameters
    ----------
    name : str
        See `cryptodask.models.list_models`.

    Returns
    -------
    dict
        ``name, summary, description, gaps, extra, options``; each option has ``name, type, default,
        required, meaning``.
    """
    text = inspect.cleandoc(find_maker(name).text())
    summary, _, rest = text.partition("\n")
    sections = re.split(r"^(\w[\w ]*)\n-{3,}\n", rest, flags=re.MULTILINE)
    meanings = _meanings(dict(zip(sections[1::2], sections[2::2], strict=True)))
    prefix = name.partition(":")[0]
    return {
        "name": name,
        "summary": summary,
        "description": sections[0].strip(),
        "gaps": model_gaps(name),
        "extra": EXTRAS.get(prefix),
        "options": [
            {
                "name": option,
                "type": type_text(kind),
                "default": None if default is ... else default,
                "required": default is ...,
                "meaning": meanings.get(option, ""),
            }
            for option, (kind, default) in model_options(name).items()
        ],
    }


def explain_family(prefix: str) -> dict[str, Any]:
    """Return what a family of models is, as JSON has it.

    Parameters
    ----------
    prefix : str
        One of `FAMILIES`.

    Returns
    -------
    dict
        ``name, summary, description, gaps, extra``.
    """
    kind = import_place(FAMILIES[prefix])
    summary, _, rest = inspect.cleandoc(kind.__doc__ or "").partition("\n")
    return {
        "name": kind.pattern,
        "summary": summary,
        "description": re.split(r"^\w[\w ]*\n-{3,}\n", rest, flags=re.MULTILINE)[0].strip(),
        "gaps": str(kind.gaps),
        "extra": EXTRAS.get(prefix),
    }


def type_text(kind: Any) -> str:
    """Return a type as it is written, as ``tuple[int, ...]``.

    Parameters
    ----------
    kind : Any
    """
    return kind.__name__ if isinstance(kind, type) and not hasattr(kind, "__args__") else str(kind)


def _meanings(sections: Mapping[str, str]) -> dict[str, str]:
    """Return what each option means, of the sections of a NumPy docstring that list them."""
    meanings: dict[str, str] = {}
    for title in ("Parameters", "Attributes"):
        names: list[str] = []
        for line in sections.get(title, "").splitlines():
            if line.strip() and not line.startswith(" "):
                names = [name.strip() for name in line.partition(" : ")[0].split(",")]
            elif names and line.strip():
                for name in names:
                    meanings[name] = f"{meanings.get(name, '')} {line.strip()}".strip()
    return meanings
