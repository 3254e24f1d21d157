"""`mmsent inspect-encoding`: which encoding the corpus is in, and how sure that is."""

from mmsent_cli.commands.options import Json, options
from mmsent_cli.config import DataConfig


@options(DataConfig)
def inspect_encoding(data: DataConfig, json: Json = False) -> None:
    """Decide the text encoding of a whole corpus and show the evidence."""
