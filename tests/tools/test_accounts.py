#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""mtlsctl account, group, bind against an mtls-accountd that says what a real one seldom says:
stored but not published, busy, somebody was quicker, trouble with sources, nonsense, nothing.
What the real one does is in tests/nss/accounts.sh. TAP; root, in a mount name space of its own."""
import json
import os
import shutil
import socket
import subprocess
import sys

TOP = os.environ["top_srcdir"]
if sys.argv[1:] != ["--inside"]:
    os.execvp("sh", ["sh", f"{TOP}/tests/nss/private.sh", sys.executable, "-B", __file__, "--inside"])

sys.path.insert(0, f"{TOP}/tests/tools")
# pylint: disable=wrong-import-position
from fake_daemon import BUSY, EXISTS, FAILED, NOTFOUND, OK, REFUSED, UNPUBLISHED, USAGE, Daemon, end, item, tlv, text  # noqa: E402

CTL = os.environ["top_builddir"] + "/mtlsctl"
RUN = os.environ["MTLS_RUNDIR"]
SOCKET = RUN + "/accountd-control.sock"
WORK = "/run/work"
LIMIT_S = 60  # nothing here takes a second

number = 0


def result(name, wrong):
    global number
    number += 1
    print(f"{'not ok' if wrong else 'ok'} {number} - {name}")
    for line in wrong:
        print("# " + line.replace("\n", "\n# "))


def mtlsctl(args, **options):
    done = subprocess.run([CTL] + args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=LIMIT_S,
                          stdin=subprocess.DEVNULL, check=False, **options)
    return done.returncode, done.stdout


def check(name, args, answers, status, words, seen=None):
    """words: what the output must have, each; a word with "!" before it must not be there."""
    daemon = Daemon(SOCKET, answers) if answers is not None else None
    got, out = mtlsctl(args)
    if daemon:
        daemon.stop()
    wrong = [f"status {got} instead of {status}"] if got != status else []
    for word in words:
        if (word[1:] in out) if word.startswith("!") else (word not in out):
            wrong.append(f"said or not said: {word}")
    if daemon and seen is not None and daemon.seen != seen:
        wrong.append("it asked: " + "\n".join(daemon.seen))
    if daemon and daemon.answers:
        wrong.append(f"{len(daemon.answers)} answers were not asked for")
    result(name, wrong + ["it said: " + out] if wrong else [])
    return out


def write(name, content):
    path = f"{WORK}/{name}"
    with open(path, "w", encoding="utf-8") as file:
        file.write(content)
    return path


# A machine with an account and a group of its own.
os.makedirs(f"{WORK}/etc")
for source in ("passwd", "group", "nsswitch.conf"):
    with open("/etc/" + source, encoding="utf-8") as file:
        write("etc/" + source, file.read())
with open(f"{WORK}/etc/passwd", "a", encoding="utf-8") as file:
    file.write("localbob:x:4242:4242::/:/bin/sh\nheld:x:2000200007:4242::/:/bin/sh\n")
with open(f"{WORK}/etc/group", "a", encoding="utf-8") as file:
    file.write("localgroup:x:4242:\n")
subprocess.run(["mount", "--bind", f"{WORK}/etc", "/etc"], check=True)

PLAN = end(OK, name="alice", uid="2000200001", gid="2000200001", home="/home/alice", shell="/bin/bash")
DONE = end(OK, name="alice", uid="2000200001", gid="2000200001", home="/home/alice", shell="/bin/bash", generation="1")
ASK = "home=/home/alice name=alice shell=/bin/bash"
TAKEN = end(REFUSED, "the id is taken")
NAME_TAKEN = end(EXISTS, "the name 'alice' is taken")
LATER = end(OK, uid="2000200002", gid="2000200002")
HELD = end(OK, uid="2000200007", gid="2000200007")
STUCK = end(UNPUBLISHED, "No space left on device", name="alice", uid="2000200001", gid="2000200001")
ADD = ["account", "add", "alice"]

check("no daemon: how to start it, and an exit code of its own", ADD, None, 4,
      ["nobody listens", "Start it with: mtls-accountd"])
check("no daemon: status", ["account", "status"], None, 4, ["Start it with"])
check("no daemon: import", ["account", "import", write("one.passwd", "bob:x:5001:5001::/home/bob:/bin/sh\n")], None, 4,
      ["Start it with"])
check("no daemon: bind", ["bind", "add", "localbob", "mail:bob@example.org"], None, 4,
      ["does not ask for keys of the kind 'mail' yet", "Start it with"])
check("no daemon, no snapshot: the list is empty", ["account", "list"], None, 0, ["NAME\tUID"])
check("and so as JSON", ["account", "list", "--json"], None, 0, ["[]"])

check("a plan, then exactly that number", ADD, [PLAN, DONE], 0, ["account 'alice': uid 2000200001"],
      [f"user-add dry-run=yes {ASK}", f"user-add {ASK} uid=2000200001"])
check("every field is passed on", ADD + ["--uid", "2000200009", "--gid", "2000200003", "--gecos", "Alice Ä", "--home", "/srv/a",
      "--shell", "/bin/sh", "--groups", "a,b"], [PLAN, DONE], 0, [],
      ["user-add dry-run=yes gecos=Alice Ä gid=2000200003 groups=a,b home=/srv/a name=alice shell=/bin/sh uid=2000200009",
       "user-add gecos=Alice Ä gid=2000200003 groups=a,b home=/srv/a name=alice shell=/bin/sh uid=2000200001"])
out = check("as JSON", ADD + ["--json"], [PLAN, DONE], 0, [])
result("what the JSON of a new account has", [] if json.loads(out) == {"name": "alice", "uid": 2000200001, "gid": 2000200001, "home": "/home/alice",
       "shell": "/bin/bash", "generation": 1, "dry_run": False} else [out])
done = Daemon(SOCKET, [PLAN, end(UNPUBLISHED, "No space left on device")])
said = subprocess.run([CTL] + ADD + ["--json"], capture_output=True, text=True, timeout=LIMIT_S, check=False)
done.stop()
result("as JSON: a change that nobody sees yet is an error", [] if said.returncode == 5 and json.loads(said.stdout)["error"]["code"] == 5 else [said.stdout])
check("a dry run ends with the plan", ADD + ["--dry-run"], [PLAN], 0, ["nothing was changed", "uid 2000200001"],
      [f"user-add dry-run=yes {ASK}"])
check("somebody took the number: asked again", ADD, [PLAN, TAKEN, LATER, DONE], 0, ["account 'alice'", "!is taken"],
      [f"user-add dry-run=yes {ASK}", f"user-add {ASK} uid=2000200001",
       f"user-add dry-run=yes {ASK}", f"user-add {ASK} uid=2000200002"])
check("somebody took the name: said", ADD, [PLAN, NAME_TAKEN, NAME_TAKEN], 1, ["the name 'alice' is taken"])
check("always somebody is quicker: an end", ADD, [PLAN, TAKEN] * 64, 1, ["the id is taken"])
check("a number of one's own is not tried again", ADD + ["--uid", "2000200001"], [PLAN, TAKEN], 1, ["the id is taken"])
check("a number that another source has", ADD, [HELD], 1, ["2000200007 belongs to", "--uid"],
      [f"user-add dry-run=yes {ASK}"])
check("an account of another source is not asked for", ["account", "add", "localbob"], [], 1, ["another source", "mtlsctl bind"], [])
check("nor a group", ["account", "add", "localgroup"], [], 1, ["a group 'localgroup' exists"], [])
check("nor groups of another source", ADD + ["--groups", "a,localgroup"], [], 1, ["'localgroup' belongs to"], [])
check("stored, not published", ADD, [PLAN, STUCK], 5,
      ["stored for good, but no process sees it yet: No space left", "do not repeat", "account 'alice': uid 2000200001"])
check("a former account", ADD, [PLAN, end(OK, uid="2000200001", gid="2000200001", former_uid="2000200000")], 0,
      ["was called 'alice' (uid 2000200000)"])
for code, status, words in ((FAILED, 1, "could not do it"), (USAGE, 2, "does not understand"), (REFUSED, 1, "a rule"),
                            (EXISTS, 1, "exists already"), (NOTFOUND, 1, "does not exist"), (BUSY, 1, "try again")):
    check(f"code {code} without words", ["account", "remove", "alice"], [end(code)], status, [words, "!removed with"])
    check(f"code {code} with words", ["account", "remove", "alice"], [end(code, "because of it")], status, ["because of it"])
check("an answer that is none", ["account", "remove", "alice"], [b"HTTP/1.1 400\r\n"], 1, ["is not known", "account status"])
check("a connection that closes", ["account", "remove", "alice"], [None], 1, ["closed", "is not known"])
check("a field that cannot be said", ADD + ["--gecos", "a\nb"], [], 1, ["gecos: expected", "control"], [])
check("one that is too long", ADD + ["--groups", "g," * 2200 + "g"], [], 1, ["groups: expected at most 4400"], [])
check("a change", ["account", "change", "alice", "--gecos", "", "--join", "a", "--leave", "b,c"], [end(OK, name="alice")], 0,
      ["account 'alice' changed"], ["user-change gecos= join=a leave=b,c name=alice"])
check("a change of nothing", ["account", "change", "alice"], [], 2, ["nothing to change"], [])
check("a change joins no group of another source", ["account", "change", "alice", "--join", "localgroup"], [], 1, ["belongs to"], [])
check("a dry change", ["account", "change", "alice", "--home", "/x", "--dry-run"], [end(OK)], 0, ["nothing was changed"],
      ["user-change dry-run=yes home=/x name=alice"])
check("a removal", ["account", "remove", "alice"], [end(OK, name="alice", uid="2000200001")], 0,
      ["uid 2000200001 is never used again"], ["user-remove name=alice"])
check("publish", ["account", "publish"], [end(OK)], 0, ["published"], ["publish"])

# --- a damaged snapshot: what mends it does not need it ---
STATE = os.environ["MTLS_STATEDIR"]
os.makedirs(STATE + "/snapshot", mode=0o755, exist_ok=True)
os.chmod(STATE, 0o755)
with open(STATE + "/snapshot/accounts.cdb", "wb") as file:
    file.write(b"junk")
check("a damaged snapshot keeps nobody from publishing", ["account", "publish"], [end(OK)], 0, ["published"], ["publish"])
check("others name what mends it", ["account", "remove", "alice"], [], 1, ["damaged", "mtlsctl account publish"], [])
check("lists too", ["account", "list"], None, 1, ["damaged", "mtlsctl account publish"])
os.unlink(STATE + "/snapshot/accounts.cdb")
os.makedirs(STATE + "/accountd")
with open(STATE + "/accountd/store.db", "wb"):
    pass
check("check: a snapshot that is lost while there is a store", ["check"], None, 3,
      ["accounts.cdb' does not exist: no process sees an account", "start mtls-accountd, which", "-> mtls-accountd &"])
shutil.rmtree(STATE + "/accountd")
check("check: nothing was ever here", ["check"], None, 3, ["no accounts, no bindings", "!no process sees"])

# --- status: every trouble alone is enough ---
GOOD = {"generation": "7", "published": "7", "users": "3", "groups": "1", "bindings": "2", "tombstones": "0",
        "next_uid": "2000200004", "next_gid": "2000200004", "publisher": "running", "store": "/x/store.db"}
SOURCE = item("source", name="corp", users="2", groups="0", state="good")
check("check: what is left out of a source, with its line", ["check"],
      [item("status", **GOOD) + item("conflict", source="corp", line="12", text="user 'x': no") + end(OK)], 3,
      ["'corp', line 12, is left out: user 'x': no", "mend that line"])
check("check: what is left out of the snapshot", ["check"],
      [item("status", **GOOD) + item("dropped", text="user 'x': its uid is not admitted") + end(OK)], 3,
      ["left out, so that no process sees it: user 'x'", "admit the number again in accountd.conf"])
rows = (
    ("all is well", item("status", **GOOD) + SOURCE, 0, ["generation  7, published 7", "corp: good, 2 users"]),
    ("behind", item("status", **{**GOOD, "published": "6"}), 1, ["published 6"]),
    ("publisher stopped", item("status", **{**GOOD, "publisher": "stopped"}), 1, ["stopped"]),
    ("an error", item("status", **GOOD, error="No space left"), 1, ["error       No space left"]),
    ("a broken source", item("status", **GOOD) + item("source", name="corp", users="2", groups="0", state="broken",
                                                      error="corp.passwd:3: found x"), 1, ["corp.passwd:3"]),
    ("a source that is gone", item("status", **GOOD) + item("source", name="corp", users="0", groups="0", state="gone"), 0, ["gone"]),
    ("a conflict", item("status", **GOOD) + item("conflict", source="corp", line="12", text="user 'x'"), 1, ["corp:12: user 'x'"]),
    ("something dropped", item("status", **GOOD) + item("dropped", text="'x' is local now"), 1, ["dropped     'x' is local"]),
    ("an item of a later daemon", item("status", **GOOD) + item("later", a="b"), 0, ["!later"]),
    ("no status at all", SOURCE, 1, ["did not say"]),
)
for name, items, status, words in rows:
    check("status: " + name, ["account", "status"], [items + end(OK)], status, words, ["status"])
    out = check("status --json: " + name, ["account", "status", "--json"], [items + end(OK)], status, [])
    if "did not say" not in out:
        try:
            parsed = json.loads(out)
            wrong = [] if parsed["attention"] == (status == 1) and parsed["generation"] == 7 else [out]
        except (ValueError, KeyError) as error:
            wrong = [f"{error}: {out}"]
        result("status --json is JSON: " + name, wrong)
check("status: refused", ["account", "status"], [end(REFUSED, "not you")], 1, ["not you"])

# --- import ---
passwd = write("corp.passwd", "bob:$6$hash:5001:100:Bob:/home/bob:/bin/sh\nlocalbob:x:5002:100::/home/l:/bin/sh\n")
group = write("corp.group", "staff:x:100:bob\nempty:!:101:\n")
import_done = item("renumbered", kind="user", name="bob", old="5001", new="2000200001") + \
    item("renumbered", kind="group", name="staff", old="100", new="2000200002") + end(OK, users="2", groups="2", renumbered="2")
check("import of passwd and group", ["account", "import", passwd, "--group", group, "--keep-ids", "5002-5002"], [import_done], 0,
      ["user 'bob': 5001 -> 2000200001", "group 'staff': 100 -> 2000200002", "chown -h NEW", "chgrp -h NEW",
       "1 password hashes were not taken over", "'localbob' is an account of another source too (uid 4242)",
       "2 users, 2 groups imported"],
      ["import keep-ids=5002-5002", "group gid=100 name=staff", "group gid=101 name=empty",
       "user gecos=Bob gid=100 home=/home/bob name=bob shell=/bin/sh uid=5001",
       "user gecos= gid=100 home=/home/l name=localbob shell=/bin/sh uid=5002",
       "group gid=100 members=bob name=staff", "end"])
out = check("import, as JSON", ["account", "import", passwd, "--group", group, "--json"], [import_done], 0, ["!imported"])
result("what the JSON of an import has", [] if json.loads(out[out.index("{"):]) == {
    "users": 2, "groups": 2, "hashes_dropped": 1, "dry_run": False, "renumbered": [
        {"kind": "user", "name": "bob", "old": 5001, "new": 2000200001},
        {"kind": "group", "name": "staff", "old": 100, "new": 2000200002}]} else [out])
check("a dry import", ["account", "import", passwd, "--dry-run"], [end(OK, users="2", groups="0", renumbered="0")], 0,
      ["nothing was changed", "!chown"])
many = write("many.group", "big:x:100:" + ",".join(f"member{i:05}" for i in range(1000)) + "\n")
names = ["member%05d" % i for i in range(1000)]
per_item = (4400 + 1) // (len(names[0]) + 1)
check("a group with many members takes several items", ["account", "import", passwd, "--group", many],
      [end(OK, users="2", groups="1", renumbered="0")], 0, [],
      ["import", "group gid=100 name=big", "user gecos=Bob gid=100 home=/home/bob name=bob shell=/bin/sh uid=5001",
       "user gecos= gid=100 home=/home/l name=localbob shell=/bin/sh uid=5002"] +
      ["group gid=100 members=%s name=big" % ",".join(names[i:i + per_item]) for i in range(0, 1000, per_item)] + ["end"])
csv = write("corp.csv", 'name,uid,gecos,groups\ncarol,,"Carol, C",a;b\ndave,7000,,\n')
check("import of CSV, known by its name", ["account", "import", csv], [end(OK, users="2", groups="0", renumbered="0")], 0, ["!hashes"],
      ["import", "user gecos=Carol, C groups=a,b home=/home/carol name=carol shell=/bin/bash",
       "user home=/home/dave name=dave shell=/bin/bash uid=7000", "end"])
wide = write("wide", "name,groups\ncarol," + ";".join(f"group{i:026}" for i in range(200)) + "\n")
out = check("groups of a user that do not fit come as groups", ["account", "import", wide, "--format", "csv"],
            [end(OK, users="1", groups="200", renumbered="0")], 0, ["1 users"])
check("an import that is refused", ["account", "import", passwd], [end(EXISTS, "corp: 'bob' is taken")], 1,
      ["'bob' is taken", "nothing was imported", "take it out of the file", "!users, ", "!hashes"])
check("an import that is not published", ["account", "import", passwd], [end(UNPUBLISHED, "", users="2", groups="0", renumbered="0")],
      5, ["stored for good", "2 users"])
kept = write("kept.passwd", "ann:x:4242:4242::/:/bin/sh\n")
check("a kept number that another source has", ["account", "import", kept, "--keep-ids", "4242-4242"], [], 1,
      ["'ann' cannot keep uid 4242: it is that of 'localbob'"], [])
check("no matter if it is not kept", ["account", "import", kept, "--keep-ids", "4243-5000"],
      [end(OK, users="1", groups="0", renumbered="1")], 0, ["1 users"])
check("nor if it is the same one", ["account", "import", write("same.passwd", "localbob:x:4242:4242::/:/bin/sh\n"),
                                    "--keep-ids", "4242-4242"], [end(OK, users="1", groups="0", renumbered="0")], 0, ["1 users"])
check("a kept number of a group that another source has",
      ["account", "import", passwd, "--group", write("kept.group", "crew:x:4242:\n"), "--keep-ids", "4242-4242"], [], 1,
      ["'crew' cannot keep gid 4242: it is that of 'localgroup'"], [])
for keep in ("5", "5-", "-5", "7-5", "0-5", "a-b", "5-6-7", "5-4294967296"):
    check(f"not a range: {keep}", ["account", "import", passwd, f"--keep-ids={keep}"], None, 2, ["is not a range"])
check("a wrong line, before anybody is asked", ["account", "import", write("bad.passwd", "bob:x:5001\n")], [], 1, ["bad.passwd:1:"], [])
check("an entry that is there twice", ["account", "import", write("twice.passwd", "bob:x:5001:100::/:/bin/sh\nbob:x:5002:100::/:/bin/sh\n")],
      [], 1, ["bob"], [])
check("a file that is not there", ["account", "import", "/nowhere"], None, 1, ["/nowhere"])
check("an unknown format", ["account", "import", passwd, "--format", "ldif"], None, 2, ["'ldif' is none of"])

# On a terminal there is a line that moves, and nothing of it elsewhere.
long = write("long.csv", "name\n" + "".join(f"person{i}\n" for i in range(1500)))
daemon = Daemon(SOCKET, [end(OK, users="1500", groups="0", renumbered="0")])
above, below = os.openpty()
with open(f"{WORK}/out", "w", encoding="utf-8") as file:
    # Less than a terminal holds, so it can be read when all is over.
    status = subprocess.run([CTL, "account", "import", long], stdout=file, stderr=below, stdin=subprocess.DEVNULL,
                            timeout=LIMIT_S, check=False).returncode
daemon.stop()
os.close(below)
shown = os.read(above, 65536).decode()
os.close(above)
with open(f"{WORK}/out", encoding="utf-8") as file:
    said = file.read()
result("progress on a terminal", [] if status == 0 and "1000 of 1500 entries sent" in shown and shown.endswith("\r\x1b[K")
       and said == "1500 users, 0 groups imported; 0 numbers are new\n" else [repr(shown), said])

# --- groups and bindings ---
check("a group", ["group", "add", "crew"], [end(OK, gid="2000200005"), end(OK, gid="2000200005")], 0, ["group 'crew': gid 2000200005"],
      ["group-add dry-run=yes name=crew", "group-add gid=2000200005 name=crew"])
check("a group's number that another source has", ["group", "add", "crew"], [end(OK, gid="2000200007")], 1, ["--gid"])
out = check("a group, as JSON", ["group", "add", "crew", "--json", "--dry-run"], [end(OK, name="crew", gid="2000200005")], 0, [])
result("what the JSON of a group has", [] if json.loads(out) == {"name": "crew", "gid": 2000200005, "dry_run": True} else [out])
out = check("a binding, as JSON", ["bind", "add", "localbob", "subject:CN=Bob", "--json"], [end(OK)], 0, [])
result("what the JSON of a binding has", [] if json.loads(out) == {"key": "subject:CN=Bob", "name": "localbob", "dry_run": False} else [out])
check("a group of another source", ["group", "add", "localgroup"], [], 1, ["another source"], [])
check("a group is removed", ["group", "remove", "crew"], [end(OK, gid="2000200005")], 0, ["gid is never used again"],
      ["group-remove name=crew"])
check("joining a group that is not there", ["group", "join", "crew", "alice"], [], 1, ["there is no group 'crew'"], [])
check("joining a group of another source", ["group", "join", "localgroup", "alice"], [], 1, ["another source"], [])
check("a binding to an account of another source", ["bind", "add", "localbob", "subject: cn=Bob , O=Example"], [end(OK)], 0,
      ["subject:CN=Bob,O=Example is bound to 'localbob'"], ["bind-add key=subject:CN=Bob,O=Example name=localbob"])
check("a binding of a later kind", ["bind", "add", "localbob", "mail:bob@example.org"], [end(OK)], 0,
      ["does not ask for keys of the kind 'mail' yet", "is bound to"], ["bind-add key=mail:bob@example.org name=localbob"])
check("a binding to nobody", ["bind", "add", "zoe", "mail:zoe@example.org"], [], 1, ["there is no account 'zoe'"], [])
check("a binding to root", ["bind", "add", "root", "mail:root@example.org"], [], 1, ["uid 0"], [])
check("a dry removal of a binding", ["bind", "remove", "localbob", "mail:b@example.org", "--dry-run"], [end(OK)], 0,
      ["nothing was changed"], ["bind-remove dry-run=yes key=mail:b@example.org name=localbob"])

# --- who is who ---
os.makedirs(RUN, exist_ok=True)
# The build folder may lie where nobody else can go.
built, CTL = CTL, shutil.copy(CTL, "/run/mtlsctl-for-all")
os.chmod(CTL, 0o755)
got, out = mtlsctl(["account", "remove", "alice"], user=65534, group=65534, extra_groups=[])
CTL = built
result("only root may speak to the daemon", [] if (got, "only root" in out) == (1, True) else [out])
stranger = subprocess.Popen([sys.executable, "-c", f"""
import os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind({SOCKET!r})
os.seteuid(65534)
s.listen(1)
print("ready", flush=True)
sys.stdin.read()
"""], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
stranger.stdout.readline()
got, out = mtlsctl(["account", "remove", "alice"])
stranger.communicate()
os.unlink(SOCKET)
result("a stranger's socket is not asked", [] if got == 1 and "listens there" in out else [f"{got} {out}"])
print(f"1..{number}")
