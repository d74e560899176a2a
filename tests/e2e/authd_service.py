# SPDX-License-Identifier: LGPL-2.1-or-later
"""mtls-authd under a service manager: units, sockets that were passed, readiness, reload, watchdog,
rights; and its workers when they die, hang, or cannot be started."""
import os
import pwd
import random
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests/certs"))
# pylint: disable=wrong-import-position
from lib import control, private, service, tap, wire
from lib.authd import Daemon
from lib.load import Load, one
from lib.records import wait_for

UNITS = ("mtls-authd.service", "mtls-authd.socket", "mtls-authd-control.socket")
NOTIFY = "/run/mtls-test/notify"
SANITIZED = os.environ.get("MTLS_SANITIZERS", "no") not in ("", "no")
PATIENCE = 90 if SANITIZED else 40
WATCHDOG_MS = 2000 if SANITIZED else 500
ALLOWED = "reason:0"
BOB = wire.auth_request(account="bob")
KILLS = int(os.environ.get("MTLS_KILLS", "12"))


class Service:
    def __init__(self, out, alone):
        self.out, self.alone = out, alone
        self.bob = wire.context(alone.at("bob.crt"), alone.at("bob.key"))
        self.manager = service.Manager(NOTIFY, PATIENCE)
        self.calm = {"handshake_timeout": "30s", "request_timeout": "30s",
                     "lookup_timeout": "30s", "max_per_uid": "64"}

    def write(self, **changes):
        self.alone.write_settings(**{**self.calm, **changes})

    def login(self):
        return one(self.alone.socket, self.bob, BOB)

    def status(self):
        return control.ask(self.alone.control, "status", timeout=PATIENCE)

    def workers(self, *states):
        return [w for w in self.status().kind("worker") if not states or w["state"] in states]

    def check(self, passed, name, details=""):
        if not passed:
            details = "\n".join(map(str, [details, self.manager.told[-5:],
                                          *self.alone.daemon.log.lines()[-15:]]))
        return self.out.result(passed, name, details)

    def start(self, *before, ready=True, environment=()):
        """As a service manager starts it."""
        words = ["env", f"NOTIFY_SOCKET={NOTIFY}", *environment, *before, self.alone.program]
        self.alone.daemon = Daemon(words, self.alone.socket, self.alone.daemon.log.path)
        self.manager.drain()
        self.alone.daemon.start(expect_ready=False)
        return self.manager.wait("READY=1") if ready else None

    def stop(self):
        self.check(self.alone.daemon.stop() == 0, "it ends with 0")

    # The units.

    def units(self):
        why = service.missing("systemd-analyze")
        if why:
            self.out.skip("the units", why)
            return
        units = service.Units(self.check, "/run/mtls-test/units", self.alone.program, UNITS)
        if not units.security(30):
            self.out.skip("the exposure", "this systemd-analyze looks at running units only")
        units.verify()

    def activated(self):
        why = service.missing("systemd-socket-activate")
        if why:
            self.out.skip("socket activation", why)
            return
        self.write()
        paths = [self.alone.socket, self.alone.control, "/run/mtls/nobody.sock"]
        os.makedirs(os.path.dirname(paths[0]), exist_ok=True)
        for path in paths:
            if os.path.exists(path):
                os.unlink(path)
        self.start("systemd-socket-activate", *[word for path in paths for word in ("-l", path)],
                   "--fdname=authd:control:nobody", "-E", f"NOTIFY_SOCKET={NOTIFY}",
                   "-E", f"WATCHDOG_USEC={WATCHDOG_MS * 1000}", ready=False)
        self.check(wait_for(lambda: all(map(os.path.exists, paths)), PATIENCE), "the manager listens")
        inodes = [os.stat(path).st_ino for path in paths]
        outcome = self.login()  # starts it, and waits in the socket until a worker accepts
        told = self.manager.wait("READY=1")
        self.check(outcome == ALLOWED, "a login that came before the daemon was there enters", outcome)
        self.check(told and "STATUS=generation 1, 1 worker" in told, "it says that it is ready", told)
        self.check([os.stat(path).st_ino for path in paths] == inodes and
                   self.status().code == control.OK, "it takes both sockets that it was passed")
        self.check(any("'nobody'" in line for line in self.alone.daemon.log.lines()),
                   "and says that a third one is nobody's")
        self.reloads()
        self.watchdog()
        self.stop()
        self.check(self.manager.wait("STOPPING=1"), "and said so before")
        self.check(all(map(os.path.exists, paths)), "the manager's sockets are not removed")
        for path in paths:
            os.unlink(path)

    def reloads(self):
        os.kill(self.alone.daemon.process.pid, signal.SIGHUP)
        told = self.manager.wait("RELOADING=1")
        self.check(told and "MONOTONIC_USEC=" in told, "a reload is told, and when it began", told)
        told = self.manager.wait("READY=1")
        self.check(told and "generation 2" in told, "and its end", told)
        self.write(colour="blue")
        os.kill(self.alone.daemon.process.pid, signal.SIGHUP)
        told = self.manager.wait("STATUS=the last reload changed nothing")
        self.check(told and "READY=1" in told and "colour" in told, "or why it changed nothing", told)
        self.write()

    def watchdog(self):
        for i in range(3):
            self.check(self.manager.wait("WATCHDOG=1"), f"the watchdog hears of it ({i + 1})")
        worker = int(self.workers("running")[0]["pid"])
        os.kill(worker, signal.SIGSTOP)
        # What was on its way may still come; then nothing for several times the limit.
        self.manager.wait("WATCHDOG=1", 2 * WATCHDOG_MS / 1000)
        self.manager.drain()
        self.check(self.manager.wait("WATCHDOG=1", 4 * WATCHDOG_MS / 1000) is None,
                   "a worker that hangs is not covered up")
        os.kill(worker, signal.SIGCONT)
        self.check(self.manager.wait("WATCHDOG=1"), "when it goes on, so does the watchdog")

    def bounded(self):
        """With no more capabilities than the unit gives."""
        wanted = service.setting("mtls-authd.service", "CapabilityBoundingSet").split()
        bounding = ",".join(["-all"] + ["+" + name[4:].lower() for name in wanted])
        self.write()
        told = self.start("setpriv", "--bounding-set", bounding, "--inh-caps", "-all",
                          "--no-new-privs")
        self.check(told and self.login() == ALLOWED, "with the unit's capabilities it starts and works",
                   told)
        line = service.setting("mtls-authd.service", "ExecReload").split()
        for changes, wanted, text in (({}, 0, "generation 2"), ({"colour": "blue"}, 1, "colour")):
            self.write(**changes)
            done = subprocess.run(["setpriv", "--bounding-set", bounding, *line], check=False,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8")
            self.check((done.returncode != 0) == wanted and text in done.stdout and
                       self.login() == ALLOWED, f"the unit's command to reload: {text}", done.stdout)
        self.stop()

    # Workers that end.

    def killed(self):
        """Workers killed at random under load: no login fails but those that they held."""
        self.write(workers="2")
        self.start()
        load = Load(self.alone.socket, self.bob, BOB, 4)
        for _ in range(KILLS):
            running = [int(w["pid"]) for w in self.workers("running")]
            if running:
                os.kill(random.choice(running), signal.SIGKILL)
            wait_for(lambda old=running: [int(w["pid"]) for w in self.workers("running")] != old and
                     len(self.workers("running")) == 2, PATIENCE)
        seen = load.stop()
        failed = sum(seen.values()) - seen[ALLOWED]
        self.out.note(f"{KILLS} workers killed, {sum(seen.values())} logins, {failed} failed: "
                      f"{dict(seen)}")
        # Four clients, each with one connection at a time: no kill can reach more than four.
        self.check(seen[ALLOWED] > 4 * KILLS and failed <= 4 * KILLS and
                   all(not outcome.startswith("reason:") or outcome == ALLOWED for outcome in seen),
                   "only connections of killed workers fail, by being closed", dict(seen))
        told = self.workers()
        self.check(len(told) == 2 and sum(int(w["restarts"]) for w in told) == KILLS and
                   any("Killed" in w.get("error", "") for w in told), "status counts them", told)
        self.check([self.login() for _ in range(10)] == [ALLOWED] * 10, "afterwards none fails")
        self.stop()

    def hung(self):
        self.write(worker_timeout="1s")
        self.start()
        worker = self.workers("running")[0]["pid"]
        os.kill(int(worker), signal.SIGSTOP)
        self.check(wait_for(lambda: [w["pid"] for w in self.workers("running")] not in ([], [worker]),
                            PATIENCE), "a worker that hangs is replaced", self.workers())
        told = self.workers("running")[0]
        self.check(told["restarts"] == "1" and "hung" in told["error"], "status tells why", told)
        self.check(self.login() == ALLOWED, "and logins go on")
        self.stop()

    def looping(self):
        """Workers that cannot be started again: back-off, told, and healed."""
        # A uid of its own: the kernel counts over all name spaces, so other tests' daemons too.
        uid = 300000 + random.randrange(100000)
        gid = pwd.getpwnam("mtls-authd").pw_gid
        with open("/etc/passwd", "a", encoding="utf-8") as file:
            file.write(f"counted:x:{uid}:{gid}::/:/usr/sbin/nologin\n")
        self.write(user="counted")
        self.check(self.start("prlimit", "--nproc=20",
                              environment=(f"WATCHDOG_USEC={WATCHDOG_MS * 1000}",)),
                   "it starts as another user")
        # Processes of the same user, more than the daemon may have.
        others = [subprocess.Popen(["sleep", "1000"], user=uid) for _ in range(25)]
        os.kill(int(self.workers("running")[0]["pid"]), signal.SIGKILL)
        self.check(wait_for(lambda: self.workers("waiting"), PATIENCE) and
                   wait_for(lambda: "cannot be started" in self.workers()[0].get("error", ""), PATIENCE),
                   "a worker that cannot be started: status says that it waits, and why",
                   self.workers())
        self.manager.drain()
        self.check(self.manager.wait("WATCHDOG=1", 4 * WATCHDOG_MS / 1000) is None,
                   "while no worker lives the watchdog hears nothing")
        for other in others:
            other.kill()
            other.wait()
        self.check(wait_for(lambda: self.workers("running"), PATIENCE) and self.login() == ALLOWED,
                   "when it can, it is")
        self.stop()

    def cannot_run(self):
        """No worker at all: an exit code and a text, and never ready."""
        self.write()
        # A sanitizer's search for leaks wants a process of its own.
        self.start("prlimit", "--nproc=1", ready=False,
                   environment=("ASAN_OPTIONS=detect_leaks=0",))
        code = self.alone.daemon.wait_end(PATIENCE)
        log = "\n".join(self.alone.daemon.log.lines())
        self.check(code == 70 and "workers cannot run" in log and "cannot be started" in log,
                   "no worker can be started: the daemon ends with 70 and says why", f"{code}")
        self.check(self.manager.wait("READY=1", 0.01) is None, "and was never ready")
        self.alone.daemon.process = None


def test(out):
    from lib.alone import Alone  # pylint: disable=import-outside-toplevel
    alone = Alone()
    test = Service(out, alone)
    try:
        for part in (test.units, test.activated, test.bounded, test.killed, test.hung,
                     test.looping, test.cannot_run):
            part()
    finally:
        test.alone.daemon.kill()


private.enter(preload=False)
sys.exit(tap.run(test))
