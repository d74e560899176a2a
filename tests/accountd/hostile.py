# SPDX-License-Identifier: LGPL-2.1-or-later
"""mtls-accountd with a store process that is broken into: the test stops the real one, takes its
descriptors and speaks in its place, to the publisher and to the supervisor, both of which are root.
And what mtls-authd's user can do to the requests of others."""
import ctypes
import os
import shutil
import signal
import socket
import struct
import sys
import threading
import time

import world
from world import tap

FD_PAIR, FD_SUPERVISOR = 4, 5  # of accountd/accountd.h
PIDFD_GETFD = 438
REPORT = struct.Struct("=Ii QII 512s")  # patched below with the real size of a sentence
WORD_TEXT = 512
DONE = 2
BEGIN, NEXT, USER, END = 1, 2, 6, 9  # of lib/acctdb/item.h
LINES_MAX = 110  # that one burst of the publisher may add to the log
LIBC = ctypes.CDLL(None, use_errno=True)


def borrow(pid, number):
    """A copy of descriptor @number of the process @pid, as a socket."""
    handle = os.pidfd_open(pid)
    try:
        got = LIBC.syscall(PIDFD_GETFD, handle, number, 0)
    finally:
        os.close(handle)
    if got < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return socket.socket(fileno=got)


def frame(kind, body):
    return struct.pack("<IB", len(body) + 1, kind) + body


def text(value):
    return bytes([len(value)]) + value.encode()


def stream(generation, names, first_id):
    """Users whose ids this machine does not admit."""
    items = [frame(BEGIN, struct.pack("<QB", generation, 0)),
             frame(NEXT, struct.pack("<II", world.FIRST, world.FIRST))]
    for i, name in enumerate(sorted(names)):
        items.append(frame(USER, struct.pack("<IIB", first_id + i, first_id + i, 0) + text(name) +
                           text("") + text("/") + text("/bin/sh") + struct.pack("<I", 0)))
    items.append(frame(END, struct.pack("<Q", len(items) + 1)))
    return b"".join(items)


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Hostile:
    def __init__(self, out):
        self.out = out
        self.notify = world.WORK + "/notify"
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.manager.bind(self.notify)
        self.manager.setblocking(False)
        self.daemon = world.Daemon(environment={"NOTIFY_SOCKET": self.notify,
                                                "WATCHDOG_USEC": "600000000"})

    def check(self, passed, name, details=""):
        return self.out.result(passed, name, f"{details}\n{self.daemon.text()[-1500:]}")

    def told(self):
        """What the service manager was told meanwhile."""
        lines = []
        while True:
            try:
                lines.append(self.manager.recv(8192).decode(errors="replace"))
            except BlockingIOError:
                return lines

    def lines(self):
        return len(self.daemon.text().splitlines())

    def anew(self, before):
        """Waits for a store process that is not @before."""
        return world.wait_for(lambda: self.daemon.child("store") not in (None, before))

    # The supervisor.

    def words(self):
        store = self.daemon.child("store")
        words = borrow(store, FD_SUPERVISOR)
        words.setblocking(False)
        stop = threading.Event()
        sent = [0]

        def flood():
            while not stop.is_set():
                for kind in (b"A", b"S"):
                    try:
                        words.send(kind + (b"%d\nREADY=1\nMAINPID=1" % sent[0]).ljust(
                            WORD_TEXT, b"\0"))
                        sent[0] += 1
                    except BlockingIOError:
                        pass
                    except OSError:
                        return
        flooder = threading.Thread(target=flood)
        told = []

        def listen():
            while not stop.is_set():
                told.extend(self.told())
                stop.wait(0.001)
        listener = threading.Thread(target=listen)
        self.told()
        begun = time.monotonic()
        flooder.start()
        listener.start()
        world.wait_for(lambda: sent[0] > 5000, 10)
        # The supervisor still hears of its children and of the administrator.
        self.daemon.process.send_signal(signal.SIGHUP)
        heard = self.daemon.logged("the settings are taken over")
        gone = self.anew(store)
        stop.set()
        flooder.join()
        listener.join()
        seconds = time.monotonic() - begun
        self.check(sent[0] > 10, "words of a store without end", sent)
        self.check(heard and gone, "the supervisor goes on to hear signals", (heard, gone))
        self.check(len(told) < 100 + 50 * seconds, "and does not hand all of them on",
                   f"{len(told)} of {sent[0]} in {seconds} s")
        lines = [line for message in told for line in message.splitlines()]
        self.check(lines.count("READY=1") <= 1 and
                   {line.split("=")[0] for line in lines} <= {"READY", "STATUS", "WATCHDOG"},
                   "none can be taken for another", told[:3])
        words.close()
        self.daemon.wait_ready()

    def silence(self):
        store = self.daemon.child("store")
        words = borrow(store, FD_SUPERVISOR)
        before = cpu_seconds(self.daemon.process.pid)
        words.shutdown(socket.SHUT_RDWR)
        words.close()
        self.check(self.anew(store), "a store that closes its line is ended")
        self.check(cpu_seconds(self.daemon.process.pid) - before < 1,
                   "without work for the supervisor", cpu_seconds(self.daemon.process.pid) - before)
        self.daemon.wait_ready()

    # The publisher.

    def impostor(self):
        """The pair's end of a store that is stopped."""
        store = self.daemon.child("store")
        os.kill(store, signal.SIGSTOP)
        pair = borrow(store, FD_PAIR)
        pair.settimeout(world.PATIENCE)
        return store, pair

    def publish(self, pair, data):
        """(code, sentence) of the judgement."""
        sender = threading.Thread(target=pair.sendall, args=(data,))
        sender.start()
        answer = b""
        while True:
            while len(answer) < REPORT.size:
                more = pair.recv(REPORT.size - len(answer))
                if not more:
                    raise RuntimeError("the publisher has ended")
                answer += more
            kind, code, _, _, _, said = REPORT.unpack(answer)
            answer = b""
            if kind == DONE:
                sender.join()
                return code, said.split(b"\0")[0].decode()

    def restored(self, store, pair):
        os.kill(store, signal.SIGKILL)
        pair.close()
        self.anew(store)
        self.daemon.wait_ready()

    def dropped(self):
        generation = int(world.status()["generation"])
        store, pair = self.impostor()
        before = self.lines()
        many = stream(generation, [f"stranger{i}" for i in range(5000)], 100000000)
        code, said = self.publish(pair, many)
        added = self.lines() - before
        self.check(code == 0 and 1 < added <= LINES_MAX,
                   "5000 accounts that are not admitted: a bounded number of lines",
                   (code, said, added))
        self.check("4900 more" in self.daemon.text(), "with how many there are more")
        before = self.lines()
        for _ in range(5):
            self.publish(pair, many)
        self.check(self.lines() - before <= 5, "the same again: nothing new",
                   self.lines() - before)
        before = self.lines()
        for i in range(20):
            self.publish(pair, stream(generation, [f"x{i}y{j}" for j in range(200)], 100000000))
        self.check(self.lines() - before <= LINES_MAX, "always others: as bounded",
                   self.lines() - before)
        before = self.lines()
        for i in range(300):
            code, said = self.publish(pair, frame(BEGIN, struct.pack("<QB", generation, 0)) +
                                      frame(END, struct.pack("<Q", i)))
        self.check(code < 0 and self.lines() - before <= LINES_MAX,
                   "streams that are refused: likewise", self.lines() - before)
        self.restored(store, pair)

    def future(self):
        """A generation so high that no store could ever go on after it."""
        before = world.status()
        store, pair = self.impostor()
        for generation in (2**64 - 1, 2**63 - 1, 2**62 + 1):
            code, said = self.publish(pair, stream(generation, [], 100000000))
            self.check(code < 0 and "generation" in said, f"generation {generation} is refused",
                       (code, said))
        self.restored(store, pair)
        self.check(world.status()["generation"] == before["generation"], "the store goes on")

    def folder(self):
        """The folder of snapshots is another one, or none: publishing goes on by itself."""
        there = os.path.dirname(world.SNAPSHOT)
        os.rename(there, there + ".old")
        shutil.copytree(there + ".old", there)
        world.add("moved")
        self.check(world.wait_for(lambda: world.getent("passwd", "moved")),
                   "another folder in the snapshot's place", world.status())
        shutil.rmtree(there)
        world.add("removed")
        self.check(world.wait_for(lambda: world.getent("passwd", "removed")),
                   "no folder in the snapshot's place", world.status())

    # mtls-authd's user.

    def pipeline(self):
        """Requests without end in one packet: others are served in between."""
        count = 2000
        greedy = world.Client(world.AUTHD)
        greedy.socket.settimeout(60)
        answers = []

        def read():
            try:
                while len(answers) < count:
                    answers.append(greedy.answer().code)
            except OSError:
                pass
        reader = threading.Thread(target=read)
        sender = threading.Thread(target=lambda: greedy.send(world.request("status") * count))
        reader.start()
        sender.start()
        world.wait_for(lambda: answers)
        before = len(answers)
        told = world.ask("status")
        during = len(answers) - before
        sender.join()
        reader.join()
        greedy.close()
        self.check(told.code == 0 and answers == [0] * count,
                   "2000 requests in one packet are answered", (told, len(answers)))
        self.check(during < count // 4, "and another one in between, not behind them", during)


def main(out):
    with open(os.path.join(os.environ["top_srcdir"], "lib/base/err.h"), encoding="utf-8") as file:
        size, = [int(line.split()[2]) for line in file if "define MTLS_DIAG_MAX" in line]
    global REPORT, WORD_TEXT  # pylint: disable=global-statement
    REPORT, WORD_TEXT = struct.Struct(f"=IiQII{size}s"), size
    hostile = Hostile(out)
    try:
        hostile.daemon.start()
        try:
            borrow(hostile.daemon.child("store"), FD_PAIR).close()
        except OSError as error:
            out.skip("a store that is broken into", f"pidfd_getfd: {error.strerror}")
            return
        for part in (hostile.words, hostile.silence, hostile.dropped, hostile.future,
                     hostile.folder, hostile.pipeline):
            part()
        hostile.daemon.stop()
        complaints = hostile.daemon.complaints()
        out.result(not complaints, "no sanitizer and no sandbox had to say anything",
                   "\n".join(complaints[:20]))
    finally:
        if hostile.daemon.process and hostile.daemon.process.poll() is None:
            hostile.daemon.process.kill()


world.enter()
sys.exit(tap.run(main))
