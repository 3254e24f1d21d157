"""End the program at once after Ctrl-C, SIGTERM or SIGHUP, and remove its temporary files and workers.

Chosen: a signal handler that cleans up and ends the process, and a thread that does the same while the main thread is
inside a long computation. Rejected: `KeyboardInterrupt`, since some imports and callbacks of libraries ignore it or
turn it into another error. In programs that import mmsent, Python's own handling stays, and the same context managers
clean up.
"""

import contextlib
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

EXIT_CODES = 128
"""If a signal ends a process, the exit code is this number plus the number of the signal, as in shells."""
INTERRUPTED = EXIT_CODES + signal.SIGINT
WORDS = {"SIGINT": "interrupted", "SIGTERM": "terminated", "SIGHUP": "the terminal was closed"}
AGAIN = "run the same command again"
GRACE_SECONDS = 0.5
"""Seconds for the main thread to run the handler. Afterwards, the waiting thread ends the process."""
CLEANUP_SECONDS = 1.0
"""Seconds for the cleanup. If the cleanup takes longer, the process ends without it."""

_lock = threading.RLock()
_cleanups: dict[object, Callable[[], None]] = {}
_advice: list[str] = []


def watch() -> None:
    """Make signals end this process. Call this function once, in the main thread, before heavy imports.

    A signal that the parent process ignores, as `nohup` does, stays ignored.
    """
    names = {getattr(signal, name): word for name, word in WORDS.items() if hasattr(signal, name)}
    watched = {number: word for number, word in names.items() if signal.getsignal(number) is not signal.SIG_IGN}
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)

    def end_here(number: int, _: Any) -> None:
        with contextlib.suppress(RecursionError):  # near the limit of nested calls; then the thread ends the process
            _end(number, watched[number])

    for number in watched:
        signal.signal(number, end_here)
    if hasattr(os, "register_at_fork"):
        _separate_forks(watched)
    threading.Thread(target=_wait, args=(reading, watched), daemon=True, name="interrupts").start()


@contextlib.contextmanager
def on_interrupt(cleanup: Callable[[], None]) -> Iterator[None]:
    """Call `cleanup` if a signal ends the process inside this block. `cleanup` must be fast and import nothing."""
    key = object()
    with _lock:
        _cleanups[key] = cleanup
    try:
        yield
    finally:
        with _lock:
            del _cleanups[key]


@contextlib.contextmanager
def advice(text: str) -> Iterator[None]:
    """Set the advice that is printed if a signal interrupts this block."""
    _advice.append(text)
    try:
        yield
    finally:
        _advice.pop()


@contextlib.contextmanager
def left_to_others() -> Iterator[None]:
    """Do not handle Ctrl-C and SIGTERM in this block, since the code in the block has its own handlers."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pipe = signal.set_wakeup_fd(-1)
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(pipe, warn_on_full_buffer=False)


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Delay Ctrl-C until the end of this block. Processes that start in this block never receive Ctrl-C."""
    if not hasattr(signal, "pthread_sigmask"):  # on Windows, each worker itself ignores Ctrl-C
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # else the first process would start it, and Python then allows Ctrl-C
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _wait(reading: int, watched: dict[int, str]) -> None:
    """Wait for signals. If the main thread does not end the process after a signal, end the process."""
    while True:
        for number in os.read(reading, 64):
            if number in watched:
                time.sleep(GRACE_SECONDS)
                if not _lock.acquire(timeout=CLEANUP_SECONDS):
                    os._exit(EXIT_CODES + number)
                _end(number, watched[number])


def _end(number: int, word: str) -> None:
    """Clean up, print the advice, and end the process. The lock is not released, so no thread begins a new file."""
    with _lock:
        for cleanup in reversed([*_cleanups.values()]):
            try:
                cleanup()
            except RecursionError:  # near the limit of nested calls, no call works; the other thread cleans up
                raise
            except Exception:  # if a cleanup fails, the next one must still run
                pass
        multiprocessing = sys.modules.get("multiprocessing")
        for child in multiprocessing.active_children() if multiprocessing else ():
            with contextlib.suppress(Exception):  # as above
                child.kill()
        _report(f"\n{word}; {_advice[-1] if _advice else AGAIN}\n")
        os._exit(EXIT_CODES + number)


def _report(line: str) -> None:
    """Write a line to standard error without blocking.

    The buffer of standard error is not used, since another thread may hold it.
    """
    with contextlib.suppress(OSError, ValueError):
        if os.name != "posix" or select.select([], [2], [], 0)[1]:
            os.write(2, line.encode(errors="backslashreplace"))


def _separate_forks(watched: dict[int, str]) -> None:
    """Make forked processes ignore Ctrl-C, since the parent process ends them.

    Other signals end only the forked process that receives them.

    Signals are blocked during a fork. Otherwise, a child that still has the handlers would send its signals to the
    parent.
    """
    masks: list[set[int]] = []

    def hold() -> None:
        masks.append(signal.pthread_sigmask(signal.SIG_BLOCK, watched))

    def release() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, masks.pop())

    def reset() -> None:
        signal.set_wakeup_fd(-1)
        for number in watched:
            signal.signal(number, signal.SIG_IGN if number == signal.SIGINT else signal.SIG_DFL)
        release()

    os.register_at_fork(before=hold, after_in_parent=release, after_in_child=reset)
