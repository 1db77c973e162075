"""The candidates of a search: models of the catalog with some of their options set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cryptodask.errors import OptionError
from cryptodask.models import Model
from cryptodask.models.base import rng_for
from cryptodask.models.catalog import build_model, name_in_catalog
from cryptodask.models.renamed import Renamed, rename, split_alias
from cryptodask.runs.model_spec import Values, check_search


@dataclass(frozen=True)
class Candidate:
    """A model with some options set, under a name that no other has.

    Attributes
    ----------
    model : Model
        Named as ``ridge[alpha=10,lags=5]``; as it was given, the first of its kind. It draws
        random numbers by the name that it has in the catalog.
    options : tuple of (str, str)
        Names and texts of the options that are set, as `create_model` and ``--option`` take them.
    """

    model: Model
    options: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """The model's."""
        return self.model.name

    @property
    def typed(self) -> str:
        """What ``--model`` takes for the model as it was given: ``mine:reg``, ``a=mine:reg``."""
        inner = _inner(self.model)
        place = name_in_catalog(inner)
        return place if self.name == inner.name else f"{self.name}={place}"

    @property
    def values(self) -> dict[str, Any]:
        """The options that are set, as values of their types."""
        inner = _inner(self.model)
        params = dict(getattr(inner, "params", ()))
        return {k: params[k] if k in params else getattr(inner, k) for k, _ in self.options}


def make_candidates(
    search: Values, options: Values | None = None, random: int | None = None, seed: int = 0
) -> dict[str, list[Candidate]]:
    """Return the candidates of each model: as it was given, then all others.

    Parameters
    ----------
    search : mapping
        As ``{"ridge": {"alpha": [1, 10], "lags": [5, 10]}}``: every combination is a candidate.
    options : mapping, optional
        As ``{"ridge": {"lags": 20}}``: what is set in all candidates of a model.
    random : int, optional
        Number of combinations of each model, drawn at random, where there are more.
    seed : int

    Raises
    ------
    UnknownModelError, OptionError
        A model, option or value that there is not; nothing to search; an option that is set and
        searched at once.
    """
    given = options or {}
    check_search(search, given)
    every = [
        _of_model(name, grid, given.get(name, {}), random, seed) for name, grid in search.items()
    ]
    by_name = {candidates[0].name: candidates for candidates in every}
    if len(by_name) < len(every):
        raise OptionError("search: two models have one name; give one an alias, as ridge2=ridge")
    return by_name


def _of_model(
    name: str,
    grid: Mapping[str, Sequence[Any]],
    given: Mapping[str, Any],
    random: int | None,
    seed: int,
) -> list[Candidate]:
    """Return the model as given, and others, of equal ones the first."""
    alias, maker = split_alias(name)
    plain = build_model(maker, given, alias)
    name = plain.name
    given_texts = tuple((option, option_text(value)) for option, value in given.items())
    models, candidates = [plain], [Candidate(plain, given_texts)]
    for chosen in _combinations(name, grid, random, seed):
        model = build_model(maker, {**given, **chosen}, alias)
        if model in models:
            continue
        texts = [(option, option_text(value)) for option, value in chosen.items()]
        label = ",".join(f"{option}={text}" for option, text in texts)
        models.append(model)
        candidates.append(
            Candidate(rename(_inner(model), f"{name}[{label}]"), (*given_texts, *texts))
        )
    return candidates


def _inner(model: Model) -> Model:
    return model.model if isinstance(model, Renamed) else model


def _combinations(
    name: str, grid: Mapping[str, Sequence[Any]], random: int | None, seed: int
) -> list[dict[str, Any]]:
    """Return all combinations of values, or some at random, options in order of their names."""
    from sklearn.model_selection import ParameterGrid, ParameterSampler

    combinations = ParameterGrid({option: list(values) for option, values in grid.items()})
    if random is None or random >= len(combinations):
        return list(combinations)
    drawn = int(rng_for(seed, name, "search").integers(2**31))
    sampler = ParameterSampler(combinations.param_grid[0], random, random_state=drawn)
    return [dict(sorted(combination.items())) for combination in sampler]


def option_text(value: Any) -> str:
    """Return a value as it is written in a command."""
    if isinstance(value, list | tuple):
        return ",".join(map(option_text, value))
    return str(value).lower() if isinstance(value, bool) or value is None else str(value)
