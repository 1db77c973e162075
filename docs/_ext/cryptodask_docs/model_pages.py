"""A page for each model of the catalog: its docstring, its options, what it needs, a picture."""

from importlib import import_module
from pathlib import Path

from cryptodask.errors import MissingExtraError
from cryptodask.models import (
    create_model,
    describe_model,
    list_families,
    list_models,
    model_gaps,
)
from cryptodask.models.catalog import CATALOG, FAMILIES
from cryptodask.models.pooled.base import PooledModel
from cryptodask_docs import api, pictures

HORIZON = 10
"""Bars ahead, of the picture and of the rows that are needed."""

INTRODUCTION = """\
# Models

The pictures are of one made-up coin: forecasts of ten days, and what came. They show how a model
behaves, and nothing of what it is worth; see [Read a leaderboard](../../how-to/leaderboard.md).

`cryptodask models` lists them, too. Options are given as `--option MODEL.OPTION=VALUE`, or in
Python by `create_model("MODEL", OPTION=VALUE)`; so are those of a class of another library:
`--option sklearn:sklearn.ensemble.HistGradientBoostingRegressor.max_iter=50`.

"""


def pages(folder: Path) -> dict[str, str]:
    """Return the pages by their names below a folder, where pictures are drawn."""
    texts = {f"models/{name}.rst": model_page(name, folder / "models") for name in list_models()}
    families = dict(zip(FAMILIES, list_families().items(), strict=True))
    for family, (pattern, _) in families.items():
        texts[f"models/{family}.rst"] = "\n".join(
            [api.heading(f"``{pattern}``"), described(FAMILIES[family])]
        )
    rows = ["| name | what it is | for 10 days it needs |", "|---|---|---|"]
    rows += [f"| [`{n}`]({n}.rst) | {describe_model(n)} | {needs(n)} |" for n in list_models()]
    rows += [f"| [`{p}`]({f}.rst) | {what} | |" for f, (p, what) in families.items()]
    names = "\n".join([*list_models(), *families])
    tree = f"\n\n```{{toctree}}\n:hidden:\n\n{names}\n```\n"
    texts["models/index.md"] = INTRODUCTION + "\n".join(rows) + tree
    return texts


def needs(name: str) -> str:
    """Return how many rows a coin must have, in words."""
    rows = create_model(name).min_length(HORIZON)
    without = " without a gap" if model_gaps(name) == "split" and rows > 1 else ""
    return f"{rows} row{'' if rows == 1 else 's'}{without}"


def described(place: str) -> str:
    """Return the directive that shows a class's docstring.

    Parameters
    ----------
    place : str
        ``MODULE:CLASS``.
    """
    module, _, kind = place.partition(":")
    assert getattr(import_module(module), kind).__doc__
    return f".. autoclass:: {module}.{kind}\n   :no-index:\n"


def model_page(name: str, folder: Path) -> str:
    """Return the page of a model, and draw its picture into a folder."""
    model = create_model(name)
    facts = [
        f"- Needs: {needs(name)}, for ten days ahead.",
        f"- Gaps: ``{model_gaps(name)}``; see :doc:`/concepts/gaps`.",
        f"- Trained on {'all coins' if isinstance(model, PooledModel) else 'each coin by itself'}; "
        "see :doc:`/concepts/pooled`.",
    ]
    parts = [api.heading(f"``{name}``"), "\n".join(facts) + "\n", described(CATALOG[name])]
    try:
        pictures.draw_model(name, folder / f"{name}.svg")
    except MissingExtraError as error:
        parts.append(f"No picture: {error}.\n")
    else:
        parts.insert(1, f".. image:: {name}.svg\n   :alt: Forecasts of one coin by {name}.\n")
    return "\n".join(parts)
