"""Make command lines for messages and reports. The command lines work from any folder, since all paths are absolute."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def command_line(command: str, options: Mapping[str, Any], arguments: Sequence[str | Path] = ()) -> str:
    """Return a command line with options, quoted for a shell.

    Args:
        command: a command, such as `train`.
        options: values by name, such as `head_lr` for `--head-lr`. None and False are left out. True adds the option
            without a value. A tuple becomes comma-separated. A Path becomes absolute.
        arguments: words before the options. A Path becomes absolute.

    Example:
        >>> command_line("train", {"data": Path("lab"), "epochs": 5, "offline": True})
        'mmsent train --data /home/me/lab --epochs 5 --offline'
    """
    named = [word for name, value in options.items() for word in _words(name, value)]
    first = [str(word.absolute() if isinstance(word, Path) else word) for word in arguments]
    return shlex.join(["mmsent", command, *first, *named])


def option_text(name: str, value: Any) -> str:
    """Return an option with its value as typed in a shell, such as `--labels 'very good,bad'`."""
    return shlex.join(_words(name, value))


def _words(name: str, value: Any) -> list[str]:
    option = f"--{name.replace('_', '-')}"
    if value is None or value is False:
        return []
    if value is True:
        return [option]
    if isinstance(value, Path):
        value = value.absolute()
    text = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    # A value that begins with a dash would be read as an option.
    return [f"{option}={text}"] if text.startswith("-") else [option, text]
