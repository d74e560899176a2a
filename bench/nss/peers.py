# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who is measured: one row a contender; how its data are placed, and what it is not asked."""
import contextlib
import os
import subprocess
from dataclasses import dataclass, field

import space
import sssd

LIB = "/usr/lib/x86_64-linux-gnu"
QUESTIONS = ("name", "uid", "miss", "groups", "enumeration", "first", "id")
AS_MTLS = "as mtls"
NO_PROGRAM = "no NSS service"
ALL_GROUPS = "reads all groups for each user: seconds to minutes"
FORKED_MS = "250"  # time for programs in each turn


@dataclass
class Peer:
    key: str
    label: str
    ask: str = "glibc"  # contender of ask.c; "glibc:" leaves the order to nsswitch.conf
    service: str = ""  # in nsswitch.conf
    file: str = ""  # what must be there
    package: str = ""  # where that comes from
    pool: int = 0  # names that are asked for; 0: all
    groups_pool: int = 0  # likewise, for groups
    place: object = contextlib.nullcontext  # for one turn
    # question: (largest size, why not beyond); 0: at no size
    limits: dict = field(default_factory=dict)

    def missing(self):
        return bool(self.file) and not os.path.exists(self.file)

    def why_not(self, question, people):
        """Why this is not measured; empty: it is."""
        if self.missing():
            return f"not installed: {self.package}"
        most, reason = self.limits.get(question, (people, ""))
        return reason if people > most else ""


def files_in_place():
    return space.Over((space.FILES + "/passwd", "/etc/passwd"), (space.FILES + "/group", "/etc/group"))


PEERS = (
    Peer("bare", "bare cdb", ask="bare", limits={"first": (0, NO_PROGRAM), "id": (0, NO_PROGRAM)}),
    Peer("module", "mtls without glibc", ask="module",
         limits={"first": (0, NO_PROGRAM), "id": (0, NO_PROGRAM)}),
    Peer("mtls", "mtls", service="mtls"),
    Peer("programs", "mtls, nsswitch.conf", ask="glibc:", service="mtls",
         limits={q: (0, AS_MTLS) for q in ("uid", "groups", "enumeration", "first", "id")}),
    Peer("mtls-pool", f"mtls, {sssd.POOL} names", service="mtls", pool=sssd.POOL,
         groups_pool=sssd.GROUPS_POOL,
         limits={q: (0, AS_MTLS) for q in ("enumeration", "first", "id")}),
    Peer("sss", f"sss, {sssd.POOL} names", service="sss", file=sssd.PROXY, package="sssd-common sssd-proxy",
         pool=sssd.POOL, groups_pool=sssd.GROUPS_POOL,
         limits={"enumeration": (0, "sssd does not enumerate by default")}),
    Peer("files", "files", service="files", place=files_in_place),
    Peer("extrausers", "libnss-extrausers", service="extrausers", file="/lib/libnss_extrausers.so.2",
         package="libnss-extrausers"),
    Peer("cache", "libnss-cache", service="cache", file=LIB + "/libnss_cache.so.2",
         package="libnss-cache", limits={"groups": (1000, ALL_GROUPS), "id": (1000, ALL_GROUPS)}),
    Peer("db", "libnss-db", service="db", file=LIB + "/libnss_db.so.2", package="libnss-db",
         limits={"enumeration": (100000, "20 seconds a turn"),
                 "groups": (1000, ALL_GROUPS), "id": (1000, ALL_GROUPS)}),
)


def place_all(people, chosen):
    """The data of all contenders for this size, but for the snapshot and for sssd."""
    space.run(space.program("make"), "files", str(people), space.FILES)
    for base in ("passwd", "group"):
        space.link(f"{space.FILES}/{base}", f"/var/lib/extrausers/{base}")
        for ending in ("", ".ixname", ".ixuid", ".ixgid"):
            space.link(f"{space.FILES}/{base}{ending}", f"/etc/{base}.cache{ending}")
        if any(peer.key == "db" for peer in chosen):
            place_db(people, base)


def place_db(people, base):
    with subprocess.Popen([space.program("make"), "db-text", str(people), base],
                          stdout=subprocess.PIPE) as text:
        space.run("makedb", "-o", f"/var/lib/misc/{base}.db", "-", stdin=text.stdout)
    if text.returncode:
        raise RuntimeError(f"make db-text {base} failed")


def turn(peer, people):
    """Asks one contender everything once: {question: nanoseconds}."""
    wanted = [q for q in QUESTIONS if not peer.why_not(q, people)]
    if not wanted:
        return {}
    with peer.place():
        if peer.service:
            space.order(peer.service)
        return asked(peer, people, wanted) | started(peer, people, wanted)


def asked(peer, people, wanted):
    who = f"glibc:{peer.service}" if peer.ask == "glibc" else peer.ask.rstrip(":")
    took = {}
    for questions, pool in ((("name", "uid", "miss", "enumeration"), peer.pool),
                            (("groups",), peer.groups_pool)):
        questions = [q for q in questions if q in wanted]
        if questions:
            lines = space.run(space.program("ask"), who, str(people), str(min(pool or people, people)),
                              *questions)
            took |= {line.split()[0]: float(line.split()[1]) for line in lines.splitlines()}
    return took


def started(peer, people, wanted):
    """Programs that begin, look up and end. The name is one in the middle, and one that sssd has."""
    pool = min(sssd.POOL, people)
    name = f"u{people // pool * (pool // 2):06}"
    first = space.program("first")
    programs = {"": [first], "first": [first, name], "id": ["/usr/bin/id", name]}
    chosen = [key for key in programs if not key or key in wanted]
    if chosen == [""]:
        return {}
    argv = [word for key in chosen for word in ["--"] + programs[key]][1:]
    took = dict(zip(chosen, (float(line) * 1000 for line in
                             space.run(space.program("spawn"), FORKED_MS, *argv).splitlines())))
    nothing = took.pop("")
    if "first" in took:
        took["first"] -= nothing
    return took
