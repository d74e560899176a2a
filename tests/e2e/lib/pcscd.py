# SPDX-License-Identifier: LGPL-2.1-or-later
"""A service for card readers that refuses everybody, as pcscd does to whom polkit does not let use them."""
import os
import socket
import threading

SOCKET = "/run/pcscd/pcscd.comm"


class Refusing:
    def __init__(self):
        os.makedirs(os.path.dirname(SOCKET), exist_ok=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(SOCKET)
        os.chmod(SOCKET, 0o666)
        self.listener.listen(8)
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:  # stop()
                return
            with connection:
                connection.recv(1)

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()
        os.unlink(SOCKET)
