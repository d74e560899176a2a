# SPDX-License-Identifier: LGPL-2.1-or-later
"""Many connections that say nothing, or too little: each crowd is a process of its own."""
import os
import resource
import select
import ssl
import time

from lib import wire

PACE = 0.05  # seconds between two bytes of who is slow


def raise_files():
    """As many descriptors as the hard limit has."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def still_open(socks):
    """How many of these the other side has not closed; what it said is not looked at."""
    count = 0
    for sock in socks:
        sock.setblocking(False)
        try:
            while sock.recv(65536):
                pass
        except BlockingIOError:
            count += 1
        except OSError:
            pass
    return count


class Crowd:
    """
    @count connections that are held until leave(). @uid: whose; @bound: called with a number for the
    own end of each; @says: what each sends. A connection that is not taken is no error.
    """

    def __init__(self, address, count, uid=0, bound=None, says=b""):
        ready, told = os.pipe()
        self.until, self.stop = os.pipe()
        self.report, answer = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.close(self.stop)
                raise_files()
                if uid:
                    os.setgroups([])
                    os.setresgid(uid, uid, uid)
                    os.setresuid(uid, uid, uid)
                socks = self._connect(address, count, bound, says)
                os.write(told, b"x")
                os.read(self.until, 1)
                os.write(answer, str(still_open(socks)).encode())
            finally:
                os._exit(0)
        for fd in (told, answer, self.until):
            os.close(fd)
        if os.read(ready, 1) != b"x":
            raise RuntimeError("the crowd did not come")
        os.close(ready)

    @staticmethod
    def _connect(address, count, bound, says):
        socks = []
        for number in range(count):
            try:
                sock = wire.dial(address, bound=bound(number) if bound else None)
                if says:
                    sock.sendall(says)
            except OSError:
                continue
            socks.append(sock)
        return socks

    def leave(self):
        """Closes all; how many the daemon had not closed before."""
        os.write(self.stop, b"x")  # later crowds have a copy of the pipe: its end would not do
        os.close(self.stop)
        with os.fdopen(self.report) as file:
            left = int(file.read() or "0")
        os.waitpid(self.pid, 0)
        return left


def trickle(sock, data, patience=60):
    """One byte now and then; True if the other side closed while there was more to send."""
    until = time.monotonic() + patience
    sock.setblocking(False)
    for at in range(len(data)):
        select.select([sock], [], [], PACE)
        try:
            if sock.recv(65536) == b"":
                return True
        except BlockingIOError:
            pass
        except OSError:
            return True
        try:
            sock.send(data[at:at + 1])
        except BlockingIOError:
            pass
        except OSError:
            return True
        if time.monotonic() > until:
            return False
    return False


class Slow:
    """A client that is slow at one step: TLS in memory, so that each byte is at hand."""

    def __init__(self, address, context):
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing)
        self.sock = wire.dial(address)

    def _step(self, step):
        """Until it is done; its bytes to the server are in the outgoing memory then."""
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                self.flush()
                piece = self.sock.recv(65536)
                if not piece:
                    raise ConnectionError("closed") from None
                self.incoming.write(piece)

    def flush(self):
        data = self.outgoing.read()
        if data:
            self.sock.sendall(data)

    def hello(self):
        """The first flight, not sent."""
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        return self.outgoing.read()

    def flight(self):
        """The second flight, not sent."""
        self._step(self.tls.do_handshake)
        return self.outgoing.read()

    def connect(self):
        self._step(self.tls.do_handshake)
        self.flush()

    def ask(self, request):
        self.tls.write(request)
        self.flush()
        return wire.Reply(self._step(lambda: self.tls.read(65536)))

    def records(self, data):
        """@data, each byte in a record of its own."""
        for at in range(len(data)):
            self.tls.write(data[at:at + 1])
        return self.outgoing.read()

    def close(self):
        self.sock.close()
