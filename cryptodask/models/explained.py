"""What a model is, from its docstring and its options: for people and for programs."""

import inspect
import re
from collections.abc import Mapping
from typing import Any

from cryptodask.errors import InputError
from cryptodask.models.catalog import (
    FAMILIES,
    build_model,
    find_maker,
    is_own,
    model_gaps,
    model_options,
)
from cryptodask.models.makers import import_place

EXTRAS: Mapping[str, str] = {"prophet": "prophet", "stats": "stats"}
"""By model or prefix, the extra of CryptoDask that it needs."""


TITLE = re.compile(r"^(?:(\w[\w ]*)\n-{3,}|(Args|Notes|References):)\n", re.MULTILINE)
"""Of a section of a docstring: as NumPy writes it, or as Google does."""

ENTRY = re.compile(r"(\w+(?:, \w+)*)(?: \(.*?\): | ?:|$)")
"""Names of options, and their type and default where Google's docstrings have them."""


def explain_model(name: str) -> dict[str, Any]:
    """Return what a model is, with its formula, source and options, as JSON has it.

    Parameters
    ----------
    name : str
        See `cryptodask.models.list_models`.

    Returns
    -------
    dict
        ``name, summary, description, gaps, extra, options_as, options``. Options are given as
        ``OPTIONS_AS.NAME=VALUE``, None where the model needs an alias for that; each has ``name,
        type, default, required, meaning``.
    """
    text = inspect.cleandoc(find_maker(name).text())
    summary, _, rest = text.partition("\n")
    meanings: dict[str, str] = {}
    for doc in find_maker(name).docs():
        meanings |= _meanings(_sections(doc))
    prefix = name.partition(":")[0]
    return {
        "name": name,
        "summary": summary,
        "description": _paragraphs(TITLE.split(rest)[0]),
        "gaps": model_gaps(name),
        "extra": EXTRAS.get(prefix),
        "options_as": _options_as(name),
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


def _options_as(name: str) -> str | None:
    """Return what the options of a model begin with in a command; None if it has no name yet."""
    if not is_own(name):
        return name
    try:
        return build_model(name, {}).name
    except InputError:
        return None  # an option has no default


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
        "description": _paragraphs(TITLE.split(rest)[0]),
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


def _paragraphs(text: str) -> str:
    """Return a text whose paragraphs are one line each, to be wrapped where it is shown."""
    blocks = re.split(r"\n\s*\n", text.strip())
    # What is indented, or a list, keeps its lines.
    joined = [b if re.search(r"\n[ \-*]", b) else " ".join(b.split("\n")) for b in blocks]
    return "\n\n".join(joined)


def _sections(doc: str) -> dict[str, str]:
    _, *parts = TITLE.split(inspect.cleandoc(doc))
    titles = [ours or theirs for ours, theirs in zip(parts[::3], parts[1::3], strict=True)]
    return dict(zip(titles, parts[2::3], strict=True))


def _meanings(sections: Mapping[str, str]) -> dict[str, str]:
    """Return what each option means, of the sections of a docstring that list them."""
    meanings: dict[str, str] = {}
    for title in ("Parameters", "Attributes", "Args"):
        names: list[str] = []
        for line in inspect.cleandoc(sections.get(title, "")).splitlines():
            text = line.strip()
            entry = None if line.startswith(" ") else ENTRY.match(line)
            if entry:
                names = entry[1].split(", ")
                text = line[entry.end() :] if title == "Args" else ""
            for name in names:
                meanings[name] = f"{meanings.get(name, '')} {text}".strip()
    return meanings
