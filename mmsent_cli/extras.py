"""Packages that only some commands need."""

import importlib
import importlib.util

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
    for module in modules:  # without importing the others, of which some take seconds
        if importlib.util.find_spec(module.partition(".")[0]) is None:
            raise _lacking(extra, purpose, module)
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise _lacking(extra, purpose, error.name or module) from error


def _lacking(extra: str, purpose: str, module: str) -> ConfigError:
    return ConfigError(f"{purpose} needs {module}, which is not installed", f"pip install 'mmsent[{extra}]'")
