# SPDX-License-Identifier: LGPL-2.1-or-later
"""The module's own flows in the small PAM host, with real signers and the real daemon: what later
phases see, choices, presence, keys of the machine, threads. Every code is the module's own: the
service files hold nothing else."""
import os
import re
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.environ.get("top_srcdir", "."), "tests/e2e"))
# pylint: disable=wrong-import-position
from lib import private, tap  # noqa: E402
from lib.world import PASSPHRASE, PROGRAMS, World, pwd_entry  # noqa: E402

ALL = "auth,acct,setcred,open,close"
DAY = 86400
KINDS = {"setuid": "--setuid-of", "user": "--run-as"}  # else as root


class Flow:
    """One run of the PAM host; `lines` is what it printed."""

    def __init__(self, kind="setuid", person="bob", user="bob", answers=(PASSPHRASE,), phases="auth",
                 service="mtls-flow", extra=()):
        more = [word for answer in answers for word in ("--answer", answer)]
        command = [PROGRAMS + "/pam_host", "--service", service, "--phases", phases, *more, *extra]
        if user:
            command += ["--user", user]
        if kind in KINDS:
            command += [KINDS[kind], str(pwd_entry(person).pw_uid)]
        done = subprocess.run(command, check=False, env={}, cwd="/", stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        self.text = done.stdout.decode("utf-8", "replace")
        self.lines = self.text.splitlines()

    def has(self, *wanted):
        return all(line in self.lines for line in wanted)

    def finds(self, pattern):
        return re.search(pattern, self.text, re.M) is not None


def services(world):
    for name, arguments in (("mtls-flow", ""), ("mtls-flow-open", " presence=not-required")):
        world.install(f"/etc/pam.d/{name}", "".join(
            f"{kind} required {world.module}{arguments}\n"
            for kind in ("auth", "account", "session", "password")))


def also(person, source, name):
    """One more credential for this person."""
    entry = pwd_entry(person)
    target = os.path.join(entry.pw_dir, ".config/mtls", name)
    with open(source, "rb") as old, open(target, "wb") as new:
        new.write(old.read())
    os.chmod(target, 0o600)
    os.chown(target, entry.pw_uid, entry.pw_gid)


def later_phases(out):
    done = Flow(phases=ALL)
    out.result(done.has(*[f"{phase}: PAM_SUCCESS" for phase in ALL.split(",")], "user: bob"),
               "all phases after our authenticate", done.text)
    wanted = (r"^env: MTLS_CERT_SUBJECT=.+", r"^env: MTLS_CERT_ISSUER=.+",
              r"^env: MTLS_CERT_SERIAL=[0-9a-f]+$", r"^env: MTLS_CERT_SHA256=[0-9a-f]{64}$",
              r"^env: MTLS_CERT_NOT_AFTER=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$",
              r"^env: MTLS_CERT_RULE=.+")
    out.result(all(done.finds(pattern) for pattern in wanted), "the environment names the certificate",
               done.text)
    done = Flow(user="")
    out.result(done.has("auth: PAM_SUCCESS", "user: bob"), "PAM_USER is set where it was empty",
               done.text)
    for phase, code in (("acct", "PAM_PERM_DENIED"), ("setcred", "PAM_CRED_ERR"),
                        ("open", "PAM_SESSION_ERR"), ("close", "PAM_SESSION_ERR")):
        for kind in ("root", "setuid"):
            done = Flow(kind=kind, phases=f"auth,{phase}", extra=("--change-user", "carol"))
            # sudo names its target after the account phase; who was proven is the caller.
            good = kind == "setuid" and phase != "acct"
            out.result(done.has("auth: PAM_SUCCESS", f"{phase}: {'PAM_SUCCESS' if good else code}") and
                       done.finds(r"^error: .*\(user-changed\)$") != good,
                       f"{phase} after PAM_USER was changed, {kind} host", done.text)


def another_account(world, out):
    """su: who was proven is the target, so PAM_USER has no reason to change."""
    world.bind("carol", "good")
    done = Flow(user="carol", phases=ALL)
    out.result(done.has(*[f"{phase}: PAM_SUCCESS" for phase in ALL.split(",")], "user: carol"),
               "all phases of a setuid program for another account", done.text)
    for phase, code in (("acct", "PAM_PERM_DENIED"), ("setcred", "PAM_CRED_ERR"),
                        ("open", "PAM_SESSION_ERR"), ("close", "PAM_SESSION_ERR")):
        done = Flow(user="carol", phases=f"auth,{phase}", extra=("--change-user", "bob"))
        out.result(done.has("auth: PAM_SUCCESS", f"{phase}: {code}") and
                   done.finds(r"^error: .*\(user-changed\)$"),
                   f"{phase} after PAM_USER was changed, not from the caller's account", done.text)
    world.unbind("carol", "good")


def logged(world):
    """What pam_mtls logged since the mark; the collector may be a moment late."""
    until = time.monotonic() + 5
    lines = []
    while not lines and time.monotonic() < until:
        lines = [line for line in world.syslog.lines() if "pam_mtls" in line]
        time.sleep(0.01)
    return lines


def codes(world, out):
    for name, answer, code, token in (
            ("wrong passphrase", "wrong", "PAM_AUTH_ERR", "secret-wrong"),
            ("empty passphrase", "", "PAM_AUTHINFO_UNAVAIL", "secret-empty"),
            ("passphrase over the limit", "x" * 600, "PAM_AUTH_ERR", "secret-wrong")):
        done = Flow(answers=(answer, "second answer"))
        out.result(done.has(f"auth: {code}") and done.finds(rf"^error: .*\({token}\)$") and
                   done.text.count("prompt-") == 1, f"{name}: {code}, asked once", done.text)
    for kind, name in (("setuid", "a setuid program"), ("root", "a root program"),
                       ("user", "an unprivileged program")):
        start = time.monotonic()
        done = Flow(kind=kind, answers=("wrong",))
        # libpam waits half as long at the least.
        out.result(done.has("auth: PAM_AUTH_ERR") and time.monotonic() - start >= 0.9,
                   f"guessing is slow in {name}", done.text)
    world.give("bob", None)
    also("bob", "/dev/null", "x\" reason=allowed user='root'.p12")
    world.syslog.mark()
    Flow()
    lines = logged(world)
    out.result(len(lines) == 1 and lines[0].count('"') == 2 and " detail=\"" in lines[0] and
               lines[0].endswith('"'), "a file's name ends no field of the log", "\n".join(lines))
    world.give("bob", "good")
    world.daemon.kill()
    done = Flow(phases="auth")
    out.result(done.has("auth: PAM_AUTHINFO_UNAVAIL") and done.finds(r"\(unreachable\)$"),
               "dead daemon: PAM_AUTHINFO_UNAVAIL", done.text)
    world.passing()


def choices(world, out):
    also("bob", world.pki.file["p12"], "second.p12")
    for answers, code, pattern in (
            (("1", PASSPHRASE), "PAM_SUCCESS", r"^prompt-on: Which certificate \(1-2\)\? $"),
            (("2", PASSPHRASE), "PAM_SUCCESS", r"^info: 2: "),
            (("3", PASSPHRASE), "PAM_AUTH_ERR", r"^error: .*\(bad-choice\)$"),
            (("", PASSPHRASE), "PAM_AUTHINFO_UNAVAIL", r"^error: .*\(secret-empty\)$")):
        done = Flow(answers=answers, extra=("--silent",))
        out.result(done.has(f"auth: {code}") and done.finds(pattern),
                   f"two certificates, answer '{answers[0]}'", done.text)
    world.passing()
    world.bind("carol", "good")
    for answer, code, user in (("1", "PAM_SUCCESS", "bob"), ("2", "PAM_SUCCESS", "carol"),
                               ("3", "PAM_AUTH_ERR", ""), ("", "PAM_AUTH_ERR", "")):
        done = Flow(user="", answers=(PASSPHRASE, answer))
        out.result(done.has(f"auth: {code}", f"user: {user}") and
                   done.finds(r"^prompt-on: Which account \(1-2\)\? $"),
                   f"two accounts, answer '{answer}'", done.text)
    done = Flow(user="carol")
    out.result(done.has("auth: PAM_SUCCESS", "user: carol") and not done.finds("^prompt-on"),
               "two accounts, one named: no question", done.text)
    world.unbind("carol", "good")


def presence(world, out):
    world.give("bob", "unprotected")
    done = Flow(answers=())
    out.result(done.has("auth: PAM_AUTH_ERR") and done.finds(r"\(key-unprotected\)$"),
               "unprotected key", done.text)
    done = Flow(answers=(), service="mtls-flow-open", extra=("--noconv",))
    out.result(done.has("auth: PAM_SUCCESS"), "unprotected key, presence not required: setuid program",
               done.text)
    for kind, name in (("root", "root program"), ("user", "unprivileged program")):
        done = Flow(kind=kind, answers=(), service="mtls-flow-open")
        out.result(done.has("auth: PAM_AUTH_ERR") and done.finds(r"\(key-unprotected\)$"),
                   f"unprotected key, presence not required: {name}", done.text)
    world.give("bob", "good")
    for kind, name in (("root", "root program"), ("user", "unprivileged program")):
        done = Flow(kind=kind)
        out.result(done.has("auth: PAM_SUCCESS"), f"protected key: {name}", done.text)


def machine_keys(world, out):
    entry = pwd_entry("mtls-signer")
    folder = world.conf + "/keys"
    os.makedirs(folder)
    os.chmod(folder, 0o755)
    path = folder + "/console.pem"
    with open(world.pki.file["good"], "rb") as old, open(path, "wb") as new:
        new.write(old.read())
    os.chown(path, entry.pw_uid, entry.pw_gid)
    os.chmod(path, 0o600)
    world.change_settings("pam_mtls.conf", {**world.pam_settings(), "key_files": [path]})
    done = Flow(kind="root", user="")
    out.result(done.has("auth: PAM_SUCCESS", "user: bob") and not done.finds("^prompt-on"),
               "key of the machine: no name is asked for", done.text)
    world.give("carol", None)
    done = Flow(kind="root", user="carol")
    out.result(done.has("auth: PAM_AUTH_ERR") and done.finds(r"\(mapped-to-other\) \[id [0-9a-f]+\]$"),
               "key of the machine is no key for another name", done.text)
    world.give("carol", "carol")
    done = Flow(kind="setuid", user="bob", person="mallory", answers=(PASSPHRASE,))
    out.result(done.has("auth: PAM_AUTHINFO_UNAVAIL") and done.finds(r"\(no-credential\)$"),
               "key of the machine is not for setuid programs", done.text)
    os.unlink(path)
    done = Flow(kind="root", user="", answers=("bob", PASSPHRASE))
    out.result(done.has("prompt-on: login:", "auth: PAM_SUCCESS", "user: bob"),
               "no key of the machine: then the name", done.text)
    world.passing()


def end_is_near(world, out):
    world.pki.add("soon", world.pki.user_ca, days=(-DAY, 5 * DAY + 3600))
    world.give("bob", "soon")
    remark = r"^info: Your certificate ends on \d{4}-\d\d-\d\d, in 5 days\."
    done = Flow()
    out.result(done.has("auth: PAM_SUCCESS") and done.finds(remark), "the end is near", done.text)
    done = Flow(extra=("--silent",))
    out.result(done.has("auth: PAM_SUCCESS") and not done.finds("^info"),
               "the end is near, silent", done.text)
    world.give("bob", "good")


def hosts(out):
    once = Flow().text
    left = re.search(r"^fds: \d+ (\d+)$", once, re.M).group(1)
    for name, extra in (("again and again", ("--repeat", "5")),
                        ("SIGCHLD ignored", ("--repeat", "2", "--sigchld", "ignore")),
                        ("SIGCHLD with a handler that reaps all",
                         ("--repeat", "2", "--sigchld", "reap"))):
        done = Flow(extra=extra)
        good = done.lines.count("auth: PAM_SUCCESS") == int(extra[1])
        out.result(good and done.finds(rf"^fds: \d+ {left}$") and done.has("children: 0"), name,
                   done.text)
    done = Flow(extra=("--threads", "4", "--repeat", "2"))
    good = sum(line.endswith(": auth: PAM_SUCCESS") for line in done.lines) == 8
    out.result(good and done.finds(rf"^fds: \d+ {left}$") and done.has("children: 0"), "threads",
               done.text)


def test(out):
    world = World()
    services(world)
    later_phases(out)
    another_account(world, out)
    codes(world, out)
    choices(world, out)
    presence(world, out)
    machine_keys(world, out)
    end_is_near(world, out)
    hosts(out)
    world.stop()
    out.result(not world.problems(), "no daemon, worker or signer crashed", world.problems())


if __name__ == "__main__":
    private.enter()
    sys.exit(tap.run(test))
