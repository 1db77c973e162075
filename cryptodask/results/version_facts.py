"""What is known of a version of a model, and whether this release can use it."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import attrs
import numpy as np

from cryptodask.errors import InputError, VersionError
from cryptodask.io.modules import own_digests
from cryptodask.io.paths import AnyPath
from cryptodask.io.structure import structured
from cryptodask.models.base import Model

KIND = "parameters"
"""How names of a version's files begin."""

FORMAT, OLDEST = 2, 1
"""Of versions that are written, and the oldest that are read."""

SPREADS_SINCE = 2
"""Format since which intervals are made from spreads of several memories: of versions of an older
one, what was pooled is over another volatility."""


def read_time(text: str) -> datetime:
    """Return a moment that was written by ISO 8601; without a zone it is UTC.

    Parameters
    ----------
    text : str

    Raises
    ------
    ValueError
        It is none.
    """
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _moment(_: Any, __: "attrs.Attribute[Any]", value: str) -> None:
    read_time(value)


def _date(_: Any, __: "attrs.Attribute[Any]", value: str) -> None:
    np.datetime64(value, "s")


def _name_with_options(_: Any, __: "attrs.Attribute[Any]", value: dict[str, Any]) -> None:
    if not isinstance(value.get("name"), str) or not isinstance(value.get("options"), dict):
        raise ValueError(f"must have a name, and options, got {value!r}")


@attrs.frozen(kw_only=True)
class VersionFacts:
    """What is known of a version beside its run.

    Attributes
    ----------
    format : int
        Of its files.
    model : dict
        Its ``name`` and ``options``, and ``model``, the name by which the catalog makes it, where
        that is another; see `cryptodask.runs.model_spec.ModelSpec`.
    freq : str
        How long bars last.
    coins : int
        That were learned from.
    prices : str
        What changes when the prices do.
    first, last : str
        Dates of the first and of the last row that was learned from.
    trained : str
        When, by the client's clock, in UTC.
    by : str
        Who, as ``user@machine``.
    code : str
        The release of CryptoDask.
    libraries : dict of str to str
        Releases of packages on which it depends whether the arrays can be read; of a user's file
        the beginning of its SHA-256.
    learns, any_coin : bool
        Whether there is something to read; and whether it serves any coin.
    parent : int or None
        The version that it is to replace.
    spec : dict
        What was asked for.
    """

    format: int
    model: dict[str, Any] = attrs.field(validator=_name_with_options)
    freq: str
    coins: int
    prices: str
    first: str = attrs.field(validator=_date)
    last: str = attrs.field(validator=_date)
    trained: str = attrs.field(validator=_moment)
    by: str
    code: str
    libraries: dict[str, str]
    learns: bool
    any_coin: bool
    parent: int | None = None
    spec: dict[str, Any]


def read_facts(content: Mapping[str, Any], where: str) -> VersionFacts:
    """Return what a version says of itself.

    Parameters
    ----------
    content : mapping of str to Any
        As its manifest has it.
    where : str
        The folder, with which messages begin.

    Raises
    ------
    VersionError
        It is of a format that this release can't read.
    InputError
        A key is missing, unknown, or has another kind of value.
    """
    written = content.get("format")
    if not isinstance(written, int) or not OLDEST <= written <= FORMAT:
        raise VersionError(
            f"{where}: format: {written!r}, and this CryptoDask reads {OLDEST} to {FORMAT}; use "
            f"release {content.get('code', 'that wrote it')}, or train it again"
        )
    return structured(VersionFacts, content, f"{where}: facts")


def model_of(path: AnyPath, facts: VersionFacts, features: Mapping[str, str]) -> Model:
    """Return the model of a version with its options, without what it learned.

    Parameters
    ----------
    path : Path or UPath
        Of the version, for messages.
    facts : VersionFacts
    features : mapping of str to str
        Fingerprints of features by model, as of the training.

    Raises
    ------
    VersionError
        This catalog has none like it, its features are others, or a library is of another release.
    """
    from cryptodask.models.catalog import build_model, is_own, was_named

    name, options = facts.model["name"], facts.model["options"]
    maker = str(facts.model.get("model") or name)
    if is_own(maker) and not was_named(maker):
        raise VersionError(
            f"{path}: model: was trained as {maker}, of your own code, which is imported only "
            f"where you name it: --model {maker} for the champion, --model {name}@ALIAS={maker} or "
            f"{name}:NUMBER={maker} for another; in Python create_model({maker!r}) before"
        )
    try:
        model = build_model(
            maker, {k: _as_tuples(v) for k, v in options.items()}, name if maker != name else None
        )
    except InputError as error:
        raise VersionError(
            f"{path}: model: trained as {name} with {options}, which this CryptoDask "
            f"doesn't have ({error}); use release {facts.code}, or train it again"
        ) from error
    there = features.get(name, "")
    here = str(model.space.fingerprint) if model.space is not None else ""
    if there != here:
        raise VersionError(
            f"{path}: features: trained on those of fingerprint {there or 'none'}, and "
            f"here {name} has {here or 'none'}: their definition changed; train it again, or "
            f"use release {facts.code}"
        )
    check_libraries(path, facts.libraries, model)
    return model


OTHER_NAMES = {"xgboost": ("xgboost-cpu",)}
"""Packages that have the same module as another."""


def library_versions(model: Model) -> dict[str, str]:
    """Return the releases of packages on which it depends whether what a model learned is read.

    Packages that are not installed are left out.

    Parameters
    ----------
    model : Model
    """
    from importlib.metadata import PackageNotFoundError

    releases = {f"{module}.py": text[:16] for module, text in own_digests([model]).items()}
    for name in model.libraries:
        with suppress(PackageNotFoundError):
            releases[name] = release_of(name)
    return releases


def release_of(library: str) -> str:
    """Return the release of a package, under whichever name it is installed.

    Parameters
    ----------
    library : str
        Its first name, as ``xgboost``.

    Raises
    ------
    importlib.metadata.PackageNotFoundError
        It is not installed.
    """
    from importlib.metadata import PackageNotFoundError, version

    for other in OTHER_NAMES.get(library, ()):
        with suppress(PackageNotFoundError):
            return version(other)
    return version(library)


def check_libraries(path: AnyPath, there: Mapping[str, str], model: Model) -> None:
    """Check that packages are of the release by which a version was trained.

    Raises
    ------
    VersionError
        One is of another, but for its last number; or a file of a user's code was changed.
    """
    here = library_versions(model)
    for name in sorted({*there, *here}):
        releases = [str(side.get(name, "none")) for side in (there, here)]
        if len({release.rsplit(".", 1)[0] for release in releases}) > 1:
            if name.endswith(".py"):
                raise VersionError(
                    f"{path}: {name}: is {releases[1]} now, and was {releases[0]} at the training: "
                    "forecasts of two codes would be mixed; restore the file, or train it again"
                )
            raise VersionError(
                f"{path}: {name}: trained with {releases[0]}, and {releases[1]} is installed here, "
                "which may read its arrays otherwise; install that release, or train it again"
            )


def _as_tuples(value: Any) -> Any:
    return tuple(map(_as_tuples, value)) if isinstance(value, list) else value
