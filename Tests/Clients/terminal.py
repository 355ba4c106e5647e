"""A program behind a pseudo-terminal, and what it shows there."""

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import support

ESCAPE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class Screen:
    """A command of sluice behind a pseudo-terminal of a given size."""

    def __init__(self, columns, rows, *arguments):
        self.master, slave = pty.openpty()
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        self.resize(columns, rows)
        self.text = ""
        self.process = subprocess.Popen(
            [support.SLUICE, *arguments],
            stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))

    def resize(self, columns, rows):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, seconds):
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if not select.select([self.master], [], [], left)[0]:
                return
            with contextlib.suppress(OSError):
                self.text += os.read(self.master, 65_536).decode("utf-8", "replace")
                return

    def frame(self):
        """The lines of the last whole screen."""
        frames = re.findall(r"\x1b\[H(?:\x1b\[2J)?(.*?)\x1b\[J", self.text, re.S)
        return ESCAPE.sub("", frames[-1]).split("\r\n") if frames else []

    def until(self, condition, what):
        def holds():
            self.read(0.2)
            return condition(self.frame())
        return support.until(holds, what=what)

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        end = time.monotonic() + support.PATIENCE
        while self.process.poll() is None and time.monotonic() < end:
            self.read(0.2)
        self.read(0.2)
        status = self.process.poll()
        if status is None:
            self.process.kill()
            self.process.wait()
        after = termios.tcgetattr(self.slave)
        os.close(self.master)
        os.close(self.slave)
        return status, after
