"""`SearchResult`: the candidates, what was chosen when, and what choosing was worth."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from cryptodask.charts import table_html
from cryptodask.io.paths import AnyPath
from cryptodask.prices.clean.findings import empty_findings
from cryptodask.records import DateArray
from cryptodask.results.failures import failed_throughout
from cryptodask.results.jobs import task_table
from cryptodask.results.shown import ShowsFacts, facts_of, span_of

TUNED, GIVEN = "tuned", "as given"
"""Roles in what is held out: what was chosen by earlier origins, and the model without a search."""


@dataclass(frozen=True, repr=False)
class SearchResult(ShowsFacts):
    """A search for options.

    Attributes
    ----------
    horizon : int
    origins : ndarray of datetime64[s], ``(n_origins,)``
    best : dict of str to dict
        Of each model, the options of its best candidate over all origins, as texts: those that
        were set, and those that were found.
    candidates : DataFrame
        ``model, candidate, options, relative_mae, forecasts, chosen``: one row a candidate, the
        first of a model as it was given. ``relative_mae`` is over all origins, on the coins and
        origins that all candidates of the model forecast, NaN of those that forecast too few;
        ``forecasts`` counts the coins and origins of each. The least of many is optimistic.
    splits : DataFrame
        ``model, split, train_origins, train_to, test_from, test_origins, candidate,
        relative_mae``: the best candidate at the first ``train_origins`` origins.
    held_out : DataFrame
        ``model, role, coins, origins, relative_mae, naive_p, naive_verdict, given_p,
        given_verdict``: at the origins that follow each split, what was chosen before them
        (``tuned``), and the model ``as given``, on the rows that both and naive have; beside
        them Diebold-Mariano tests against naive and against the model as given.
    failures : DataFrame
        ``coin, model, cutoff, exception, message``, ``model`` being the candidate.
    lost, tasks : DataFrame
        See `cryptodask.results.Backtest`.
    path : Path, UPath or None
        The folder of its forecasts.
    typed : dict of str to str
        By model, what ``--model`` takes for it, where that is another name: ``mine:reg`` of a
        user's code, ``a=mine:reg`` under an alias.
    values : dict of str to dict
        The same as ``best``, each value of its option's type.
    """

    horizon: int
    origins: DateArray
    best: Mapping[str, Mapping[str, str]]
    candidates: pd.DataFrame
    splits: pd.DataFrame
    held_out: pd.DataFrame
    failures: pd.DataFrame
    lost: pd.DataFrame = field(default_factory=empty_findings)
    tasks: pd.DataFrame = field(default_factory=lambda: task_table([]))
    path: AnyPath | None = None
    typed: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def _repr_html_(self) -> str:
        """Return what was found for a notebook."""
        names = ["model", "best candidate", "relative MAE, all origins", "held out"]
        return super()._repr_html_() + table_html(names, self._best())

    def _facts(self) -> dict[str, object]:
        """Return what is in it."""
        facts = {
            "candidates": f"{len(self.candidates):,}",
            "origins": f"{len(self.origins):,}, {span_of(self.origins)}",
        }
        return facts_of(self, list(self.best), facts, "in memory")

    def _best(self) -> list[list[str]]:
        """Return of each model what is best, by what score, and what choosing was worth."""
        tuned = self.held_out[self.held_out["role"] == TUNED].set_index("model")["relative_mae"]
        return [
            [
                model,
                ", ".join(f"{name}={value}" for name, value in options.items()) or "as given",
                f"{self.chosen_by(model):.3f}",
                f"{tuned[model]:.3f}" if model in tuned else "–",
            ]
            for model, options in self.best.items()
        ]

    @property
    def is_complete(self) -> bool:
        """Whether all candidates could be compared on all coins, and every row could be read."""
        return (
            failed_throughout(self.failures, self.origins).empty
            and self.lost.empty
            and not self.candidates["relative_mae"].isna().any()
        )

    def arguments(self, model: str) -> list[str]:
        """Return the arguments of ``cryptodask forecast`` and ``backtest`` for the best."""
        words = ["--model", self.typed.get(model, model)]
        for option, text in self.best[model].items():
            words += ["--option", f"{model}.{option}={text}"]
        return words

    def option_lines(self, model: str) -> list[str]:
        """Return the same as lines for a shell."""
        words = self.arguments(model)
        return [f"{a} {shlex.quote(b)}" for a, b in zip(words[::2], words[1::2], strict=True)]

    def chosen_by(self, model: str) -> float:
        """Return the relative MAE over all origins by which the best was chosen."""
        best = self.candidates[(self.candidates["model"] == model) & self.candidates["chosen"]]
        return float(best["relative_mae"].iloc[0])

    def to_json(self) -> str:
        """Return all but the failures as JSON; what is not known is null."""
        content = {
            "horizon": self.horizon,
            "origins": self.origins.astype(str).tolist(),
            "best": {
                model: {
                    "options": {**options, **self.values.get(model, {})},
                    "arguments": self.arguments(model),
                    "relative_mae": _number(self.chosen_by(model)),
                }
                for model, options in self.best.items()
            },
            "held_out": _records(self.held_out),
            "splits": _records(self.splits),
            "candidates": _records(self.candidates),
        }
        return json.dumps(content, indent=1, default=_of_numpy) + "\n"


def _of_numpy(value: Any) -> Any:
    """Return a value of NumPy, which a search in Python may have tried, as JSON has it."""
    return value.item() if hasattr(value, "item") else str(value)


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows as dictionaries of what JSON has."""
    return [
        {str(key): _plain(value) for key, value in row.items()} for row in table.to_dict("records")
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    if isinstance(value, float):
        return _number(value)
    return None if value is pd.NaT else value
