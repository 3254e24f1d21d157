"""Record when a command began: at the start of the program, before the imports."""

import time

_program: float | None = None
_command = time.perf_counter()


def begin_program() -> None:
    """Record the start of the program, which is also the start of its first command."""
    global _program
    _program = time.perf_counter()


def begin_command() -> float:
    """Return the start of a command, by `time.perf_counter`: the program's start, or now for later commands."""
    global _program, _command
    _command, _program = time.perf_counter() if _program is None else _program, None
    return _command


def command_seconds() -> float:
    """Return the seconds since the command began."""
    return time.perf_counter() - _command
