"""What a pipeline does, declared in a file of TOML."""

import tomllib
from pathlib import Path
from typing import Any

import attrs

from cryptodask.errors import InputError
from cryptodask.io.structure import structured
from cryptodask.pipeline.monitor.notifying import check_webhook
from cryptodask.pipeline.rules import Rule, check_finite, check_kinds, check_share
from cryptodask.pipeline.trade_settings import Trade
from cryptodask.runs.fields import optional, whole_number


@attrs.frozen(kw_only=True)
class Prices:
    """Where prices come from, and the table that they grow.

    Attributes
    ----------
    table : str
        Folder of the price table.
    folder : str
        Folder into which files come; or empty.
    exchange : str
        ccxt's name of one that is polled; or empty.
    coins : list of str
        To fetch; by default the `top` ones by volume.
    top : int or None
    quote, since : str
        Quote currency; first day of new coins.
    again : int
        Latest bars of each coin that are fetched again, for corrections.
    api_url : str or None
        Address of a server that speaks the exchange's API.
    retries : int
        Of a request that fails.
    """

    table: str
    folder: str = ""
    exchange: str = ""
    coins: list[str] = attrs.field(factory=list)
    top: int | None = None
    quote: str = "USDT"
    since: str = "2017-01-01"
    again: int = attrs.field(default=3, validator=whole_number(0))
    api_url: str | None = None
    retries: int = attrs.field(default=5, validator=whole_number(0))


@attrs.frozen(kw_only=True)
class Forecast:
    """What is forecast, by what.

    Attributes
    ----------
    models : list of str
        Models that are trained anew each day; or none, where versions are given. Each is a name or
        ``ALIAS=NAME``, of the catalog or of an installed package; ``MODULE:NAME`` is refused.
    options : dict
        By what results call the model, its options.
    versions : list of str
        Versions in the registry: NAME, NAME@ALIAS or NAME:NUMBER.
    registry : str
        Its folder or URL.
    horizon : int or None
        Bars ahead; of versions by default that of their training.
    intervals : bool
    groups : int
        How many groups the coins are divided into; 0 makes a group of each coin.
    scheduler : str
        Address of Dask's; by default each group has a cluster of this machine for itself.
    tls : str
        The client's folder of ``cryptodask security init``; or empty.
    workers : int
        Of a cluster of this machine.
    """

    models: list[str] = attrs.field(factory=list)
    options: dict[str, dict[str, Any]] = attrs.field(factory=dict)
    versions: list[str] = attrs.field(factory=list)
    registry: str = ""
    horizon: int | None = attrs.field(default=None, validator=optional(whole_number(1)))
    intervals: bool = True
    groups: int = attrs.field(default=1, validator=whole_number(0))
    scheduler: str = ""
    tls: str = ""
    workers: int = attrs.field(default=1, validator=whole_number(1))


@attrs.frozen(kw_only=True)
class Check:
    """What stops a coin, or the day.

    Attributes
    ----------
    max_age : int
        Bars that a coin's last row may lie before the day.
    refuse : list of str
        Kinds of findings that stop a coin which has one in its last `days` days; see
        ``cryptodask prices policies``.
    days : int
    most : float
        Share of a group's coins that may be stopped; beyond it the group fails.
    """

    max_age: int = attrs.field(default=0, validator=whole_number(0))
    refuse: list[str] = attrs.field(factory=list, validator=check_kinds)
    days: int = attrs.field(default=3, validator=whole_number(1))
    most: float = attrs.field(default=0.5, validator=check_share)


@attrs.frozen(kw_only=True)
class Monitor:
    """What watches the days.

    Attributes
    ----------
    reference : str
        File of what is usual, of ``cryptodask monitor learn``.
    failures : float or None
        Share of coins that may lack a forecast; by default that of the reference.
    age : float or None
        Days since its training that a version may have; by default that of the reference.
    webhook : str
        URL to which alarms are posted; by default that of ``CRYPTODASK_WEBHOOK``, or none.
    prometheus : str
        File of gauges, whose name ends with .prom; or empty.
    """

    reference: str
    failures: float | None = attrs.field(default=None, validator=check_share)
    age: float | None = attrs.field(default=None, validator=check_finite)
    webhook: str = ""
    prometheus: str = ""


@attrs.frozen(kw_only=True)
class Settings:
    """The settings of a pipeline.

    Paths that are not absolute are in the folder of the settings' file.

    Attributes
    ----------
    prices : Prices
    forecast : Forecast
    check : Check
    rules : list of Rule
        The first that holds for a forecast decides; where none does, it is stored.
    trade : Trade or None
        Without it, requests are kept and not traded.
    monitor : Monitor or None
        Without it, no step watches the days.
    store : str
        File or URL of the store.
    runs : str
        Folder of what the steps leave, day by day.
    """

    prices: Prices
    forecast: Forecast
    check: Check = attrs.field(factory=Check)
    rules: list[Rule] = attrs.field(factory=list)
    trade: Trade | None = None
    monitor: Monitor | None = None
    store: str = "cryptodask.db"
    runs: str = "runs"


def read_settings(path: str | Path) -> Settings:
    """Read the settings of a pipeline.

    Parameters
    ----------
    path : str or Path
        A file of TOML.

    Raises
    ------
    InputError
        It is missing, or something in it is unknown or can't be; the message names the key.
    """
    file = Path(path)
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{file}: is missing; docs/how-to/pipeline.md shows one") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: is not TOML: {error}") from error
    settings = structured(Settings, content, str(file), by_hand=True)
    _check_whole(settings, str(file))
    return _beside(settings, file.absolute().parent)


def _check_whole(settings: Settings, where: str) -> None:
    """Check what lies between several keys."""
    from cryptodask.models.catalog import is_own
    from cryptodask.models.renamed import split_alias

    prices, forecast = settings.prices, settings.forecast
    if bool(prices.folder) == bool(prices.exchange):
        raise InputError(f"{where}: prices: give either folder or exchange")
    if bool(forecast.models) == bool(forecast.versions):
        raise InputError(f"{where}: forecast: give either models or versions")
    if forecast.versions and not forecast.registry:
        raise InputError(f"{where}: forecast: registry: is missing, and versions are in one")
    refused = [name for name in forecast.models if is_own(split_alias(name)[1])]
    if refused:
        raise InputError(
            f"{where}: forecast: models: {refused[0]}: is of your own code, which no file may have "
            "imported; make it an entry point (cryptodask.models) of an installed package"
        )
    if forecast.models and forecast.horizon is None:
        raise InputError(f"{where}: forecast: horizon: is missing, and models need one")
    names = [rule.name for rule in settings.rules]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"{where}: rules: two are named {twice[0]!r}; each needs another name")
    strangers = [n for n in forecast.options if n not in map(_shown_name, forecast.models)]
    if strangers:
        raise InputError(f"{where}: forecast: options: {strangers[0]}: is none of forecast.models")
    for rule in settings.rules:
        if rule.step is not None and rule.step > (forecast.horizon or rule.step):
            raise InputError(
                f"{where}: rules: {rule.name}: step: {rule.step} is beyond forecast.horizon, "
                f"{forecast.horizon}"
            )
        shown = [_shown_name(name) for name in forecast.models]
        if forecast.models and rule.model not in (None, *shown):
            raise InputError(
                f"{where}: rules: {rule.name}: model: {rule.model!r} is none of forecast.models, "
                f"{', '.join(shown)}"
            )
    if not forecast.intervals:
        _check_unneeded(settings, where)
    if settings.monitor is not None and settings.monitor.webhook:
        try:
            check_webhook(settings.monitor.webhook)
        except InputError as error:
            raise InputError(f"{where}: monitor: {error}") from None


def _shown_name(model: str) -> str:
    """Return what results call a model: its alias, or its name."""
    from cryptodask.models.renamed import split_alias

    alias, name = split_alias(model)
    return alias or name


def _check_unneeded(settings: Settings, where: str) -> None:
    """Check that nothing needs intervals."""
    for rule in settings.rules:
        needing = [n for n in ("min_probability", "max_width") if getattr(rule, n) is not None]
        if needing:
            raise InputError(
                f"{where}: rules: {rule.name}: {needing[0]}: needs forecast.intervals = true"
            )
    if settings.monitor is not None:
        raise InputError(f"{where}: monitor: needs forecast.intervals = true")


def _beside(settings: Settings, folder: Path) -> Settings:
    """Return settings whose paths are absolute."""

    def absolute(path: str) -> str:
        return path if not path or "://" in path else str(folder / path)

    prices = attrs.evolve(
        settings.prices,
        table=absolute(settings.prices.table),
        folder=absolute(settings.prices.folder),
    )
    forecast = attrs.evolve(
        settings.forecast,
        registry=absolute(settings.forecast.registry),
        tls=absolute(settings.forecast.tls),
    )
    trade = settings.trade
    if trade is not None and trade.broker != "paper":
        trade = attrs.evolve(trade, kill_switch=absolute(trade.kill_switch))
    monitor = settings.monitor and attrs.evolve(
        settings.monitor,
        reference=absolute(settings.monitor.reference),
        prometheus=absolute(settings.monitor.prometheus),
    )
    return attrs.evolve(
        settings,
        prices=prices,
        forecast=forecast,
        trade=trade,
        monitor=monitor,
        store=absolute(settings.store),
        runs=absolute(settings.runs),
    )
