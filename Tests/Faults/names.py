"""A name server that tells what a test wants, and a gateway that asks nobody else.

The gateway runs in a mount namespace of its own in which `/etc/resolv.conf` names this server: the
machine's files are not touched, and what is tested is getaddrinfo(3) and all that follows it.
"""

import contextlib
import pathlib
import shutil
import socket
import subprocess
import threading

import pytest

# Of 127/8, so that no other server of the machine is in the way.
ADDRESS = "127.98.14.1"
NO_ERROR, SERVER_FAILURE, NO_SUCH_NAME = 0, 2, 3


class NameServer:
    """Answers every question for an address with `addresses`, which may be changed at any time.

    - code: of the answer; None: there is none.
    - asked: questions so far.
    """

    TTL_SECONDS = 1

    def __init__(self, *addresses):
        self.addresses, self.code, self.asked = list(addresses), NO_ERROR, 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self.socket.bind((ADDRESS, 53))
        except OSError as error:
            self.socket.close()
            pytest.skip(f"a name server at {ADDRESS}:53 is not allowed here: {error}")
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def close(self):
        with contextlib.suppress(OSError):  # not connected, but whoever waits in it wakes
            self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.socket.close()

    def _serve(self):
        while True:
            question, client = self.socket.recvfrom(512)
            if not question:
                return
            self.asked += 1
            if self.code is not None:
                self.socket.sendto(self._answer(question), client)

    def _answer(self, question):
        end = question.index(b"\0", 12) + 5
        is_of_ipv4 = question[end - 4:end - 2] == b"\0\1"
        known = self.addresses if is_of_ipv4 and self.code == NO_ERROR else []
        head = (question[:2] + bytes([0x81, 0x80 | self.code]) + b"\0\1"
                + len(known).to_bytes(2, "big") + b"\0\0\0\0")
        # The name again (a pointer to the question's), A, IN, how long it holds, four bytes.
        records = b"".join(
            b"\xc0\x0c\0\1\0\1" + self.TTL_SECONDS.to_bytes(4, "big") + b"\0\4"
            + socket.inet_aton(address) for address in known)
        return head + question[12:end] + records


def asking_only_us(folder):
    """The command before the gateway's own that makes it resolve names at our server."""
    resolver = pathlib.Path(folder, "resolv.conf")
    resolver.write_text(f"nameserver {ADDRESS}\noptions attempts:1\n")
    order = pathlib.Path(folder, "nsswitch.conf")
    order.write_text("hosts: dns\n")
    script = (f"mount --bind {resolver} /etc/resolv.conf"
              f" && mount --bind {order} /etc/nsswitch.conf && exec \"$@\"")
    said = "there is no unshare"
    if shutil.which("unshare"):
        for flags in (["-m"], ["-rm"]):
            wrap = ["unshare", *flags, "sh", "-c", script, "sh"]
            tried = subprocess.run([*wrap, "true"], capture_output=True, text=True, check=False)
            if tried.returncode == 0:
                return wrap
            said = tried.stderr.strip()
    pytest.skip(f"no mount namespace of its own for the gateway here: {said}")
