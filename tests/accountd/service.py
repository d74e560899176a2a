# SPDX-License-Identifier: LGPL-2.1-or-later
"""mtls-accountd under a service manager: sockets that were passed, readiness, watchdog, and the
rights that the unit leaves it. The units themselves are checked by systemd-analyze."""
import os
import shutil
import signal
import socket
import subprocess
import sys

import world
from lib import service
from world import tap

NOTIFY = world.WORK + "/notify"
WATCHDOG_MS = 400
UNITS = ("mtls-accountd.service", "mtls-accountd.socket", "mtls-accountd-authd.socket")


class Service:
    def __init__(self, out):
        self.out = out
        self.manager = service.Manager(NOTIFY, world.PATIENCE)
        self.daemon = None

    def check(self, passed, name, details=""):
        log = self.daemon.text()[-1500:] if self.daemon else ""
        return self.out.result(passed, name, f"{details}\n{self.manager.told}\n{log}")

    def units(self):
        why = service.missing("systemd-analyze")
        if why:
            self.out.skip("the units", why)
            return
        units = service.Units(self.check, world.WORK + "/units", world.build("mtls-accountd"), UNITS)
        if not units.security(25):
            self.out.skip("the exposure", "this systemd-analyze looks at running units only")
        units.verify()

    def activated(self):
        why = service.missing("systemd-socket-activate")
        if why:
            self.out.skip("socket activation", why)
            return
        os.makedirs(world.RUN)
        self.daemon = world.Daemon(before=[
            "systemd-socket-activate", "-l", world.CONTROL, "-l", world.AUTHD,
            "--fdname=control:authd", "-E", f"NOTIFY_SOCKET={NOTIFY}",
            "-E", f"WATCHDOG_USEC={WATCHDOG_MS * 1000}",
            *[f"-E{name}={os.environ[name]}" for name in ("LD_LIBRARY_PATH", "ASAN_OPTIONS",
                                                          "LD_PRELOAD") if name in os.environ]])
        self.daemon.start(ready=False)
        self.check(world.wait_for(lambda: os.path.exists(world.CONTROL) and
                                  os.path.exists(world.AUTHD)), "the manager listens")
        inode = os.stat(world.CONTROL).st_ino
        self.daemon.wait_ready()  # the first connection starts it
        self.check(os.stat(world.CONTROL).st_ino == inode, "it takes the socket that it was passed")
        self.check(world.ask("status", world.AUTHD).code == 0, "and the other one by its name")
        told = self.manager.wait("READY=1")
        self.check(told and "STATUS=generation 1 is published" in told, "it says that it is ready", told)
        answer = world.add("alice")
        self.check(answer.code == 0 and world.getent("passwd", "alice"), "and is", answer)
        self.check(self.manager.wait("STATUS=generation 2 is published"), "it says what it did")
        self.watchdog()
        self.check(self.daemon.stop() == 0, "SIGTERM: it ends with 0")
        self.check(self.manager.wait("STOPPING=1"), "and said so before")
        self.check(os.path.exists(world.CONTROL), "the manager's socket is not removed")
        os.unlink(world.CONTROL)
        os.unlink(world.AUTHD)

    def watchdog(self):
        for i in range(3):
            self.check(self.manager.wait("WATCHDOG=1"), f"the watchdog hears of it ({i + 1})")
        store = self.daemon.child("store")
        os.kill(store, signal.SIGSTOP)
        self.manager.drain()
        # What was on its way may still come; then nothing for several times the limit.
        self.manager.wait("WATCHDOG=1", WATCHDOG_MS / 1000)
        self.check(self.manager.wait("WATCHDOG=1", 4 * WATCHDOG_MS / 1000) is None,
                   "a store process that hangs is not covered up")
        os.kill(store, signal.SIGCONT)
        self.check(self.manager.wait("WATCHDOG=1"), "when it goes on, so does the watchdog")

    def reasons(self):
        """Not ready before it is known why nothing is published."""
        os.makedirs(world.STATE + "/snapshot", exist_ok=True)
        world.write(world.STATE + "/snapshot/.lock", "")
        subprocess.run(["mount", "-t", "tmpfs", "-o", "ro,mode=755", "tmpfs",
                        world.STATE + "/snapshot"], check=True)
        self.manager.drain()
        self.daemon = world.Daemon(environment={"NOTIFY_SOCKET": NOTIFY})
        self.daemon.start(ready=False)
        told = self.manager.wait("READY=1")
        self.check(told and "STATUS=not published: " in told and "Read-only" in told,
                   "ready with the reason why nothing is published", told)
        self.daemon.stop()
        subprocess.run(["umount", world.STATE + "/snapshot"], check=True)

    def bounded(self):
        """With no more capabilities than the unit gives."""
        wanted = service.setting("mtls-accountd.service", "CapabilityBoundingSet").split()
        bounding = ",".join(["-all"] + ["+" + name[4:].lower() for name in wanted])
        shutil.rmtree(world.STATE)
        self.daemon = world.Daemon(before=["setpriv", "--bounding-set", bounding, "--inh-caps",
                                           "-all", "--no-new-privs"])
        self.daemon.start()
        status = world.status_of(self.daemon.process.pid)
        self.check(bin(int(status["CapEff"], 16)).count("1") == len(wanted),
                   "it starts with the capabilities of the unit", status["CapEff"])
        answer = world.add("bounded")
        self.check(answer.code == 0 and world.getent("passwd", "bounded"), "and works", answer)
        store = self.daemon.child("store")
        self.daemon.process.send_signal(signal.SIGHUP)
        self.check(world.wait_for(lambda: self.daemon.child("store") not in (store, None)),
                   "and starts its processes anew")
        self.daemon.wait_ready()
        self.check(self.daemon.stop() == 0, "and ends")
        with socket.socket(socket.AF_UNIX) as left:  # as after a kill, without a manager's sockets
            left.bind(world.AUTHD)
        os.chown(world.AUTHD, os.stat(world.STORE).st_uid, -1)
        os.chmod(world.AUTHD, 0o600)
        code, said = self.daemon.run()
        self.check(code == 69 and "cannot tell" in said and "remove it" in said,
                   "a socket that it may not ask at: it says what to do", f"{code}: {said}")
        os.unlink(world.AUTHD)


def main(out):
    started = Service(out)
    try:
        for part in (started.units, started.activated, started.reasons, started.bounded):
            part()
        complaints = started.daemon.complaints()  # one log for all
        out.result(not complaints, "no sanitizer and no sandbox had to say anything",
                   "\n".join(complaints[:20]))
    finally:
        daemon = started.daemon
        if daemon and daemon.process and daemon.process.poll() is None:
            daemon.process.kill()


world.enter()
sys.exit(tap.run(main))
