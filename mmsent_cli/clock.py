"""Record when a command began. The first command begins with the program, before the imports."""

import time

_program: float | None = None
_command = time.perf_counter()


def begin_program() -> None:
    """Record the start of the program, which is also the start of the first command."""
    global _program
    _program = time.perf_counter()


def begin_command() -> float:
    """Return the start time of a command, as `time.perf_counter` measures it.

    For the first command, this is the start of the program. For later commands, it is the present time.
    """
    global _program, _command
    _command, _program = time.perf_counter() if _program is None else _program, None
    return _command


def command_seconds() -> float:
    """Return the seconds since the command began."""
    return time.perf_counter() - _command
