# SPDX-License-Identifier: LGPL-2.1-or-later
"""A daemon for tests of mtlsctl: control messages without the code under test, and a socket that gives the
answers that it was told."""
import os
import socket
import threading

REQUEST, ITEM, END = 0x78, 0x79, 0x7a
OK, FAILED, USAGE, REFUSED, EXISTS, NOTFOUND, BUSY, UNPUBLISHED = range(8)


# --- DER, not the code under test ---

def tlv(tag, body):
    n = len(body)
    head = bytes([n]) if n < 0x80 else bytes([0x81, n]) if n < 0x100 else bytes([0x82, n >> 8, n & 255])
    return bytes([tag]) + head + body


def text(value):
    return tlv(0x0c, value.encode())


def pairs(tag, fields):
    return tlv(tag, b"".join(tlv(0x30, text(k) + text(v)) for k, v in fields.items())) if fields else b""


def item(kind, /, **fields):
    return tlv(ITEM, text(kind) + pairs(0xa0, {k.replace("_", "-"): v for k, v in fields.items()}))


def end(code, words="", /, **fields):
    return tlv(END, tlv(2, bytes([code])) + (tlv(0x80, words.encode()) if words else b"") +
               pairs(0xa1, {k.replace("_", "-"): v for k, v in fields.items()}))


def elements(data):
    while data:
        n, at = data[1], 2
        if n & 0x80:
            at += n & 0x7f
            n = int.from_bytes(data[2:at], "big")
        yield data[0], data[at:at + n]
        data = data[at + n:]


def read_message(stream):
    head = stream.read(2)
    if len(head) < 2:
        return None
    n = head[1]
    if n & 0x80:
        n = int.from_bytes(stream.read(n & 0x7f), "big")
    return head[0], stream.read(n)


def say_message(tag, body):
    """As a line: verb or kind, then the fields in the order of their names."""
    names, fields = [], {}
    for inner, content in elements(body):
        if inner == 0x0c:
            names.append(content.decode())
        elif inner in (0xa0, 0xa1):
            for _, pair in elements(content):
                (_, key), (_, value) = elements(pair)
                fields[key.decode()] = value.decode()
    name = names[0] if names else {END: "end"}[tag]
    return " ".join([name] + [f"{k}={v}" for k, v in sorted(fields.items())])


# --- the daemon ---

class Daemon:
    """Answers one connection: to each request (an import: to its end) the next of `answers`, which
    are bytes; None closes instead. With `always`, any number of connections, and the last answer again."""

    def __init__(self, path, answers, always=False):
        self.path, self.answers, self.seen, self.always = path, list(answers), [], always
        os.makedirs(os.path.dirname(path), exist_ok=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(1)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:  # stop() before anybody came
                return
            self.serve(connection)
            if not self.always:
                return

    def serve(self, connection):
        with connection, connection.makefile("rb") as stream:
            while message := read_message(stream):
                self.seen.append(say_message(*message))
                if message[0] == ITEM or self.seen[-1].startswith("import"):
                    continue
                answer = self.answers[0] if self.always and len(self.answers) == 1 else self.answers.pop(0)
                if answer is None:
                    return
                connection.sendall(answer)

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()
        os.unlink(self.path)
