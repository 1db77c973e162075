"""A training: what a model learns of coins, kept as a version."""

import getpass
import socket
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Any

import attrs

from cryptodask.errors import DamagedFileError, InputError, OptionError, VersionError
from cryptodask.io.arrays import write_arrays
from cryptodask.io.files import FileRecord, read_json
from cryptodask.io.parquet import write_frame
from cryptodask.io.paths import AnyPath
from cryptodask.io.sealed import unseal, write_sealed
from cryptodask.io.structure import structured
from cryptodask.models import Model
from cryptodask.models.pooled.base import is_pooled
from cryptodask.models.trained import Trained
from cryptodask.records import CoinFailure, Panel
from cryptodask.results.jobs import TaskFiles
from cryptodask.results.learned_files import make_index, read_shared
from cryptodask.results.manifest import Manifest
from cryptodask.results.version import INDEX, SHARED, Version, open_version
from cryptodask.results.version_facts import FORMAT, KIND, VersionFacts, library_versions
from cryptodask.runs.fingerprints import prices_fingerprint
from cryptodask.runs.kind import Call, Outcome
from cryptodask.runs.kinds.forecast import ForecastKind
from cryptodask.runs.model_spec import ModelSpec
from cryptodask.runs.spec import to_json
from cryptodask.runs.version_spec import TrainSpec
from cryptodask.runs.workload import Workload
from cryptodask.worker.job import Job
from cryptodask.worker.learn import Lesson, learn_job, learn_look_back_job

SHARED_RECORD = "_shared.json"


class TrainKind(ForecastKind):
    """A training of one model."""

    tables = KIND
    event = "train"
    spec: TrainSpec

    def prepare(self) -> None:
        """Refuse a model that can't be kept before any work is done for it."""
        super().prepare()
        [model] = self.models
        described = self.spec.models[0]
        if described.options is None:
            raise VersionError(
                f"{model.name}: was made in Python, and a version is read by whoever has the "
                "catalog alone; train a model of `cryptodask models` with options"
            )
        _check_keepable(model)
        self._facts: VersionFacts | None = None

    def train(
        self, workload: Workload, needed: Collection[str], say: Callable[[str], None]
    ) -> list[CoinFailure]:
        """Train a pooled model on all coins, unless that was done before the run was stopped."""
        assert self.place is not None
        [model] = self.models
        if not is_pooled(model):
            return super().train(workload, needed, say)
        there = self._read_shared(model)
        if there is not None and not self.intervals:
            self._trained[model.name] = there
            return []
        failures = super().train(workload, needed, say)
        trained = self._trained.get(model.name)
        if there is None and isinstance(trained, Trained):
            record = write_arrays(self.place / SHARED, trained.learned.arrays, {})
            content = {"key": self.plan().key, "file": attrs.asdict(_Shared.of(record))}
            write_sealed(content, self.place / SHARED_RECORD)
        return failures

    def _shared_record(self) -> FileRecord | None:
        """Return the record of what serves any coin, if it was written by this run."""
        assert self.place is not None
        path = self.place / SHARED_RECORD
        try:
            content = read_json(path)
            if unseal(content) is not None or content["key"] != self.plan().key:
                return None
            return structured(_Shared, content["file"], str(path)).record
        except (FileNotFoundError, InputError, KeyError, TypeError):
            return None

    def _read_shared(self, model: Model) -> Trained | None:
        record = self._shared_record()
        if record is None:
            return None
        assert self.place is not None
        try:
            return Trained(model, read_shared(self.place / SHARED, record))
        except DamagedFileError:
            return None  # trained again

    def _lesson(self, model: Model) -> Lesson:
        trained = self._trained[model.name]
        return Lesson(trained, self.row_filter, self.spec.horizon, self.spec.seed)

    def call(self, job: Job, model: Model, files: TaskFiles | None) -> Call:
        """Return the call that learns of a job."""
        return learn_job, (job, self._lesson(model), files)

    def state_call(self, job: Job, model: Model) -> Call:
        """Return the call that learns of a job, and forecasts it as of past dates."""
        return learn_look_back_job, (job, self._lesson(model), self._past[model.name])

    def rows(self, coins: int) -> int:
        """Return the rows of files: one a coin."""
        return coins

    @property
    def rows_per_coin(self) -> int:
        """How many rows a job makes of a coin."""
        return 1

    def write_beside(self, path: AnyPath, outcome: Outcome) -> list[FileRecord]:
        """Write the index of coins; what serves any coin is there already."""
        [model] = self.models
        files = [done.file for _, done in outcome.jobs if done.file is not None]
        index = make_index(path, files)
        if index.empty:
            why = outcome.failures[0].message if outcome.failures else "there are no coins"
            raise OptionError(f"{model.name}: nothing could be learned of any coin: {why}")
        self._facts = self._facts_of(index, model)
        records = [write_frame(index, path / INDEX)]
        if is_pooled(model):
            shared = self._shared_record()
            assert shared is not None
            records.append(shared)
        return records

    def _facts_of(self, index: Any, model: Model) -> VersionFacts:
        """Return what is known of the version."""
        from cryptodask import __version__

        return VersionFacts(
            format=FORMAT,
            model=_said_of(self.spec.models[0]),
            freq=self.session.loader.freq,
            coins=len(index),
            prices=prices_fingerprint(self.session.loader),
            first=str(index["first"].min().date()),
            last=str(index["last"].max().date()),
            trained=datetime.now(UTC).isoformat(timespec="seconds"),
            by=f"{getpass.getuser()}@{socket.gethostname()}",
            code=__version__,
            libraries=library_versions(model),
            learns=model.learns,
            any_coin=is_pooled(model) or not model.learns,
            parent=self.spec.parent,
            spec=to_json(self.spec),
        )

    def manifest_facts(self) -> Mapping[str, Any]:
        """Return the facts of the version."""
        assert self._facts is not None
        return {"facts": attrs.asdict(self._facts)}

    def result(self, outcome: Outcome) -> Any:
        """Refuse: a version is a folder."""
        raise NotImplementedError("a training is written to a folder; name one")

    def open(self, path: AnyPath, manifest: Manifest) -> Version:  # type: ignore[override]
        """Return the version in a folder."""
        del manifest
        return open_version(path)

    def event_tables(self, result: Any) -> dict[str, Any]:
        """Return nothing for pages."""
        del result
        return {}


def _said_of(spec: ModelSpec) -> dict[str, Any]:
    """Return what a version says of its model."""
    said: dict[str, Any] = {"name": spec.name, "options": dict(spec.options or {})}
    return said | ({"model": spec.model} if spec.model else {})


def _check_keepable(model: Model) -> None:
    """Check that what a model learns can be kept, as far as its class says it.

    Raises
    ------
    VersionError
        It can't.
    """
    if is_pooled(model):
        model.check_keepable()
    elif model.learns and type(model).learn is Model.learn:
        model.learn(Panel.from_series([]), 1, 0)


@attrs.frozen
class _Shared:
    """A `FileRecord` as JSON has it."""

    name: str
    size: int
    sha256: str

    @classmethod
    def of(cls, record: FileRecord) -> "_Shared":
        return cls(record.name, record.size, record.sha256)

    @property
    def record(self) -> FileRecord:
        return FileRecord(self.name, self.size, self.sha256)
