"""A bad line, as `tc netem` makes one, where the kernel has no netem: delay, loss, another order.

`with BadLine() as line:` puts the thread, and the programs that it starts, into a network namespace
with a line of its own. What is sent to `AWAY` goes over the line and arrives at `HERE`, from `AWAY`:
whoever listens at `HERE` is a machine away.

As a program it is the line: it reads packets from a TUN device, and writes them back with their two
addresses exchanged, which leaves every checksum as it is.
"""

import ctypes
import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import sys
import time

import pytest

HERE, AWAY = "10.98.0.1", "10.98.0.2"
# Seconds that a packet takes; the part that is lost; the part that overtakes others.
DELAY, LOSS, OVERTAKING = 0.1, 0.01, 0.25
NEW_NETWORK = 0x4000_0000  # CLONE_NEWNET
MAKE_DEVICE, IS_TUN, NO_HEADER = 0x4004_54CA, 0x0001, 0x1000  # TUNSETIFF, IFF_TUN, IFF_NO_PI
DEVICE = "line0"


class BadLine:
    """The line's process, and the namespace of the thread while the block runs."""

    def __enter__(self):
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        if self._libc.unshare(NEW_NETWORK):
            os.close(self._home)
            pytest.skip(f"no network namespace here: {os.strerror(ctypes.get_errno())}")
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True)
        said = self._process.stdout.readline()
        if said != "ready\n":
            said += self._process.stdout.read()
            self.__exit__()
            pytest.skip(f"no line of its own in a network namespace here: {said[-300:]}")
        return self

    def __exit__(self, *_):
        self._process.communicate()
        self._libc.setns(self._home, NEW_NETWORK)
        os.close(self._home)

    def packets(self):
        """(carried, lost) so far."""
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return tuple(map(int, self._process.stdout.readline().split()))


def device():
    opened = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(opened, MAKE_DEVICE, struct.pack("16sH22x", DEVICE.encode(), IS_TUN | NO_HEADER))
    for command in ("link set lo up", f"addr add {HERE}/24 dev {DEVICE}",
                    f"link set {DEVICE} up txqueuelen 10000"):
        subprocess.run(["ip", *command.split()], check=True)
    return opened


def carry(opened):
    """Until standard input ends; for each line of it, says how many packets it carried and lost."""
    under_way, carried, lost = [], 0, 0
    while True:
        wait = max(0.0, under_way[0][0] - time.monotonic()) if under_way else None
        ready = select.select([opened, sys.stdin], [], [], wait)[0]
        if sys.stdin in ready:
            if not sys.stdin.readline():
                return
            print(carried, lost, flush=True)
        now = time.monotonic()
        for packet in packets(opened) if ready else ():
            if packet[0] >> 4 != 4:
                continue
            if random.random() < LOSS:
                lost += 1
                continue
            carried += 1
            early = DELAY * random.uniform(0, 0.5) if random.random() < OVERTAKING else 0.0
            packet[12:16], packet[16:20] = packet[16:20], packet[12:16]
            heapq.heappush(under_way, (now + DELAY - early, carried, packet))
        while under_way and under_way[0][0] <= now:
            os.write(opened, heapq.heappop(under_way)[2])


def packets(opened, most=256):
    for _ in range(most):
        try:
            yield bytearray(os.read(opened, 2_048))
        except BlockingIOError:
            return


if __name__ == "__main__":
    line = device()
    print("ready", flush=True)
    carry(line)
