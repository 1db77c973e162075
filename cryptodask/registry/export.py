"""Export of versions to an mlflow server: parameters, scores and files, for teams that use one.

A version becomes a run of mlflow, with its files as artifacts under ``version/``, and a version of
a registered model whose source they are. Nothing is pickled, and nothing there runs: whoever
downloads the artifacts has the folder of a version again, which `open_version` reads.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Union
from urllib.parse import urlsplit

import attrs

from cryptodask.errors import ExportError, MissingExtraError, OptionError
from cryptodask.io.files import FileRecord, read_checked, record_of
from cryptodask.io.paths import AnyPath
from cryptodask.registry.entries import Entry
from cryptodask.registry.reading import RegistryReader
from cryptodask.registry.scores import Score
from cryptodask.results.manifest import MANIFEST
from cryptodask.results.version import open_version

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from upath import UPath

EXPERIMENT = "cryptodask"
"""The experiment of mlflow that gets the runs, if no other is named."""

FILES = "version"
"""The folder of a run's artifacts that has the files of a version."""

ABOUT = "cryptodask."
"""How the names of tags begin."""

REACHING = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "10", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
"""How long the first answer is waited for: mlflow itself tries for minutes."""

QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true"}
"""So that mlflow reports nothing to its makers, and prints nothing."""

HOW = ("from_date", "to_date", "window", "gaps", "gap_limit", "refit", "calibrate", "warmup")
"""What is exported of how a version was trained, beside its facts."""

LONGEST = 500
"""Characters of a parameter that each server takes."""

NO_REGISTRY = ("ENDPOINT_NOT_FOUND", "RESOURCE_DOES_NOT_EXIST", "NOT_IMPLEMENTED",
               "FEATURE_DISABLED")  # fmt: skip
"""How a server says that it registers no models."""


@attrs.frozen(kw_only=True)
class Exported:
    """Where a version is on an mlflow server.

    Attributes
    ----------
    version : str
        Name and number here, as ``lstm:7``.
    run : str
        The id of its run.
    url : str
        Of the run's page.
    model_version : int or None
        Its number among the server's versions of the registered model; None where the server has
        no registry of models.
    is_new : bool
        Whether files were sent; False if they were there from an earlier export.
    """

    version: str
    run: str
    url: str
    model_version: int | None
    is_new: bool


def export_mlflow(
    registry: Union[str, "os.PathLike[str]", "UPath", RegistryReader],
    reference: str,
    uri: str,
    *,
    experiment: str = EXPERIMENT,
) -> Exported:
    """Export a version to an mlflow server; each file is compared with its checksum first.

    A version that is exported again gets no second run: its scores and aliases are brought up to
    date, and an export that was stopped is completed.

    Parameters
    ----------
    registry : path or Registry
        A folder, or a URL that fsspec knows.
    reference : str
        ``NAME`` (its champion), ``NAME@ALIAS`` or ``NAME:NUMBER``.
    uri : str
        Of the server: ``http://host:5000``. A password belongs into mlflow's variables
        ``MLFLOW_TRACKING_USERNAME`` and ``MLFLOW_TRACKING_PASSWORD``.
    experiment : str
        The experiment that gets the run; it is made if it is not there.

    Returns
    -------
    Exported

    Raises
    ------
    VersionError
        The version is missing, not finished, or a file of it is damaged.
    OptionError
        The URI names something other than a server.
    MissingExtraError
        mlflow is not installed.
    ExportError
        The server can't be reached, or refuses the version.

    Examples
    --------
    >>> export_mlflow("models", "lstm:7", "http://mlflow:5000")     # doctest: +SKIP
    """
    uri = check_uri(uri)
    kept = registry if isinstance(registry, RegistryReader) else RegistryReader(registry)
    entry = kept.entry(reference)
    entry.check()
    open_version(entry.folder)  # refuses a folder with files that no training wrote
    entry.check_files()
    with _variables(QUIET):
        client = _client(uri)
        from mlflow.exceptions import MlflowException

        try:
            with _variables(REACHING):
                place = _experiment(client, experiment)
            return _export(client, place, entry, kept.score(entry), uri)
        except (MlflowException, OSError) as error:
            text = " ".join(str(error).split())[:LONGEST]
            raise ExportError(
                f"{uri}: {entry}: can't be exported: {text}; see that this is the address of an "
                "mlflow server that runs, and export it again: what was sent is not sent twice"
            ) from error


def check_uri(uri: str) -> str:
    """Return the address of a server, without a slash at its end.

    Parameters
    ----------
    uri : str

    Raises
    ------
    OptionError
        It is not one by HTTP, or has a password in it, which messages would show.
    """
    try:
        parts = urlsplit(uri)
        has_secret = "@" in parts.netloc
        is_server = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        has_secret = is_server = False
    if has_secret:
        raise OptionError(
            "mlflow: the address has a name or password; set MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD, and give the address without"
        )
    if not is_server:
        raise OptionError(
            f"mlflow: {uri!r}: must be the address of a server, as http://localhost:5000"
        )
    return uri.rstrip("/")


def _client(uri: str) -> "MlflowClient":
    try:
        from mlflow import MlflowClient
    except ImportError as error:
        raise MissingExtraError(
            f"the export to mlflow needs its library ({error}); pip install 'cryptodask[mlflow]'"
        ) from error
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


@contextmanager
def _variables(values: dict[str, str]) -> Iterator[None]:
    """Set variables of this process's environment in a block; those that are set stay."""
    added = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def _experiment(client: "MlflowClient", name: str) -> str:
    """Return the id of an experiment, which is made if it is not there."""
    there = client.get_experiment_by_name(name)
    return str(client.create_experiment(name) if there is None else there.experiment_id)


def _export(
    client: "MlflowClient", experiment: str, entry: Entry, score: Score | None, uri: str
) -> Exported:
    """Export a version whose files are sound."""
    tags = tags_of(entry, record_of(entry.folder / MANIFEST).sha256)
    run = _run(client, experiment, tags)
    is_new = run.info.status != "FINISHED"
    _describe(client, run.info.run_id, entry, score, tags)
    if is_new:
        _send_files(client, run.info.run_id, entry)
        client.set_terminated(run.info.run_id)
    return Exported(
        version=str(entry),
        run=run.info.run_id,
        url=f"{uri}/#/experiments/{experiment}/runs/{run.info.run_id}",
        model_version=_register(client, run, entry, tags),
        is_new=is_new,
    )


def tags_of(entry: Entry, manifest: str) -> dict[str, str]:
    """Return the tags of a version: who it is, what it was trained on, and by what code.

    Parameters
    ----------
    entry : Entry
        Finished.
    manifest : str
        The checksum of its manifest, which names those of all other files.
    """
    facts = entry.facts
    tags = {key: facts[key] for key in ("format", "prices", "trained", "by", "code", "parent")}
    tags |= {
        "version": str(entry),
        "manifest": manifest,
        "aliases": ", ".join(entry.aliases),
        "libraries": json.dumps(facts["libraries"], sort_keys=True),
        "features": json.dumps(entry.check().features, sort_keys=True),
    }
    return {ABOUT + key: "" if value is None else str(value) for key, value in tags.items()}


def params_of(entry: Entry) -> dict[str, str]:
    """Return the parameters of a version: model, options, seed, and how it was trained.

    Parameters
    ----------
    entry : Entry
        Finished.
    """
    facts, manifest = entry.facts, entry.check()
    params: dict[str, Any] = {
        "model": facts["model"]["name"],
        **{f"option.{name}": value for name, value in facts["model"]["options"].items()},
        **{name: facts[name] for name in ("freq", "coins", "first", "last")},
        "horizon": manifest.horizon,
        "seed": manifest.seed,
        "intervals": manifest.intervals,
    }
    params |= {name: facts["spec"][name] for name in HOW if facts["spec"].get(name) is not None}
    return {name: str(value)[:LONGEST] for name, value in params.items()}


def _run(client: "MlflowClient", experiment: str, tags: dict[str, str]) -> Any:
    """Return the run of a version, of an earlier export or a new one."""
    wanted = " and ".join(
        f"tags.`{ABOUT}{key}` = '{tags[ABOUT + key]}'" for key in ("version", "manifest")
    )
    runs = client.search_runs([experiment], wanted, max_results=1)
    if runs:
        return runs[0]
    return client.create_run(experiment, tags=tags, run_name=tags[f"{ABOUT}version"])


def _describe(
    client: "MlflowClient", run: str, entry: Entry, score: Score | None, tags: dict[str, str]
) -> None:
    """Have a run say all that is known of a version; saying it again changes nothing."""
    from mlflow.entities import Metric, Param, RunTag

    numbers: dict[str, float | None] = {}
    time = 0
    if score is not None:
        numbers = score.scores | {"scored_coins": len(score.coins), "origins": len(score.origins)}
        time = round(1e3 * datetime.fromisoformat(score.scored).timestamp())
    client.log_batch(
        run,
        [Metric(key, float(n), time, 0) for key, n in numbers.items() if n is not None],
        [Param(key, value) for key, value in params_of(entry).items()],
        [RunTag(key, value) for key, value in tags.items()],
    )


def _send_files(client: "MlflowClient", run: str, entry: Entry) -> None:
    """Send the files of a version, the manifest last; of a store each is read and compared."""
    manifest = entry.check()
    records = [*manifest.files, *manifest.beside, record_of(entry.folder / MANIFEST)]
    for record in records:
        with _on_this_machine(entry.folder, record) as path:
            client.log_artifact(run, str(path), FILES)


@contextmanager
def _on_this_machine(folder: AnyPath, record: FileRecord) -> Iterator[Path]:
    """Have a file of a version on this machine in a block."""
    path = folder / record.name
    if isinstance(path, Path):
        yield path
        return
    with TemporaryDirectory(prefix="cryptodask-") as name:
        copy = Path(name) / record.name
        copy.write_bytes(read_checked(path, record))
        yield copy


def _register(client: "MlflowClient", run: Any, entry: Entry, tags: dict[str, str]) -> int | None:
    """Return the number of a version among the server's; None where it registers no models."""
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(entry.name)
    except MlflowException as error:
        if error.error_code in NO_REGISTRY:
            return None
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    registered = client.search_model_versions(f"run_id = '{run.info.run_id}'")
    there = [int(version.version) for version in registered if version.name == entry.name]
    if not there:
        source = f"{run.info.artifact_uri.rstrip('/')}/{FILES}"
        new = client.create_model_version(
            entry.name, source, run.info.run_id, tags=tags, await_creation_for=None
        )
        return int(new.version)
    key = f"{ABOUT}aliases"
    client.set_model_version_tag(entry.name, str(min(there)), key, tags[key])
    return min(there)
