"""Two versions side by side: what they are, their scores, and whether one is better."""

from typing import Any

import attrs

from cryptodask.errors import VersionError
from cryptodask.registry.entries import Entry
from cryptodask.registry.reading import RegistryReader
from cryptodask.registry.scores import LossTest, Score, compare_scores

COMPARED = (
    "status", "aliases", "model", "options", "horizon", "freq", "seed", "intervals", "coins",
    "first", "last", "prices", "features", "trained", "by", "parent", "code", "libraries", "size",
)  # fmt: skip
"""Facts that are put side by side, in this order."""


@attrs.frozen(kw_only=True)
class Comparison:
    """Two versions side by side.

    Attributes
    ----------
    entries : (Entry, Entry)
    scores : (Score or None, Score or None)
    test : LossTest or None
        None where it can't be made.
    why : str
        Why a test is missing.
    """

    entries: tuple[Entry, Entry]
    scores: tuple[Score | None, Score | None]
    test: LossTest | None = None
    why: str = ""

    def facts(self) -> dict[str, tuple[Any, Any]]:
        """Return what each says of itself, by the name of the fact."""
        first, second = (_facts(entry) for entry in self.entries)
        return {
            name: (first.get(name), second.get(name))
            for name in COMPARED
            if name in first or name in second
        }

    def scored(self) -> list[str]:
        """Return the names of scores that one of them has."""
        return list(dict.fromkeys(n for score in self.scores if score for n in score.scores))

    def summary(self) -> dict[str, Any]:
        """Return the comparison as JSON can hold it."""
        names = [str(entry) for entry in self.entries]
        return {
            "versions": names,
            "facts": {name: list(pair) for name, pair in self.facts().items()},
            "scores": [score and score.summary() for score in self.scores],
            "test": None if self.test is None else _plain(attrs.asdict(self.test)),
            "why": self.why,
        }


def _facts(entry: Entry) -> dict[str, Any]:
    facts = entry.summary()
    model = facts.get("model")
    if isinstance(model, dict):
        facts |= {"model": model["name"], "options": model["options"]}
    return facts


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {name: None if value != value else value for name, value in values.items()}


def compare_versions(registry: RegistryReader, first: str, second: str) -> Comparison:
    """Compare two versions, also of two names.

    Parameters
    ----------
    registry : RegistryReader
    first, second : str
        References.

    Raises
    ------
    VersionError
        One is not there, or the file of its score is damaged.
    """
    entries = registry.entry(first), registry.entry(second)
    here, there = (_score(registry, entry) for entry in entries)
    scores = here, there
    if here is None or there is None:
        lacking = [str(e) for e, s in zip(entries, scores, strict=True) if s is None]
        why = f"{' and '.join(lacking)} not scored; `cryptodask registry score` does it"
        return Comparison(entries=entries, scores=scores, why=why)
    try:
        return Comparison(entries=entries, scores=scores, test=compare_scores(here, there))
    except VersionError as error:
        return Comparison(entries=entries, scores=scores, why=str(error))


def _score(registry: RegistryReader, entry: Entry) -> Score | None:
    return None if entry.manifest is None else registry.score(entry)
