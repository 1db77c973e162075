"""A prediction: forecasts from versions of trained models; nothing is trained."""

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from cryptodask.errors import OptionError, VersionError
from cryptodask.features.space import FeatureSpace
from cryptodask.io.paths import path_of
from cryptodask.models import Model
from cryptodask.records import CoinFailure
from cryptodask.results.jobs import TaskFiles
from cryptodask.results.version import Version, open_version
from cryptodask.results.version_facts import SPREADS_SINCE
from cryptodask.runs.kind import Call
from cryptodask.runs.kinds.forecast import ForecastKind
from cryptodask.runs.session import Session
from cryptodask.runs.specs import spec_from_json
from cryptodask.runs.version_spec import PredictSpec, TrainSpec
from cryptodask.runs.workload import Workload
from cryptodask.worker.job import Job
from cryptodask.worker.predict import Prediction, predict_job


@dataclass(frozen=True)
class VersionModel(Model):
    """What a run plans with in the place of a version's model, which workers open.

    It can't forecast.

    Attributes
    ----------
    label : str
        What the forecast table calls it.
    key : str
        Of the version's manifest.
    space : FeatureSpace or None
    columns : tuple of str
        That the version's model reads beside the closes.
    """

    cost: ClassVar[float] = 10.0

    label: str
    key: str
    space: FeatureSpace | None = field(default=None, repr=False)
    columns: tuple[str, ...] = field(default=(), repr=False)

    @property
    def name(self) -> str:
        """The label."""
        return self.label


class PredictKind(ForecastKind):
    """A prediction.

    Attributes
    ----------
    versions : dict of str to Version
        By label.
    """

    spec: PredictSpec  # type: ignore[assignment]

    def __init__(self, spec: PredictSpec, session: Session, models: Sequence[Model] = ()) -> None:
        del models  # versions are what runs
        opened = [open_version(path_of(path)) for path in spec.versions]
        self.versions = dict(zip(spec.labels, opened, strict=True))
        for version in opened:
            version.check()
            _check(version, spec, session.loader.freq)
        planned = [
            VersionModel(label, version.manifest.key, version.model.space, version.model.columns)
            for label, version in self.versions.items()
        ]
        super().__init__(spec, session, planned)  # type: ignore[arg-type]

    def check_facts(self) -> None:
        """Report features of a fact that no coin has; coins of the training may have had it."""
        try:
            super().check_facts()
        except OptionError as error:
            logging.getLogger(__name__).warning("%s", error)

    @property
    def runs(self) -> Sequence[Model]:
        """The models of the versions."""
        return [version.model for version in self.versions.values()]

    @property
    def warmed(self) -> Sequence[Model]:
        """None: what is planned with is not what workers forecast by."""
        return ()

    @property
    def sent(self) -> Sequence[Model]:
        """The versions' models."""
        return [version.model for version in self.versions.values()]

    @property
    def pools_errors(self) -> bool:
        """Whether intervals take passes over past errors: they were pooled in training."""
        return False

    def facts(self) -> dict[str, Any]:
        """Return what decides every number of the result; not where the versions lie."""
        return {name: value for name, value in super().facts().items() if name != "versions"}

    def passes(self, model: Model) -> float:
        """Return how many forecasts a model makes of each coin."""
        del model
        return 1

    def train(
        self, workload: Workload, needed: Collection[str], say: Callable[[str], None]
    ) -> list[CoinFailure]:
        """Train nothing."""
        del workload, needed, say
        return []

    def ready(self, model: Model) -> bool:
        """Return that every version can forecast."""
        del model
        return True

    def call(self, job: Job, model: Model, files: TaskFiles | None) -> Call:
        """Return the call that forecasts a job from a version."""
        version, spec = self.versions[model.name], self.spec
        prediction = Prediction(
            version.path, version.manifest.key, model.name, self.row_filter, spec.horizon,
            spec.seed, spec.intervals, version.model if version.is_own else None,
        )  # fmt: skip
        return predict_job, (job, prediction, files)


def _check(version: Version, spec: PredictSpec, freq: str) -> None:
    """Check that a version was trained for what is asked of it.

    Raises
    ------
    VersionError
        It was not: its bars are others, it makes no intervals or old ones, or it is for another
        horizon.
    """
    facts, trained = version.facts, version.manifest.horizon
    if facts.freq != freq:
        raise VersionError(
            f"{version.path}: freq: trained on bars of {facts.freq}, and these prices have bars of "
            f"{freq}; train a version on them"
        )
    bound = version.model.learns_horizon or spec.intervals
    if spec.horizon != trained and bound:
        why = "its intervals are" if spec.intervals else f"what {version.model.name} learns is"
        raise VersionError(
            f"{version.path}: horizon: trained for {trained} bars, and {spec.horizon} are asked "
            f"for; {why} for that horizon alone: train a version with --horizon {spec.horizon}"
        )
    if spec.intervals and not version.manifest.intervals:
        raise VersionError(
            f"{version.path}: intervals: was trained without; train a version with --intervals, or "
            "predict without"
        )
    if spec.intervals and facts.format < SPREADS_SINCE:
        raise VersionError(
            f"{version.path}: intervals: an older release pooled its errors over another "
            "volatility; train a version anew, or predict without (--no-intervals)"
        )


def check_same(versions: Sequence[Version]) -> dict[str, Any]:
    """Return what versions that are predicted from together were all trained with.

    Parameters
    ----------
    versions : sequence of Version
        At least one.

    Raises
    ------
    VersionError
        Two of them differ.
    InputError
        What one was trained with can't be read.
    """
    specs = [
        spec_from_json(TrainSpec.kind, version.facts.spec, f"{version.path}: spec")
        for version in versions
    ]
    for version, spec in zip(versions, specs, strict=True):
        for name in SEEN:
            there, first = getattr(spec, name), getattr(specs[0], name)
            if there != first:
                raise VersionError(
                    f"{version.path}: {name}: trained with {there}, and {versions[0].path} with "
                    f"{first}; predict from them one after the other"
                )
    return {name: getattr(specs[0], name) for name in SEEN}


SEEN = ("from_date", "gaps", "gap_limit", "window", "seed")
"""Fields of a training that decide what a model sees later, too."""
