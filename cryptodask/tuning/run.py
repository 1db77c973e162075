"""Searching for options: all candidates in one backtest, then choosing and judging the choice."""

from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from cryptodask.backtests import Backtest, backtest
from cryptodask.evaluate import scores
from cryptodask.evaluate.backtest import empty_backtest
from cryptodask.evaluate.compare import NONE as NO_VERDICT
from cryptodask.evaluate.compare import compare_models, differences
from cryptodask.evaluate.rows import common_rows
from cryptodask.forecasting import OnDone
from cryptodask.io.paths import AnyPath
from cryptodask.manager import CryptoManager, managing
from cryptodask.models.base import check_horizon
from cryptodask.prices import CryptoLoader
from cryptodask.prices.clean.gaps import GapMode
from cryptodask.prices.days import Day, read_day
from cryptodask.prices.freq import step_of
from cryptodask.records import DateArray, FloatArray
from cryptodask.tuning.candidates import Candidate, Search, Settings, make_candidates
from cryptodask.tuning.choice import Split, compare, error_sums, held_out, time_splits
from cryptodask.tuning.result import GIVEN, TUNED, TuneResult

if TYPE_CHECKING:
    from dask.distributed import Client

NAIVE = "naive"


def tune(
    source: CryptoLoader | CryptoManager | str | Path,
    search: Search,
    horizon: int = 10,
    *,
    options: Settings | None = None,
    random: int | None = None,
    origins: int | Sequence[Day] = 24,
    step: int | None = None,
    splits: int = 4,
    window: int | Literal["expanding"] = "expanding",
    refit: int = 1,
    coins: Sequence[str] | None = None,
    from_date: Day | None = None,
    to_date: Day | None = None,
    gaps: GapMode = "leave",
    gap_limit: int | None = None,
    seed: int = 0,
    out: str | AnyPath | None = None,
    overwrite: bool = False,
    client: "Client | None" = None,
    workers: int | None = None,
    progress: bool = True,
    on_done: OnDone | None = None,
) -> TuneResult:
    """Find the options of models that would have forecast best, and tell what finding was worth.

    Every combination of values is a candidate, and so is the model as given. All of them are
    backtested at once, as futures of some coins and one candidate each. Candidates of a model are
    compared by their mean absolute error over that of naive (the geometric mean over coins), on
    the coins and origins that all of them forecast.

    The best over all origins is the result. Its score is optimistic, since it is the best of
    many; so choosing is tried out on the past, too: the best at the first origins is judged by the
    next ones, which took no part in the choice and began when all that did had come in full.
    Tashman, Out-of-sample tests of forecasting accuracy, International Journal of Forecasting 16
    (2000); Cawley and Talbot, On over-fitting in model selection, JMLR 11 (2010).

    The result is the same, bit for bit, whatever the number of workers and the partitioning.

    Parameters
    ----------
    source : CryptoLoader, CryptoManager or path
        Where the prices are; or a manager, which is used with its cluster.
    search : mapping
        By model and option the values to try, as ``{"ridge": {"alpha": [1, 10, 100]}}``.
    horizon : int
        Bars ahead: days, of daily prices.
    options : mapping
        By model, options that all of its candidates have.
    random : int, optional
        So many combinations of each model, drawn at random; by default all.
    origins, step, window, refit, coins, from_date, to_date, gaps, gap_limit, seed
        See `cryptodask.backtests.backtest`.
    splits : int
        How often the best at the first origins is judged by the next ones.
    out : path, optional
        A folder, or a URL, that the workers see. They write all forecasts there, file by file, so
        that the client holds only those that judge the choice, and what was stopped goes on.
    overwrite : bool
        Whether another backtest may be replaced in that folder.
    client, workers, progress, on_done
        See `cryptodask.backtests.backtest`.

    Raises
    ------
    UnknownCoinError, UnknownModelError, OptionError
        What was asked for can't be done.
    InputError
        ``out`` holds something else, or another backtest.
    MissingExtraError
        A model's packages are not installed on the workers.
    """
    check_horizon(horizon)
    by_model = make_candidates(search, options, random, seed)
    with managing(source, client, workers) as manager:
        bar = step_of(manager.loader.freq)
        # Before anything is forecast, which takes long.
        time_splits(_planned(origins, max(step or horizon, 1) * bar), horizon * bar, splits)
        done = backtest(
            manager,
            [candidate for own in by_model.values() for candidate in own],
            horizon,
            origins=origins,
            step=step,
            window=window,
            refit=refit,
            calibrate=0,
            coins=coins,
            from_date=from_date,
            to_date=to_date,
            gaps=gaps,
            gap_limit=gap_limit,
            seed=seed,
            out=out,
            overwrite=overwrite,
            progress=progress,
            on_done=on_done,
        )
        return choose(done, by_model, time_splits(done.origins, horizon * bar, splits))


def _planned(origins: int | Sequence[Day], apart: np.timedelta64) -> DateArray:
    """Return origins as far apart as they will be."""
    if isinstance(origins, int):
        return np.datetime64(0, "s") + np.arange(origins) * apart
    return np.unique(np.array([read_day("origins", day) for day in origins], dtype="datetime64[s]"))


def choose(
    done: Backtest, by_model: Mapping[str, Sequence[Candidate]], splits: Sequence[Split]
) -> TuneResult:
    """Choose among candidates by a backtest of all of them.

    Parameters
    ----------
    done : Backtest
        Of ``naive`` and of all candidates.
    by_model : mapping
        Candidates of each model, the first as given.
    splits : sequence of Split
    """
    names = [NAIVE, *(c.name for c in chain.from_iterable(by_model.values()))]
    parts = [error_sums(part, names, done.origins) for part in done.coin_parts()]
    sums = np.concatenate([np.empty((len(names), 0, len(done.origins))), *parts], axis=1)
    place = {name: i for i, name in enumerate(names)}
    best, candidates, told, judged = {}, [], [], []
    for model, own in by_model.items():
        errors = sums[[place[c.name] for c in own]]
        rows, chosen = _table(model, own, sums[0], errors)
        best[model] = dict(own[chosen].options)
        candidates.append(rows)
        picks, choices = _choices(model, own, sums[0], errors, splits, done.origins)
        told.append(picks)
        judged.append(_judge(done, model, own[0].name, choices))
    return TuneResult(
        done.horizon,
        done.origins,
        best,
        pd.concat(candidates, ignore_index=True),
        pd.concat(told, ignore_index=True),
        pd.concat(judged, ignore_index=True),
        done.failures,
    )


def _table(
    model: str, own: Sequence[Candidate], naive: FloatArray, errors: FloatArray
) -> tuple[pd.DataFrame, int]:
    """Return the candidates of a model over all origins, and the place of the best."""
    found = compare(naive, errors, np.arange(naive.shape[1]))
    rows = {
        "model": model,
        "candidate": [c.name for c in own],
        "options": [" ".join(f"{k}={v}" for k, v in c.options) for c in own],
        "relative_mae": found.scores,
        "forecasts": found.forecasts,
        "chosen": np.arange(len(own)) == found.best,
    }
    return pd.DataFrame(rows), found.best


def _choices(
    model: str,
    own: Sequence[Candidate],
    naive: FloatArray,
    errors: FloatArray,
    splits: Sequence[Split],
    origins: DateArray,
) -> tuple[pd.DataFrame, list[tuple[DateArray, str]]]:
    """Return what is chosen at each split: as a table, and with the origins that judge it."""
    rows, choices = [], []
    for number, split in enumerate(splits, start=1):
        found = compare(naive, errors, split.train)
        chosen = own[found.best].name
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
                "relative_mae": found.scores[found.best],
            }
        )
    return pd.DataFrame(rows), choices


def _judge(
    done: Backtest, model: str, given: str, choices: Sequence[tuple[DateArray, str]]
) -> pd.DataFrame:
    """Return what the choices were worth at origins that took no part in them."""
    parts = [held_out(part, choices, given, (TUNED, GIVEN)) for part in done.coin_parts()]
    roles = sorted({str(role) for part in parts for role in part["model"].unique()})
    whole = pd.concat([empty_backtest(), *parts], ignore_index=True)
    shared = common_rows(whole, roles)
    found = scores.scores(scores.sums(shared)).set_index("model").reindex([TUNED, GIVEN])
    rows = pd.DataFrame({"model": model, "role": [TUNED, GIVEN]})
    rows["coins"] = found["coins"].fillna(0).to_numpy(dtype=np.int64)
    rows["origins"] = shared["cutoff"].nunique()
    rows["relative_mae"] = found["relative_mae"].to_numpy()
    for beside, name in ((NAIVE, "naive"), (GIVEN, "given")):
        compared = shared[shared["model"].isin([TUNED, GIVEN, beside])]
        tests = compare_models(differences(compared, naive=beside)).set_index("model")
        tests = tests.reindex([TUNED, GIVEN])
        rows[f"{name}_p"] = tests["p_adjusted"].to_numpy(dtype=float)
        rows[f"{name}_verdict"] = tests["verdict"].fillna(NO_VERDICT).to_numpy()
    return rows
