"""Expected errors. `message` states what is wrong and where, `hint` what to do."""

import difflib
import re
from collections.abc import Sequence

COMMAND_LINE = re.compile(r"(\bmmsent [a-z-]+ [^;]*)")
OPTION = re.compile(r"(?<![\w-])--([a-z][a-z0-9-]*)")
SHOWN_PROBLEMS = 5
SHOWN_NAMES = 20
SHOWN_CHARACTERS = 60


class MmsentError(Exception):
    """The base class of expected errors, which are shown as two lines on stderr without a traceback."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[type["MmsentError"], tuple[str, str]]:
        """Pickle message and hint, for errors from other processes."""
        return type(self), (self.message, self.hint)


class ConfigError(MmsentError):
    """An option or configuration file cannot be used."""


class DataError(MmsentError):
    """Input data cannot be read or used."""


class UndecidedEncoding(DataError):
    """The texts are too few to decide their encoding."""


class WeightsUnavailable(MmsentError):
    """Pretrained weights are not available. Only on this error, `--encoders auto` uses other encoders."""


class CheckpointError(MmsentError):
    """A checkpoint cannot be found, read or used."""


def in_python_words(text: str) -> str:
    """Write options in a message as the keywords of the Python functions: `abstain_below` for `--abstain-below`.

    Command lines, which begin with `mmsent` and end at a semicolon, stay as they are.
    """
    parts = COMMAND_LINE.split(text)
    parts[::2] = [OPTION.sub(lambda found: found[1].replace("-", "_"), part) for part in parts[::2]]
    return "".join(parts)


def summarize(problems: Sequence[str], what: str = "problems") -> str:
    """Return a line with the first few problems and the number of others. `what` is the noun for several of them."""
    shown = "; ".join(problems[:SHOWN_PROBLEMS])
    rest = len(problems) - SHOWN_PROBLEMS
    return f"{shown}; and {rest} more {what if rest > 1 else what.removesuffix('s')}" if rest > 0 else shown


def counted(count: int, what: str) -> str:
    """Return a count with its noun: `1 step`, `2,000 steps`, `2 batches`."""
    return f"{count} {what}" if count == 1 else f"{count:,} {plural(what)}"


def plural(noun: str) -> str:
    """Return the plural of an English noun: `steps`, `batches`, `classes`."""
    return f"{noun}es" if noun.endswith(("s", "x", "ch", "sh")) else f"{noun}s"


def listed(names: Sequence[str]) -> str:
    """Return the first few names, and the number of the others. Long names are shortened."""
    cut = [name if len(name) <= SHOWN_CHARACTERS else f"{name[:SHOWN_CHARACTERS]}…" for name in names[:SHOWN_NAMES]]
    rest = len(names) - SHOWN_NAMES
    return ", ".join(cut) + (f" and {rest:,} more" if rest > 0 else "")


def unknown_name(option: str, name: str, known: list[str]) -> ConfigError:
    """Make the error for an unknown name, with the most similar known name."""
    message = f"--{option.replace('_', '-')}: unknown {name!r}{likely(name, known)}"
    return ConfigError(message, f"known: {', '.join(known)}")


def likely(name: str, known: Sequence[str]) -> str:
    """Return the end of a message with the most similar known name, or nothing if none is similar."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""
