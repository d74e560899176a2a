# SPDX-License-Identifier: LGPL-2.1-or-later
"""mtls-authd as a set of processes: what it refuses to start with, what rights its processes have,
what happens when one of them dies or hangs."""
import json
import os
import pwd
import signal
import socket
import stat
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests/certs"))
# pylint: disable=wrong-import-position
from lib import control, private, tap, wire
from lib.records import wait_for

GOOD = wire.auth_request(account="bob")
EXIT_USAGE, EXIT_UNAVAILABLE, EXIT_NOPERM, EXIT_CONFIG = 64, 69, 77, 78


class Start:
    def __init__(self, out, alone):
        import pki  # pylint: disable=import-outside-toplevel
        self.out, self.alone, self.pki = out, alone, pki
        self.context = wire.context(alone.at("bob.crt"), alone.at("bob.key"))

    def login(self):
        try:
            return wire.outcome(self.alone.socket, self.context, GOOD)
        except OSError as error:
            return str(error)

    def allowed(self):
        return wait_for(lambda: self.login() == "reason:0", 10)

    def run(self, *options):
        return subprocess.run([self.alone.program, *options], stdout=subprocess.PIPE, timeout=20,
                              stderr=subprocess.STDOUT, check=False, encoding="utf-8",
                              stdin=subprocess.DEVNULL)

    # What it does not start with.

    def options(self):
        rows = (("--help", 0, "Usage: mtls-authd"), ("--version", 0, "mtls-authd (pam-mtls)"),
                ("--dump-config", 0, "handshake_timeout"), ("--check", 0, ""),
                ("--nonsense", EXIT_USAGE, "Usage"), ("extra", EXIT_USAGE, "Usage"))
        for option, code, text in rows:
            done = self.run(option)
            self.out.result(done.returncode == code and text in done.stdout,
                            f"option {option}", f"{done.returncode}: {done.stdout}")
        done = self.run("--lookup-process", "x509", str(os.getpid()))
        self.out.result(done.returncode == 1 and "started by mtls-authd only" in done.stdout,
                        "a lookup process is not for the command line", done.stdout)
        told = wire.as_uid(65534, lambda: self.run("--check").returncode)
        self.out.result(told == str(EXIT_CONFIG), "a person cannot check: the key is not readable",
                        told)
        told = wire.as_uid(65534, lambda: self.run().returncode)
        self.out.result(told == str(EXIT_NOPERM), "a person cannot start it", told)

    def refuse(self, name, *texts, **settings):
        """--check and a start refuse, naming all of @texts."""
        self.alone.write_settings(**settings)
        for options in ((), ("--check",)):
            done = self.run(*options)
            self.out.result(done.returncode == EXIT_CONFIG and
                            all(text in done.stdout for text in texts),
                            f"{' '.join(options) or 'start'}: {name}",
                            f"{done.returncode}: {done.stdout}")
        self.alone.write_settings()

    def refusals(self):
        at, good = self.alone.at, self.alone.cas
        key = at("server.key")
        people = good["people"]
        self.refuse("no certificate file", at("none.pem"), "No such file",
                    certificate=at("none.pem"))
        self.refuse("no key file", at("none.key"), "No such file", private_key=at("none.key"))
        self.refuse("another certificate's key", key, at("bob.crt"), "does not belong",
                    certificate=at("bob.crt"))
        self.refuse("garbage instead of a certificate", "authd.conf", certificate="/etc/mtls/authd.conf")
        for name, mode, uid, gid in (("readable by others", 0o644, 0, 0),
                                     ("readable by another group", 0o640, 0, 12345),
                                     ("another's", 0o600, 12345, 0),
                                     ("writable by its group", 0o660, 0, 0)):
            before = os.stat(key)
            os.chmod(key, mode)
            os.chown(key, uid, gid)
            self.refuse("key " + name, key)
            os.chown(key, before.st_uid, before.st_gid)
            os.chmod(key, stat.S_IMODE(before.st_mode))
        self.refuse("no CA file", at("none.pem"),
                    cas={"people": {"role": "user", "files": at("none.pem")}})
        self.refuse("a leaf as CA", at("bob.crt"),
                    cas={"people": {"role": "user", "files": at("bob.crt")}})
        self.refuse("one CA in both roles", at("user-ca.pem"),
                    cas={"people": people, "machines": {"role": "host",
                                                        "files": at("user-ca.pem")}})
        self.refuse("no CRL file", at("none.crl"), "No such file",
                    cas={"people": dict(people, crl=at("none.crl"))})
        self.refuse("garbage instead of a CRL", at("bob.key"),
                    cas={"people": dict(people, crl=at("bob.key"))})
        self.refuse("an unknown user", "nobody-such", user="nobody-such")
        self.refuse("root as user", "root", user="root")
        self.refuse("an unknown key", "authd.conf", "colour", colour="blue")
        self.refuse("a host name to listen on", "listen", listen="tcp:localhost:7443")
        os.chmod(at("user-ca.pem"), 0o666)
        self.refuse("a CA file that others may write", at("user-ca.pem"))
        os.chmod(at("user-ca.pem"), 0o644)
        audit = self.alone.audit.path
        self.pki.write(audit, "", 0o644)
        os.chmod(audit, 0o644)
        done = self.run()
        self.out.result(done.returncode == EXIT_CONFIG and audit in done.stdout,
                        "start: an audit file that others may read", done.stdout)
        os.unlink(audit)

    def warnings(self):
        self.alone.user_ca.sign(self.alone.at("from-user-ca.pem"), self.alone.at("server.key"),
                                "/CN=auth.test", self.pki.SERVER)
        self.alone.write_settings(certificate=self.alone.at("from-user-ca.pem"))
        done = self.run("--check")
        self.out.result(done.returncode == 0 and "issues for people" in done.stdout,
                        "a server certificate from the user CA is warned about", done.stdout)
        self.alone.server_ca.sign(self.alone.at("ends.pem"), self.alone.at("server.key"),
                                  "/CN=auth.test", self.pki.SERVER,
                                  days=(-100 * 86400, 5 * 86400 + 3600))
        self.alone.write_settings(certificate=self.alone.at("ends.pem"))
        done = self.run("--check")
        self.out.result(done.returncode == 0 and "ends in 5 days" in done.stdout,
                        "the end of the server certificate is warned about", done.stdout)
        self.alone.write_settings()

    # Sockets.

    def sockets(self):
        path, daemon = self.alone.socket, self.alone.daemon
        os.makedirs(os.path.dirname(path), exist_ok=True)
        self.pki.write(path, "")
        done = self.run()
        self.out.result(done.returncode == EXIT_UNAVAILABLE and "not a socket" in done.stdout,
                        "a file in the socket's place is not removed", done.stdout)
        os.unlink(path)
        folder = os.path.dirname(path)
        os.chmod(folder, 0o777)
        done = self.run()
        self.out.result(done.returncode == EXIT_UNAVAILABLE and folder in done.stdout,
                        "a folder that others may write to is refused", done.stdout)
        os.rmdir(folder)
        daemon.start()
        self.out.result(self.allowed(), "the folder is made, a login enters")
        modes = [stat.S_IMODE(os.stat(p).st_mode) for p in (path, folder)]
        self.out.result(modes == [0o666, 0o755] and os.stat(path).st_uid == 0,
                        "socket 0666, folder 0755, root's", str(modes))
        self.out.result(stat.S_IMODE(os.stat(self.alone.audit.path).st_mode) == 0o600,
                        "the audit file is 0600")
        done = self.run()
        self.out.result(done.returncode == EXIT_UNAVAILABLE and "another process" in done.stdout and
                        self.login() == "reason:0", "a second daemon does not steal the socket",
                        done.stdout)

    def control(self):
        """The control socket: root's, bounded, and what it tells."""
        from lib.alone import uid_of  # pylint: disable=import-outside-toplevel
        path = self.alone.control
        told = os.stat(path)
        self.out.result(stat.S_IMODE(told.st_mode) == 0o600 and told.st_uid == 0,
                        "the control socket is root's, 0600", oct(told.st_mode))
        answer = control.ask(path, "status")
        daemon = answer.kind("daemon")
        self.out.result(answer.code == control.OK and len(daemon) == 1 and
                        daemon[0]["pid"] == str(self.alone.daemon.process.pid) and
                        daemon[0]["state"] == "running", "status: the daemon", answer)
        self.out.result([w["pid"] for w in answer.kind("worker")] == [str(self.alone.worker())],
                        "status: its worker", answer.kind("worker"))
        certificate = answer.kind("certificate")
        self.out.result([c["file"] for c in certificate] == [self.alone.at("server.pem")] and
                        certificate[0]["subject"] == "CN=auth.test" and
                        int(certificate[0]["not-after"]) > 0, "status: the certificate", certificate)
        roles = {(ca["name"], ca["role"], ca["file"]) for ca in answer.kind("ca")}
        self.out.result(roles == {("people", "user", self.alone.at("user-ca.pem")),
                                  ("machines", "host", self.alone.at("host-ca.pem"))},
                        "status: the CAs", roles)
        self.out.result(len(answer.kind("listener")) == 2 and answer.kind("counter"),
                        "status: listeners and counters", answer)
        for verb, fields in (("colour", {}), ("status", {"colour": "blue"})):
            answer = control.ask(path, verb, **fields)
            self.out.result(answer.code == control.USAGE and "not known" in answer.text,
                            f"{verb} {fields}: not known", answer)
        os.chmod(path, 0o666)
        told = wire.as_uid(uid_of("bob"), lambda: control.ask(path, "status").code)
        self.out.result(told == "None", "a person is told nothing, even if the mode were wrong", told)
        os.chmod(path, 0o600)
        clients = [control.Client(path) for _ in range(16)]
        for client in clients[1:]:
            client.send(control.request("status")[:5])
        self.out.result(self.login() == "reason:0", "clients that hold the control socket hold no login")
        for client in clients:
            client.close()
        self.out.result(control.ask(path, "status").code == control.OK, "nor the next client")

    # Processes.

    def rights(self):
        from lib.alone import status_of, uid_of  # pylint: disable=import-outside-toplevel
        daemon, worker = self.alone.daemon, self.alone.worker()
        uid = uid_of("mtls-authd")
        gid = pwd.getpwuid(uid).pw_gid
        kinds = sorted(kind for _, kind in self.alone.lookups())
        self.out.result(kinds == ["accounts"] * 2 + ["x509"] * 2, "two lookup processes of a kind",
                        str(kinds))
        for pid in daemon.pids():
            status = status_of(pid)
            ids = set(status["Uid"].split() + status["Gid"].split())
            name = "worker" if pid == worker else "supervisor" if pid == daemon.process.pid \
                else "lookup process"
            self.out.result(ids == {str(uid), str(gid)} and status.get("Groups", "").strip() == "" and
                            int(status["CapEff"], 16) == 0 and int(status["CapPrm"], 16) == 0 and
                            status["NoNewPrivs"] == "1", f"{name}: no rights of root left",
                            str(sorted(ids)))
            self.out.result(os.stat(f"/proc/{pid}/mem").st_uid == 0, f"{name}: not dumpable")
            seccomp = "0" if pid == daemon.process.pid else "2"
            self.out.result(status["Seccomp"] == seccomp, f"{name}: seccomp {seccomp}",
                            status["Seccomp"])
        files = [os.readlink(f"/proc/{worker}/fd/{fd}") for fd in os.listdir(f"/proc/{worker}/fd")]
        files = [f for f in files if f.startswith("/") and f not in
                 ("/dev/null", self.alone.audit.path, self.alone.daemon.log.path)]
        self.out.result(not files, "the worker has no file but its record and log", str(files))
        keys = [pid for pid, _ in self.alone.lookups() if self.holds_key(pid)]
        self.out.result(not keys, "no lookup process holds the server's key")
        self.out.result(self.holds_key(worker), "(the worker does: the search finds it)")

    def holds_key(self, pid):
        """True if the private scalar of the server's key is in the memory of @pid."""
        text = subprocess.run(["openssl", "pkey", "-in", self.alone.at("server.key"), "-noout",
                               "-text"], stdout=subprocess.PIPE, check=True).stdout.decode()
        digits = text.split("priv:")[1].split("pub:")[0]
        scalar = bytes(int(part, 16) for part in digits.replace("\n", "").replace(" ", "").split(":"))
        scalar = scalar.lstrip(b"\0")
        limbs = scalar.rjust(32, b"\0")[::-1]  # as nettle and GMP keep it
        with open(f"/proc/{pid}/maps", encoding="utf-8") as maps, open(f"/proc/{pid}/mem",
                                                                       "rb") as mem:
            for line in maps:
                area, mode = line.split()[:2]
                low, high = (int(x, 16) for x in area.split("-"))
                if not mode.startswith("rw") or high - low > 1 << 26:
                    continue  # nothing of ours is that large; a sanitizer's shadow is
                try:
                    mem.seek(low)
                    data = mem.read(high - low)
                except (OSError, ValueError):
                    continue
                if scalar in data or limbs in data:
                    return True
        return False

    def deaths(self):
        daemon = self.alone.daemon
        worker = self.alone.worker()
        os.kill(worker, signal.SIGKILL)
        self.out.result(self.allowed() and self.alone.worker() not in (None, worker),
                        "a dead worker is replaced", daemon.log.lines())
        before = {pid for pid, _ in self.alone.lookups()}
        for pid in before:
            os.kill(pid, signal.SIGABRT)  # a sanitizer would first write a report of SIGSEGV
        self.out.result(wait_for(lambda: len(self.alone.lookups()) == 4 and not
                                 before & {pid for pid, _ in self.alone.lookups()}, 20) and
                        self.allowed(), "dead lookup processes are replaced", daemon.log.lines())
        pids = daemon.pids()
        os.kill(daemon.process.pid, signal.SIGKILL)
        daemon.process.wait()
        self.out.result(wait_for(lambda: not any(os.path.exists(f"/proc/{p}") for p in pids), 20),
                        "without the supervisor all end")
        daemon.start()
        self.out.result(self.allowed(), "a socket left behind is replaced")

    def hang(self):
        """A lookup that hangs is killed; the next ones are served."""
        daemon = self.alone.daemon
        frozen = [pid for pid, _ in self.alone.lookups()]
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        self.alone.audit.mark()
        got = self.login()
        self.out.result(got == "reason:63" and self.alone.audit.tokens() == ["lookup-timeout"],
                        "hung lookups: lookup-timeout", f"{got} {self.alone.audit.tokens()}")
        self.out.result(self.login() == "reason:63" or self.allowed(), "the second hung one too")
        self.out.result(self.allowed(), "they are replaced", daemon.log.lines())
        for pid in frozen:
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                pass

    def snapshot_missing(self):
        """Without a snapshot nobody is 'unmapped': it cannot be known."""
        path = os.path.join(private.environment("MTLS_STATEDIR"), "snapshot/accounts.cdb")
        os.rename(path, path + ".away")
        self.alone.daemon.stop()
        self.alone.daemon.start()
        self.alone.audit.mark()
        got = self.login()
        self.out.result(got == "reason:64" and self.alone.audit.tokens() == ["lookup-failed"],
                        "no snapshot: lookup-failed", f"{got} {self.alone.audit.tokens()}")
        self.out.result(any("service x509 does not answer" in line
                            for line in self.alone.daemon.log.lines()), "and the log says why")
        os.rename(path + ".away", path)
        self.alone.daemon.stop()
        self.alone.daemon.start()

    def journal(self):
        """Without audit_file, where there is a journal: its native protocol."""
        path = "/run/systemd/journal/socket"
        os.makedirs(os.path.dirname(path))
        self.alone.write_settings(audit_file=None)
        for life in ("the journal gets a record", "a journal that was started anew gets it too"):
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                sock.bind(path)
                os.chmod(path, 0o666)
                sock.settimeout(10)
                if self.alone.daemon.ended():
                    self.alone.daemon.start()
                fields, entered = {}, self.login()
                if entered == "reason:0":
                    fields = journal_fields(sock.recv(1 << 20))
            os.unlink(path)
            record = json.loads(fields.get("MTLS_AUDIT", "{}"))
            self.out.result(fields.get("MTLS_VERDICT") == "allowed" and
                            fields.get("MTLS_ACCOUNT") == "bob" and
                            fields.get("MESSAGE") == "allowed account 'bob' service 'sudo': allowed"
                            and record.get("audit_id") == fields.get("MTLS_AUDIT_ID"), life,
                            f"{entered} {fields}")
        self.out.result(self.login() == "reason:0" and
                        any('"verdict":"allowed"' in line for line in self.alone.daemon.log.lines()),
                        "while there is no journal, standard error gets the record")
        self.alone.daemon.stop()
        self.alone.write_settings()

    def full_disk(self):
        """A record that has no room is said to be lost, and locks nobody out; the next is whole."""
        folder = "/run/full"
        os.makedirs(folder)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=755", "tmpfs", folder], check=True)
        filler = folder + "/filler"
        subprocess.run(["dd", "if=/dev/zero", "of=" + filler, "bs=4k"], check=False,
                       stderr=subprocess.DEVNULL)
        self.alone.write_settings(audit_file=folder + "/audit.json")
        self.alone.daemon.start()
        entered = self.login()
        self.out.result(entered == "reason:0" and wait_for(lambda: any(
            "was lost" in line for line in self.alone.daemon.log.lines())),
            "no room for the record: entered, and the log says that it was lost",
            f"{entered} {self.alone.daemon.log.lines()}")
        os.unlink(filler)
        entered = self.login()
        with open(folder + "/audit.json", encoding="utf-8") as file:
            records = [json.loads(line) for line in file]
        self.out.result(entered == "reason:0" and [r["verdict"] for r in records] == ["allowed"],
                        "with room again the next record is whole", f"{entered} {records}")
        self.alone.daemon.stop()
        self.alone.write_settings()

    def keylog(self):
        """SSLKEYLOGFILE of whoever starts it is not obeyed."""
        path = "/run/mtls-test/keylog"
        process = subprocess.Popen([self.alone.program], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   env={**os.environ, "SSLKEYLOGFILE": path})
        entered = self.allowed()
        process.send_signal(signal.SIGTERM)
        process.wait(20)
        self.out.result(entered and not os.path.exists(path), "no TLS secrets are written")

    def signals(self):
        daemon = self.alone.daemon
        self.allowed()
        os.kill(daemon.process.pid, signal.SIGHUP)
        os.kill(daemon.process.pid, signal.SIGUSR1)
        self.out.result(wait_for(lambda: any("counters: " in line and "handshakes_total ok" in line
                                             for line in daemon.log.lines())),
                        "SIGUSR1 logs the counters", daemon.log.lines())
        self.out.result(self.allowed(), "SIGHUP ends nothing")
        pids = daemon.pids()
        status = daemon.stop()
        self.out.result(status == 0 and not any(os.path.exists(f"/proc/{p}") for p in pids),
                        "SIGTERM ends all, status 0", str(status))


def journal_fields(data):
    """The fields of one datagram, all in the form with a length."""
    found = {}
    while data:
        name, rest = data.split(b"\n", 1)
        size = int.from_bytes(rest[:8], "little")
        found[name.decode()] = rest[8:8 + size].decode()
        data = rest[8 + size + 1:]
    return found


def test(out):
    from lib.alone import Alone  # pylint: disable=import-outside-toplevel
    alone = Alone()
    start = Start(out, alone)
    try:
        for part in (start.options, start.refusals, start.warnings, start.sockets, start.control, start.rights,
                     start.deaths, start.hang, start.snapshot_missing, start.signals,
                     start.journal, start.full_disk, start.keylog):
            part()
    finally:
        alone.daemon.kill()


private.enter(preload=False)
sys.exit(tap.run(test))
