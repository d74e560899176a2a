# SPDX-License-Identifier: LGPL-2.1-or-later
"""Changes while everything fails: kill -9 of store and publisher at any moment, writes, syncs and
renames that fail or are the last thing a process does. After each change: what was acknowledged is
there, no id was given out twice, and no reader ever saw a snapshot whose records do not belong
together. MTLS_CRASH_CHANGES and MTLS_CRASH_SEED in the environment change how many and which."""
import errno
import mmap
import os
import random
import signal
import sqlite3
import struct
import sys
import threading
import time

import snapshot
import world
from world import tap

CHANGES = int(os.environ.get("MTLS_CRASH_CHANGES", "200" if world.SANITIZED else "2000"))
SEED = os.environ.get("MTLS_CRASH_SEED") or str(random.SystemRandom().randrange(10**9))
PAGE = world.WORK + "/page"
SEEN = world.WORK + "/seen"  # what the readers have to say
READERS = 2
RESTARTS = 10  # of the whole daemon, spread over the changes
DIE, EVERY = 0xFFFFFFFF, 3
ROLE = struct.Struct("=IIi3III")  # struct orders of crash_shim.c
ROLES = ("store", "publisher")


class Orders:
    """The page that crash_shim.c looks at."""

    def __init__(self):
        world.write(PAGE, "\0" * 4096, 0o600)
        with open(PAGE, "r+b") as file:
            self.page = mmap.mmap(file.fileno(), 4096)

    def arm(self, role, kind, error, countdown):
        at = ROLE.size * ROLES.index(role)
        struct.pack_into("=II", self.page, at, kind, error)
        struct.pack_into("=i", self.page, at + 8, countdown)

    def disarm(self):
        for role in range(len(ROLES)):
            struct.pack_into("=i", self.page, ROLE.size * role + 8, 0)

    def obeyed(self, role):
        """(writes, syncs, renames, deaths, renames of what was not synced)"""
        return ROLE.unpack_from(self.page, ROLE.size * ROLES.index(role))[3:]


class Model:
    """What must be there. Each change is a function of the accounts, so that one whose outcome
    nobody told can be tried both ways."""

    def __init__(self):
        self.users = {}  # name: set of group names
        self.groups = set()
        self.bindings = {}  # key: name

    def copy(self):
        other = Model()
        other.users = {name: set(groups) for name, groups in self.users.items()}
        other.groups = set(self.groups)
        other.bindings = dict(self.bindings)
        return other

    def facts(self):
        return (self.users, self.groups, self.bindings)

    def apply(self, verb, fields):
        name = fields["name"]
        if verb == "user-add":
            self.users[name] = set(fields.get("groups", "").split(",")) - {""}
            self.groups |= self.users[name]
        elif verb == "user-change":
            self.users[name] |= {fields["join"]}
            self.groups |= {fields["join"]}
        elif verb == "user-remove":
            del self.users[name]
            self.bindings = {key: who for key, who in self.bindings.items() if who != name}
        elif verb == "group-add":
            self.groups |= {name}
        elif verb == "group-remove":
            self.groups -= {name}
            for groups in self.users.values():
                groups.discard(name)
        elif verb == "bind-add":
            self.bindings[fields["key"]] = name


def facts_of(found):
    """The same facts from a snapshot."""
    names = {gid: name for name, (gid, _) in found.groups.items()}
    users = {name: {names[gid] for gid in gids} for name, (_, _, gids) in found.users.items()}
    return (users, set(found.groups), {key: who[0] for key, who in found.bindings.items()})


class Crash:
    def __init__(self, out):
        self.out = out
        self.random = random.Random(SEED)
        self.orders = Orders()
        self.model = Model()
        self.unsure = []  # changes of which nobody told whether they are stored
        self.daemon = world.Daemon(environment={
            "LD_PRELOAD": " ".join([os.environ.get("LD_PRELOAD", ""),
                                    world.build("tests/accountd/.libs/libcrash_shim.so")]).strip(),
            "MTLS_CRASH_PAGE": PAGE})
        self.count = 0
        self.tally = {}
        self.kills = 0
        self.ids = {"u": {}, "g": {}}  # every id ever seen: who had it first
        self.lives = {}  # name: how often it was added
        self.bad = []
        # Each kind for certain; the rest is chance.
        self.plan = [(role, kind, error) for role, kinds in zip(ROLES, ((0, 1), (0, 1, 2)))
                     for kind in kinds for error in (errno.EIO, errno.ENOSPC, DIE)]

    # One change.

    def choose(self):
        users, groups = sorted(self.model.users), sorted(self.model.groups)
        self.count += 1
        pick = self.random.random()
        if pick < 0.45 or len(users) < 3:
            old = self.random.random() < 0.2 and users and users[0] + "x"
            name = old if old and old not in users else f"user{self.count}"
            fields = {"name": name, "home": "/home/" + name, "shell": "/bin/sh"}
            if self.random.random() < 0.5:
                fields["groups"] = f"team{self.random.randrange(12)}"
            return "user-add", fields
        if pick < 0.65:
            return "user-remove", {"name": self.random.choice(users)}
        if pick < 0.75:
            return "user-change", {"name": self.random.choice(users),
                                   "join": f"team{self.random.randrange(12)}"}
        if pick < 0.82:
            return "group-add", {"name": f"group{self.count}"}
        if pick < 0.9 and groups:
            return "group-remove", {"name": self.random.choice(groups)}
        return "bind-add", {"name": self.random.choice(users),
                            "key": f"sha256:{self.count:064x}"}

    def trouble(self):
        """Arranges for something to go wrong, or for nothing."""
        self.orders.disarm()
        if self.plan:
            self.orders.arm(*self.plan.pop(), 1)
            return None
        pick = self.random.random()
        role = self.random.choice(ROLES)
        if pick < 0.1:
            delay = self.random.choice((0, 0.002, 0.005, 0.01, 0.02))
            timer = threading.Timer(delay, self.kill, [role])
            timer.start()
            return timer
        if pick < 0.3:
            kind = self.random.choice((0, 1, 2, EVERY)) if role == "publisher" else \
                self.random.choice((0, 1, EVERY))
            error = self.random.choice((errno.EIO, errno.ENOSPC, DIE))
            # One change takes many writes, a few syncs, one rename.
            self.orders.arm(role, kind, error, self.random.randint(1, (7, 2, 1, 7)[kind]))
        return None

    def kill(self, role):
        pid = self.daemon.child(role)
        if pid:
            os.kill(pid, signal.SIGKILL)
            self.kills += 1

    def change(self):
        verb, fields = self.choose()
        timer = self.trouble()
        try:
            answer = world.ask(verb, **fields)
        except OSError:
            answer = world.Answer()
        if timer:
            timer.join()
        self.tally[answer.code] = self.tally.get(answer.code, 0) + 1
        if answer.code in (None, world.FAILED):
            self.unsure.append((verb, fields))
            return
        # The answer to one change says what became of those before.
        if answer.code == world.OK:
            self.model_after(verb, fields)
        elif answer.code == world.UNPUBLISHED:
            change = (verb, fields)
            self.unsure.append(change)
            self.certain.append(change)
        else:
            self.refused(verb, fields, answer)

    certain = ()

    def refused(self, verb, fields, answer):
        """Only because of a change that nobody told about: it was made, or another one was."""
        if not self.unsure:
            self.bad.append(f"{verb} {fields}: {answer}")

    def outcomes(self, certain):
        """Every state that the unsure changes can have led to."""
        states = [self.model]
        for change in self.unsure:
            grown = []
            for state in states:
                after = state.copy()
                try:
                    after.apply(*change)
                    grown.append(after)
                except KeyError:
                    pass  # cannot have been made in this state
                # The same change may have been asked for twice: the object counts, not its value.
                if not any(change is sure for sure in certain):
                    grown.append(state)
            states = grown
        return states

    def model_after(self, verb, fields):
        """@verb is acknowledged: now the snapshot tells, and must tell what could be."""
        change = (verb, fields)
        self.unsure.append(change)
        self.certain.append(change)
        found = self.look()
        facts = facts_of(found)
        for state in self.outcomes(self.certain):
            if state.facts() == facts:
                self.model = state
                break
        else:
            self.bad.append(f"after {verb} {fields}: the snapshot has none of the states that can "
                            f"be; unsure: {self.unsure}\n{self.differences(facts)}")
            self.model.users, self.model.groups, self.model.bindings = facts
        self.unsure, self.certain = [], []

    def differences(self, facts):
        wanted = self.model.facts()
        return [f"only expected {set(map(str, a)) - set(map(str, b))}, only there "
                f"{set(map(str, b)) - set(map(str, a))}" for a, b in zip(wanted, facts)]

    def look(self):
        found = snapshot.Snapshot(world.SNAPSHOT)
        found.check()
        for kind, ids in (("u", {uid: name for uid, (name, _) in found.by_uid.items()}),
                          ("g", {gid: name for gid, (name, _) in found.by_gid.items()})):
            for number, name in {**ids, **found.dead[kind]}.items():
                if self.ids[kind].setdefault(number, name) != name:
                    self.bad.append(f"id {number} of '{self.ids[kind][number]}' went to '{name}'")
            # Who was there is there, or has a tombstone.
            for number, name in self.ids[kind].items():
                if number not in ids and number not in found.dead[kind]:
                    self.bad.append(f"id {number} of '{name}' is gone without a tombstone")
            # Nobody who has gone may come back under the same number.
            for number in found.dead[kind]:
                self.lives[(kind, number)] = True
            for number in ids:
                if (kind, number) in self.lives:
                    self.bad.append(f"id {number} had a tombstone and is alive again")
        return found

    # The whole.

    def settle(self):
        """No more trouble: everything must come to agree."""
        self.orders.disarm()
        def published():
            told = world.status()
            return told and told["published"] == told["generation"]
        if not world.wait_for(published):
            return False
        self.count += 1
        answer = world.add(f"user{self.count}")
        if answer.code == world.OK:
            self.model_after("user-add", {"name": f"user{self.count}"})
        return answer.code == world.OK

    def restart(self):
        children = [self.daemon.child(role) for role in ROLES]
        self.daemon.stop(self.random.choice((signal.SIGKILL, signal.SIGTERM)))
        # Killed with their parent, but not at the same moment; they hold socket and lock.
        world.wait_for(lambda: not any(pid and world.words_of(pid) for pid in children))
        self.daemon.start()
        settled = self.settle()
        found = self.look()
        told = world.status()
        store = sqlite3.connect(f"file:{world.STORE}?mode=ro", uri=True)
        users = {name: uid for name, uid in store.execute("SELECT name, uid FROM users")}
        groups = {name: gid for name, gid in store.execute("SELECT name, gid FROM groups")}
        dead = {(bool(grp), number) for grp, number in
                store.execute("SELECT grp, id FROM tombstones")}
        store.close()
        agree = users == {name: uid for name, (uid, _, _) in found.users.items()} and \
            groups == {name: gid for name, (gid, _) in found.groups.items()} and \
            dead == {(kind == "g", number) for kind in "ug" for number in found.dead[kind]}
        return settled and agree and told["generation"] == str(found.serial)

    def run(self):
        self.certain = []
        self.daemon.start()
        readers = [start_reader(number) for number in range(READERS)]
        agreed = []
        for i in range(CHANGES):
            self.change()
            if i % (CHANGES // RESTARTS) == CHANGES // RESTARTS - 1:
                agreed.append(self.restart())
        status = world.status_of(self.daemon.child("store"))
        for pid in readers:
            os.kill(pid, signal.SIGTERM)
            os.waitpid(pid, 0)
        self.report(agreed, status, readers)

    def report(self, agreed, status, readers):
        out = self.out
        out.note(f"seed {SEED}, {CHANGES} changes; answers by code: {self.tally}; "
                 f"kill -9: {self.kills}; store (writes, syncs, renames, deaths, unsynced): "
                 f"{self.orders.obeyed('store')}; publisher: {self.orders.obeyed('publisher')}")
        log = self.daemon.text()
        out.result(not self.bad, "what was acknowledged is there, no id was given out twice",
                   "\n".join(self.bad[:20]) + log[-3000:])
        out.result(len(agreed) >= RESTARTS and all(agreed),
                   "store and snapshot agree after each restart", f"{agreed}\n{log[-3000:]}")
        seen = open(SEEN, encoding="utf-8").read() if os.path.exists(SEEN) else ""
        lines = seen.splitlines()
        wrong = [line for line in lines if not line.startswith("read ")]
        counts = [int(line.split()[1]) for line in lines if line.startswith("read ")]
        out.result(not wrong and len(counts) == len(readers) and min(counts) > CHANGES // 10,
                   "readers never saw a mixture, nor an older snapshot after a newer one",
                   f"{wrong[:10]} {counts}")
        out.note(f"snapshots read meanwhile: {counts}")
        # The deaths that the shim orders are SIGILL, which no sanitizer catches.
        complaints = self.daemon.complaints()
        out.result(not complaints, "no sanitizer and no sandbox had to say anything",
                   "\n".join(complaints[:20]))
        out.result(status["Seccomp"] == "2", "and it stood", status)
        store, publisher = self.orders.obeyed("store"), self.orders.obeyed("publisher")
        out.result(store[4] == publisher[4] == 0, "what gets its name by rename is on the disk",
                   (store[4], publisher[4]))
        # Without trouble all this would show nothing.
        for name, happened in (("kill -9", self.kills), ("a failed write of the store", store[0]),
                               ("a failed sync of the store", store[1]),
                               ("a death of the store in a call", store[3]),
                               ("a failed write of the publisher", publisher[0]),
                               ("a failed sync of the publisher", publisher[1]),
                               ("a failed rename of the publisher", publisher[2]),
                               ("a death of the publisher in a call", publisher[3]),
                               ("a change that failed", self.tally.get(world.FAILED)),
                               ("a change not published", self.tally.get(world.UNPUBLISHED)),
                               ("a change without an answer", self.tally.get(None))):
            out.result(happened, f"there was {name}", happened)
        good = self.tally.get(world.OK, 0)
        out.result(good > CHANGES // 2, "most changes were made all the same", good)


def start_reader(number):
    """A process that reads the snapshot over and over, until SIGTERM."""
    pid = os.fork()
    if pid:
        return pid
    ended = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
    count, serial, said = 0, -1, []
    while not ended and not said:
        try:
            found = snapshot.Snapshot(world.SNAPSHOT)
            found.check()
            if found.serial < serial:
                said.append(f"reader {number}: serial {found.serial} after {serial}")
            serial = found.serial
            count += 1
        except FileNotFoundError:
            if serial >= 0:
                said.append(f"reader {number}: there was no snapshot")
        except Exception as error:  # pylint: disable=broad-except
            said.append(f"reader {number}: {type(error).__name__} {error}")
        time.sleep(0.005)
    with open(SEEN, "a", encoding="utf-8") as file:
        file.write("\n".join([*said, f"read {count}"]) + "\n")
    os._exit(0)


def main(out):
    crash = Crash(out)
    try:
        crash.run()
    finally:
        if crash.daemon.process and crash.daemon.process.poll() is None:
            crash.daemon.process.kill()


world.enter()
sys.exit(tap.run(main))
