# SPDX-License-Identifier: LGPL-2.1-or-later
"""mtls-accountd when things are broken: its store, the snapshot's disk, another machine's files."""
import glob
import os
import shutil
import sqlite3
import subprocess
import sys

import world
from world import tap

EXIT_DATA = 65
ACCOUNTS = world.STATE + "/accountd"
FOLDER = os.path.dirname(world.SNAPSHOT)
GEN = FOLDER + "/accounts.gen"


def mount(*arguments):
    subprocess.run(["mount", *arguments], check=True)


def digest(path):
    with open(path, "rb") as file:
        return hash(file.read())


def fill(folder):
    """Until nothing more fits."""
    with open(folder + "/filler", "wb", buffering=0) as filler:
        try:
            while True:
                filler.write(b"x" * 512)
        except OSError:
            pass


class Faults:
    def __init__(self, out):
        self.out = out
        self.daemon = world.Daemon()

    def check(self, passed, name, details=""):
        return self.out.result(passed, name, f"{details}\n{self.daemon.text()[-1500:]}")

    def refuses(self, name, *texts):
        """A start that ends by itself; the snapshot goes on answering."""
        code, said = self.daemon.run()
        self.check(code == EXIT_DATA and all(text in said for text in texts),
                   f"{name}: it does not start and says {' and '.join(texts)}", f"{code}: {said}")

    def fresh(self):
        """An empty machine."""
        shutil.rmtree(world.STATE, ignore_errors=True)

    # The first start, and what was there before.

    def first_form(self):
        """A snapshot of the first form: taken over once, tombstones included."""
        os.makedirs(FOLDER)
        os.chmod(world.STATE, 0o755)
        shutil.copy(os.path.join(os.environ["top_srcdir"], "tests/nss/format1.cdb"),
                    world.SNAPSHOT)
        os.chmod(world.SNAPSHOT, 0o644)
        self.daemon.start()
        first = world.status()
        self.check(self.daemon.logged("taken over", 1) and int(first["users"]) > 0 and
                   int(first["tombstones"]) > 0 and first["published"] == first["generation"],
                   "accounts and tombstones of the first form are taken over", first)
        dump = sqlite3.connect(f"file:{world.STORE}?mode=ro", uri=True)
        gone = [row[0] for row in dump.execute("SELECT id FROM tombstones")]
        dump.close()
        answer = world.add("newcomer", uid=gone[0])
        self.check(answer.code == world.REFUSED and "never" in answer.text,
                   "an id of the first form's tombstones is not given out", answer)
        answer = world.add("newcomer")
        self.check(answer.code == 0 and int(answer.fields["uid"]) >= int(first["next-uid"]),
                   "a new account gets the next id of the first form", answer)
        self.daemon.stop()
        self.daemon.start()
        self.check(self.daemon.text().count("taken over") == 1, "that happens once")
        self.daemon.stop()
        self.fresh()

    def lost(self):
        """No store and no snapshot where accounts have been."""
        self.daemon.start()
        world.add("alice")
        self.daemon.stop()
        for name in os.listdir(ACCOUNTS):
            os.unlink(os.path.join(ACCOUNTS, name))
        shutil.move(world.SNAPSHOT, world.WORK + "/kept.cdb")
        self.refuses("store and snapshot are lost", "given out again", "backup")
        self.refuses("and again", "given out again", "backup")
        shutil.move(world.WORK + "/kept.cdb", world.SNAPSHOT)
        self.daemon.start()
        self.check(world.getent("passwd", "alice") and world.status()["users"] == "1",
                   "with the snapshot restored it goes on", world.status())
        answer = world.add("bob")
        self.check(answer.fields.get("uid") == str(world.FIRST + 1), "with the next id", answer)
        self.daemon.stop()

    # The store.

    def corrupt(self):
        backup = world.WORK + "/backup"
        shutil.copytree(ACCOUNTS, backup)
        before = digest(world.SNAPSHOT)
        with open(world.STORE, "r+b") as file:
            data = file.read()
            at = data.index(b"/home/bob")
            file.seek(at)
            file.write(b"/home/BOB")
        self.refuses("a byte of an account changed in the store", "damaged", "restore")
        self.check(digest(world.SNAPSHOT) == before and world.getent("passwd", "bob"),
                   "the snapshot stays and answers")
        with open(world.STORE, "wb") as file:
            file.write(b"not a database, but long enough to be looked at" * 100)
        self.refuses("something else in its place", world.STORE)
        self.put_back(backup)
        self.daemon.start()
        self.check(world.status()["users"] == "2", "restored from the backup it starts")
        # Meanwhile time passes, and the backup gets old.
        answer = world.add("carol")
        self.daemon.stop()
        self.put_back(backup)
        self.refuses("a store older than the snapshot", "--catch-up")
        self.check(world.getent("passwd", "carol"), "the snapshot keeps serving what it has")
        self.daemon.start("--catch-up")
        later = world.add("dave")
        self.check(later.code == 0 and int(later.fields["uid"]) > int(answer.fields["uid"]),
                   "--catch-up: ids given out in between are not given out again",
                   f"{answer}\n{later}")
        self.check(not world.getent("passwd", "carol"), "who was only in the snapshot is gone")
        self.daemon.stop()

    def put_back(self, backup):
        shutil.rmtree(ACCOUNTS)
        shutil.copytree(backup, ACCOUNTS)
        for path in [ACCOUNTS] + [os.path.join(ACCOUNTS, name) for name in os.listdir(ACCOUNTS)]:
            os.chown(path, world.ACCOUNTD_UID, world.ACCOUNTD_UID)

    def newer(self):
        database = sqlite3.connect(world.STORE)
        (version,) = database.execute("PRAGMA user_version").fetchone()
        database.execute(f"PRAGMA user_version = {version + 1}")
        database.commit()
        database.close()
        self.refuses("a store of a newer version", "newer")
        database = sqlite3.connect(world.STORE)
        database.execute(f"PRAGMA user_version = {version}")
        database.commit()
        database.close()
        self.daemon.start()
        self.check(world.status()["users"] == "3", "with its own version it starts")
        self.daemon.stop()

    # The snapshot's disk.

    def disk(self):
        shutil.copytree(FOLDER, world.WORK + "/snapshot")
        mount("-t", "tmpfs", "-o", "size=256k,mode=755", "tmpfs", FOLDER)
        shutil.copytree(world.WORK + "/snapshot", FOLDER, dirs_exist_ok=True)
        self.daemon.start()
        fill(FOLDER)
        answer = world.add("full")
        self.check(answer.code == world.UNPUBLISHED and "No space left" in answer.text,
                   "a full disk: stored, but told to be unpublished", answer)
        self.check(not world.getent("passwd", "full") and world.getent("passwd", "dave"),
                   "readers keep the old snapshot")
        told = world.status()
        self.check("No space left" in told.get("error", "") and
                   int(told["published"]) < int(told["generation"]), "status says so", told)
        os.unlink(FOLDER + "/filler")
        self.check(world.wait_for(lambda: world.getent("passwd", "full")),
                   "with room it is published without being asked")
        self.check("error" not in world.status(), "and status says so", world.status())
        self.daemon.stop()  # its open files would forbid the mount(8)
        mount("-o", "remount,ro", FOLDER)
        self.daemon.start()
        self.check("Read-only" in world.status().get("error", ""),
                   "a start on a read-only disk says why nothing is published", world.status())
        answer = world.add("readonly")
        self.check(answer.code == world.UNPUBLISHED and "Read-only" in answer.text,
                   "a change is stored, but told to be unpublished", answer)
        answer = world.ask("publish")
        self.check(answer.code == world.UNPUBLISHED, "publish by hand: likewise", answer)
        mount("-o", "remount,rw", FOLDER)
        answer = world.ask("publish")
        self.check(answer.code == world.OK and world.getent("passwd", "readonly"),
                   "writable again: publish by hand works", answer)
        self.daemon.stop()
        subprocess.run(["umount", FOLDER], check=True)
        shutil.copytree(world.WORK + "/snapshot", FOLDER, dirs_exist_ok=True)

    def store_disk(self):
        shutil.copytree(ACCOUNTS, world.WORK + "/accounts")
        mount("-t", "tmpfs", "-o", "size=2m,mode=700,uid=442,gid=442", "tmpfs", ACCOUNTS)
        self.put_into(world.WORK + "/accounts")
        self.daemon.start()
        fill(ACCOUNTS)
        codes = [world.add(f"nospace{i}") for i in range(40)]
        failed = [answer for answer in codes if answer.code == world.FAILED]
        self.check(failed and "full" in failed[0].text.lower(),
                   "a full disk of the store: the change fails and says why", codes[-1])
        made = [f"nospace{i}" for i, answer in enumerate(codes) if answer.code == 0]
        os.unlink(ACCOUNTS + "/filler")
        answer = world.add("room")
        self.check(answer.code == 0, "with room changes go on", answer)
        self.check(all(world.getent("passwd", name) for name in made) and
                   not world.getent("passwd", "nospace39"),
                   "what was acknowledged is there, what failed is not")
        self.daemon.stop()
        subprocess.run(["umount", ACCOUNTS], check=True)

    def put_into(self, source):
        for name in os.listdir(source):
            shutil.copy(os.path.join(source, name), ACCOUNTS)
            os.chown(os.path.join(ACCOUNTS, name), world.ACCOUNTD_UID, world.ACCOUNTD_UID)

    # This machine's own accounts.

    def became_local(self):
        self.fresh()
        self.daemon.start()
        world.add("erin", groups="team")
        world.add("frank")
        passwd = "/etc/passwd"
        with open(passwd, encoding="utf-8") as file:
            before = file.read()
        world.write(passwd, "erin:x:4711:4711::/:/bin/sh\n", None, "a")
        answer = world.add("grace")
        self.check(answer.code == 0, "an account became local: changes go on", answer)
        self.check(world.wait_for(lambda: not world.getent("passwd", "erin")) and
                   world.getent("passwd", "frank") and world.getent("passwd", "grace"),
                   "it is not published any more, others are")
        self.check(self.daemon.logged("dropped: ") and "'erin'" in self.daemon.text(),
                   "with a line in the log")
        told = world.ask("status").kind("dropped")
        self.check(any("erin" in item["text"] for item in told), "and in status", told)
        self.check(world.status()["users"] == "3", "the store keeps it")
        answer = world.add("heidi", uid=world.FIRST + 500)
        self.check(answer.code == 0, "an id by number", answer)
        world.write(passwd, f"ivan:x:{world.FIRST + 600}:1::/:/bin/sh\n", None, "a")
        answer = world.add("judy", uid=world.FIRST + 600)
        self.check(answer.code in (world.REFUSED, world.EXISTS), "a local uid is refused", answer)
        world.write(passwd, before, None)
        answer = world.ask("publish")
        self.check(answer.code == 0 and world.getent("passwd", "erin"),
                   "when it is gone there, it is published again", answer)
        self.daemon.stop()

    def damaged_snapshot(self):
        with open(world.SNAPSHOT, "r+b") as file:
            file.truncate(1000)
        self.daemon.start()
        self.check(world.getent("passwd", "frank"), "a damaged snapshot is replaced at the start")
        self.daemon.stop()

    def clocks(self):
        """A clock that stands in 2100, then in 1970: ids, tombstones and publishing do not care."""
        if world.SANITIZED:
            self.out.skip("clocks", "faketime does not go with AddressSanitizer")
            return
        library = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")
        self.check(library, "faketime is installed")
        uids = []
        for when in ("2100-01-01", "1970-01-02"):
            jumped = world.Daemon(environment={"LD_PRELOAD": library[0], "FAKETIME_NO_CACHE": "1",
                                               "FAKETIME": f"@{when} 00:00:00"})
            jumped.start()
            name = "year" + when[:4]
            answers = [world.add(name), world.ask("user-remove", name=name), world.add(name)]
            uids += [answers[0].fields.get("uid"), answers[2].fields.get("uid")]
            told = world.status()
            self.check(all(answer.code == 0 for answer in answers) and world.getent("passwd", name)
                       and told["published"] == told["generation"],
                       f"{when}: accounts are added, removed and published",
                       f"{[(answer.code, answer.text) for answer in answers]} {told}")
            self.check(jumped.stop() == 0, f"{when}: it ends")
        dump = sqlite3.connect(f"file:{world.STORE}?mode=ro", uri=True)
        times = dict(dump.execute("SELECT name, time FROM tombstones WHERE name LIKE 'year%'"))
        dump.close()
        self.check(times["year2100"] > 4 * 10**9 and times["year1970"] < 10**6,
                   "the daemon did believe these clocks", times)
        self.check(len(set(uids)) == 4 and None not in uids, "no id came twice", uids)

    def damaged_snapshot_alone(self):
        """Who then takes the damaged file away does not begin anew unasked."""
        for name in os.listdir(os.path.dirname(world.STORE)):
            os.unlink(os.path.join(os.path.dirname(world.STORE), name))
        with open(world.SNAPSHOT, "r+b") as file:
            file.truncate(1000)
        self.refuses("snapshot damaged and no store", "damaged", "no store", "backup")
        self.check(not os.path.exists(world.STORE), "no empty store takes the lost one's place")
        os.unlink(world.SNAPSHOT)
        self.refuses("and without the snapshot", "are gone", "accounts.gen")


def main(out):
    faults = Faults(out)
    try:
        for part in (faults.first_form, faults.lost, faults.corrupt, faults.newer, faults.disk,
                     faults.store_disk, faults.became_local, faults.clocks,
                     faults.damaged_snapshot, faults.damaged_snapshot_alone):
            part()
        complaints = faults.daemon.complaints()
        out.result(not complaints, "no sanitizer and no sandbox had to say anything",
                   "\n".join(complaints[:20]))
    finally:
        if faults.daemon.process and faults.daemon.process.poll() is None:
            faults.daemon.process.kill()


world.enter()
sys.exit(tap.run(main))
