"""The command ``cryptodask``: parse, call, print; see `cryptodask.cli.app`."""

__all__ = ["main"]


def main() -> None:
    """Run the command, which can be stopped while it is imported, too."""
    from cryptodask.cli.stopping import stoppable

    with stoppable():
        from cryptodask.cli.app import run_app

        run_app()
