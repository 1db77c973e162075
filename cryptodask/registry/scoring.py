"""Backtests of versions on the same prices and origins, whose scores a registry keeps."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import pandas as pd

from cryptodask.errors import CryptoDaskError, VersionError
from cryptodask.evaluate.compare import differences
from cryptodask.models import Model
from cryptodask.models.catalog import is_own
from cryptodask.registry.entries import Entry
from cryptodask.registry.registry import Registry
from cryptodask.registry.scores import Score, make_score
from cryptodask.registry.state import note
from cryptodask.registry.training import name_own_model
from cryptodask.results import Backtest
from cryptodask.results.version import open_version
from cryptodask.runs.fingerprints import prices_fingerprint
from cryptodask.runs.model_spec import ModelSpec
from cryptodask.runs.session import Session
from cryptodask.runs.spec import BacktestSpec
from cryptodask.runs.start import run_spec

OF_TRAINING = ("gaps", "gap_limit", "window")
"""What a backtest takes from what was asked of the training, beside model, horizon and seed."""

NAIVE = "naive"


class Scored(NamedTuple):
    """A version that was scored.

    Attributes
    ----------
    entry : Entry
    score : Score
    backtest : Backtest
        Without its table: failures, and rows that were lost.
    """

    entry: Entry
    score: Score
    backtest: Backtest


def score_versions(
    registry: Registry, references: Sequence[str], session: Session, **options: Any
) -> list[Scored]:
    """Backtest the models of versions, and keep a score of each.

    Each model is backtested as it was asked for, and trained anew as of the origins, since a
    version has seen the prices that it was trained on. Those of the same horizon have the same
    origins, so that `promote` can compare them.

    Parameters
    ----------
    registry : Registry
    references : sequence of str
        As ``lstm:7`` and ``lstm@champion``; of a user's code ``REFERENCE=MODULE:NAME``, see
        `cryptodask.registry.training.name_own_model`.
    session : Session
        Prices and client.
    **options
        Fields of `BacktestSpec` that say how to backtest: ``origins``, ``step``, ``coins``,
        ``calibrate``, ``warmup``, ``refit``, ``timeout``, ``partitions``; ``progress`` of
        `run_spec`.

    Returns
    -------
    list of Scored
        Each version once.

    Raises
    ------
    VersionError
        A version is not there, not finished, or its model has no forecast that can be scored.
    """
    progress = options.pop("progress", True)
    entries = {str(entry): entry for entry in map(registry.entry, map(name_own_model, references))}
    specs = [_spec_of(entry, session, options) for entry in entries.values()]
    scored = []
    for entry, spec in zip(entries.values(), specs, strict=True):
        result = run_spec(spec, session, progress=progress)
        score = _score_of(entry, result, session)
        registry.keep_score(entry, score)
        scored.append(Scored(entry, score, replace(result, frame=None)))
    return scored


def _spec_of(entry: Entry, session: Session, options: dict[str, Any]) -> BacktestSpec:
    """Return the backtest of a version's model.

    Raises
    ------
    VersionError
        The version is not finished, or of bars of another length than the prices.
    """
    manifest, facts = entry.check(), entry.facts
    if facts["freq"] != session.loader.freq:
        raise VersionError(
            f"{entry}: freq: trained on bars of {facts['freq']}, and the prices have "
            f"{session.loader.freq}; name prices of {facts['freq']}"
        )
    trained: dict[str, Any] = facts.get("spec") or {}
    kept = {name: trained[name] for name in OF_TRAINING if name in trained}
    try:
        return BacktestSpec(
            models=(ModelSpec.of(_model_of(entry)),),
            horizon=manifest.horizon, seed=manifest.seed, **(kept | options),
        )  # fmt: skip
    except VersionError:
        raise
    except CryptoDaskError as error:
        raise type(error)(f"{entry}: {error}") from error


def _model_of(entry: Entry) -> Model:
    """Return the model of a version; of a user's code only that which was trained."""
    said = entry.facts["model"]
    if is_own(said.get("model") or said["name"]):
        return open_version(entry.folder).model
    return ModelSpec(said["name"], said["options"], said.get("model")).create()


def _score_of(entry: Entry, result: Backtest, session: Session) -> Score:
    """Return the score of the version's model in its backtest."""
    model = str(entry.facts["model"]["name"])
    tables = [differences(part) for part in _parts(result, model)]
    losses = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    if losses.empty:
        raise VersionError(
            f"{entry}: {model} has no forecast with an actual price at these origins, so that it "
            f"has no score ({_reason(result, model)}); name other prices, coins or origins"
        )
    rows = result.scores().to_dict("records")
    row = next({str(name): value for name, value in r.items()} for r in rows if r["model"] == model)
    now = note("number", entry.number)
    facts = {
        "key": entry.check().key, "model": model, "horizon": result.horizon,
        "freq": session.loader.freq, "prices": prices_fingerprint(session.loader),
        "scored": now.when, "by": now.who,
    }  # fmt: skip
    return make_score(losses, row, facts)


def _parts(result: Backtest, model: str) -> Iterator[pd.DataFrame]:
    """Yield the table of a model and of naive, coins by coins; naive is compared with itself."""
    for part in result.coin_parts():
        if model == NAIVE:
            part = pd.concat([part, part[part["model"] == NAIVE].assign(model="version")])
        yield part[part["model"].isin([NAIVE, model, "version"])]


def _reason(result: Backtest, model: str) -> str:
    """Return why forecasts are missing, as the first failure says it."""
    failures = result.failures[result.failures["model"] == model]
    return str(failures["message"].iloc[0]) if len(failures) else "no coin has prices there"
