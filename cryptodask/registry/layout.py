"""Where a registry keeps what: names, versions of each, and references to them.

::

    REGISTRY/
        NAME/
            state.json           aliases, deleted versions, and the log of changes
            _lock                held by whoever changes the state or takes a number
            scores/              backtests of versions
            versions/7/          the folder of the run that trained version 7, and what it learned
"""

import re
from dataclasses import dataclass

from cryptodask.errors import VersionError
from cryptodask.io.paths import AnyPath

CHAMPION, PREVIOUS, STAGING = "champion", "previous", "staging"

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")
"""What a name in a registry, or an alias, may be: the name of a folder anywhere."""

_REFERENCE = re.compile(r"(?P<name>[^@:]*)(?:@(?P<alias>[^@:]*)|:(?P<number>[0-9]{1,9}))?")


def check_name(kind: str, name: str) -> str:
    """Return a name that may be a folder's.

    Parameters
    ----------
    kind : str
        What it names, which begins the message.
    name : str

    Raises
    ------
    VersionError
        It may not.
    """
    if not NAME.fullmatch(name):
        raise VersionError(
            f"{kind}: {name!r}: must be 1 to 100 letters, digits, dots, dashes, plus signs and "
            "underlines, the first a letter or digit"
        )
    return name


def name_of(model: str) -> str:
    """Return the name under which versions of a model are kept, if no other is given.

    Parameters
    ----------
    model : str
        In the catalog, as ``sklearn:sklearn.svm.SVR``.

    Examples
    --------
    >>> name_of("sklearn:sklearn.svm.SVR")
    'sklearn-sklearn.svm.SVR'
    """
    return model.replace(":", "-")


def versions_of(registry: AnyPath, name: str) -> AnyPath:
    """Return the folder that has the versions of a name."""
    return registry / name / "versions"


def version_folder(registry: AnyPath, name: str, number: int) -> AnyPath:
    """Return the folder of a version."""
    return versions_of(registry, name) / str(number)


@dataclass(frozen=True)
class Reference:
    """Which version is meant.

    Attributes
    ----------
    name : str
    alias : str or None
    number : int or None
        One of the two is None.

    Examples
    --------
    >>> Reference.parse("lstm")
    Reference(name='lstm', alias='champion', number=None)
    >>> str(Reference.parse("lstm:7"))
    'lstm:7'
    """

    name: str
    alias: str | None
    number: int | None

    @classmethod
    def parse(cls, text: str) -> "Reference":
        """Read ``NAME``, ``NAME@ALIAS`` or ``NAME:NUMBER``; without either it is the champion.

        Parameters
        ----------
        text : str

        Raises
        ------
        VersionError
            It is none of these.
        """
        parts = _REFERENCE.fullmatch(text)
        number = int(parts["number"]) if parts and parts["number"] else None
        if parts is None or number == 0:
            raise VersionError(
                f"model: {text!r} names no version: write NAME, NAME@ALIAS or NAME:NUMBER, as "
                "lstm@staging or lstm:7"
            )
        name = check_name("model", parts["name"])
        if number is not None:
            return cls(name, None, number)
        alias = CHAMPION if parts["alias"] is None else check_name("alias", parts["alias"])
        return cls(name, alias, None)

    def __str__(self) -> str:
        return f"{self.name}@{self.alias}" if self.alias else f"{self.name}:{self.number}"
