"""What `serve` prints once it answers."""

from mmsent_cli.reports.console import out
from mmsent_cli.reports.tables import cell


def print_address(address: str) -> None:
    """Print where the page is, unbroken, so that it can be copied."""
    out().print(cell(f"Serving at {address}  (Ctrl-C stops it)"), soft_wrap=True)
