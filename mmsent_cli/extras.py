"""Check for packages that only some commands need, before anything else is loaded."""

import importlib
import importlib.util
import sys
import threading
from collections.abc import Mapping
from typing import Any

from mmsent_cli.config import TRACKERS
from mmsent_cli.errors import ConfigError

SERVE = ("serve", "the server", "fastapi", "prometheus_client", "python_multipart", "uvicorn")
EXPLAIN = ("explain", "an explanation", "captum")
EXPORT = ("export", "an export", "onnx", "onnxruntime", "onnxscript")
SCALE = ("scale", "--engine ray", "ray", "pyarrow")
"""For each extra (optional group of packages): name, purpose and modules, the arguments of `require_installed`."""
TABLES = {".parquet": ("parquet", "pyarrow"), ".xlsx": ("excel", "openpyxl")}
"""For each suffix of a table file, the extra and the module that are needed to read the file."""
_openvino_lock = threading.Lock()


def load_openvino() -> Any:
    """Import OpenVINO so that several threads may use it at once.

    OpenVINO loads NumPy's functions when it gets its first array. If two threads pass a first array at the same time,
    both can wait for ever (OpenVINO 2026.4). So this function passes a first array, in one thread.

    Raises:
        ImportError: OpenVINO is not installed, or cannot be loaded.
    """
    with _openvino_lock:
        import numpy as np

        try:
            import openvino

            openvino.Tensor(np.zeros(1, dtype=np.float32))
        except (OSError, RuntimeError, AttributeError) as error:  # the package or one of its libraries is damaged
            raise ImportError(f"{type(error).__name__}: {error}") from error
    return openvino


def install_hint(extra: str) -> str:
    """Return the command that installs an extra, from the source folder of mmsent."""
    return f"in the source folder of mmsent: pip install '.[{extra}]'"


def require_installed(extra: str, purpose: str, *modules: str) -> None:
    """Check that packages are installed, without importing them.

    Args:
        extra: the name of the extra in pyproject.toml.
        purpose: what needs the packages, as the subject of a sentence in the singular.
        modules: the names of the modules to look for.

    Raises:
        ConfigError: a package is not installed. The hint gives the command that installs the extra.
    """
    for module in modules:
        if not _is_installed(module):
            raise _missing(extra, purpose, module)


def require_extra(extra: str, purpose: str, *modules: str) -> None:
    """Import the packages of an extra.

    Args:
        extra, purpose, modules: as in `require_installed`.

    Raises:
        ConfigError: a package cannot be imported.
    """
    require_installed(extra, purpose, *modules)
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise _missing(extra, purpose, error.name or module) from error


def require_for_options(given: Mapping[str, Any]) -> None:
    """Check that the packages for the given options are installed: for tables, trackers and Ray.

    Args:
        given: the options that the user typed, by name.

    Raises:
        ConfigError: a package is not installed.
    """
    data = str(given.get("data") or "")
    for suffix, (extra, module) in TABLES.items():
        if data.lower().endswith(suffix):
            require_installed(extra, f"--data {data}", module)
    for name in filter(None, map(str.strip, str(given.get("log") or "").split(","))):
        if name in TRACKERS:
            require_installed(name, f"--log {name}", name)
    if given.get("engine") == "ray":
        require_installed(*SCALE)


def _is_installed(module: str) -> bool:
    if module in sys.modules:
        return sys.modules[module] is not None
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _missing(extra: str, purpose: str, module: str) -> ConfigError:
    return ConfigError(f"{purpose} needs {module}, which is not installed", install_hint(extra))
