# SPDX-License-Identifier: LGPL-2.1-or-later
"""A client of our own, independent of lib/: the messages in DER by hand, TLS by Python's OpenSSL."""
import os
import re
import socket
import ssl

ALPN = "mtls-auth/1"
NONCE = bytes(range(32))
DENIED, ALLOWED, CHOOSE = 0, 1, 2


def der(tag, body):
    size = len(body)
    if size < 128:
        head = bytes([size])
    else:
        count = (size.bit_length() + 7) // 8
        head = bytes([0x80 | count]) + size.to_bytes(count, "big")
    return bytes([tag]) + head + body


def integer(value):
    return der(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def text(value):
    return der(0x0C, value.encode())


def auth_request(service="sudo", account=None, version=1, uid=0, nonce=NONCE, tty=None,
                 remote_host=None):
    body = integer(version) + text(service) + integer(uid) + der(0x04, nonce)
    for tag, value in ((0x80, account), (0x81, tty), (0x82, remote_host)):
        if value is not None:
            body += der(tag, value.encode())
    return der(0x61, body)


def auth_choice(account, nonce=NONCE):
    return der(0x63, der(0x04, nonce) + text(account))


def elements(body):
    """(tag, content) of each element of a SEQUENCE's content."""
    found = []
    while body:
        tag, size, start = body[0], body[1], 2
        if size & 0x80:
            start += size & 0x7F
            size = int.from_bytes(body[2:start], "big")
        found.append((tag, body[start:start + size]))
        body = body[start + size:]
    return found


class Reply:
    """An AuthReply."""

    def __init__(self, data):
        (tag, body), = elements(data)
        if tag != 0x62:
            raise ValueError(f"not an AuthReply: {data!r}")
        fields = elements(body)
        self.nonce = fields[1][1]
        self.verdict, self.reason = (int.from_bytes(f[1], "big") for f in fields[2:4])
        self.audit_id = fields[4][1].decode()
        optional = dict(fields[5:])
        account = elements(optional.get(0xA1, b""))
        self.account = account[0][1].decode() if account else None
        self.uid = int.from_bytes(account[1][1], "big") if account else None
        self.candidates = [c.decode() for _, c in elements(optional.get(0xA2, b""))]
        self.rule = optional.get(0xA4, b"").decode()


def context(certificate=None, key=None, alpn=ALPN, maximum=None):
    """Does not check the server: that is the job of pam_mtls and its tests."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    made.set_ciphers("DEFAULT@SECLEVEL=0")  # a weak key is for the server to refuse
    if maximum:
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        made.maximum_version = maximum
    if alpn:
        made.set_alpn_protocols([alpn])
    if certificate:
        made.load_cert_chain(certificate, key)
    return made


def dial(address, timeout=20, bound=None):
    """A connected socket: a path, or (host, port). @bound: the own end, before."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    sock = socket.socket(family)
    if bound is not None:
        sock.bind(bound)
    if family == socket.AF_INET:
        sock.settimeout(timeout)
    sock.connect(address)  # a unix socket waits where the backlog is full, but not with a timeout
    sock.settimeout(timeout)
    return sock


def invoker(uid):
    """The name of a socket by which root's program says who runs it."""
    return f"\0mtls-auth/{uid}/{os.urandom(8).hex()}"


def handshake(address, made, bound=None, **options):
    return made.wrap_socket(dial(address, bound=bound), **options)


def receive(tls):
    """One message, or what came until the end."""
    data = b""
    while True:
        piece = tls.recv(65536)
        if not piece:
            return data
        data += piece
        try:
            if len(elements(data)) == 1 and len(elements(data)[0][1]) + 2 <= len(data):
                return data
        except IndexError:
            pass


def ask(address, made, request, bound=None):
    """The reply to one request; raises ssl.SSLError for an alert."""
    with handshake(address, made, bound) as tls:
        tls.sendall(request)
        return Reply(receive(tls))


def outcome(address, made, *messages, bound=None):
    """What happens, as text: "reason:N", "alert unknown ca",
    "closed"."""
    try:
        with handshake(address, made, bound) as tls:
            for message in messages:
                tls.sendall(message)
            data = receive(tls)
            return f"reason:{Reply(data).reason}" if data else "closed"
    except ssl.SSLError as error:
        alert = re.search(r"alert [a-z ]+", str(error))
        return alert.group(0).strip() if alert else "closed"
    except (ConnectionError, BrokenPipeError):
        return "closed"


def as_uid(uid, action):
    """action() in a child process with this uid; its return value, a str."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            os.write(writer, str(action()).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as file:
        told = file.read()
    os.waitpid(pid, 0)
    return told
