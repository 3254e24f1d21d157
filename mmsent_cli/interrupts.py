"""Ctrl-C, SIGTERM and SIGHUP end the command line at once, with its temporary files and workers removed.

Chosen: a signal handler that cleans up and ends the process where it stands, and a thread that does so when the main
thread is inside a long computation. Rejected: `KeyboardInterrupt`, which imports and callbacks of libraries swallow or
turn into other errors. Programs that import mmsent keep Python's own handling, and the same context managers clean up.
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
"""A process that ends by a signal exits with this and the signal's number, as shells have it."""
INTERRUPTED = EXIT_CODES + signal.SIGINT
WORDS = {"SIGINT": "interrupted", "SIGTERM": "terminated", "SIGHUP": "the terminal was closed"}
AGAIN = "run the same command again"
GRACE_SECONDS = 0.5
"""How long the main thread may take until it runs the handler; after that the waiting thread ends the process."""
CLEANUP_SECONDS = 1.0
"""How long the cleanup may take until the process ends without it."""

_lock = threading.RLock()
_cleanups: dict[object, Callable[[], None]] = {}
_advice: list[str] = []


def watch() -> None:
    """Make signals end this process. Call this once, in the main thread, before heavy imports.

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
    """Run `cleanup` if a signal ends the process inside this block. It must be quick, and import nothing."""
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
    """Leave Ctrl-C and SIGTERM to the work in this block, which has handlers of its own and ends by itself."""
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
    """Delay Ctrl-C until the end of this block. Processes that begin inside it never receive Ctrl-C themselves."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows, where each worker ignores it by itself
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # else the first process starts it, and Python then lets Ctrl-C through
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _wait(reading: int, watched: dict[int, str]) -> None:
    """End the process if the main thread does not."""
    while True:
        for number in os.read(reading, 64):
            if number in watched:
                time.sleep(GRACE_SECONDS)
                if not _lock.acquire(timeout=CLEANUP_SECONDS):
                    os._exit(EXIT_CODES + number)
                _end(number, watched[number])


def _end(number: int, word: str) -> None:
    """Clean up, report, and end the process. The lock is kept, so that no thread begins another file."""
    with _lock:
        for cleanup in reversed([*_cleanups.values()]):
            try:
                cleanup()
            except RecursionError:  # near the limit of nested calls nothing works; the thread cleans up instead
                raise
            except Exception:  # whatever fails, the next cleanup must still be done
                pass
        multiprocessing = sys.modules.get("multiprocessing")
        for child in multiprocessing.active_children() if multiprocessing else ():
            with contextlib.suppress(Exception):  # as above
                child.kill()
        _report(f"\n{word}; {_advice[-1] if _advice else AGAIN}\n")
        os._exit(EXIT_CODES + number)


def _report(line: str) -> None:
    """Write to standard error without its buffer, which another thread may hold, and without waiting for a reader."""
    with contextlib.suppress(OSError, ValueError):
        if os.name != "posix" or select.select([], [2], [], 0)[1]:
            os.write(2, line.encode(errors="backslashreplace"))


def _separate_forks(watched: dict[int, str]) -> None:
    """In forked processes, leave Ctrl-C to the parent, which ends its children; other signals end the child alone.

    Signals wait during a fork: a child that still had the handlers would report its own signals to the parent.
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
