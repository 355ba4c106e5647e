"""A storm of TLS connections, as a program of its own on one core: most are begun and left half done.

    storm.py HOST PORT CORE SECONDS

A hello that was made once costs its sender nothing, and its reader a key exchange and a signature. It
prints how many were begun and how many were complete handshakes.
"""

import collections
import contextlib
import os
import socket
import ssl
import sys
import threading
import time

# What is begun in a second at most, and how many half done ones are held at a time.
PER_SECOND, HELD = 5_000, 2_000


def context():
    """Nobody checks a certificate in a storm."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    return made


def hello():
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context().wrap_bio(incoming, outgoing).do_handshake()
    return outgoing.read()


def begin(address, until):
    """Connections with a hello and nothing after it; returns how many."""
    first, held, count = hello(), collections.deque(), 0
    began = time.monotonic()
    while (now := time.monotonic()) < until:
        if count >= (now - began) * PER_SECOND:
            time.sleep(0.001)
            continue
        one = socket.socket()
        held.append(one)
        one.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            one.connect(address)
        with contextlib.suppress(OSError):
            count += one.send(first) == len(first)
        if len(held) > HELD:
            held.popleft().close()
    for one in held:
        one.close()
    return count


def complete(address, until, done):
    """Whole handshakes, one after another, of a new session each."""
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(address, 5) as plain:
            with context().wrap_socket(plain):
                done.append(time.monotonic())


def main():
    host, port, core, seconds = sys.argv[1], *map(int, sys.argv[2:])
    os.sched_setaffinity(0, {core})
    until, done = time.monotonic() + seconds, []
    whole = threading.Thread(target=complete, args=((host, port), until, done))
    whole.start()
    begun = begin((host, port), until)
    whole.join()
    print(begun, len(done))


if __name__ == "__main__":
    main()
