# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Reload of mtls-authd: by replacement, under load, with broken configurations, with connections that
are in the middle. MTLS_RELOAD_LOGINS is the number of logins under reloads, MTLS_RELOADS that of
reloads between two looks at memory and descriptors.
"""
import os
import select
import signal
import ssl
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests/certs"))
# pylint: disable=wrong-import-position
from lib import control, private, tap, wire
from lib.authd import answers
from lib.load import Load, one
from lib.records import wait_for

LOGINS = int(os.environ.get("MTLS_RELOAD_LOGINS", "600"))
RELOADS = int(os.environ.get("MTLS_RELOADS", "40"))
SANITIZED = os.environ.get("MTLS_SANITIZERS", "no") not in ("", "no")
PATIENCE = 60
BOB = wire.auth_request(account="bob")
NOBODY = wire.auth_request()
ALLOWED, ACCOUNT_REFUSED, REVOKED, BUSY = "reason:0", "account-refused", "cert-revoked", "busy"


class Middle:
    """A connection that has an offer of accounts and has not chosen yet."""

    def __init__(self, alone, context):
        self.tls = wire.handshake(alone.socket, context)
        self.tls.sendall(NOBODY)
        self.offer = wire.Reply(wire.receive(self.tls))

    def choose(self, account):
        self.tls.sendall(wire.auth_choice(account))
        return self.reply()

    def reply(self):
        reply = wire.Reply(wire.receive(self.tls))
        self.tls.close()
        return reply


class Signing:
    """A client that has the server's part of the handshake and has not signed yet."""

    def __init__(self, alone, context):
        self.sock = wire.dial(alone.socket)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing)
        self._step()
        self.sock.sendall(self.outgoing.read())
        while self._step():
            self.incoming.write(self.sock.recv(65536))

    def _step(self):
        """True if it wants to hear more."""
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            return True
        return False

    def told(self):
        """
        Bytes that came instead of a verdict. An encrypted alert has 24; Python's OpenSSL passes over
        this one ("user canceled"), which our client takes for "busy".
        """
        data = b""
        while True:
            piece = self.sock.recv(65536)
            if not piece:
                return len(data)
            data += piece


class Reload:
    def __init__(self, out, alone):
        import pki  # pylint: disable=import-outside-toplevel
        self.out, self.alone, self.pki = out, alone, pki
        self.bob = wire.context(alone.at("bob.crt"), alone.at("bob.key"))
        self.both = wire.context(alone.at("both.crt"), alone.at("both.key"))
        # Human time and a busy machine: what ends a connection is what the tests do.
        self.calm = {"handshake_timeout": "30s", "request_timeout": "30s", "choice_timeout": "600s",
                     "lookup_timeout": "30s", "max_per_uid": "64"}

    def write(self, cas=None, **changes):
        self.alone.write_settings(cas, **{**self.calm, **changes})

    def reload(self):
        return control.ask(self.alone.control, "reload", timeout=PATIENCE)

    def status(self):
        return control.ask(self.alone.control, "status", timeout=PATIENCE)

    def workers(self, *states):
        return [w for w in self.status().kind("worker") if not states or w["state"] in states]

    def login(self):
        return one(self.alone.socket, self.bob, BOB)

    def token(self):
        """The audit token of one more login of bob's."""
        self.alone.audit.mark()
        self.login()
        return self.alone.audit.tokens()

    def check(self, passed, name, details=""):
        if not passed:
            details = f"{details}\n" + "\n".join(self.alone.daemon.log.lines()[-15:])
        return self.out.result(passed, name, details)

    # One reload.

    def replaced(self):
        before = self.workers()
        answer = self.reload()
        self.check(answer.code == control.OK and answer.fields == {"generation": "2"},
                   "reload is answered with the new generation", answer)
        status = self.status()
        after = [w for w in status.kind("worker") if w["state"] == "running"]
        self.check(len(after) == len(before) == 1 and after[0]["pid"] != before[0]["pid"] and
                   after[0]["generation"] == "2", "by a new worker", f"{before} {after}")
        self.check(status.kind("reload")[0]["result"] == "ok" and
                   status.kind("daemon")[0]["generation"] == "2", "status tells it", status)
        self.check(self.login() == ALLOWED, "which lets in")
        self.check(wait_for(lambda: len(self.workers()) == 1, PATIENCE),
                   "the old one ends: it has no connection", self.workers())
        os.kill(self.alone.daemon.process.pid, signal.SIGHUP)
        self.check(wait_for(lambda: self.status().fields["generation"] == "3", PATIENCE),
                   "SIGHUP does the same")

    def begun_is_ended(self):
        """Who began before the reload ends with what held then; who comes after it does not."""
        middle = Middle(self.alone, self.both)
        self.write(min_uid="60000")
        answer = self.reload()
        self.check(answer.code == control.OK and middle.offer.verdict == wire.CHOOSE,
                   "a reload with a person in the middle", answer)
        self.check(self.token() == [ACCOUNT_REFUSED],
                   "the next login is decided by the new configuration")
        draining = self.workers("draining")
        self.check(len(draining) == 1 and draining[0]["connections"] == "1",
                   "the old worker keeps the connection", self.workers())
        self.check(middle.choose("bob").verdict == wire.ALLOWED,
                   "which ends with the configuration that it began with")
        self.check(wait_for(lambda: not self.workers("draining"), PATIENCE), "then it ends")
        old = int(self.workers("running")[0]["pid"])
        os.kill(old, signal.SIGSTOP)
        client = control.Client(self.alone.control, PATIENCE)
        client.send(control.request("reload"))
        entered = wait_for(lambda: any(int(w["pid"]) != old for w in self.workers("running")), PATIENCE)
        self.check(entered and not select.select([client.socket], [], [], 0)[0],
                   "while an old worker may still accept, the reload is not answered")
        os.kill(old, signal.SIGCONT)
        self.check(client.answer().code == control.OK, "it is when that has said that it does not")
        client.close()
        outcomes = []
        for i in range(10):
            self.write(min_uid="60000" if i % 2 else None)
            code = self.reload().code
            outcomes.append(code == control.OK and self.token()[0] == (
                ACCOUNT_REFUSED if i % 2 else "allowed"))
        self.check(all(outcomes), "behind each answer, nobody is let in by what was before", outcomes)
        self.write()
        self.reload()

    def revoked(self):
        crl = self.alone.at("user.crl")
        self.alone.user_ca.crl(crl)
        people = dict(self.alone.cas["people"], crl=crl, crl_policy="required")
        cas = dict(self.alone.cas, people=people)
        self.write(cas)
        self.check(self.reload().code == control.OK and self.login() == ALLOWED,
                   "a revocation list that does not have him")
        told = self.status().kind("crl")
        self.check(len(told) == 1 and told[0]["file"] == crl and told[0]["ca"] == "people" and
                   int(told[0]["next-update"]) > time.time(), "status tells when it ends", told)
        self.alone.user_ca.revoke(self.alone.at("bob.crt"))
        self.alone.user_ca.crl(crl)
        self.check(self.reload().code == control.OK and self.token() == [REVOKED],
                   "his certificate is revoked: refused from the reload on")
        self.write()
        self.reload()

    def new_key(self):
        key = self.pki.new_key(self.alone.at("second.key"))
        self.alone.server_ca.sign(self.alone.at("second.pem"), key, "/CN=second.test",
                                  self.pki.SERVER)
        subprocess.run(["chown", "root:mtls-authd", key], check=True)
        os.chmod(key, 0o640)
        self.write(certificate=self.alone.at("second.pem"), private_key=key)
        self.check(self.reload().code == control.OK and self.login() == ALLOWED and
                   self.status().kind("certificate")[0]["subject"] == "CN=second.test",
                   "a new certificate and key")
        with wire.handshake(self.alone.socket, self.bob) as tls:
            shown = tls.getpeercert(True)
        self.check(b"second.test" in shown, "are what clients are shown")
        self.write()
        self.reload()

    # What changes nothing.

    def unchanged(self, name, *texts, code=control.REFUSED):
        """Reload says all of @texts, and everything is as before."""
        before = self.status()
        answer = self.reload()
        after = self.status()
        told = after.kind("reload")[0]
        self.check(answer.code == code and all(text in answer.text for text in texts),
                   f"{name}: refused in words", answer)
        serving = [[w["pid"] for w in status.kind("worker") if w["state"] == "running"]
                   for status in (before, after)]
        self.check(serving[0] == serving[1] and before.fields == after.fields and
                   self.login() == ALLOWED, f"{name}: nothing is changed", f"{before}\n{after}")
        self.check(told["result"] == "failed" and told["error"] == answer.text,
                   f"{name}: status says so", told)

    def broken(self):
        at, conf = self.alone.at, "/etc/mtls/authd.conf"
        people = self.alone.cas["people"]
        rows = (("no such key", (conf, "colour"), None, {"colour": "blue"}),
                ("no CA file", (at("none.pem"), "No such file"),
                 {"people": dict(people, files=at("none.pem"))}, {}),
                ("no certificate", (at("none.pem"),), None, {"certificate": at("none.pem")}),
                ("another's key", ("does not belong",), None, {"certificate": at("bob.crt")}),
                ("another address", ("'listen'", "restart"), None, {"listen": "unix:/run/x.sock"}),
                ("another user", ("'user'", "restart"), None, {"user": "mtls-accountd"}),
                ("another control socket", ("'control_socket'", "restart"), None,
                 {"control_socket": "/run/x.sock"}),
                ("many workers", ("workers", "restart"), None, {"workers": "5"}))
        for name, texts, cas, changes in rows:
            self.write(cas, **changes)
            self.unchanged(name, *texts)
        with open(conf, "a", encoding="utf-8") as file:
            file.write("}\n")
        lines = sum(1 for _ in open(conf, encoding="utf-8"))  # pylint: disable=consider-using-with
        self.unchanged("a broken file", f"{conf}:{lines}")
        self.write()
        os.chmod(at("server.key"), 0o600)
        self.unchanged("a key that the daemon may not read", at("server.key"), "Permission denied",
                       "user 'mtls-authd' who opens it")
        os.chmod(at("server.key"), 0o640)
        self.alone.daemon.log.mark()
        self.write(colour="blue")
        os.kill(self.alone.daemon.process.pid, signal.SIGHUP)
        self.check(wait_for(lambda: any("reload: " in line and "colour" in line
                                        for line in self.alone.daemon.log.lines()), PATIENCE),
                   "SIGHUP: the log says why nothing changed")
        self.write()
        answer = self.reload()
        told = self.status().kind("reload")[0]
        self.check(answer.code == control.OK and told["result"] == "ok" and "error" not in told,
                   "a good one ends that", told)

    # Audit records.

    def rotated(self):
        path, audit = self.alone.audit.path, self.alone.audit
        self.reload()
        audit.mark()
        self.login()
        os.rename(path, path + ".1")
        self.alone.daemon.log.mark()
        self.check(self.reload().code == control.OK and any(
            "records go on" in line for line in self.alone.daemon.log.lines()),
            "the file of records is away and may not be made anew: said")
        self.login()
        audit.path = path + ".1"
        self.check(len(audit.records()) == 2, "and none is lost", audit.records())
        audit.path = path
        with open(path, "w", encoding="utf-8"):
            pass
        os.chmod(path, 0o600)
        subprocess.run(["chown", "mtls-authd", path], check=True)
        audit.mark()
        self.check(self.reload().code == control.OK and self.token() == ["allowed"],
                   "a new file that is the daemon's: reload goes over to it")
        os.rename(path, path + ".2")
        with open(path, "w", encoding="utf-8"):
            pass
        os.chmod(path, 0o644)
        subprocess.run(["chown", "mtls-authd", path], check=True)
        self.unchanged("a file of records that others may read", path)
        os.unlink(path)
        os.unlink(path + ".1")
        os.rename(path + ".2", path)
        self.reload()

    # Many.

    def coalesced(self):
        clients = [control.Client(self.alone.control, PATIENCE) for _ in range(12)]
        before = int(self.status().fields["generation"])
        for client in clients:
            client.send(control.request("reload"))
        answers = [client.answer() for client in clients]
        for client in clients:
            client.close()
        after = int(self.status().fields["generation"])
        self.check(all(a.code == control.OK for a in answers), "twelve requests: each is answered",
                   "\n".join(map(str, answers)))
        self.check(before < after <= before + 12 and
                   max(int(a.fields["generation"]) for a in answers) == after,
                   "by a configuration that was read behind it", f"{before} {after}")
        self.out.note(f"12 requests at once: {after - before} reloads")

    def bounded(self):
        """
        Connections that stay: at some time reloads wait, logins never. Two workers, of which one has
        such a connection, so that there are more generations than a count of workers would say.
        """
        self.write(workers="2")
        self.reload()
        held = []
        waiting = None
        while waiting is None and len(held) < 20:
            held.append(Middle(self.alone, self.both))
            client = control.Client(self.alone.control, PATIENCE)
            client.send(control.request("reload"))
            # Answered, or all rows but those of one configuration are taken.
            if wait_for(lambda c=client: select.select([c.socket], [], [], 0)[0] or
                        len(self.workers()) >= 7, PATIENCE) and \
                    select.select([client.socket], [], [], 0)[0]:
                client.answer()
                client.close()
            else:
                waiting = client
        workers = self.workers()
        self.check(waiting is not None and len(workers) <= 8,
                   "workers that drain are bounded: a reload waits", workers)
        self.check(self.login() == ALLOWED, "logins do not")
        again = control.Client(self.alone.control, PATIENCE)
        again.send(control.request("reload"))
        self.check(held.pop(0).choose("bob").verdict == wire.ALLOWED, "the oldest connection ends")
        self.check(waiting.answer().code == control.OK, "so the reload goes on")
        waiting.close()
        self.check(all(m.choose("bob").verdict == wire.ALLOWED for m in held), "all others end well")
        self.check(again.answer().code == control.OK and
                   wait_for(lambda: len(self.workers()) == 2, PATIENCE), "and all old workers end",
                   self.workers())
        again.close()
        self.write()
        self.reload()

    def storm(self):
        """A reload every 100 ms during logins."""
        self.write(workers="2")
        self.reload()
        before = int(self.status().fields["generation"])
        started = time.monotonic()
        load = Load(self.alone.socket, self.bob, BOB, 4, LOGINS // 4)
        asked = 0
        while any(alive(pid) for pid, _ in load.parts):
            os.kill(self.alone.daemon.process.pid, signal.SIGHUP)
            asked += 1
            time.sleep(0.1)  # the rate is what is tried, not waited for
        seen = load.stop()
        took = time.monotonic() - started
        reloads = int(self.status().fields["generation"]) - before
        failed = sum(seen.values()) - seen[ALLOWED]
        self.out.note(f"{asked} requests in {took:.1f} s, {reloads} reloads, "
                      f"{sum(seen.values())} logins, failed {failed}")
        self.check(failed == 0 and seen[ALLOWED] == LOGINS // 4 * 4 and reloads > 2,
                   "a reload every 100 ms during logins: failed 0", dict(seen))
        self.check(wait_for(lambda: len(self.workers()) == 2, PATIENCE), "and all old workers end",
                   self.workers())
        self.write()
        self.reload()

    def steady(self):
        """Nothing is left of a configuration whose last worker has ended."""
        sizes = []
        for _ in range(2):
            for i in range(RELOADS):
                if i % 4 == 3:
                    self.write(colour="blue")
                if self.reload().code != (control.REFUSED if i % 4 == 3 else control.OK):
                    self.check(False, f"reload {i}")
                if i % 4 == 3:
                    self.write()
            wait_for(lambda: len(self.workers()) == 1 and len(self.alone.daemon.pids()) == 6, PATIENCE)
            pid = self.alone.daemon.process.pid
            from lib.alone import status_of  # pylint: disable=import-outside-toplevel
            status = status_of(pid)
            sizes.append((int(status["RssAnon"].split()[0]), len(os.listdir(f"/proc/{pid}/fd")),
                          len(self.alone.daemon.pids())))
        self.out.note(f"after {RELOADS} and {2 * RELOADS} reloads: RssAnon KiB, descriptors, processes: "
                      f"{sizes}")
        # A connection to the control socket may be closed a moment later.
        self.check(sizes[1][1] <= sizes[0][1] + 4 and sizes[1][2] == sizes[0][2],
                   "descriptors and processes are as before", sizes)
        if SANITIZED:
            self.out.skip("memory is as before", "the sanitizer keeps what was freed")
        else:
            self.check(sizes[1][0] <= sizes[0][0] + 256, "memory is as before", sizes)

    def stopped(self):
        """SIGTERM: who is asked to choose is told; who began to is not."""
        choosing = Middle(self.alone, self.both)
        signing = Signing(self.alone, self.bob)
        shaking = wire.dial(self.alone.socket)  # has said nothing yet
        self.alone.audit.mark()
        os.kill(self.alone.daemon.process.pid, signal.SIGTERM)
        verdict = choosing.reply()
        self.check(verdict.verdict == wire.DENIED and self.alone.audit.tokens() == [BUSY],
                   "who is asked to choose is told that the daemon is busy",
                   f"{verdict.reason} {self.alone.audit.tokens()}")
        told = signing.told()
        self.check(told == 24, "and so, when their time is over, are those who were to sign", told)
        self.check(self.alone.daemon.wait_end(PATIENCE) == 0, "and it ends with 0")
        self.check(not any("died" in line for line in self.alone.daemon.log.lines()),
                   "and no process of it died")
        shaking.close()
        self.alone.daemon.process = None


def alive(pid):
    """A child that has not ended; it stays to be waited for."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None


def test(out):
    from lib.alone import Alone  # pylint: disable=import-outside-toplevel
    alone = Alone()
    test = Reload(out, alone)
    test.write()
    alone.daemon.start()
    wait_for(lambda: answers(alone.control), PATIENCE)
    try:
        for part in (test.replaced, test.begun_is_ended, test.revoked, test.new_key, test.broken,
                     test.rotated, test.coalesced, test.bounded, test.storm, test.steady,
                     test.stopped):
            part()
    except Exception:
        out.note("\n".join(alone.daemon.log.lines()[-20:]))
        raise
    finally:
        alone.daemon.kill()


private.enter(preload=False)
sys.exit(tap.run(test))
