"""The program: `mmsent`, and `python -m mmsent_cli`.

Signals and standard streams come first, so that Ctrl-C during the imports of a command is an interruption as well.
"""

from mmsent_cli import interrupts, standard_streams


def main() -> None:
    """Entry point of the `mmsent` command."""
    standard_streams.prepare()
    interrupts.watch()
    from mmsent_cli.commands.app import app

    try:
        app()
    finally:
        standard_streams.finish()


if __name__ == "__main__":
    main()
