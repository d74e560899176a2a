# SPDX-License-Identifier: LGPL-2.1-or-later
"""
mtls-authd under load: idle connections, slow clients, floods, one host that relays many failures. The
sizes are small enough for every day; MTLS_LOAD=full takes those of the manuals. Nothing timed is
asserted: the figures are notes.
"""
import collections
import os
import pwd
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests/certs"))
# pylint: disable=wrong-import-position
from lib import control, private, tap, wire
from lib.crowd import Crowd, Slow, trickle
from lib.hosts import Login, PamHost, Sudo
from lib.load import Load, one
from lib.records import wait_for

FULL = os.environ.get("MTLS_LOAD") == "full"
SANITIZED = os.environ.get("MTLS_SANITIZERS", "no") not in ("", "no")
IDLE = 10000 if FULL else 1500
LOGINS = 1000 if FULL else 40
FLOOD = 2000 if FULL else 200
HOST_LOGINS = 20 if FULL else 4
FAILING, GOOD = (1000, 199) if FULL else (200, 40)
FAILING_HOSTS = 20
PATIENCE = 60
CLIENT_MOST = 14  # KiB that a silent client may cost
TCP = ("127.0.0.1", 7443)
NOBODY = 65534
BOB = wire.auth_request(account="bob")
ALLOWED, UNMAPPED, PENALTY = "reason:0", "reason:40", "reason:68"
# Human time and a busy machine: what ends a connection is what the tests do.
CALM = {"handshake_timeout": "600s", "sign_timeout": "600s", "tcp_sign_timeout": "600s",
        "request_timeout": "600s", "choice_timeout": "600s", "lookup_timeout": "60s"}


class Counters:
    """What `status` says: name and value of the label -> number."""

    def __init__(self, path):
        answer = control.ask(path, "status")
        self.values = {(item["name"], item.get("label-value", "")): float(item["value"])
                       for item in answer.kind("counter")}
        self.workers = [int(item["pid"]) for item in answer.kind("worker")
                        if item["state"] == "running"]

    def get(self, name, label=""):
        return self.values[("mtls_authd_" + name, label)]

    def open(self):
        return sum(value for (name, _), value in self.values.items()
                   if name == "mtls_authd_connections")


def resident(pid, what="VmRSS"):
    """KiB of a process, shared memory included; RssAnon: without."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return int(next(line for line in file if line.startswith(what)).split()[1])


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


class Loaded:
    def __init__(self, out, world):
        self.out, self.world = out, world
        self.path, self.control = world.socket, world.rundir + "/authd-control.sock"
        pki = world.pki
        self.bob = wire.context(pki.leaf["good"], pki.key)
        self.stranger = wire.context(pki.leaf["stranger"], pki.at("stranger.key"))
        self.foreign = wire.context(pki.leaf["wrong-ca"], pki.key)

    def check(self, passed, name, details=""):
        self.out.result(passed, name, str(details))

    def serve(self, **settings):
        """A daemon with these settings, and unix and TCP sockets."""
        self.world.change_settings("authd.conf", {
            **self.world.authd_settings(), **CALM, "listen": ["unix:" + self.path, "tcp:127.0.0.1:7443"],
            **settings})
        self.world.restart()
        # It answers on the first of its sockets: the others may come a moment later.
        if not wait_for(self.serving, PATIENCE):
            raise RuntimeError(f"no worker runs: {self.world.daemon.log.lines()}")
        self.world.audit.mark()

    def serving(self):
        try:
            return bool(self.counters().workers)
        except OSError:
            return False

    def counters(self):
        return Counters(self.control)

    def settle(self, count=0):
        """Until so many connections are open; those that are in the backlog are not seen yet."""
        return wait_for(lambda: self.counters().open() == count, PATIENCE)

    def judged(self, held, away):
        """Until so many are held and so many were turned away. Two workers may both refuse the last."""
        def done():
            counters = self.counters()
            turned = sum(value for (name, _), value in counters.values.items()
                         if name == "mtls_authd_connections_limited_total")
            return held - 1 <= counters.open() <= held and turned >= away
        return wait_for(done, PATIENCE)

    # Idle connections.

    def idle(self, name, address, bound=None):
        self.serve(workers=1, max_connections=IDLE * 5 // 4 + 1024, max_per_address=65536, tcp_share=99)
        done = Load(self.path, self.bob, BOB, count=50).stop()  # caches are warm
        self.check(done == {ALLOWED: 200}, f"{name}: before, all enter", done)
        self.settle()
        worker, = self.counters().workers
        before = resident(worker), descriptors(worker)
        own = resident(worker, "RssAnon")
        crowd = Crowd(address, IDLE, bound=bound)
        self.check(self.settle(IDLE) and self.counters().get("connections", "silent") == IDLE,
                   f"{name}: {IDLE} idle connections are held", self.counters().values)
        during = resident(worker), descriptors(worker)
        each = (during[0] - before[0]) / IDLE
        started = time.monotonic()
        done = Load(self.path, self.bob, BOB, count=LOGINS // 4).stop()
        self.out.note(f"{name}: {LOGINS} logins beside {IDLE} idle connections: "
                      f"{LOGINS / (time.monotonic() - started):.0f} a second")
        self.check(done == {ALLOWED: LOGINS}, f"{name}: {LOGINS} logins meanwhile, all enter", done)
        left = crowd.leave()
        self.check(left == IDLE, f"{name}: none was closed", left)
        self.settle()
        # The second time shows what is not given back.
        crowd = Crowd(address, IDLE, bound=bound)
        self.settle(IDLE)
        crowd.leave()
        wait_for(lambda: descriptors(worker) == before[1], PATIENCE)
        after = resident(worker), descriptors(worker)
        own_after = resident(worker, "RssAnon")
        self.out.note(f"{name}: KiB, descriptors: before {before}, with {IDLE} {during}, after the second "
                      f"time {after}; {each:.2f} KiB each; without shared memory {own}, {own_after}")
        self.check(after[1] == before[1] and during[1] == before[1] + IDLE,
                   f"{name}: descriptors are as before", (before, during, after))
        if SANITIZED:
            self.out.skip(f"{name}: memory", "the sanitizer keeps what was freed")
            return
        self.check(each <= CLIENT_MOST, f"{name}: a silent client costs at most {CLIENT_MOST} KiB", each)
        self.check(own_after <= own + 1024, f"{name}: memory is as before", (own, own_after))

    def handshaking(self):
        """Those that wait for a person cost a TLS session; a figure, no promise."""
        count = IDLE // 10
        self.serve(workers=1, max_connections=IDLE + 1024)
        Load(self.path, self.bob, BOB, count=50).stop()
        self.settle()
        worker, = self.counters().workers
        before = resident(worker)
        hello = Slow(self.path, self.bob)
        crowd = Crowd(self.path, count, says=hello.hello())
        hello.close()
        held = wait_for(lambda: self.counters().get("connections", "sign") == count, PATIENCE)
        self.out.note(f"a client that has yet to sign costs {(resident(worker) - before) / count:.1f} KiB")
        self.check(held and crowd.leave() == count and self.settle(),
                   f"{count} clients that have yet to sign are held, and let go")

    # Slow clients: the budget ends each, whatever trickles in.

    def ends(self, name, slow, data, detail, reason="timeout"):
        ended = trickle(slow.sock, data)
        slow.close()
        self.settle()
        found = [(r["reason"], r.get("detail", "")) for r in self.world.audit.records()]
        want = [] if detail is None else [(reason, detail)]
        self.check(ended and found == want, f"slow: {name}", (ended, found))
        self.world.audit.mark()

    def slow(self):
        short = "600ms"
        self.serve(handshake_timeout=short, sign_timeout=short, tcp_sign_timeout=short,
                   request_timeout=short, choice_timeout=short, workers=1)
        self.world.bind("carol", "good")  # so that there is a choice
        self.world.undo(lambda: self.world.unbind("carol", "good"))
        with wire.dial(self.path) as sock:
            closed = sock.recv(1) == b""
        self.settle()
        self.check(closed and not self.world.audit.lines() and
                   self.counters().get("connections_broken_total", "timeout") == 1,
                   "slow: who says nothing is closed and counted, without a record")
        for kind, address in (("unix", self.path), ("TCP", TCP)):
            slow = Slow(address, self.bob)
            self.ends(f"{kind}, the first flight", slow, slow.hello() + bytes(9),
                      "deadline in state handshake")
            slow = Slow(address, self.bob)
            self.ends(f"{kind}, the signature", slow, slow.flight(), "deadline in state sign")
            slow = Slow(address, self.bob)
            slow.connect()
            self.ends(f"{kind}, the request", slow, slow.records(BOB), "deadline in state request")
            slow = Slow(address, self.bob)
            slow.connect()
            offer = slow.ask(wire.auth_request())
            self.check(offer.verdict == wire.CHOOSE, f"slow: {kind}, an offer", offer.reason)
            self.ends(f"{kind}, the choice", slow, slow.records(wire.auth_choice("bob")), "",
                      "choice-timeout")
            slow = Slow(address, self.bob)
            slow.connect()
            self.check(slow.ask(BOB).verdict == wire.ALLOWED, f"slow: {kind}, a verdict")
            self.world.audit.mark()
            self.ends(f"{kind}, after the verdict", slow, bytes(1200), None)

    # Floods.

    def root_enters(self, name):
        """Root's PAM host, and login at a terminal: each enters, every time."""
        host, failed = PamHost(kind="root"), []
        for _ in range(HOST_LOGINS):
            failed += [str(o) for o in (host.enter("bob"),) if not o.entered]
        failed += [str(o) for o in (Login().enter("carol"),) if not o.entered]
        self.check(not failed, f"{name}: root's PAM host and login enter", failed)

    def small(self, **settings):
        """Places for few: 64, of which 8 are root's, 28 for TCP, 28 for other uids."""
        self.serve(workers=2, max_connections=64, max_per_uid=6, max_per_address=4, **settings)

    def turned_away(self, cause):
        return self.counters().get("connections_limited_total", cause)

    def flood_of_nobody(self):
        self.small()
        crowds = [Crowd(self.path, FLOOD // 2, uid=NOBODY),
                  Crowd(self.path, FLOOD // 2, uid=NOBODY, says=b"GET / HTTP/1.0\r\n\r\n")]
        busy = Load(self.path, self.foreign, BOB, processes=2)  # root's own, failing all the time
        self.root_enters("a flood by nobody")
        self.check(Sudo().enter("bob").entered, "a flood by nobody: bob's sudo enters")
        failing = busy.stop()
        self.check(len(failing) == 1 and "UNKNOWN_CA" in str(failing).upper().replace(" ", "_"),
                   "a flood by nobody: what fails meanwhile fails for its own reason", failing)
        self.check(self.turned_away("uid") > 0, "a flood by nobody: it is turned away")
        held = [crowd.leave() for crowd in crowds]
        self.check(held[0] in (5, 6) and held[1] == 0, "a flood by nobody: it holds max_per_uid", held)
        self.settle()

    def flood_through_sudo(self):
        self.small()
        crowd = Crowd(self.path, FLOOD, bound=lambda _: wire.invoker(NOBODY))
        others = [Crowd(self.path, 6, bound=lambda _, uid=uid: wire.invoker(uid))
                  for uid in range(40000, 40010)]  # ten more persons take what they can get
        self.check(self.judged(60, FLOOD - 6), "a flood through sudo: half of the reserve is root's own",
                   self.counters().values)
        self.root_enters("a flood through sudo")
        held = crowd.leave()
        self.check(held in (5, 6), "a flood through sudo: each person holds max_per_uid", held)
        for other in others:
            other.leave()
        self.settle()

    def sudo_is_counted(self):
        """The real sudo: its connection is bob's."""
        self.small()
        crowd = Crowd(self.path, 6, uid=pwd.getpwnam("bob").pw_uid)
        self.settle(6)
        outcome = Sudo().enter("bob")
        self.check(not outcome.entered and "is busy" in outcome.text and self.turned_away("uid") == 1,
                   "who holds all his places is told that the service is busy, by sudo too", outcome)
        self.check(Sudo().enter("carol").entered, "another person's sudo enters")
        crowd.leave()
        self.settle()
        outcome = Sudo().enter("bob")
        self.check(outcome.entered, "and so does his, once they are free", outcome)

    def flood_by_tcp(self):
        self.small()
        crowd = Crowd(TCP, FLOOD, bound=lambda n: (
            f"127.0.1.{1 if n < FLOOD // 2 else 2 + n % 50}", 0))
        self.check(self.judged(28, FLOOD - 28), "a flood by TCP: it holds its share",
                   self.counters().values)
        self.root_enters("a flood by TCP")
        self.check(Sudo().enter("bob").entered, "a flood by TCP: bob's sudo enters")
        person = Crowd(self.path, 9, uid=pwd.getpwnam("carol").pw_uid)
        wait_for(lambda: self.turned_away("uid") >= 3, PATIENCE)
        held = person.leave()
        self.check(held in (5, 6), "a flood by TCP: a person has her places", held)
        self.check(self.turned_away("share") > 0 and self.turned_away("address") > 0,
                   "a flood by TCP: share and address")
        crowd.leave()
        self.settle()

    def killed_workers(self):
        """What a worker held ends with it."""
        self.small()
        uid = pwd.getpwnam("carol").pw_uid
        for _ in range(3):
            crowd = Crowd(self.path, 12, uid=uid)
            self.judged(6, 6)
            for pid in self.counters().workers:
                os.kill(pid, signal.SIGKILL)
            crowd.leave()
            wait_for(lambda: len(self.counters().workers) == 2, PATIENCE)
        away = self.turned_away("uid")
        crowd = Crowd(self.path, 12, uid=uid)
        self.judged(6, away + 6)
        held = crowd.leave()
        self.check(held in (5, 6), "killed workers leave no places taken", held)
        self.settle()
        self.check(one(self.path, self.bob, BOB) == ALLOWED, "and who comes then enters")

    # One host relays.

    def relay(self, processes=4):
        """Outcomes by kind: the failing from few hosts, the good each from one of its own."""
        plan = [(True, f"198.51.100.{n % FAILING_HOSTS}") for n in range(FAILING)]
        step = max(1, FAILING // GOOD)
        for n in range(GOOD):
            plan.insert(n * (step + 1), (False, f"2001:db8:{n:x}::1" if n % 2 else f"203.0.113.{n}"))
        parts = []
        for index in range(processes):
            reader, writer = os.pipe()
            pid = os.fork()
            if pid == 0:
                with os.fdopen(writer, "w") as file:
                    for failing, host in plan[index::processes]:
                        context = self.stranger if failing else self.bob
                        request = wire.auth_request(service="sshd", remote_host=host,
                                                    account=None if failing else "bob")
                        file.write(f"{failing} {one(self.path, context, request)}\n")
                os._exit(0)
            os.close(writer)
            parts.append((pid, reader))
        seen = {"True": collections.Counter(), "False": collections.Counter()}
        for pid, reader in parts:
            with os.fdopen(reader) as file:
                for line in file:
                    kind, outcome = line.strip().split(" ", 1)
                    seen[kind][outcome] += 1
            os.waitpid(pid, 0)
        return seen["True"], seen["False"]

    def one_host(self):
        self.serve(workers=2, penalty="600s", penalty_grace="1s", penalty_max="600s")
        Load(self.path, self.bob, BOB, count=50).stop()
        self.settle()
        workers = self.counters().workers
        before = [(resident(w), descriptors(w)) for w in workers]
        started = time.monotonic()
        failing, good = self.relay()
        self.out.note(f"{FAILING} failing and {GOOD} good logins through one host: "
                      f"{time.monotonic() - started:.1f} s; failing: {dict(failing)}")
        self.check(good == {ALLOWED: GOOD}, f"{GOOD} good ones through the host of {FAILING} failing: all "
                   "enter", good)
        self.check(set(failing) == {UNMAPPED, PENALTY} and sum(failing.values()) == FAILING,
                   "the failing ones fail, and then wait", failing)
        counters = self.counters()
        self.check(counters.get("penalties_total", "remote-host") == failing[UNMAPPED] and
                   counters.get("connections_limited_total", "penalty") == failing[PENALTY] and
                   counters.get("penalties_total", "uid") == 0, "they are counted", counters.values)
        self.root_enters("after a thousand failures" if FULL else "after the failures")
        self.settle()
        wait_for(lambda: [descriptors(w) for w in workers] == [d for _, d in before], PATIENCE)
        after = [(resident(w), descriptors(w)) for w in workers]
        self.out.note(f"KiB, descriptors of the workers: before {before}, after {after}")
        self.check(self.counters().workers == workers and
                   [d for _, d in before] == [d for _, d in after], "descriptors are as before",
                   (before, after))
        # A reload forgives nobody.
        request = wire.auth_request(service="sshd", remote_host="198.51.100.1")
        control.ask(self.control, "reload")
        self.check(one(self.path, self.stranger, request) == PENALTY, "a reload forgives nobody")

    def penalties(self):
        """Who is held to a pace, who is not."""
        self.serve(workers=2, penalty="2s", penalty_grace="5s", penalty_max="10s")

        def outcome(context, address, bound=None):
            return wire.outcome(address, context, BOB, bound=bound)

        bad, good = ("127.0.2.1", 0), ("127.0.2.2", 0)
        seen = [outcome(self.foreign, TCP, bad) for _ in range(2)]
        self.check(seen == ["alert unknown ca"] * 2 and outcome(self.bob, TCP, bad) == ALLOWED,
                   "who fails twice notices nothing", seen)
        seen = [outcome(self.foreign, TCP, bad) for _ in range(8)]
        self.check(seen[-1] in ("alert user cancelled", "alert user canceled", "closed"),
                   "an address that goes on is turned away", seen)
        self.check(outcome(self.bob, TCP, good) == ALLOWED, "another address is not")
        self.check(outcome(self.bob, self.path) == ALLOWED, "nor is a unix socket")
        self.check(wait_for(lambda: outcome(self.bob, TCP, bad) == ALLOWED, PATIENCE),
                   "it is forgiven after a while")
        uid = pwd.getpwnam("carol").pw_uid
        turned = wire.as_uid(uid, lambda: [outcome(self.foreign, self.path) for _ in range(8)][-1])
        self.check("unknown ca" not in turned, "a person's own programs, likewise", turned)
        self.check(not Sudo().enter("carol").entered and Sudo().enter("bob").entered,
                   "her sudo waits with them, bob's does not")
        seen = [outcome(self.foreign, self.path) for _ in range(30)]
        self.check(seen == ["alert unknown ca"] * 30, "root never waits", seen)
        self.root_enters("after thirty failures of root's own")
        self.serve(workers=2, penalty="0s")
        seen = [outcome(self.foreign, TCP, bad) for _ in range(30)]
        self.check(seen == ["alert unknown ca"] * 30, "penalty = 0s: nobody waits", seen)


def test(out):
    from lib.world import TROUBLE, World  # pylint: disable=import-outside-toplevel
    world = World()
    load = Loaded(out, world)
    try:
        load.idle("unix", load.path)
        load.idle("TCP", TCP, bound=lambda n: (f"127.0.{3 + n // 250}.{1 + n % 250}", 0))
        for part in (load.handshaking, load.slow, load.flood_of_nobody, load.flood_through_sudo,
                     load.sudo_is_counted, load.flood_by_tcp, load.killed_workers, load.one_host,
                     load.penalties):
            part()
        out.result(not world.daemon.ended(), "the daemon lived through all of it",
                   world.daemon.log.lines())
        world.passing()
    finally:
        world.close()
    out.result(not TROUBLE.search("\n".join(world.daemon.log.lines())), "nothing crashed",
               world.daemon.log.lines())


private.enter()
sys.exit(tap.run(test))
