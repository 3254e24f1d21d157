"""`python -m mmsent_cli` is the `mmsent` command."""

from mmsent_cli.commands.app import main

if __name__ == "__main__":
    main()
