# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Agents and token servers that do not do as they should, on a unix socket. Each connection is answered by a
function from MODES; @frame makes a message of that protocol from its content.
"""
import os
import random
import signal
import socket
import struct
import time

from lib.records import wait_for

LIST, IDENTITIES, SIGN, SIGNATURE, EXTENSION, FAILURE = 11, 12, 13, 14, 27, 5


def frame(body):
    return struct.pack(">I", len(body)) + body


def text(data):
    return frame(data)


def identities(*keys):
    """The answer that lists these public keys (blobs)."""
    body = bytes([IDENTITIES]) + struct.pack(">I", len(keys))
    return frame(body + b"".join(text(key) + text(b"a key") for key in keys))


def receive(sock):
    """
    One message of an agent's client; b"" at the end. What ssh itself says at first (which machine it has
    connected to) is answered as an old agent does: ssh would wait for that, and its terminal with it.
    """
    while True:
        head = sock.recv(4, socket.MSG_WAITALL)
        body = sock.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL) if len(head) == 4 else b""
        if body[:1] != bytes([EXTENSION]):
            return body
        sock.sendall(frame(bytes([FAILURE])))


def garbage(sock, _):
    receive(sock)
    sock.sendall(random.Random(5).randbytes(1000))


def huge_length(sock, _):
    receive(sock)
    sock.sendall(b"\xff\xff\xff\xff\x0c")
    receive(sock)


def endless(sock, _):
    """A list without end, in a message that says it is short."""
    receive(sock)
    while True:
        sock.sendall(identities() * 1000)


def trickle(sock, _):
    """A byte from time to time, for ever."""
    receive(sock)
    sock.sendall(struct.pack(">I", 200000) + b"\x0c")
    while True:
        sock.sendall(b"\0")
        time.sleep(0.05)  # as slow as this agent is


def silent(sock, _):
    while receive(sock):
        pass


def hang_up(sock, _):
    receive(sock)


def half(sock, _):
    """Ends in the middle of a message."""
    receive(sock)
    sock.sendall(identities(b"\0" * 51)[:30])


def refuses_all(sock, _):
    while receive(sock):
        sock.sendall(frame(bytes([FAILURE])))


def many_claimed(sock, _):
    receive(sock)
    sock.sendall(frame(bytes([IDENTITIES]) + b"\xff\xff\xff\xff"))
    receive(sock)


def listed_then(answer):
    """Lists the true key, then answers a request to sign in this way."""
    def mode(sock, keys):
        while True:
            request = receive(sock)
            if not request:
                return
            if request[0] == LIST:
                sock.sendall(identities(*keys))
            else:
                answer(sock)
    return mode


def signature(blob):
    """What a signature of Ed25519 looks like."""
    return frame(bytes([SIGNATURE]) + text(text(b"ssh-ed25519") + text(blob)))


def greeted(answer):
    """A server of p11-kit's: a version, then answers to its client's calls."""
    def mode(sock, _):
        sock.recv(1)
        sock.sendall(b"\0")
        while sock.recv(65536):
            answer(sock)
    return mode


def drip(sock):
    sock.sendall(struct.pack(">III", 1, 0, 100000))
    while True:
        sock.sendall(b"\0")
        time.sleep(0.05)  # as slow as this server is


def flood(sock):
    while True:
        sock.sendall(struct.pack(">III", 1, 4, 16) + b"A" * 20)


TOKEN_MODES = {
    "another version": lambda sock, _: sock.sendall(b"\xff" * 64),
    "hang up": lambda sock, _: sock.recv(1),
    "hang up after the version": greeted(lambda sock: sock.shutdown(socket.SHUT_RDWR)),
    "garbage": greeted(lambda sock: sock.sendall(random.Random(5).randbytes(1000))),
    "huge length": greeted(lambda sock: sock.sendall(b"\xff" * 12 + b"A" * 100000)),
    "empty answers": greeted(lambda sock: sock.sendall(struct.pack(">III", 1, 0, 0))),
    "endless": greeted(flood),
    "trickle": greeted(drip),
    "silent": greeted(lambda sock: None),
}

MODES = {
    "garbage": garbage,
    "huge length": huge_length,
    "endless": endless,
    "trickle": trickle,
    "silent": silent,
    "hang up": hang_up,
    "half a message": half,
    "refuses all": refuses_all,
    "claims 2^32 keys": many_claimed,
    "signs falsely": listed_then(lambda sock: sock.sendall(signature(b"\x42" * 64))),
    "signature of no length": listed_then(lambda sock: sock.sendall(signature(b""))),
    "signature too long": listed_then(lambda sock: sock.sendall(signature(b"\x42" * 100000))),
    "signs nonsense": listed_then(lambda sock: sock.sendall(frame(b"\x0e" + b"\xff" * 40))),
    "hangs when it signs": listed_then(lambda sock: None),
    "goes when it signs": listed_then(lambda sock: sock.shutdown(socket.SHUT_RDWR)),
}


class Hostile:
    """A process of henry's (lib/elsewhere.py) that listens on @path."""

    def __init__(self, elsewhere, path, mode, keys=(), modes=None):
        self.path, self.elsewhere = path, elsewhere
        self.pid = elsewhere.fork(lambda: serve(path, (modes or MODES)[mode], keys))
        if not wait_for(lambda: elsewhere.exists(path)):
            raise RuntimeError(f"{mode}: does not listen")

    def stop(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.elsewhere.run("rm", "-f", self.path)


def serve(path, mode, keys):
    """Every connection in a child, until killed."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path + ".new")
    listener.listen(16)
    os.rename(path + ".new", path)
    while True:
        sock, _ = listener.accept()
        if os.fork() == 0:
            try:
                mode(sock, keys)
            finally:
                os._exit(0)
        sock.close()
