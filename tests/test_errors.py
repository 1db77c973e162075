"""The tree of exceptions is the one in the documentation."""

import inspect
import pickle
import re

import pytest

from cryptodask import errors
from cryptodask.errors import CryptoDaskError

CLASSES = {
    name: value
    for name, value in vars(errors).items()
    if inspect.isclass(value) and value.__module__ == errors.__name__
}
WARNINGS = {name: c for name, c in CLASSES.items() if issubclass(c, Warning)}
ALL = {name: c for name, c in CLASSES.items() if name not in WARNINGS}


def tree_of_the_docstring() -> dict[str, str]:
    """Return the parent of each exception, as it is drawn."""
    parents: dict[str, str] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"^([ │├└─]*)(\w+Error)\b", line)
        if not found:
            continue
        depth = len(found[1]) // 4 - 1
        above[depth:] = [found[2]]
        parents[found[2]] = above[depth - 1] if depth else "Exception"
    return parents


def test_the_tree_is_the_one_drawn() -> None:
    assert tree_of_the_docstring() == {name: c.__base__.__name__ for name, c in ALL.items()}


def test_the_drawing_says_what_each_exception_is() -> None:
    for name in ALL:
        if name != "CryptoDaskError":
            assert re.search(rf"{name} {{2,}}\S", errors.__doc__ or ""), name


@pytest.mark.parametrize("name", ALL)
def test_every_exception_is_caught_by_the_base_and_says_what_it_is(name: str) -> None:
    kind = ALL[name]
    assert issubclass(kind, CryptoDaskError)
    assert kind.__doc__
    assert [c for c in kind.__mro__ if c.__module__ == "builtins"] == [
        Exception,
        BaseException,
        object,
    ]


def test_every_warning_is_named_beside_the_tree_and_says_what_it_is() -> None:
    for name, kind in WARNINGS.items():
        assert issubclass(kind, UserWarning)
        assert f"`{name}`" in (errors.__doc__ or "")
        assert kind.__doc__


@pytest.mark.parametrize("name", CLASSES)
def test_every_exception_comes_back_whole_from_a_worker(name: str) -> None:
    copy = pickle.loads(pickle.dumps(CLASSES[name]("Ripple: 3 rows")))
    assert type(copy) is CLASSES[name]
    assert str(copy) == "Ripple: 3 rows"
