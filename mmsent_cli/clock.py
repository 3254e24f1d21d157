"""When a command began: by the clock, from the start of the program, imports included."""

import time

_program: float | None = None
_command = time.perf_counter()


def begin_program() -> None:
    """Note that the program starts: its first command began then."""
    global _program
    _program = time.perf_counter()


def begin_command() -> float:
    """Return when a command began, in seconds by `time.perf_counter`: when the program started, or else now."""
    global _program, _command
    _command, _program = time.perf_counter() if _program is None else _program, None
    return _command


def command_seconds() -> float:
    """Return the seconds since the command began."""
    return time.perf_counter() - _command
