# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rescue codes when things are broken or attacked: files, disks, many tries at once, a kill at any moment,
clocks. No code is ever good for two logins, and nobody gets more tries than are granted."""
import glob
import os
import re
import shutil
import subprocess
import sys

from lib import private, tap
from lib.private import PRELOAD, PROGRAMS, environment
from lib.rescue import (ASKED, BURST, FILE, FOLDER, MINUTE, PASSWORD, STRANGERS, TRIES, Host, Login,
                        Suite, alone, forget_tries, fresh, let_time_pass, machine)
from lib.world import run, write

CLOCK = "/etc/faketimerc"


def files(t):
    codes = fresh()
    with open(FILE, encoding="ascii") as file:
        text = file.read()
    hash_of_the_first = text.split("\ncode 1 - ")[1].split("\n")[0]

    def put(content=text, mode=0o600, uid=0):
        if os.path.islink(FILE) or os.path.exists(FILE):
            os.unlink(FILE)
        write(FILE, content, mode)
        os.chown(FILE, uid, 0)

    def link():
        os.rename(FILE, FILE + "-real")
        os.symlink("codes-real", FILE)

    def folder(mode, uid=0):
        os.chmod(FOLDER, mode)
        os.chown(FOLDER, uid, -1)

    for name, change in (
            ("readable by others", lambda: put(mode=0o644)),
            ("writable by a group", lambda: put(mode=0o660)),
            ("somebody else's", lambda: put(uid=1000)),
            ("a link", link),
            ("empty", lambda: put("")),
            ("cut", lambda: put(text[:len(text) // 2])),
            ("of a later version", lambda: put(text.replace("mtls-rescue 1", "mtls-rescue 2"))),
            ("with a code too many", lambda: put(text.replace("end 10", "code 11 - $6$a$b\nend 10"))),
            ("with a weak hash", lambda: put(text.replace(hash_of_the_first, "$1$a$b"))),
            ("far too long", lambda: put(text * 60)),
            ("a folder", lambda: (os.unlink(FILE), os.mkdir(FILE))),
            ("in a folder that others enter", lambda: folder(0o711)),
            ("in a folder that others write", lambda: folder(0o777)),
            ("in somebody else's folder", lambda: folder(0o700, 1000))):
        change()
        t.mark()
        done = Host(codes[0])
        t.check(done.code() == "PAM_AUTHINFO_UNAVAIL" and
                re.search(r"^error: .*rescue codes cannot be used", done.text, re.M | re.I) and
                t.logged("rescue=unusable .*detail="), f"the file is {name}: refused, told, logged", done)
        quiet = Host(codes[0], user="bob")
        t.check(quiet.asked == 0 and "error" not in quiet.text, f"the file is {name}: not told to others",
                quiet)
        if os.path.isdir(FILE):
            os.rmdir(FILE)
        folder(0o700)
        put()
    os.unlink(FILE + "-real")
    write(FILE, text.replace(f"code 1 - {hash_of_the_first}", f"code 1 - {'$6$other$' + 'x' * 86}"), 0o600)
    done = Host(codes[0])
    t.check(done.code() == "PAM_AUTH_ERR", "a hash that was replaced: that code is none", done)
    put()
    done = Host(codes[0])
    t.check(done.code() == "PAM_SUCCESS", "and all back: the code works", done)


def filled(folder):
    """A small file system in the place of a folder, which keeps its content, without a byte to spare."""
    kept = folder + ".kept"
    shutil.copytree(folder, kept)
    run("mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", folder)
    for name in os.listdir(kept):
        shutil.copy2(os.path.join(kept, name), folder)
    with open(folder + "/ballast", "wb", buffering=0) as ballast:
        try:
            while True:
                ballast.write(b"x" * 4096)
        except OSError:
            pass
    shutil.rmtree(kept)


def disks(t):
    codes = fresh()
    filled(FOLDER)
    t.mark()
    done = Login("root", codes[0], "wrong")
    t.check(not done.entered and "The code was not taken" in done.text and "mtls=off" in done.text,
            "a full disk: refused, and told what to do", done)
    t.check(t.logged(r"rescue=unwritable .* code=1 .*detail=.*No space left"), "a full disk: logged",
            t.syslog.lines())
    t.check(Login("root", codes[0], PASSWORD).entered, "a full disk: the password is still a way in")
    os.unlink(FOLDER + "/ballast")
    t.check(Login("root", codes[0]).entered, "with room again the same code works")
    t.check(not Login("root", codes[0], "wrong").entered, "once")
    forget_tries()
    run("mount", "-o", "remount,ro", FOLDER)
    done = Login("root", codes[1], "wrong")
    t.check(not done.entered and "The code was not taken" in done.text and "Read-only" in done.text,
            "a read-only disk: refused, and told what to do", done)
    run("mount", "-o", "remount,rw", FOLDER)
    t.check(Login("root", codes[1]).entered, "writable again: the same code works")
    run("umount", FOLDER)
    forget_tries()
    codes = fresh()
    os.makedirs(TRIES, 0o700, exist_ok=True)
    for name, prepare, undo in (
            ("is read-only", lambda: run("mount", "-t", "tmpfs", "-o", "ro,mode=700", "tmpfs", TRIES),
             lambda: run("umount", TRIES)),
            ("is open to others", lambda: os.chmod(TRIES, 0o755), lambda: os.chmod(TRIES, 0o700)),
            ("is a file", lambda: (shutil.rmtree(TRIES), write(TRIES, "")), lambda: os.unlink(TRIES))):
        prepare()
        t.mark()
        done = Host(codes[0])
        t.check(done.asked == 0 and done.code() == "PAM_AUTHINFO_UNAVAIL" and t.logged("rescue=uncounted"),
                f"the folder of tries {name}: nothing is accepted", done)
        undo()
    t.check(Host(codes[0]).code() == "PAM_SUCCESS", "and all back: the code works")


def limited(t):
    codes = fresh()
    for number in range(BURST):
        done = Host(STRANGERS[number % 3])
        t.check(done.code() == "PAM_AUTH_ERR" and "not one of" in done.text, f"try {number + 1}", done)
    t.mark()
    done = Host(codes[0])
    wait = re.search(r"possible in (\d+) seconds", done.text)
    t.check(done.code() == "PAM_AUTH_ERR" and done.asked == 0 and wait and 1 <= int(wait.group(1)) <= 60,
            "the next one has to wait, and is told how long", done)
    t.check(t.logged("rescue=too-many-tries"), "and that is logged", t.syslog.lines())
    done = Login("root", codes[0], PASSWORD)
    t.check(done.entered and not re.search(ASKED, done.text), "the password is no code: it has not to wait",
            done)
    let_time_pass(MINUTE)
    done = Host(codes[0])
    t.check(done.code() == "PAM_SUCCESS", "a minute later the right code enters", done)
    done = Host(codes[1])
    t.check(done.code() == "PAM_AUTH_ERR", "that was the one of this minute", done)


def at_once(t):
    """Many processes, started before any of them is waited for."""
    codes = fresh()
    hosts = [Host(STRANGERS[n % 3], start=False) for n in range(24)]
    texts = [host.finish().text for host in hosts]
    hashed = sum("not one of the rescue codes" in text for text in texts)
    entered = sum("PAM_SUCCESS" in text for text in texts)
    waiting = sum("Too many rescue codes" in text for text in texts)
    t.check(hashed == BURST and waiting == 24 - BURST and entered == 0,
            f"24 wrong codes at once: {BURST} are looked at",
            f"{hashed} looked at, {waiting} told to wait, {entered} entered")
    forget_tries()
    hosts = [Host(codes[0], start=False) for _ in range(12)]
    texts = [host.finish().text for host in hosts]
    entered = sum("auth: PAM_SUCCESS" in text for text in texts)
    t.check(entered == 1, "one code, 12 processes at once: one enters", "\n".join(texts))
    forget_tries()
    # A new set is made while codes of the old one are tried: each is of one set or the other.
    making = subprocess.Popen(["mtlsctl", "rescue", "new", "--any-output"], stdout=subprocess.PIPE)
    hosts = [Host(codes[n], start=False) for n in range(1, 4)]
    results = [host.finish().code() for host in hosts]
    making.communicate(timeout=60)
    forget_tries()
    after = [Host(codes[n]).code() for n in range(1, 4)]
    t.check(making.returncode == 0 and set(results) <= {"PAM_SUCCESS", "PAM_AUTH_ERR"} and
            after == ["PAM_AUTH_ERR"] * 3, "a new set ends the old one", f"{results} {after}")


def killed(t):
    """SIGKILL at each step of marking a code: whatever the disk holds then, it is good for one login at
    most, and the process that was killed let nobody in."""
    codes = fresh(count=10)
    # The rename is made before the second fsync, so from there on the code is used.
    steps = [("before the new file is made", "getdents64", 1, False),
             ("while it is written", "fchmod", 1, False), ("before it is synced", "fsync", 1, False),
             ("before it is put in place", "/^rename", 1, False),
             ("before the folder is synced", "fsync", 2, True)]
    for number, (name, call, when, used) in enumerate(steps):
        forget_tries()
        before = ["strace", "-f", "-o", "/run/mtls-test/strace", "-e", f"trace={call}", "-e",
                  f"inject={call}:signal=KILL:when={when}"]
        if call == "getdents64":  # the PAM host reads folders too
            before += ["-P", FOLDER]
        done = Host(codes[number], before=before)
        with open("/run/mtls-test/strace", encoding="utf-8") as file:
            trace = file.read()
        dead = "killed by SIGKILL" in trace
        t.check(dead and "PAM_SUCCESS" not in done.text, f"killed {name}: nobody enters",
                f"{trace[-500:]}\n{done.text}")
        results = [Host(codes[number]).code() for _ in range(2)]
        t.check(results.count("PAM_SUCCESS") <= (0 if used else 1) and results[1] == "PAM_AUTH_ERR",
                f"killed {name}: the code is good for {'none' if used else 'one'} more", results)
    left = [name for name in os.listdir(FOLDER) if name != "codes"]
    t.check(not left, "the next use cleans up what a killed one left", left)


def short_memory(t):
    """Each allocation of a try fails once."""
    if environment("MTLS_SANITIZERS") != "no":
        t.out.skip("short memory", "sanitizers bring their own allocator")
        return
    preload = PROGRAMS + "/nomem.so"
    shutil.copy(os.path.join(environment("top_builddir"), "tests/pam/.libs/libnomem.so"), preload)

    def attempt(code, fail_at):
        forget_tries()
        return Host(code, before=["env", f"LD_PRELOAD={preload}", f"NOMEM_AT={fail_at}"])

    codes = fresh()
    count = int(re.search(r"^allocations: (\d+)$", attempt(codes[0], 0).text, re.M).group(1))
    bad, short = [], 0
    for name, code in (("a wrong code", STRANGERS[0]), ("a used code", codes[0])):
        for point in range(1, count + 1):
            done = attempt(code, point)
            short += done.code() == "PAM_BUF_ERR"
            if done.code() in ("PAM_SUCCESS", "PAM_IGNORE") or "died in" in done.text:
                bad.append(f"{name}, allocation {point}: {done.text}")
    t.check(not bad and short > 10, f"short memory, at each of {count} allocations: refused",
            "\n".join(bad[:3]) or short)
    # The right code: whatever fails, it is good for one login at most.
    bad = []
    for point in range(1, count + 1):
        if point % 9 == 1:
            codes = fresh()
        results = [attempt(codes[point % 9], point).code(), Host(codes[point % 9]).code()]
        if results.count("PAM_SUCCESS") > 1 or "none" in results:
            bad.append(f"allocation {point}: {results}")
    t.check(not bad, "short memory, the right code: good for one login at most", "\n".join(bad))


def clocks(t):
    library = (glob.glob("/usr/lib/*/faketime/libfaketime.so.1") or [None])[0]
    if "libasan" in run("ldd", environment("top_builddir") + "/mtlsctl", check=False).stdout:
        t.out.skip("clocks", "faketime does not go with AddressSanitizer")
        return
    codes = fresh()
    write(PRELOAD, library + "\n")
    for number, moment in enumerate(("1970-01-01 00:00:05", "2100-01-01 00:00:00", "1969-12-31 00:00:00")):
        write(CLOCK, moment + "\n")
        done = Login("root", codes[number])
        t.check(done.entered, f"a clock that stands at {moment}: a code enters", done)
        done = Login("root", codes[number], "wrong")
        t.check(not done.entered and "used before" in done.text, f"{moment}: once", done)
        forget_tries()
    listed = run("mtlsctl", "rescue", "list").stdout
    write(PRELOAD, "")
    os.unlink(CLOCK)
    t.check("7 of 10 codes left" in listed and "used 2100-01-01" in listed, "the list shows such times",
            listed)
    for number in range(BURST):
        Host(STRANGERS[number % 3])
    write(PRELOAD, library + "\n")
    write(CLOCK, "2100-01-01 00:00:00\n")
    # What jumps in earnest is the time of day, not the time since the start.
    done = Host(codes[5], before=["env", "DONT_FAKE_MONOTONIC=1"])
    write(PRELOAD, "")
    os.unlink(CLOCK)
    t.check(done.code() == "PAM_AUTH_ERR" and "Too many" in done.text,
            "a clock that jumps gives no tries", done)


def test(out):
    t = Suite(out)
    machine()
    write("/etc/pam.d/mtls-alone", alone("services=mtls-alone"))
    for part in (files, disks, limited, at_once, killed, short_memory, clocks):
        part(t)


if __name__ == "__main__":
    private.enter()
    sys.exit(tap.run(test))
