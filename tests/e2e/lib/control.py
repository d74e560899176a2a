# SPDX-License-Identifier: LGPL-2.1-or-later
"""A client of control sockets that shares no code with the project: the messages in DER by hand."""
import socket

from lib import wire

# Codes of ControlEnd.
OK, FAILED, USAGE, REFUSED, EXISTS, NOTFOUND, BUSY, UNPUBLISHED = range(8)


def fields_of(tag, fields):
    if not fields:
        return b""
    pairs = b"".join(wire.der(0x30, wire.text(name) + wire.text(value))
                     for name, value in fields.items())
    return wire.der(tag, pairs)


def request(verb, version=1, **fields):
    """A ControlRequest; '_' in a field's name stands for '-'."""
    names = {name.replace("_", "-"): str(value) for name, value in fields.items()}
    return wire.der(0x78, wire.integer(version) + wire.text(verb) + fields_of(0xA0, names))


def item(kind, **fields):
    names = {name.replace("_", "-"): str(value) for name, value in fields.items()}
    return wire.der(0x79, wire.text(kind) + fields_of(0xA0, names))


def end(code=0):
    return wire.der(0x7A, wire.integer(code))


def read_fields(body):
    found = {}
    for _, pair in wire.elements(body):
        (_, name), (_, value) = wire.elements(pair)
        found[name.decode()] = value.decode()
    return found


class Answer:
    """Items, then the end."""

    def __init__(self):
        self.items = []
        self.code = None  # None: the daemon closed without one
        self.text = ""
        self.fields = {}

    def kind(self, wanted):
        return [fields for kind, fields in self.items if kind == wanted]

    def __str__(self):
        items = [(kind, fields) for kind, fields in self.items if kind != "counter"]
        return f"code {self.code} '{self.text}' {self.fields} {items}"


class Client:
    """A connection to a control socket."""

    def __init__(self, path, timeout=20):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)  # waits where the backlog is full
        self.socket.settimeout(timeout)
        self.data = b""

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def message(self):
        """(tag, elements) of the next message, None at the end."""
        while True:
            size = whole(self.data)
            if size:
                (tag, body), = wire.elements(self.data[:size])
                self.data = self.data[size:]
                return tag, wire.elements(body)
            more = self.socket.recv(65536)
            if not more:
                return None
            self.data += more

    def answer(self):
        answer = Answer()
        while True:
            try:
                message = self.message()
            except ConnectionResetError:
                message = None
            if message is None:
                return answer
            tag, parts = message
            if tag == 0x79:
                answer.items.append((parts[0][1].decode(),
                                     read_fields(parts[1][1]) if len(parts) > 1 else {}))
                continue
            answer.code = int.from_bytes(parts[0][1], "big")
            for part, body in parts[1:]:
                if part == 0x80:
                    answer.text = body.decode()
                else:
                    answer.fields = read_fields(body)
            return answer

    def ask(self, verb, **fields):
        try:
            self.send(request(verb, **fields))
        except (BrokenPipeError, ConnectionResetError):
            pass  # closed already; what it said before is still to be read
        return self.answer()


def whole(data):
    """Bytes of the first message, 0 if it is not all there."""
    if len(data) < 2:
        return 0
    size, start = data[1], 2
    if size & 0x80:
        start += size & 0x7F
        if len(data) < start:
            return 0
        size = int.from_bytes(data[2:start], "big")
    return start + size if len(data) >= start + size else 0


def ask(path, verb, timeout=20, **fields):
    """The answer to one request."""
    client = Client(path, timeout)
    try:
        return client.ask(verb, **fields)
    finally:
        client.close()
