# SPDX-License-Identifier: LGPL-2.1-or-later
"""`mtlsctl rescue` as an administrator uses it, and what `mtlsctl check` says about the ways back."""
import json
import os
import re
import shutil
import subprocess
import sys

from lib import private, tap
from lib.rescue import (CODE, CONF, FILE, FOLDER, MODULE, Host, Suite, forget_tries, fresh, machine,
                        make_codes, stack)
from lib.terminal import converse
from lib.world import run, write

CMDLINE = "/run/mtls-test/cmdline"


def ctl(*arguments, **options):
    return subprocess.run(["mtlsctl", *arguments], check=False, encoding="utf-8",
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          **options)


def content():
    with open(FILE, encoding="ascii") as file:
        return file.read()


def made(t):
    before = os.umask(0o077)
    done, codes = make_codes()
    os.umask(before)
    t.check(done.status == 0 and len(set(codes)) == 10 and "for root" in done.text and
            "put them into a safe" in done.text and "They work from now on." in done.text,
            "new: ten codes, on the terminal, and what to do with them", done)
    t.check(not re.search("Those before", done.text), "new: there were none before", done)
    mode = [os.stat(path) for path in (FOLDER, FILE)]
    t.check([(m.st_mode & 0o7777, m.st_uid) for m in mode] == [(0o700, 0), (0o600, 0)],
            "the folder and the file are root's alone", mode)
    mode = os.stat(CONF).st_mode & 0o7777
    t.check(mode == 0o755, "the folder above is for everybody, whatever root's umask", oct(mode))
    t.check(not re.search(CODE, content()), "the file has no code", content())
    Host(codes[0])
    listed = ctl("rescue", "list")
    t.check(listed.returncode == 0 and "9 of 10 codes left, for root, made 20" in listed.stdout and
            re.search(r"^ +1   used 20\d\d-", listed.stdout, re.M) and
            re.search(r"^ +10   unused$", listed.stdout, re.M) and
            not re.search(CODE, listed.stdout), "list: which are used, not what they are",
            listed.stdout)
    object_ = json.loads(ctl("rescue", "list", "--json").stdout)
    t.check(object_["unused"] == 9 and object_["users"] == ["root"] and len(object_["codes"]) == 10 and
            object_["codes"][0]["used"] and object_["codes"][0]["used_at"] >= object_["made_at"] and
            object_["codes"][1] == {"number": 2, "used": False}, "list --json", object_)
    again, others = make_codes("--count", "3", "--user", "bob,root")
    t.check(again.status == 0 and len(others) == 3 and "for bob,root" in again.text and
            "Those before do not any more; 9 of them were left." in again.text,
            "new again: how many of the old are lost", again)


def piped(t):
    before = content()
    for name, call in (("a pipe", lambda: ctl("rescue", "new")),
                       ("a pipe, as JSON", lambda: ctl("rescue", "new", "--json"))):
        done = call()
        t.check(done.returncode == 1 and "--any-output" in done.stderr and not re.search(CODE, done.stdout)
                and content() == before, f"codes into {name}: refused, nothing changed", done)
    done = ctl("rescue", "new", "--any-output")
    t.check(done.returncode == 0 and len(re.findall(CODE, done.stdout)) == 10 and content() != before,
            "codes into a pipe, because it was said", done)
    done = ctl("rescue", "new", "--any-output", "--json", "--count", "2")
    object_ = json.loads(done.stdout)
    forget_tries()
    code = object_["codes"][1]
    t.check(done.returncode == 0 and object_["replaced_unused"] == 10 and code["number"] == 2 and
            Host(code["code"]).code() == "PAM_SUCCESS", "new --json", object_)
    before = content()
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run(["mtlsctl", "rescue", "new", "--any-output"], check=False, stdout=full,
                              stderr=subprocess.PIPE, encoding="utf-8")
    t.check(done.returncode == 1 and "nothing was changed" in done.stderr and content() == before,
            "codes that cannot be printed do not replace those that were", done)


def mistakes(t):
    before = content()
    for arguments, status, words in (
            (("--count", "0"), 2, "count"), (("--count", "101"), 2, "count"), (("--count", "x"), 2, "count"),
            (("--user", ""), 2, "names"), (("--user", "a,,b"), 2, "names"), (("--user", "root,root"), 2, "names"),
            (("--user", "nobody-at-all"), 1, "there is no account 'nobody-at-all'"), (("left",), 2, "unexpected")):
        done = ctl("rescue", "new", "--any-output", *arguments)
        t.check(done.returncode == status and words in done.stderr and content() == before,
                f"new {' '.join(arguments)}: {status}", done)
    done = converse(["/usr/sbin/mtlsctl", "rescue", "new"], [], user="bob")
    t.check(done.status == 1 and "ermission denied" in done.text and not re.search(CODE, done.text),
            "new by somebody else: no code is shown", done)
    for action in ("list", "remove"):
        done = converse(["/usr/sbin/mtlsctl", "rescue", action], [], user="bob")
        t.check(done.status == 1 and "ermission denied" in done.text, f"{action} by somebody else", done)
    t.check(content() == before, "and nothing was changed")


def full(t):
    """The old set stays good where the new one cannot be written, and that is said."""
    codes = fresh()
    kept = shutil.copytree(FOLDER, FOLDER + ".kept")
    run("mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", FOLDER)
    shutil.copy2(kept + "/codes", FILE)
    run("mount", "-o", "remount,ro", FOLDER)
    done, _ = make_codes()
    t.check(done.status == 1 and "these codes do NOT work, and those before still do" in done.text,
            "new on a disk that cannot be written", done)
    run("mount", "-o", "remount,rw", FOLDER)
    t.check(Host(codes[0]).code() == "PAM_SUCCESS", "the old codes do work")
    run("umount", FOLDER)
    shutil.rmtree(kept)


def removed(t):
    fresh()
    write(FILE + ".AbCdEf", "of one that was killed", 0o600)
    done = ctl("rescue", "remove")
    t.check(done.returncode == 0 and "10 unused codes do not work from now on" in done.stdout and
            os.listdir(FOLDER) == [], "remove", done)
    for name, action in (("remove again", "remove"), ("list of none", "list")):
        done = ctl("rescue", action)
        t.check(done.returncode == 0 and "no rescue codes" in done.stdout, name, done)
    done = ctl("rescue", "list", "--json")
    t.check(json.loads(done.stdout) == {"codes": [], "unused": 0}, "list --json of none", done)
    os.rmdir(FOLDER)
    t.check(ctl("rescue", "remove").returncode == 0, "remove without a folder")


# --- mtlsctl check ---


def finding(severity, text, advice=None):
    """Empty if `check` has it, with its advice behind it."""
    lines = ctl("check").stdout.splitlines()
    for line, after in zip(lines, lines[1:] + [""]):
        if line.startswith(severity + " ") and re.search(text, line):
            return "" if advice is None or re.search(r"-> .*" + re.escape(advice), after) else \
                f"advice: {after}"
    return f"not found: {severity} {text}\n" + "\n".join(lines)


def checked(t):
    def expect(name, *wanted):
        why = finding(*wanted)
        t.check(not why, f"check: {name}", why)

    ctl("init", "--name", "auth.internal")
    write("/etc/pam.d/login", "auth required pam_unix.so\n")
    for service in ("mtls-alone", "mtls-other"):
        os.unlink("/etc/pam.d/" + service)
    expect("no codes, and nobody wants any", "note", "there are no rescue codes")
    fresh()
    expect("codes that no service takes", "warning",
           "there are rescue codes, but no service in /etc/pam.d takes them", "pam_mtls_rescue(8)")
    write("/etc/pam.d/login", stack(""))
    expect("ten left", "ok", "10 of 10 rescue codes left, for root")
    make_codes("--count", "3")
    expect("few left", "warning", "3 of 3 rescue codes left", "mtlsctl rescue new")
    text = content()
    write(FILE, re.sub(r"^(code \d) -", r"\1 1796083200", text, flags=re.M), 0o600)
    expect("none left", "error", "all 3 rescue codes are used", "mtlsctl rescue new")
    write(FILE, text.replace("users root", "users nobody-at-all"), 0o600)
    expect("for nobody", "warning", "for 'nobody-at-all', which is no account here",
           "mtlsctl rescue new --user ACCOUNT")
    for name, change, words in (
            ("readable by others", lambda: os.chmod(FILE, 0o644), "secret that others may read"),
            ("damaged", lambda: write(FILE, text[:100], 0o600), "expected"),
            ("open folder", lambda: os.chmod(FOLDER, 0o755), "expected root and 0700")):
        write(FILE, text, 0o600)
        change()
        expect(name, "error", f"no rescue code works: .*{words}", "mtlsctl rescue new")
    t.check(ctl("check").returncode == 3, "check: the exit status tells of errors")
    os.chmod(FOLDER, 0o700)
    write(FILE, text, 0o600)
    ctl("rescue", "remove")
    expect("no codes, and login wants some", "error", "there are no rescue codes in", "mtlsctl rescue new")
    write("/etc/pam.d/su", f"auth sufficient {MODULE}\nauth required pam_deny.so\n")
    expect("a service that the line does not serve", "warning",
           "service 'su': pam_mtls_rescue.so takes codes in 'login' only", "services=login,SERVICE")
    write("/etc/pam.d/su", f"auth sufficient {MODULE} services=login,su\nauth required pam_deny.so\n")
    why = finding("warning", "service 'su'")
    t.check(why.startswith("not found"), "check: a service that it does", why)
    by_bob = converse(["/usr/sbin/mtlsctl", "check"], [], user="bob")
    t.check(re.search("note +rescue +.*were not looked at", by_bob.text), "check by somebody else", by_bob)
    write(CMDLINE, "root=/dev/vda1 ro mtls=off quiet\n")
    run("mount", "--bind", CMDLINE, "/proc/cmdline")
    expect("mtls=off", "warning", "the kernel was started with mtls=off", "restart without the word")
    run("umount", "/proc/cmdline")
    why = finding("warning", "mtls=off")
    t.check(why.startswith("not found"), "check: without the word", why)


def test(out):
    t = Suite(out)
    machine()
    shutil.rmtree(CONF, ignore_errors=True)
    for part in (made, piped, mistakes, full, removed, checked):
        part(t)


if __name__ == "__main__":
    private.enter()
    sys.exit(tap.run(test))
