"""`train` and `predict`: versions of models, as a user makes and uses them in Python."""

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from cryptodask.errors import InputError, OptionError, TableError, VersionError
from cryptodask.io.lock import locked
from cryptodask.io.paths import AnyPath
from cryptodask.models.catalog import create_model, is_own
from cryptodask.prices.days import Day
from cryptodask.registry.entries import UNFINISHED
from cryptodask.registry.layout import name_of
from cryptodask.registry.registry import Registry
from cryptodask.results import Forecasts
from cryptodask.results.version import Version, open_version
from cryptodask.runs.api import Source, source_of
from cryptodask.runs.engine import OnDone
from cryptodask.runs.folder import LOCK
from cryptodask.runs.kinds.predict import check_same
from cryptodask.runs.kinds.train import TrainKind
from cryptodask.runs.model_spec import given_models
from cryptodask.runs.plan import read_plan
from cryptodask.runs.session import Session, open_session
from cryptodask.runs.start import Models, run_spec
from cryptodask.runs.version_spec import PredictSpec, TrainSpec

if TYPE_CHECKING:
    from dask.distributed import Client

RegistryPath: TypeAlias = str | os.PathLike[str] | AnyPath | Registry


def train(
    source: Source,
    model: Any,
    *,
    registry: RegistryPath,
    name: str | None = None,
    client: "Client | None" = None,
    workers: int | None = None,
    progress: bool = True,
    on_done: OnDone | None = None,
    **options: Any,
) -> Version:
    """Train a model on a cluster, and keep what it learned as a new version.

    A training that was stopped continues where it stopped, if it is called again with the same
    prices and options; while another process is at it, this one trains a version beside.

    Parameters
    ----------
    source : CryptoLoader, path, frame or CryptoManager
        Where the prices are; see `cryptodask.runs.forecast`.
    model : str or Model
        One of the catalog.
    registry : path or Registry
        A folder, or a URL that fsspec knows, which the workers see.
    name : str, optional
        Under which it is kept; by default that of the model.
    client : dask.distributed.Client, optional
    workers : int, optional
        Of a local cluster that is started where no client is given.
    progress, on_done
        See `cryptodask.runs.start.run_spec`.
    **options
        ``horizon, coins, from_date, to_date, gaps, gap_limit, window, refit, seed, timeout,
        intervals, calibrate, warmup``: see `cryptodask.runs.version_spec.TrainSpec`.

    Returns
    -------
    Version
        Its ``failures`` name coins that nothing could be learned from.

    Raises
    ------
    VersionError
        What the model learns can't be kept.
    CryptoDaskError
        See `cryptodask.runs.start.run_spec`.

    Examples
    --------
    >>> version = train("data", "lstm", registry="models")         # doctest: +SKIP
    """
    with open_session(source, client, workers) as session:
        spec = TrainSpec(**source_of(session.loader), models=model, **options)
        models = [] if isinstance(model, str) else [model]
        return train_spec(
            spec, session, registry, name=name, models=models, progress=progress, on_done=on_done
        )


def train_spec(
    spec: TrainSpec,
    session: Session,
    registry: RegistryPath,
    *,
    name: str | None = None,
    models: Models = (),
    progress: bool = True,
    on_done: OnDone | None = None,
) -> Version:
    """Train what a spec says; see `train`.

    Parameters
    ----------
    spec : TrainSpec
    session : Session
        Prices and client.
    registry, name, progress, on_done
        See `train`.
    models : sequence of str or Model
        That of the spec, where it was made in Python.
    """
    kept = registry_at(registry)
    name = name or name_of(spec.models[0].name)
    given = {model.name: model for model in given_models(models)}
    model = given.get(spec.models[0].name) or spec.models[0].create()
    key = TrainKind(spec, session, [model]).plan().key
    how: dict[str, Any] = {"models": models, "progress": progress, "on_done": on_done}
    for folder in _unfinished(kept, name, key):
        try:
            return run_spec(spec, session, out=folder, **how)
        except TableError:
            if not _is_held(folder):
                raise
    return run_spec(spec, session, out=kept.take_number(name), **how)


def _unfinished(registry: Registry, name: str, key: str) -> Iterator[AnyPath]:
    """Yield the folders of the same training that did not end, the latest first."""
    try:
        entries = registry.versions(name)
    except VersionError:
        return  # the first of its name
    for entry in reversed(entries):
        try:
            if entry.status == UNFINISHED and read_plan(entry.folder).key == key:
                yield entry.folder
        except (FileNotFoundError, InputError):
            continue  # it is left for `registry gc`


def _is_held(folder: AnyPath) -> bool:
    """Whether another process runs in a folder: one that begins there is refused, then."""
    try:
        with locked(folder, LOCK):
            return False
    except TableError:
        return True


def predict(
    source: Source,
    models: str | Sequence[str],
    *,
    registry: RegistryPath,
    horizon: int | None = None,
    coins: Sequence[str] | None = None,
    to_date: Day | None = None,
    intervals: bool | None = None,
    timeout: float | None = None,
    as_dask: bool = False,
    out: str | AnyPath | None = None,
    overwrite: bool = False,
    client: "Client | None" = None,
    workers: int | None = None,
    progress: bool = True,
    on_done: OnDone | None = None,
) -> Forecasts:
    """Forecast from versions of trained models: nothing is trained.

    Parameters
    ----------
    source : CryptoLoader, path, frame or CryptoManager
        Prices, which may have grown since the training.
    models : str or sequence of str
        ``NAME`` for the champion, ``NAME@ALIAS`` or ``NAME:NUMBER``.
    registry : path or Registry
        Which the workers see.
    horizon : int, optional
        Bars ahead; by default that of the training.
    coins : sequence of str, optional
        By default all of the source.
    to_date : day, optional
        Last day that models see.
    intervals : bool, optional
        Whether 80 and 95% intervals are made; by default where all versions can.
    timeout : float, optional
        Seconds that a worker may take for coins that it reads together.
    as_dask, out, overwrite, progress, on_done
        See `cryptodask.runs.start.run_spec`.
    client : dask.distributed.Client, optional
    workers : int, optional
        Of a local cluster that is started where no client is given.

    Returns
    -------
    Forecasts
        On the prices of the training, bit for bit those of a forecast with the same options.
        Coins that a version does not know are in ``failures``.

    Raises
    ------
    VersionError
        The version is missing, or was not trained for what is asked.
    CryptoDaskError
        See `cryptodask.runs.start.run_spec`.

    Examples
    --------
    >>> predict("data", "lstm@champion", registry="models")        # doctest: +SKIP
    """
    with open_session(source, client, workers) as session:
        chosen = find_versions(models, registry)
        spec = predict_spec(
            chosen, **source_of(session.loader), horizon=horizon, coins=coins, to_date=to_date,
            intervals=intervals, timeout=timeout,
        )  # fmt: skip
        return run_spec(
            spec, session, out=out, overwrite=overwrite, as_dask=as_dask, progress=progress,
            on_done=on_done,
        )  # fmt: skip


def find_versions(models: str | Sequence[str], registry: RegistryPath) -> dict[str, Version]:
    """Return versions by what the forecast table calls their models.

    That is the name in the catalog, or in the registry, if it is kept under another name.

    Parameters
    ----------
    models : str or sequence of str
        References to versions.
    registry : path or Registry

    Raises
    ------
    VersionError
        A version is missing.
    OptionError
        No model is named, or one twice.
    """
    kept = registry_at(registry)
    names = [models] if isinstance(models, str) else list(models)
    if not names:
        raise OptionError("models: none given; name at least one, as lstm@champion")
    versions: dict[str, Version] = {}
    for text in names:
        name, _, folder = kept.find(name_own_model(text))
        version = open_version(folder)
        catalog = str(version.facts.model["name"])
        label = catalog if name == name_of(catalog) else name
        if label in versions:
            raise OptionError(
                f"models: {text}: is {label} again, which the forecasts could not tell apart; "
                "predict from the two one after the other"
            )
        versions[label] = version
    return versions


def name_own_model(text: str) -> str:
    """Return the reference to a version; import the user's model that is named with it.

    Parameters
    ----------
    text : str
        A reference, as ``lstm@staging``; or ``MODULE:NAME`` of a user's code, for the champion that
        is kept under that model's name; or ``REFERENCE=MODULE:NAME``.
    """
    reference, equals, place = text.rpartition("=")
    if not equals and not is_own(text):  # a number after the colon is not an identifier
        return text
    if not is_own(place):
        raise OptionError(f"models: {text!r}: write REFERENCE=MODULE:NAME, as mine@staging=mine:F")
    model = create_model(place)
    return reference or name_of(model.name)


def predict_spec(
    versions: dict[str, Version],
    *,
    horizon: int | None = None,
    intervals: bool | None = None,
    **fields: Any,
) -> PredictSpec:
    """Return the spec of a prediction.

    Parameters
    ----------
    versions : dict of str to Version
        Of `find_versions`.
    horizon, intervals
        See `predict`.
    **fields
        Others of `PredictSpec`.

    Raises
    ------
    VersionError
        Versions were trained with what can't be predicted together.
    """
    opened = list(versions.values())
    horizons = sorted({version.manifest.horizon for version in opened})
    if horizon is None and len(horizons) > 1:
        raise VersionError(
            f"horizon: the versions were trained for {' and '.join(map(str, horizons))} bars; "
            "give one, or predict from them one after the other"
        )
    if intervals is None:
        intervals = all(version.manifest.intervals for version in opened)
    return PredictSpec(
        **check_same(opened),
        **fields,
        versions=tuple(str(version.path) for version in opened),
        labels=tuple(versions),
        horizon=horizons[0] if horizon is None else horizon,
        intervals=intervals,
    )


def registry_at(given: RegistryPath) -> Registry:
    """Return a registry by its path, or as it is."""
    return given if isinstance(given, Registry) else Registry(given)
