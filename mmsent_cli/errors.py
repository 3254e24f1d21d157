"""Expected failures: what is wrong and where (`message`), and what to do (`hint`)."""

import difflib
from collections.abc import Sequence

SHOWN_PROBLEMS = 5


class MmsentError(Exception):
    """An expected failure: two lines on stderr, exit code 1, no traceback."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[type["MmsentError"], tuple[str, str]]:
        """Both parts are pickled, for errors from another process."""
        return type(self), (self.message, self.hint)


class ConfigError(MmsentError):
    """An option or configuration file that cannot be used."""


class DataError(MmsentError):
    """Input data that cannot be read or used."""


class UndecidedEncoding(DataError):
    """A corpus with too little evidence for its encoding."""


class WeightsUnavailable(MmsentError):
    """Pretrained weights that are not available; the only error on which `auto` falls back."""


class CheckpointError(MmsentError):
    """A checkpoint that cannot be found, read or used."""


def summarize(problems: Sequence[str], what: str = "problems") -> str:
    """One message line with the first few problems and the number of others."""
    shown = "; ".join(problems[:SHOWN_PROBLEMS])
    rest = len(problems) - SHOWN_PROBLEMS
    return f"{shown}; and {rest} more {what}" if rest > 0 else shown


def unknown_name(option: str, name: str, known: list[str]) -> ConfigError:
    """The error for an unknown name, with the nearest known one."""
    near = difflib.get_close_matches(name, known, n=1)
    guess = f"; did you mean {near[0]}?" if near else ""
    return ConfigError(f"--{option.replace('_', '-')}: unknown {name!r}{guess}", f"known: {', '.join(known)}")
