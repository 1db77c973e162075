"""``cryptodask dashboard``: prices, forecasts, a backtest or a store, without a cluster."""

from pathlib import Path
from typing import Annotated

import typer

from cryptodask.cli.show import err


def dashboard(
    path: Annotated[
        str,
        typer.Argument(
            metavar="PATH",
            help="A table or folder of prices, or path or URL of a folder or a .parquet or .csv "
            "file of forecasts, or of the folder of a backtest; or the store of a pipeline.",
        ),
    ],
    prices: Annotated[
        Path | None, typer.Option(help="Prices to show before the forecasts.")
    ] = None,
    port: Annotated[int, typer.Option(help="Port to bind, 0 for any free one.")] = 5006,
    host: Annotated[str, typer.Option(help="Interface to bind.")] = "127.0.0.1",
    origin: Annotated[
        list[str] | None,
        typer.Option(help="HOST[:PORT] in the browser's address bar, if a proxy is in front."),
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Allow other machines to read the pages.")
    ] = False,
) -> None:
    """Show prices, forecasts, a backtest or a store in a browser, until Ctrl-C.

    For example:

        cryptodask dashboard data

        cryptodask dashboard forecasts.csv --prices data --port 0
    """
    from cryptodask.dashboard.serve import serve

    server, port = serve(
        path, prices=prices, host=host, port=port, origins=origin or (), insecure=insecure
    )
    shown = f"[{host}]" if ":" in host else host
    err.print(f"dashboard: http://{shown}:{port}/", highlight=False, soft_wrap=True)
    try:
        server.io_loop.start()
    except KeyboardInterrupt:
        server.stop()
        raise typer.Exit(130) from None
