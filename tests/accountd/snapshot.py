# SPDX-License-Identifier: LGPL-2.1-or-later
"""A reader of the snapshot (format 2) that shares no code with the project, for tests that ask
whether all of it belongs together. Layout: lib/acctdb/record.h, PROTOCOL.md; cdb by D. J. Bernstein."""
import struct


class Mixture(Exception):
    """What is in the file does not belong together."""


class Cursor:
    def __init__(self, data):
        self.data = data
        self.at = 0

    def number(self, size):
        value = int.from_bytes(self.data[self.at:self.at + size], "little")
        self.at += size
        return value

    def text(self):
        size = self.number(1)
        self.at += size
        return self.data[self.at - size:self.at].decode()

    def texts(self):
        return [self.text() for _ in range(self.number(4))]


class Snapshot:
    def __init__(self, path):
        with open(path, "rb") as file:
            data = file.read()
        self.users = {}  # name: (uid, gid, set of gids)
        self.by_uid = {}
        self.groups = {}  # name: (gid, set of members)
        self.by_gid = {}
        self.bindings = {}
        self.dead = {"u": {}, "g": {}}  # id: name
        self.counts = self.serial = self.next = None
        try:
            for key, value in records(data):
                self.take(chr(key[0]), key[1:], Cursor(value))
        except (IndexError, struct.error, UnicodeDecodeError) as error:
            raise Mixture(f"unreadable: {error}") from error

    def take(self, kind, key, value):
        if kind == "H":
            value.at = 20
            self.serial = value.number(8)
            value.number(8)
            self.counts = tuple(value.number(4) for _ in range(4))
        elif kind == "N":
            self.next = (value.number(4), value.number(4))
        elif kind in "uU":
            uid, gid = value.number(4), value.number(4)
            value.number(1)
            name = value.text()
            if kind == "U":
                self.by_uid[int.from_bytes(key, "little")] = (name, uid)
                return
            for _ in range(3):
                value.text()
            gids = {value.number(4) for _ in range(value.number(4))}
            self.users[key.decode()] = (uid, gid, gids)
        elif kind in "gG":
            gid = value.number(4)
            value.number(1)
            name = value.text()
            if kind == "g":
                self.groups[key.decode()] = (gid, set(value.texts()))
            else:
                self.by_gid[int.from_bytes(key, "little")] = (name, gid)
        elif kind == "b":
            self.bindings[key.decode()] = value.texts()
        elif kind == "t":
            value.number(8)
            self.dead[chr(key[0])][int.from_bytes(key[1:], "little")] = value.text()

    def check(self):
        """Raises Mixture unless all records tell the same story."""
        counts = (len(self.users), len(self.groups), len(self.bindings),
                  len(self.dead["u"]) + len(self.dead["g"]))
        if counts != self.counts:
            raise Mixture(f"the header counts {self.counts}, there are {counts}")
        if self.by_uid != {uid: (name, uid) for name, (uid, _, _) in self.users.items()}:
            raise Mixture("users by name and by uid differ")
        if self.by_gid != {gid: (name, gid) for name, (gid, _) in self.groups.items()}:
            raise Mixture("groups by name and by gid differ")
        theirs = {(name, gid) for name, (_, _, gids) in self.users.items() for gid in gids}
        ours = {(name, gid) for gid, members in self.groups.values() for name in members}
        if theirs != ours:
            raise Mixture(f"members and gids differ: {theirs ^ ours}")
        for kind, alive in (("u", self.by_uid), ("g", self.by_gid)):
            if set(alive) & set(self.dead[kind]):
                raise Mixture("an id is alive and has a tombstone")
        highest = max([*self.by_uid, *self.by_gid, *self.dead["u"], *self.dead["g"], 0])
        if highest >= max(self.next):
            raise Mixture(f"the next ids {self.next} are not above {highest}")


def records(data):
    """(key, value without checksum) of each record of a cdb."""
    end = min(struct.unpack_from("<II", data, 8 * i)[0] for i in range(256))
    at = 2048
    while at < end:
        key_len, value_len = struct.unpack_from("<II", data, at)
        at += 8
        if at + key_len + value_len > end:
            raise Mixture("a record passes the end")
        yield data[at:at + key_len], data[at + key_len:at + key_len + value_len - 8]
        at += key_len + value_len
