"""Signals that end a program: the exit code, what is reported, and that no temporary file or worker is left."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX systems")

HEAD = """
import hashlib, multiprocessing, os, signal, sys, time
from pathlib import Path
from mmsent_cli import interrupts
from mmsent_cli.files import atomic_path

def swallow():
    while True:
        try:
            time.sleep(60)
        except BaseException:
            pass

def nest():
    try:
        nest()
    except RecursionError:
        nest()

def begin():
    with interrupts.held_back():
        worker = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(60,))
        worker.start()
    print(worker.pid, flush=True)
    time.sleep(60)

def fork():
    child = os.fork()
    if child == 0:
        time.sleep(60)
    os.kill(child, signal.SIGTERM)
    print(os.waitpid(child, 0)[1], flush=True)
    time.sleep(1)

WORK = {
    "sleep": lambda: time.sleep(60),
    "swallowed": swallow,
    "long computation": lambda: hashlib.pbkdf2_hmac("sha256", b"a", b"b", 10**9),
    "nested calls": nest,
    "worker": begin,
    "fork": fork,
}
if __name__ == "__main__":
    interrupts.watch()
    with interrupts.advice("go on so"), atomic_path(Path("out.txt")) as hidden:
        hidden.write_text("half")
        print("ready", flush=True)
        WORK[sys.argv[1]]()
"""


@pytest.fixture
def begin(tmp_path):
    """Start the program above in an empty folder, and wait until it works."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "program.py").write_text(HEAD)
    started = []

    def run(work, **options):
        (tmp_path / "work").mkdir()
        command = [sys.executable, tmp_path / "code" / "program.py", work]
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        process = subprocess.Popen(command, cwd=tmp_path / "work", env=environment, **streams, **options)
        started.append(process)
        assert process.stdout.readline() == "ready\n"
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("work", "number"),
    [
        ("sleep", signal.SIGHUP),
        ("swallowed", signal.SIGINT),
        ("swallowed", signal.SIGTERM),
        ("long computation", signal.SIGINT),
        ("nested calls", signal.SIGTERM),
    ],
)
def test_a_signal_ends_the_program_whatever_it_does(begin, tmp_path, work, number):
    process = begin(work)
    for _ in range(2):  # a second one changes nothing
        process.send_signal(number)
    _, error = process.communicate(timeout=20)
    assert process.returncode == 128 + number
    assert error.strip().endswith("; go on so")
    assert "Traceback" not in error
    assert list((tmp_path / "work").iterdir()) == []


def test_workers_end_with_the_program_and_never_receive_ctrl_c(begin):
    process = begin("worker", start_new_session=True)
    worker = psutil.Process(int(process.stdout.readline()))
    if sys.platform == "linux":  # blocked from the start: nothing can arrive while the worker imports
        (blocked,) = re.findall(r"SigBlk:\s*(\w+)", Path(f"/proc/{worker.pid}/status").read_text())
        assert int(blocked, 16) & 1 << (signal.SIGINT - 1)
    worker.send_signal(signal.SIGINT)
    time.sleep(0.2)
    assert worker.is_running()
    os.killpg(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in error
    assert psutil.wait_procs([worker], timeout=10)[1] == []


def test_a_signal_to_a_forked_child_is_not_the_parents(begin):
    process = begin("fork")
    # not by communicate(), which misses what was read ahead with the first line
    output, error = process.stdout.read(), process.stderr.read()
    assert (process.wait(20), output, error) == (0, f"{int(signal.SIGTERM)}\n", "")


def test_a_signal_that_is_ignored_stays_ignored(begin):
    process = begin("sleep", preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    process.send_signal(signal.SIGHUP)
    time.sleep(0.8)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 130


def test_a_reader_that_does_not_read_delays_nothing(begin, tmp_path):
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(writing, bytes(65536))
    os.set_blocking(writing, True)
    (tmp_path / "work").mkdir()
    command = [sys.executable, tmp_path / "code" / "program.py", "sleep"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        command, cwd=tmp_path / "work", env=environment, stdout=subprocess.PIPE, stderr=writing, text=True
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 143
    os.close(reading)
    os.close(writing)
