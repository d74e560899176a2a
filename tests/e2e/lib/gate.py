# SPDX-License-Identifier: LGPL-2.1-or-later
"""
A gate between pam_mtls and mtls-authd, which passes bytes on and stands still at two moments that are the
same in every run: when the key is open and nothing is signed (the first bytes arrive), and when it has
signed (the first encrypted ones do).
"""
import os
import select
import socket

from lib.terminal import DEADLINE

APPLICATION_DATA = 23  # what follows the client's Hello is encrypted


class Gate:
    def __init__(self, path, target):
        self.path, self.target = path, target
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.settimeout(DEADLINE)
        self.listener.bind(path)
        os.chmod(path, 0o666)
        self.listener.listen(8)
        self.client = self.server = None
        self.held = b""

    def wait_unlocked(self):
        """Until the client has connected and begun: it does so once the key is open."""
        self.client, _ = self.listener.accept()
        self.client.settimeout(DEADLINE)
        self.held = self.client.recv(65536)
        if not self.held:
            raise RuntimeError("the client said nothing")

    def wait_signed(self):
        """Until the client's certificate, signature and request have come; they are held back."""
        self.server = socket.socket(socket.AF_UNIX)
        self.server.connect(self.target)
        self._pass_on()
        while True:
            for source in self._readable():
                data = source.recv(65536)
                if not data:
                    raise RuntimeError("the exchange ended before its end")
                if source is self.server:
                    self.client.sendall(data)
                    continue
                self.held = data
                if holds_record(data, APPLICATION_DATA):
                    return
                self._pass_on()

    def finish(self):
        """Passes on until one side ends."""
        try:
            self._pass_on()
            while True:
                for source in self._readable():
                    data = source.recv(65536)
                    if not data:
                        return
                    (self.client if source is self.server else self.server).sendall(data)
        except OSError:
            pass  # the other side has heard enough
        finally:
            self.drop()

    def drop(self):
        """Ends the connection."""
        for sock in (self.client, self.server):
            if sock:
                sock.close()
        self.client = self.server = None

    def close(self):
        self.drop()
        self.listener.close()
        os.unlink(self.path)

    def _pass_on(self):
        self.server.sendall(self.held)
        self.held = b""

    def _readable(self):
        ready, _, _ = select.select([self.client, self.server], [], [], DEADLINE)
        if not ready:
            raise RuntimeError("nobody says anything")
        return ready


def holds_record(data, kind):
    """True if one of the TLS records that begin in @data is of that kind."""
    at = 0
    while at + 5 <= len(data):
        if data[at] == kind:
            return True
        at += 5 + int.from_bytes(data[at + 3:at + 5], "big")
    return False
