"""TLS in front of a plain server: what a replica behind `https://` is."""

import socket
import ssl
import subprocess
import threading
import time


def authority(directory, name="ca"):
    """A CA of our own; returns the path of its certificate."""
    run("req", "-x509", *NEW_KEY, "-days", "2", "-subj", f"/CN={name}", "-keyout",
        directory / f"{name}.key", "-out", directory / f"{name}.pem")
    return directory / f"{name}.pem"


def certificate(directory, name, names="IP:127.0.0.1", ca="ca"):
    """A certificate for `names` that `ca` has signed; returns the paths of it and its key."""
    (directory / f"{name}.ext").write_text(f"subjectAltName={names}\n")
    run("req", "-new", *NEW_KEY, "-subj", f"/CN={name}", "-keyout", directory / f"{name}.key",
        "-out", directory / f"{name}.csr")
    run("x509", "-req", "-in", directory / f"{name}.csr", "-CA", directory / f"{ca}.pem", "-CAkey",
        directory / f"{ca}.key", "-CAcreateserial", "-days", "2", "-extfile",
        directory / f"{name}.ext", "-out", directory / f"{name}.pem")
    return directory / f"{name}.pem", directory / f"{name}.key"


NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def run(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


class Connection:
    """What was seen of one connection to the front."""

    def __init__(self):
        self.posts = 0
        self.ended_at = None
        # True: close_notify came first; False: the socket just ended.
        self.ended_orderly = None


class Front:
    """Accepts TLS, copies both ways to the plain server at `port`, notes what it sees."""

    def __init__(self, port, certificate, key):
        self.target = port
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)
        self.connections = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def _accept(self):
        while True:
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(plain,), daemon=True).start()

    def _serve(self, plain):
        try:
            secure = self.context.wrap_socket(
                plain, server_side=True, suppress_ragged_eofs=False)
        except (ssl.SSLError, OSError):
            plain.close()
            return
        seen = Connection()
        self.connections.append(seen)
        server = socket.create_connection(("127.0.0.1", self.target))
        threading.Thread(target=self._answer, args=(server, secure), daemon=True).start()
        try:
            while part := secure.recv(65_536):
                seen.posts += part.count(b"POST /")
                server.sendall(part)
            seen.ended_orderly = True
        except ssl.SSLEOFError:
            seen.ended_orderly = False
        except OSError:
            pass
        seen.ended_at = time.monotonic()
        server.close()

    @staticmethod
    def _answer(server, secure):
        try:
            while part := server.recv(65_536):
                secure.sendall(part)
            secure.unwrap()
        except (ssl.SSLError, OSError, ValueError):
            pass
