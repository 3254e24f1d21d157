"""Expected errors. The `message` states the problem and where it is; the `hint` states what to do."""

import difflib
import re
from collections.abc import Sequence

COMMAND_LINE = re.compile(r"(\bmmsent [a-z-]+ [^;]*)")
COLUMN = re.compile(r"(?<![\w-])--(\w+)-column (?!(?:and|or|if)\b)('[^']*'|[\w.…]+)")
VALUE = re.compile(r"(?<![\w-])--([a-z][a-z0-9-]*) (?:(\d(?:[\d.e+-]*\d)?)(?!\w)|([a-z][\w-]*)(?=\)))")
OPTION = re.compile(r"(?<![\w-])--([a-z][a-z0-9-]*)")
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Characters that change the state of a terminal, such as its colors. `\\n` and the tab do not belong to them."""
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
        """Pickle message and hint, so that errors can be sent between processes."""
        return type(self), (self.message, self.hint)


class ConfigError(MmsentError):
    """An option or configuration file cannot be used."""


class DataError(MmsentError):
    """Input data cannot be read or used."""


class UndecidedEncoding(DataError):
    """The texts are too few to decide their encoding."""


class UnmetTags(DataError):
    """An option, `--label-map` or `--exclude-labels`, names tags, and none of these tags occurs in the data."""


class WeightsUnavailable(MmsentError):
    """Pretrained weights are not available. Only after this error, `--encoders auto` uses other encoders."""


class CheckpointError(MmsentError):
    """A checkpoint cannot be found, read or used."""


def in_python_words(text: str) -> str:
    """Replace options in a message by keywords of the Python functions: `--abstain-below` by `abstain_below`.

    The value after an option becomes the value of the keyword in three cases: it is the name of a column
    (`--tag-column y` becomes `tag_column="y"`), it is a number (`--epochs 10` becomes `epochs=10`), or a closing
    bracket follows it.

    Command lines, from `mmsent` to a semicolon, are not changed.
    """
    text = COLUMN.sub(lambda found: f'{found[1]}_column="{found[2].strip(chr(39))}"', text)
    parts = COMMAND_LINE.split(text)
    parts[::2] = [VALUE.sub(_keyword, part) for part in parts[::2]]
    parts[::2] = [OPTION.sub(lambda found: found[1].replace("-", "_"), part) for part in parts[::2]]
    return "".join(parts)


def _keyword(found: re.Match[str]) -> str:
    name, number, word = found[1].replace("-", "_"), found[2], found[3]
    return f"{name}={number}" if number else f'{name}="{word}"'


def printable(text: str) -> str:
    r"""Replace control characters by escapes such as `\x1b`, since data must not change a terminal."""
    return CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def summarize(problems: Sequence[str], what: str = "problems") -> str:
    """Join the first few problems, and add the number of the other problems. `what` is a plural noun such as "rows"."""
    shown = "; ".join(problems[:SHOWN_PROBLEMS])
    rest = len(problems) - SHOWN_PROBLEMS
    return f"{shown}; and {rest} more {what if rest > 1 else what.removesuffix('s')}" if rest > 0 else shown


def counted(count: int, what: str) -> str:
    """Return a count with its noun: `1 step`, `2,000 steps`, `2 batches`."""
    return f"{count} {what}" if count == 1 else f"{count:,} {plural(what)}"


def damage(error: Exception) -> str:
    """Describe what is wrong with the content of a file. A `KeyError` has only the name of the missing entry."""
    return f"the entry {error} is missing" if isinstance(error, KeyError) else str(error)


def plural(noun: str) -> str:
    """Return the plural of an English noun: `steps`, `batches`, `classes`."""
    return f"{noun}es" if noun.endswith(("s", "x", "tch", "sh")) else f"{noun}s"


def quoted(label: str) -> str:
    """Return a class name for use in a sentence. A name without letters, such as a number, gets quotes: `'1'`."""
    return label if any(map(str.isalpha, label)) else f"'{label}'"


def listed(names: Sequence[str]) -> str:
    """Join the first few names, and add the number of the other names. Long names are shortened."""
    cut = [name if len(name) <= SHOWN_CHARACTERS else f"{name[:SHOWN_CHARACTERS]}…" for name in names[:SHOWN_NAMES]]
    rest = len(names) - SHOWN_NAMES
    return ", ".join(cut) + (f" and {rest:,} more" if rest > 0 else "")


def unknown_name(option: str, name: str, known: list[str]) -> ConfigError:
    """Make the error for an unknown name, with the most similar known name."""
    message = f"--{option.replace('_', '-')}: unknown name {name!r}{likely(name, known)}"
    return ConfigError(message, f"known names: {', '.join(known)}")


def likely(name: str, known: Sequence[str]) -> str:
    """Return "; did you mean …?" with the most similar known name, or an empty string."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""
