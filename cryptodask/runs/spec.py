"""What was asked for: one frozen value a run, from which everything else follows.

Signatures, the options of the command, the plan in a run's folder and what `cryptodask resume`
does come from the fields below. A value that makes no sense is refused when a spec is made. A spec
is JSON (`to_json`, and from it `cryptodask.runs.specs`), to be kept, sent and compared.

The command makes its options from here before it knows which to run, so that models and prices are
imported inside functions.
"""

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import attrs

from cryptodask.errors import CryptoDaskError, OptionError
from cryptodask.runs.fields import (
    coin_names,
    count_or_days,
    day,
    flag,
    one_of,
    option,
    optional,
    refused,
    rows_or_expanding,
    seconds,
    text,
    texts,
    whole_number,
)
from cryptodask.runs.model_spec import (
    ModelSpec,
    Values,
    check_models,
    check_search,
    model_specs,
    with_naive,
)

if TYPE_CHECKING:
    from cryptodask.prices.row_filter import RowFilter

CALIBRATE, WARMUP = 5, 200
"""Bars between the past dates that intervals are made from, and before the first forecast."""

MODELS = (
    "A model of `cryptodask models`, or MODULE:NAME of your code; ALIAS=MODEL shows it under "
    "another name. May be given several times."
)


@attrs.frozen(kw_only=True)
class RunSpec:
    """What all kinds of runs have.

    Attributes
    ----------
    source : str or None
        Path of the prices; None of prices that a path alone does not describe.
    horizon : int
        Bars ahead: days, of daily prices.
    coins : tuple of str or None
        By default all of the source.
    from_date, to_date : str or None
        First and last day that models see, both included, as ``2017-09-22``.
    gaps : {"leave", "fill", "split"}
        What models see of coins with gaps: all rows; rows with short gaps filled; or the rows
        after the last gap.
    gap_limit : int or None
        For "fill": the most missing bars of a gap that is filled.
    window : int or "expanding"
        Latest rows that a model sees; by default all.
    refit : int
        Models are retrained every N past dates, and forecast from newer rows in between.
    seed : int
        Random seed.
    timeout : float or None
        Seconds that a worker may take for coins that it reads together; its process is ended
        then. By default unlimited.
    partitions : int or None
        Number of partitions of the prices; by default as the source packs them.
    """

    kind: ClassVar[str]

    source: str | None = option(None, flag="", decides=False, check=optional(text))
    horizon: int = option(
        10, "Days ahead, or bars of an hourly table.", check=whole_number(1, most=1_000_000)
    )
    coins: tuple[str, ...] | None = option(
        None,
        "Coins, separated by commas or given several times. [all]",
        converter=coin_names,
        check=optional(texts),
    )
    from_date: str | None = option(
        None, "First day that models see, YYYY-MM-DD.", flag="--from", converter=day("from_date")
    )
    to_date: str | None = option(
        None, "Last day that models see.", flag="--to", converter=day("to_date")
    )
    gaps: Literal["leave", "fill", "split"] = option(
        "leave", "Leave, fill or split coins at gaps.", check=one_of("leave", "fill", "split")
    )
    gap_limit: int | None = option(
        None, "Fill gaps of at most N missing bars.", check=optional(whole_number(1, "bar"))
    )
    window: int | Literal["expanding"] = option(
        "expanding", "Latest rows that a model sees, or expanding: all.",
        converter=rows_or_expanding,
    )  # fmt: skip
    refit: int = option(1, "Retrain every N past dates.", check=whole_number(1))
    seed: int = option(0, "Random seed.", check=whole_number(0, most=2**128))
    timeout: float | None = option(
        None,
        "Seconds a worker may take for coins it reads together; its process is ended then.",
        check=optional(seconds),
        decides=False,
    )
    partitions: int | None = option(
        None, "Number of partitions.", check=optional(whole_number(1)), decides=False
    )

    def __attrs_post_init__(self) -> None:
        # What reads dates takes a quarter of a second to import, which no other error waits for.
        if (self.from_date, self.to_date, self.gaps, self.gap_limit) != (None, None, "leave", None):
            self.row_filter()

    def row_filter(self, freq: str | None = None) -> "RowFilter":
        """Return which rows are read, of bars of this length or days; the window cuts later."""
        from cryptodask.prices.clean.gaps import GapHandling
        from cryptodask.prices.freq import DAILY
        from cryptodask.prices.row_filter import RowFilter

        gaps = GapHandling(self.gaps, self.gap_limit)
        return RowFilter.of(None, self.from_date, self.to_date, gaps, freq or DAILY)

    @property
    def rows(self) -> int | None:
        """Latest rows that a model sees; None of all."""
        return None if self.window == "expanding" else self.window

    def deciding(self) -> dict[str, Any]:
        """Return the fields that decide the numbers of a result, as JSON has them."""
        fields = attrs.fields_dict(type(self))
        return {k: v for k, v in to_json(self).items() if fields[k].metadata["decides"]}

    @property
    def is_repeatable(self) -> bool:
        """Whether the JSON of a spec has all of it, so that it can be run again from there."""
        models = getattr(self, "models", ())
        if self.source is None or any(model.options is None for model in models):
            return False
        try:
            fields = json.loads(json.dumps(to_json(self)))
            if models:
                fields["models"] = [ModelSpec(**model) for model in fields["models"]]
            return type(self)(**fields) == self
        except (CryptoDaskError, TypeError, ValueError):
            return False


@attrs.frozen(kw_only=True)
class ForecastSpec(RunSpec):
    """A forecast.

    Attributes
    ----------
    models : tuple of ModelSpec
    intervals : bool
        Whether 80 and 95% intervals are made, from the errors of past forecasts: about forty
        times the work.
    calibrate, warmup : int
        Intervals are made from errors at past dates this many bars apart, from this many bars
        before the last row on.
    """

    kind: ClassVar[str] = "forecast"

    models: tuple[ModelSpec, ...] = option(
        "naive", MODELS, flag="--model", converter=model_specs, check=check_models
    )
    intervals: bool = option(
        False, "Make 80 and 95% intervals: about 40 times the work.", check=flag
    )
    calibrate: int = option(
        CALIBRATE,
        "Make intervals from past dates N bars apart.",
        check=whole_number(1, "bar"),
        needs="intervals",
    )
    warmup: int = option(
        WARMUP,
        "Make intervals from the N bars before the last row.",
        check=whole_number(1, "bar"),
        needs="intervals",
    )
    refit: int = option(
        1,
        "Retrain every N past dates that intervals are made from.",
        check=whole_number(1),
        needs="intervals",
    )

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if self.warmup < self.calibrate:
            raise OptionError(
                f"warmup: must be at least calibrate, {self.calibrate} bars, got {self.warmup}: "
                "intervals are made from errors at origins before the last row"
            )


ORIGINS = "Past dates to forecast from: how many, or days separated by commas."
STEP = "Bars from one origin to the next. [the horizon]"


@attrs.frozen(kw_only=True)
class BacktestSpec(RunSpec):
    """A backtest; ``naive`` always takes part, since others are measured by it.

    Attributes
    ----------
    models : tuple of ModelSpec
        ``naive`` first.
    origins : int or tuple of str
        How many, the last with a whole horizon after it; or their days.
    step : int or None
        Bars from one origin to the next; by default the horizon, so that none overlap.
    intervals : bool
        Whether 80 and 95% intervals are made.
    calibrate, warmup : int
        Intervals are made from errors at further origins this many bars apart, from this many
        bars before the first origin on. 0: of the origins alone.
    """

    kind: ClassVar[str] = "backtest"

    models: tuple[ModelSpec, ...] = option(
        "naive", MODELS, flag="--model",
        converter=lambda given: with_naive(model_specs(given)), check=check_models,
    )  # fmt: skip
    origins: int | tuple[str, ...] = option(12, ORIGINS, converter=count_or_days)
    step: int | None = option(None, STEP, check=optional(whole_number(1, "bar")))
    intervals: bool = option(True, "Make 80 and 95% intervals.", check=flag)
    calibrate: int = option(
        CALIBRATE,
        "Make intervals from further origins N bars apart; 0: from none.",
        check=whole_number(0, "bars"),
        needs="intervals",
    )
    warmup: int = option(
        WARMUP,
        "Make intervals from the N bars before the first origin.",
        check=whole_number(0, "bars"),
        needs="intervals",
    )


def _by_model(name: str) -> Callable[[Any], dict[str, dict[str, Any]]]:
    """Return the converter of values by model and option."""

    def convert(given: Any) -> dict[str, dict[str, Any]]:
        try:
            return {str(model): dict(options) for model, options in dict(given or {}).items()}
        except (TypeError, ValueError):
            raise refused(name, "must give options and values by model", given) from None

    return convert


@attrs.frozen(kw_only=True)
class SearchSpec(RunSpec):
    """A search for options by backtests.

    Attributes
    ----------
    search : mapping
        By model and option the values to try, as ``{"ridge": {"alpha": [1, 10, 100]}}``.
    options : mapping
        By model, options that all of its candidates have.
    random : int or None
        Number of combinations of each model, drawn at random; by default all.
    origins, step
        See `BacktestSpec`.
    splits : int
        How often the best at the first origins is judged by the next ones.
    """

    kind: ClassVar[str] = "search"

    search: Values = option(help="", flag="", converter=_by_model("search"))
    options: Values = option(attrs.Factory(dict), flag="", converter=_by_model("options"))
    random: int | None = option(
        None, "Number of combinations of each model, drawn at random. [all]",
        check=optional(whole_number(1, "candidate")),
    )  # fmt: skip
    origins: int | tuple[str, ...] = option(24, ORIGINS, converter=count_or_days)
    step: int | None = option(None, STEP, check=optional(whole_number(1, "bar")))
    splits: int = option(
        4, "Choose by the first origins and judge by the next, N times.", check=whole_number(2)
    )

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        check_search(self.search, self.options)


def to_json(spec: RunSpec) -> dict[str, Any]:
    """Return a spec as what JSON holds."""
    content: dict[str, Any] = attrs.asdict(spec, filter=_says_something, value_serializer=_plain)
    return content


def _says_something(field: "attrs.Attribute[Any]", value: Any) -> bool:
    """Whether a field is written: of models the name in the catalog, only where it is another."""
    return not (field.name == "model" and value is None)


def _plain(_: Any, __: Any, value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return dict(value) if isinstance(value, Mapping) else value
