# SPDX-License-Identifier: LGPL-2.1-or-later
"""Many logins at a time: processes that each do one whole exchange after the other."""
import collections
import os
import ssl

from lib import wire


def one(address, context, request):
    """What one login came to, as text: reason:0 is allowed."""
    try:
        return f"reason:{wire.ask(address, context, request).reason}"
    except (ssl.SSLError, OSError, ValueError, IndexError) as error:
        return f"{type(error).__name__}: {error}"


class Load:
    """@processes of them; each does @count logins, or goes on until stop()."""

    def __init__(self, address, context, request, processes=4, count=None):
        self.parts = []
        self.flag, self.stopper = os.pipe()
        for _ in range(processes):
            self.parts.append(self._start(address, context, request, count))
        os.close(self.flag)

    def _start(self, address, context, request, count):
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.close(reader)
                os.close(self.stopper)
                os.set_blocking(self.flag, False)
                done = 0
                with os.fdopen(writer, "w") as out:
                    while (done < count) if count else not self._stopped():
                        out.write(one(address, context, request) + "\n")
                        done += 1
            finally:
                os._exit(0)
        os.close(writer)
        return pid, reader

    def _stopped(self):
        try:
            return os.read(self.flag, 1) == b""
        except BlockingIOError:
            return False

    def stop(self):
        """Ends it; how often which outcome was seen."""
        if self.stopper >= 0:
            os.close(self.stopper)
            self.stopper = -1
        seen = collections.Counter()
        for pid, reader in self.parts:
            with os.fdopen(reader) as file:
                seen.update(line.strip() for line in file)
            os.waitpid(pid, 0)
        self.parts = []
        return seen

    def readers(self):
        return [reader for _, reader in self.parts]
