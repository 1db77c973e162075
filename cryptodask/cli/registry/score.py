"""``cryptodask registry score``: backtest versions, so that they can be compared."""

from typing import Annotated, ClassVar

import attrs
import typer
from rich.text import Text

from cryptodask.cli.options import ClusterOptions, with_options
from cryptodask.cli.options.specs import Source, split_names
from cryptodask.cli.registry.shown import print_json, print_versions
from cryptodask.cli.registry.words import Json, Place
from cryptodask.cli.show import SOME_FAILED, err, out, print_failures, print_lost
from cryptodask.runs.fields import (
    coin_names,
    count_or_days,
    option,
    optional,
    seconds,
    whole_number,
)
from cryptodask.runs.spec import CALIBRATE, ORIGINS, STEP, WARMUP


@attrs.frozen(kw_only=True)
class ScoreOptions:
    """How versions are backtested; see `cryptodask.runs.BacktestSpec`."""

    panel: ClassVar[str] = "Backtest"

    origins: int | tuple[str, ...] = option(12, ORIGINS, converter=count_or_days)
    step: int | None = option(None, STEP, check=optional(whole_number(1, "bar")))
    coins: tuple[str, ...] | None = option(
        None, "Coins, separated by commas or given several times. [all]", converter=coin_names
    )
    calibrate: int = option(
        CALIBRATE,
        "Make intervals from further origins N bars apart; 0: from none.",
        check=whole_number(0, "bars"),
    )
    warmup: int = option(
        WARMUP,
        "Make intervals from the N bars before the first origin.",
        check=whole_number(0, "bars"),
    )
    refit: int = option(1, "Retrain every N past dates.", check=whole_number(1))
    timeout: float | None = option(
        None,
        "Seconds a worker may take for coins it reads together; its process is ended then.",
        check=optional(seconds),
    )
    partitions: int | None = option(None, "Number of partitions.", check=optional(whole_number(1)))


@with_options
def score(
    source: Source,
    model: Annotated[
        list[str],
        typer.Option(
            metavar="VERSION",
            help="NAME (its champion), NAME@ALIAS or NAME:NUMBER; may be given several times. "
            "Of a model of your own code MODULE:NAME, or mine:1=MODULE:NAME.",
        ),
    ],
    registry: Place,
    options: ScoreOptions,
    cluster: ClusterOptions,
    as_json: Json = False,
) -> None:
    """Backtest versions on the same prices and origins, and keep their scores for promote.

    For example:

        cryptodask registry score data --model ridge:1 --registry registry
    """
    from cryptodask.prices import CryptoLoader
    from cryptodask.registry import Registry, score_versions
    from cryptodask.registry.training import name_own_model
    from cryptodask.runs import Session

    there = Registry(registry)
    for reference in model:
        there.find(name_own_model(reference))
    fields = {field.name: getattr(options, field.name) for field in attrs.fields(ScoreOptions)}
    loader = CryptoLoader(source, options.partitions)
    if options.coins is not None:
        fields["coins"] = split_names(options.coins, loader.names)
    with cluster.connect() as client:
        scored = score_versions(there, model, Session(loader, client), **fields)
    if as_json:
        print_json([{"version": str(entry), **score.summary()} for entry, score, _ in scored])
    else:
        print_versions([(entry, score) for entry, score, _ in scored])
        for entry, kept, _ in scored:
            text = f"{entry}: scored on {len(kept.coins):,} coins at {len(kept.origins):,} origins"
            out.print(Text(text), soft_wrap=True)
    print_lost(scored[0].backtest.lost, err)  # the same of all, which read the same prices
    for _, _, result in scored:
        print_failures(result)
    if not all(result.is_complete for _, _, result in scored):
        raise typer.Exit(SOME_FAILED)
