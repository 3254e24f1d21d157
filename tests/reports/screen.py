"""A terminal in a test: what a program shows on a pseudo terminal, frame by frame."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

CONTROL = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])|([^\x1b])", re.DOTALL)


class Screen:
    """The letters on a terminal. It knows the sequences that the live view uses, and refuses all others.

    Attributes:
        frames: what was to see each time before a line was erased to draw anew, and at the end.
        wrapped: letters that did not fit on their line.
    """

    def __init__(self, columns=80, lines=24):
        self.columns, self.lines = columns, lines
        self.rows, self.x, self.y = [[] for _ in range(lines)], 0, 0
        self.frames, self.wrapped, self.is_new = [], "", False

    def feed(self, text):
        for number, kind, letter in CONTROL.findall(text):
            if letter:
                self._put(letter)
            elif kind == "A":
                self.y = max(0, self.y - int(number or 1))
            elif kind == "K":
                self._keep()
                self.rows[self.y] = []
            else:
                assert kind in "mhl", f"unknown sequence {number}{kind}"
        self._keep()

    def _put(self, letter):
        if letter == "\r":
            self.x = 0
        elif letter == "\n":
            self.y += 1
            if self.y == self.lines:
                self.rows, self.y = [*self.rows[1:], []], self.lines - 1
        elif self.x == self.columns:
            self.wrapped += letter
        else:
            row = self.rows[self.y]
            row.extend(" " * (self.x + 1 - len(row)))
            row[self.x] = letter
            self.x += 1
            self.is_new = True

    def _keep(self):
        if not self.is_new:
            return
        self.is_new = False
        shown = [line for row in self.rows if (line := "".join(row).rstrip())]
        if shown:
            self.frames.append(shown)


def seen(code, columns=80, lines=24):
    """Run Python code with a terminal as its output, and return the screen after it."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    environment |= {"TERM": "xterm-256color"}
    streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    process = subprocess.Popen([sys.executable, "-c", code], env=environment, **streams)
    os.close(theirs)
    parts = []
    while True:
        try:
            part = os.read(ours, 1 << 16)
        except OSError:  # how Linux says that the other side is closed
            break
        if not part:
            break
        parts.append(part)
    os.close(ours)
    screen = Screen(columns, lines)
    screen.feed(b"".join(parts).decode())
    assert process.wait() == 0, screen.frames[-1]
    return screen
