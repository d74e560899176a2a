# SPDX-License-Identifier: LGPL-2.1-or-later
"""mtls-authd seen from outside, by gnutls-cli, openssl s_client and a client of our own: what TLS
it speaks, what it refuses and how, and that the refused ones cost the others nothing."""
import os
import re
import socket
import ssl
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests/certs"))
# pylint: disable=wrong-import-position
from lib import private, tap, wire
from lib.records import wait_for

REASON = {"allowed": 0, "choose": 1, "cert-role": 21, "unmapped": 40, "mapped-to-other": 41,
          "account-not-peer": 44, "bad-choice": 45, "role": 60, "bad-request": 61, "version": 62,
          "lookup-timeout": 63, "choice-timeout": 67}
GOOD = wire.auth_request(account="bob")


def reason(name):
    return f"reason:{REASON[name]}"


def huge_key(path):
    """An RSA key of 16,384 bits whose *public* exponent is as long: what computing its signatures'
    check costs without bounds is a second."""
    import pki  # pylint: disable=import-outside-toplevel
    p, q, d = 2**11213 - 1, 34601 * 2**5155 + 1, 65537
    e = pow(d, -1, (p - 1) * (q - 1))
    values = (0, p * q, e, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p))
    body = pki.der(0x30, b"".join(pki.integer(v) for v in values))
    pem = subprocess.run(["openssl", "rsa", "-inform", "DER"], input=body, check=True,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE).stdout.decode()
    pki.write(path, pem)
    return path


def crowded_leaf(path, key, count, copies):
    """A certificate over the public key of @key whose subject has @count names of 9 octets; some
    copies of it are a chain."""
    import pki  # pylint: disable=import-outside-toplevel
    public = subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-outform", "DER"],
                            check=True, stdout=subprocess.PIPE).stdout
    algorithm = pki.der(0x30, bytes.fromhex("06082a8648ce3d040302"))
    name = pki.der(0x31, pki.der(0x30, bytes.fromhex("0601010c00")))
    times = pki.der(0x30, pki.der(0x17, b"250101000000Z") + pki.der(0x17, b"350101000000Z"))
    body = pki.der(0x30, bytes.fromhex("a003020102020101") + algorithm + pki.der(0x30, name) +
                   times + pki.der(0x30, name * count) + public)
    whole = pki.der(0x30, body + algorithm + pki.der(0x03, bytes.fromhex("003006020101020101")))
    pem = subprocess.run(["openssl", "x509", "-inform", "DER"], input=whole, check=True,
                         stdout=subprocess.PIPE).stdout.decode()
    pki.write(path, pem * copies)


def accepted(text):
    """The names that openssl s_client saw in CertificateRequest."""
    after = text.partition("Acceptable client certificate CA names\n")[2]
    names = after.partition("\nRequested Signature Algorithms")[0]
    return names.split("\n") if names else []


class Outside:
    def __init__(self, out, alone):
        self.out, self.alone = out, alone
        self.path = alone.socket

    def context(self, name, **options):
        return wire.context(self.alone.at(name + ".crt"), self.alone.at(name + ".key"), **options)

    def check(self, name, got, want, record=None):
        """The outcome, and the reason of the one new audit record (None: there is none)."""
        records = self.alone.audit.records()
        tokens = [r["reason"] for r in records]
        wanted = [record] if record else []
        self.out.result(got == want and tokens == wanted, name,
                        f"got {got}, want {want}; records {tokens}, want {wanted}")
        self.alone.audit.mark()
        return records[-1] if records else {}

    def restart(self):
        self.alone.daemon.stop()
        self.alone.daemon.start()

    def login(self):
        return wire.outcome(self.path, self.context("bob"), GOOD)

    # What is allowed.

    def passing(self):
        record = self.check("root's program, user certificate: allowed", self.login(),
                            reason("allowed"), "allowed")
        self.out.result(record.get("account", {}).get("name") == "bob" and
                        record.get("rule") == "spki-sha256" and
                        record.get("verified", {}).get("subject") == "CN=bob,O=Example" and
                        record.get("reported", {}).get("service") == "sudo" and
                        record.get("peer", {}).get("uid") == 0 and "leaf" not in record,
                        "its record says who, what, by which rule", str(record))
        got = wire.outcome(("127.0.0.1", 7443), self.context("bob"), GOOD)
        record = self.check("the same by TCP", got, reason("allowed"), "allowed")
        self.out.result("claimed" in record and "reported" not in record,
                        "by TCP the request is only claimed", str(record))
        reply = wire.ask(self.path, self.context("bob"), GOOD)
        self.out.result(reply.nonce == wire.NONCE and reply.account == "bob" and
                        reply.verdict == wire.ALLOWED, "the reply carries nonce and account")
        self.check("its record", reply.audit_id, self.alone.audit.records()[-1]["audit_id"],
                   "allowed")

    def roles(self):
        from lib.alone import uid_of  # pylint: disable=import-outside-toplevel
        bob = self.context("bob")
        host = self.context("machine")
        rows = (
            ("a person for herself", "bob", bob, GOOD, "allowed"),
            ("a person for another's account", "carol", bob, GOOD, "account-not-peer"),
            ("a host's certificate, by a person", "carol", host, GOOD, "cert-role"),
            ("a host's certificate, by root", "root", host, GOOD, "cert-role"),
            ("an account that is another's", "root", bob, wire.auth_request(account="alice"),
             "mapped-to-other"),
            ("a certificate nobody bound", "root", self.context("stranger"), GOOD, "unmapped"),
            ("another protocol version", "root", bob, wire.auth_request(account="bob", version=2),
             "version"),
        )
        for name, who, made, request, want in rows:
            got = wire.as_uid(uid_of(who), lambda m=made, r=request: wire.outcome(self.path, m, r))
            self.check(name, got, reason(want), want)
        got = wire.outcome(("127.0.0.1", 7443), host, GOOD)
        self.check("a host's certificate by TCP", got, reason("role"), "role")

    def choices(self):
        both = self.context("both")
        ask = wire.auth_request()

        def choose(*messages):
            with wire.handshake(self.path, both) as tls:
                tls.sendall(ask)
                offer = wire.Reply(wire.receive(tls))
                if offer.verdict != wire.CHOOSE or offer.candidates != ["alice", "bob"]:
                    return f"offered {offer.verdict} {offer.candidates}"
                for message in messages:
                    tls.sendall(message)
                data = wire.receive(tls)
                return f"reason:{wire.Reply(data).reason}" if data else "closed"

        self.check("two accounts: one is chosen", choose(wire.auth_choice("alice")),
                   reason("allowed"), "allowed")
        self.check("an account that was not offered", choose(wire.auth_choice("carol")),
                   reason("bad-choice"), "bad-choice")
        self.check("a choice with another nonce", choose(wire.auth_choice("bob", bytes(32))),
                   reason("bad-request"), "bad-request")
        self.check("no choice", choose(), reason("choice-timeout"), "choice-timeout")
        self.check("a request instead of a choice", choose(GOOD), "closed", "bad-request")

    # What TLS is refused.

    def versions(self):
        made = self.context("bob", maximum=ssl.TLSVersion.TLSv1_2)
        self.check("own client: TLS 1.2", wire.outcome(self.path, made, GOOD),
                   "alert handshake failure", "handshake")
        text = self.gnutls_cli("--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.2")
        self.check("gnutls-cli: TLS 1.2", "alert" in text and "Handshake was completed" not in text,
                   True, "handshake")
        text = self.s_client("-tls1_2")
        self.check("openssl s_client: TLS 1.2", "alert handshake failure" in text, True, "handshake")
        text = self.s_client("-tls1_3", *self.credential("bob"), "-alpn", wire.ALPN)
        self.check("openssl s_client: TLS 1.3 is spoken", "TLSv1.3" in text, True, "timeout")

    def protocols(self):
        for name, alpn in (("none", None), ("another", "h2"), ("longer", wire.ALPN + "0"),
                           ("shorter", wire.ALPN[:-1])):
            got = wire.outcome(self.path, self.context("bob", alpn=alpn), GOOD)
            self.check(f"ALPN: {name}", got, "alert no application protocol", "protocol")
        text = self.gnutls_cli(*self.gnutls_credential("bob"))
        self.check("gnutls-cli without ALPN", "No common application protocol" in text or
                   "No supported application protocol" in text or "120" in text, True, "protocol")

    def certificates(self):
        self.check("no certificate", wire.outcome(self.path, wire.context(), GOOD),
                   "alert certificate required", "certificate-required")
        text = self.gnutls_cli("--alpn", wire.ALPN)
        self.check("gnutls-cli without certificate", "Certificate is required" in text, True,
                   "certificate-required")
        got = wire.outcome(self.path, self.context("foreign"), GOOD)
        record = self.check("another CA", got, "alert unknown ca", "issuer-untrusted")
        shown = record.get("presented", {})
        self.out.result("leaf" in record and "verified" not in record and
                        shown.get("subject") == "CN=foreign,O=Example" and
                        shown.get("issuer") == "CN=Other CA,O=Other" and
                        {"serial", "sha256", "spki_sha256", "not_after"} <= shown.keys(),
                        "its record carries the leaf and claims nothing verified", str(record))
        text = self.s_client("-psk", "1a2b", "-psk_identity", "x", "-alpn", wire.ALPN)
        self.check("a pre-shared key replaces no certificate", "alert" in text, True,
                   "certificate-required")
        chain = self.alone.at("200.pem")
        with open(self.alone.at("bob.crt"), encoding="utf-8") as file:
            one = file.read()
        with open(self.alone.at("user-ca.pem"), encoding="utf-8") as file:
            other = file.read()
        for count, name in ((9, "9 certificates"), (200, "200 certificates")):
            with open(chain, "w", encoding="utf-8") as file:
                file.write(one + other * (count - 1))
            got = wire.outcome(self.path, wire.context(chain, self.alone.at("bob.key")), GOOD)
            self.check(name, got, "alert bad certificate", "certificate-bounds")

    def hints(self):
        """Whose certificates are taken, said in CertificateRequest: people's CAs only, and all or none."""
        text = self.s_client("-tls1_3", *self.credential("bob"), "-alpn", wire.ALPN)
        self.check("people's CAs are named to clients", accepted(text), ["O = Example, CN = User CA"],
                   "timeout")
        many, key = self.alone.at("many.pem"), self.alone.at("user-ca.key")
        with open(many, "w", encoding="utf-8") as file:
            for number in range(130):
                subject = f"/CN={number}" + "".join(f"/OU={unit}{'x' * 60}" for unit in range(8))
                file.write(subprocess.run(["openssl", "req", "-x509", "-key", key, "-subj", subject],
                                          check=True, stdout=subprocess.PIPE).stdout.decode())
        self.alone.write_settings({**self.alone.cas, "many": {"role": "user", "files": many}})
        self.restart()
        self.check("names of more than 64 KiB hinder no login", self.login(), reason("allowed"),
                   "allowed")
        text = self.s_client("-tls1_3", *self.credential("bob"), "-alpn", wire.ALPN)
        self.check("too many names: none is told", accepted(text), [], "timeout")
        self.alone.write_settings()
        self.restart()

    def huge(self):
        """A leaf with a 16,384-bit key and exponent costs milliseconds."""
        from lib.alone import cpu_ms  # pylint: disable=import-outside-toplevel
        key = huge_key(self.alone.at("huge.key"))
        public, leaf = self.alone.at("huge.pub"), self.alone.at("huge.crt")
        subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-out", public], check=True,
                       stderr=subprocess.DEVNULL)
        for authority, name in ((self.alone.other_ca, "self-made"), (self.alone.user_ca, "issued")):
            authority.sign_public(leaf, public, "/O=Example/CN=huge")
            made = wire.context(leaf, key)
            before = cpu_ms(self.alone.worker())
            got = [wire.outcome(self.path, made, GOOD) for _ in range(2)]
            spent = cpu_ms(self.alone.worker()) - before
            tokens = self.alone.audit.tokens()
            self.alone.audit.mark()
            self.out.result(got == ["alert bad certificate"] * 2 and
                            tokens == ["certificate-bounds"] * 2,
                            f"16,384-bit RSA leaf, {name}: refused", f"{got} {tokens}")
            self.out.result(spent <= 60, f"16,384-bit RSA leaf, {name}: in milliseconds",
                            f"two handshakes took {spent} ms of the worker's CPU")

    def crowded(self):
        """So do chains of many tiny elements: a decoder needs the square of their number."""
        from lib.alone import cpu_ms  # pylint: disable=import-outside-toplevel
        key, leaf = self.alone.at("bob.key"), self.alone.at("crowded.crt")
        for count, copies in ((1600, 4), (7200, 1)):
            crowded_leaf(leaf, key, count, copies)
            made = wire.context(leaf, key)
            before = cpu_ms(self.alone.worker())
            got = [wire.outcome(self.path, made, GOOD) for _ in range(2)]
            spent = cpu_ms(self.alone.worker()) - before
            tokens = self.alone.audit.tokens()
            self.alone.audit.mark()
            self.out.result(got == ["alert bad certificate"] * 2 and
                            tokens == ["certificate-bounds"] * 2,
                            f"{copies} certificates of {count} names: refused", f"{got} {tokens}")
            self.out.result(spent <= 60, f"{copies} certificates of {count} names: in milliseconds",
                            f"two handshakes took {spent} ms of the worker's CPU")

    def one_handshake_one_verdict(self):
        """No tickets, no resumption, no post-handshake authentication."""
        made = self.context("bob")
        made.post_handshake_auth = True
        with wire.handshake(self.path, made) as tls:
            tls.sendall(GOOD)
            reply = wire.Reply(wire.receive(tls))
            session = tls.session
        self.check("a client that offers post-handshake authentication is not asked for it",
                   reply.verdict, wire.ALLOWED, "allowed")
        self.out.result(not session.has_ticket, "no ticket was sent")
        try:
            with wire.handshake(self.path, made, session=session) as tls:
                tls.sendall(GOOD)
                reused = tls.session_reused
                wire.receive(tls)
        except ssl.SSLError as error:
            reused = error.reason
        self.check("a session is not resumed", reused, False, "allowed")
        text = self.s_client("-tls1_3", *self.credential("bob"), "-alpn", wire.ALPN)
        self.check("openssl s_client sees no ticket", "New Session Ticket" in text, False,
                   "timeout")
        text = self.gnutls_cli("--resume", "--alpn", wire.ALPN, *self.gnutls_credential("bob"))
        self.out.result("*** This is a resumed session" not in text,
                        "gnutls-cli cannot resume", text)
        self.alone.audit.mark()

    # Bytes that are no request.

    def messages(self):
        rows = (
            ("garbage", b"GET / HTTP/1.0\r\n\r\n"),
            ("an unknown type", wire.der(0x7E, b"\x02\x01\x01")),
            ("a reserved type", wire.der(0x64, b"\x02\x01\x01")),
            ("a reply", wire.der(0x62, b"\x02\x01\x01")),
            ("a choice first", wire.auth_choice("bob")),
            ("a length over the maximum", b"\x61\x83\x10\x00\x00" + b"x" * 64),
            ("a padded INTEGER", GOOD.replace(b"\x02\x01\x01", b"\x02\x02\x00\x01", 1)),
            ("trailing bytes", GOOD + b"\x00"),
            ("two messages", GOOD + GOOD),
        )
        for name, message in rows:
            got = wire.outcome(self.path, self.context("bob"), message)
            self.check("closed: " + name, got, "closed", "bad-request")
        got = wire.outcome(self.path, self.context("bob"), GOOD[:20])
        self.check("closed at the deadline: half a message", got, "closed", "timeout")
        got = wire.outcome(self.path, self.context("bob"))
        self.check("closed at the deadline: no message", got, "closed", "timeout")
        with wire.handshake(self.path, self.context("bob")) as tls:
            tls.sendall(GOOD[:30])
            time.sleep(0.1)
            tls.sendall(GOOD[30:])
            reply = wire.Reply(wire.receive(tls))
        self.check("a message in two pieces is one message", reply.verdict, wire.ALLOWED, "allowed")

    def garbage(self):
        """Before the handshake."""
        for name, data in (("HTTP", b"GET / HTTP/1.0\r\n\r\n"), ("zeros", bytes(4096)),
                           ("SSH", b"SSH-2.0-OpenSSH_9.2\r\n"),
                           ("a long record", b"\x16\x03\x01\xff\xff" + bytes(70000)),
                           ("a torn ClientHello", b"\x16\x03\x01\x00\x05\x01\x00\xff\xff\xff")):
            with wire.dial(self.path) as sock:
                try:
                    sock.sendall(data)
                    while sock.recv(4096):
                        pass
                    closed = True
                except ConnectionError:
                    closed = True
                except socket.timeout:
                    closed = False
            if name == "a torn ClientHello":
                want = ("timeout", "handshake")
            else:
                want = ("handshake",)
            tokens = self.alone.audit.tokens()
            self.out.result(closed and len(tokens) == 1 and tokens[0] in want,
                            f"garbage instead of TLS: {name}", f"{closed} {tokens}")
            self.alone.audit.mark()
        with wire.dial(self.path):
            pass
        self.check("who connects and leaves gets no record", self.login(), reason("allowed"),
                   "allowed")

    # Who is slow, or many.

    def slow_loris(self):
        """One byte now and then does not keep a place; others are served meanwhile."""
        from lib.alone import uid_of  # pylint: disable=import-outside-toplevel
        hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64)

        def slow():
            # One that was closed leaves the others as they are: each has a deadline of its own.
            socks = [wire.dial(self.path) for _ in range(6)]
            started, sent = time.monotonic(), 0
            while time.monotonic() - started < 8:
                for sock in list(socks):
                    try:
                        sock.sendall(hello[sent:sent + 1])
                    except OSError:
                        socks.remove(sock)
                if not socks:
                    return f"closed after {time.monotonic() - started:.1f}"
                sent = min(sent + 1, len(hello) - 1)
                time.sleep(0.05)
            return "still open"

        pid = os.fork()
        if pid == 0:
            told = wire.as_uid(uid_of("carol"), slow)
            os._exit(0 if told.startswith("closed after ") and float(told.split()[2]) < 3 else 1)
        answers, worst = [], 0.0
        for _ in range(10):
            started = time.monotonic()
            answers.append(self.login())
            worst = max(worst, time.monotonic() - started)
        self.out.result(answers == [reason("allowed")] * 10 and worst < 0.5,
                        "others are served meanwhile", f"{answers}, slowest {worst:.3f} s")
        _, status = os.waitpid(pid, 0)
        self.out.result(status == 0, "a slow client is closed at the deadline")
        wait_for(lambda: self.alone.audit.tokens().count("timeout") == 6, 3)
        self.out.result(self.alone.audit.tokens().count("timeout") == 6,
                        "each has its record", str(self.alone.audit.tokens()))
        self.alone.audit.mark()

    def budgets(self):
        """The server's flight out, a person gets time to touch the key; but not on TCP, here."""
        def late(address, pause):
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = self.context("bob").wrap_bio(incoming, outgoing)
            with wire.dial(address) as sock:
                for step in (tls.do_handshake, lambda: tls.write(GOOD), lambda: tls.read(65536)):
                    while True:
                        try:
                            data = step()
                            break
                        except ssl.SSLWantReadError:
                            sock.sendall(outgoing.read())
                            piece = sock.recv(65536)
                            if not piece:
                                return "closed"
                            incoming.write(piece)
                            if pause:
                                time.sleep(pause)
                                pause = 0
                return f"reason:{wire.Reply(data).reason}"

        self.check("root's program may take longer to sign than the handshake budget",
                   late(self.path, 1.5), reason("allowed"), "allowed")
        self.check("by TCP the budget is tcp_sign_timeout", late(("127.0.0.1", 7443), 1.8),
                   "closed", "timeout")

    def limits(self):
        from lib.alone import uid_of  # pylint: disable=import-outside-toplevel

        def many():
            """How many of 12 connections of one uid stay open."""
            socks = [wire.dial(self.path) for _ in range(12)]
            time.sleep(0.3)
            alive = 0
            for sock in socks:
                sock.setblocking(False)
                try:
                    sock.recv(1)
                except BlockingIOError:
                    alive += 1
                except OSError:
                    pass
            return alive

        self.out.result(wire.as_uid(uid_of("carol"), many) == "8",
                        "one person holds max_per_uid connections, not more")
        wait_for(lambda: self.login() == reason("allowed"), 3)
        self.out.result(int(many()) == 12, "root is not held by that limit")
        wait_for(lambda: len(self.alone.audit.tokens()) > 12, 3)
        self.alone.audit.mark()

    # The programs.

    def credential(self, name):
        return ("-cert", self.alone.at(name + ".crt"), "-key", self.alone.at(name + ".key"))

    def gnutls_credential(self, name):
        return ("--x509certfile", self.alone.at(name + ".crt"), "--x509keyfile",
                self.alone.at(name + ".key"))

    def s_client(self, *options):
        return self._held(["openssl", "s_client", "-unix", self.path, *options])

    def gnutls_cli(self, *options):
        return self._held(["gnutls-cli", "--insecure", "-p", "7443", *options, "127.0.0.1"])

    @staticmethod
    def _held(command):
        """Output of a client whose standard input stays open until it ends by itself."""
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT) as process:
            try:
                text = process.stdout.read()
                process.wait(20)
            finally:
                process.kill()
        return re.sub(r"[^\x20-\x7e\n]", "?", text.decode(errors="replace"))


def test(out):
    from lib.alone import Alone  # pylint: disable=import-outside-toplevel
    alone = Alone()
    alone.daemon.start()
    outside = Outside(out, alone)
    try:
        wait_for(lambda: outside.login() == reason("allowed"), 10)
        alone.audit.mark()
        worker = alone.worker()
        for part in (outside.passing, outside.roles, outside.choices, outside.versions,
                     outside.protocols, outside.certificates, outside.huge, outside.crowded,
                     outside.one_handshake_one_verdict, outside.messages, outside.garbage,
                     outside.slow_loris, outside.budgets, outside.limits):
            part()
        out.result(alone.worker() == worker, "one worker lived through all of it",
                   alone.daemon.log.lines())
        outside.hints()
    finally:
        status = alone.daemon.stop()
    out.result(status == 0, "the daemon ends as asked", alone.daemon.log.lines())
    out.note(alone.daemon.log.lines()[-1])


private.enter(preload=False)
sys.exit(tap.run(test))
