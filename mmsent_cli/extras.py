"""Packages that only some commands need."""

import importlib

from mmsent_cli.errors import ConfigError


def require_extra(extra: str, purpose: str, *modules: str) -> None:
    """Check early that the packages of an optional extra are installed.

    Args:
        extra: the name of the extra in pyproject.toml.
        purpose: what needs it, as the subject of a sentence about one thing.
        modules: the modules to import.

    Raises:
        ConfigError: one cannot be imported. The hint gives the command that installs the extra.
    """
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError as error:
            missing = error.name or module
            raise ConfigError(
                f"{purpose} needs {missing}, which is not installed", f"pip install 'mmsent[{extra}]'"
            ) from error
