"""A search for options: all candidates in one backtest, then choosing and judging the choice."""

from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np
import pandas as pd

from cryptodask.evaluate import scores
from cryptodask.evaluate.backtest import empty_backtest
from cryptodask.evaluate.choice import Split, compare, error_sums, held_out, time_splits
from cryptodask.evaluate.compare import NO_VERDICT, compare_models, differences
from cryptodask.evaluate.rows import common_rows
from cryptodask.io.paths import AnyPath
from cryptodask.models import Model, create_model
from cryptodask.prices.days import read_day
from cryptodask.prices.freq import step_of
from cryptodask.records import DateArray, FloatArray
from cryptodask.results.backtest import Backtest, open_backtest
from cryptodask.results.manifest import Manifest
from cryptodask.results.search import GIVEN, TUNED, SearchResult
from cryptodask.runs.kind import Outcome
from cryptodask.runs.kinds.backtest import DatedKind
from cryptodask.runs.kinds.candidates import Candidate, make_candidates
from cryptodask.runs.session import Session
from cryptodask.runs.spec import SearchSpec

NAIVE = "naive"


class SearchKind(DatedKind[SearchSpec, SearchResult]):
    """A search.

    Attributes
    ----------
    candidates : dict of str to list of Candidate
        Of each model, the first as it was given.
    """

    def __init__(self, spec: SearchSpec, session: Session, models: Sequence[Model] = ()) -> None:
        del models  # the candidates are what runs
        self.candidates = make_candidates(spec.search, spec.options, spec.random, spec.seed)
        bar = step_of(session.loader.freq)
        # Before anything is forecast, which takes long.
        planned = _planned(spec, max(spec.step or spec.horizon, 1) * bar)
        time_splits(planned, spec.horizon * bar, spec.splits)
        every = chain.from_iterable(self.candidates.values())
        super().__init__(spec, session, [create_model(NAIVE), *(c.model for c in every)])

    def result(self, outcome: Outcome) -> SearchResult:
        """Return the result of a search in memory."""
        return self._choose(self.backtest(outcome))

    def open(self, path: AnyPath, manifest: Manifest) -> SearchResult:
        """Return the result of a search whose forecasts are in a folder."""
        return self._choose(open_backtest(path, manifest))

    def _choose(self, backtest: Backtest) -> SearchResult:
        span = self.spec.horizon * self.session.step
        splits = time_splits(backtest.origins, span, self.spec.splits)
        return choose(backtest, self.candidates, splits)


def _planned(spec: SearchSpec, apart: np.timedelta64) -> DateArray:
    """Return origins as far apart as they will be."""
    if isinstance(spec.origins, int):
        return np.datetime64(0, "s") + np.arange(spec.origins) * apart
    days = [read_day("origins", day) for day in spec.origins]
    return np.unique(np.array(days, dtype="datetime64[s]"))


def choose(
    backtest: Backtest, by_model: Mapping[str, Sequence[Candidate]], splits: Sequence[Split]
) -> SearchResult:
    """Choose among candidates by a backtest of all of them.

    Parameters
    ----------
    backtest : Backtest
        Of ``naive`` and of all candidates.
    by_model : mapping
        Candidates of each model, the first as given.
    splits : sequence of Split
    """
    names = [NAIVE, *(c.name for c in chain.from_iterable(by_model.values()))]
    parts = [error_sums(part, names, backtest.origins) for part in backtest.coin_parts()]
    sums = np.concatenate([np.empty((len(names), 0, len(backtest.origins))), *parts], axis=1)
    place = {name: i for i, name in enumerate(names)}
    best, values, candidates, chosen_at, judged = {}, {}, [], [], []
    for model, tried in by_model.items():
        errors = sums[[place[c.name] for c in tried]]
        rows, chosen = _table(model, tried, sums[0], errors)
        best[model], values[model] = dict(tried[chosen].options), tried[chosen].values
        candidates.append(rows)
        picks, choices = _choices(model, tried, sums[0], errors, splits, backtest.origins)
        chosen_at.append(picks)
        judged.append(_judge(backtest, model, tried[0].name, choices))
    return SearchResult(
        backtest.horizon,
        backtest.origins,
        best,
        pd.concat(candidates, ignore_index=True),
        pd.concat(chosen_at, ignore_index=True),
        pd.concat(judged, ignore_index=True),
        backtest.failures,
        backtest.lost,
        backtest.tasks,
        backtest.path,
        {model: tried[0].typed for model, tried in by_model.items()},
        values,
    )


def _table(
    model: str, tried: Sequence[Candidate], naive: FloatArray, errors: FloatArray
) -> tuple[pd.DataFrame, int]:
    """Return the candidates of a model over all origins, and the place of the best."""
    comparison = compare(naive, errors, np.arange(naive.shape[1]))
    rows = {
        "model": model,
        "candidate": [c.name for c in tried],
        "options": [" ".join(f"{k}={v}" for k, v in c.options) for c in tried],
        "relative_mae": comparison.scores,
        "forecasts": comparison.forecasts,
        "chosen": np.arange(len(tried)) == comparison.best,
    }
    return pd.DataFrame(rows), comparison.best


def _choices(
    model: str,
    tried: Sequence[Candidate],
    naive: FloatArray,
    errors: FloatArray,
    splits: Sequence[Split],
    origins: DateArray,
) -> tuple[pd.DataFrame, list[tuple[DateArray, str]]]:
    """Return what is chosen at each split: as a table, and with the origins that judge it."""
    rows, choices = [], []
    for number, split in enumerate(splits, start=1):
        comparison = compare(naive, errors, split.train)
        chosen = tried[comparison.best].name
        choices.append((origins[split.test], chosen))
        rows.append(
            {
                "model": model,
                "split": number,
                "train_origins": len(split.train),
                "train_to": origins[split.train[-1]],
                "test_from": origins[split.test[0]],
                "test_origins": len(split.test),
                "candidate": chosen,
                "relative_mae": comparison.scores[comparison.best],
            }
        )
    return pd.DataFrame(rows), choices


def _judge(
    backtest: Backtest, model: str, given: str, choices: Sequence[tuple[DateArray, str]]
) -> pd.DataFrame:
    """Return what the choices were worth at origins that took no part in them."""
    parts = [held_out(part, choices, given, (TUNED, GIVEN)) for part in backtest.coin_parts()]
    roles = sorted({str(role) for part in parts for role in part["model"].unique()})
    joined = pd.concat([empty_backtest(), *parts], ignore_index=True)
    shared = common_rows(joined, roles)
    comparison = scores.scores(scores.sums(shared)).set_index("model").reindex([TUNED, GIVEN])
    rows = pd.DataFrame({"model": model, "role": [TUNED, GIVEN]})
    rows["coins"] = comparison["coins"].fillna(0).to_numpy(dtype=np.int64)
    rows["origins"] = shared["cutoff"].nunique()
    rows["relative_mae"] = comparison["relative_mae"].to_numpy()
    for beside, name in ((NAIVE, "naive"), (GIVEN, "given")):
        compared = shared[shared["model"].isin([TUNED, GIVEN, beside])]
        tests = compare_models(differences(compared, naive=beside)).set_index("model")
        tests = tests.reindex([TUNED, GIVEN])
        rows[f"{name}_p"] = tests["p_adjusted"].to_numpy(dtype=float)
        rows[f"{name}_verdict"] = tests["verdict"].fillna(NO_VERDICT).to_numpy()
    return rows
