"""The program: `mmsent`, and `python -m mmsent_cli`.

Signals and standard streams come first, so that Ctrl-C during the imports of a command is an interruption as well.

The garbage collector has little to find in the objects that imports make, so it runs less often, and not at the end:
a first prediction takes a fifth less CPU time.
"""

import gc

from mmsent_cli import clock, interrupts, standard_streams

OBJECTS_BETWEEN_COLLECTIONS = 50_000
"""Python's default is 700, with which imports cause a thousand collections."""


def main() -> None:
    """Entry point of the `mmsent` command."""
    clock.begin_program()
    standard_streams.prepare()
    interrupts.watch()
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    from mmsent_cli.commands.app import app

    try:
        app()
    finally:
        standard_streams.finish()
        gc.freeze()  # or Python looks at every object of every library before it ends


if __name__ == "__main__":
    main()
