# SPDX-License-Identifier: LGPL-2.1-or-later
"""mtls-accountd as a set of processes: options, sockets and who may use them, the rights of each
process, what happens when one dies, and the end."""
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time

import world
from world import tap, wire

EXIT_USAGE, EXIT_UNAVAILABLE, EXIT_NOPERM, EXIT_CONFIG = 64, 69, 77, 78


class Start:
    def __init__(self, out):
        self.out = out
        self.daemon = world.Daemon()

    def check(self, passed, name, details=""):
        return self.out.result(passed, name, f"{details}\n{self.daemon.text()[-1500:]}")

    # What it says and what it does not start with.

    def options(self):
        rows = (("--help", 0, "Usage: mtls-accountd"), ("--version", 0, "mtls-accountd (pam-mtls)"),
                ("--dump-config", 0, "id_min"), ("--check", 0, ""),
                ("--nonsense", EXIT_USAGE, "Usage"), ("extra", EXIT_USAGE, "Usage"))
        for option, code, text in rows:
            got, said = self.daemon.run(option)
            self.check(got == code and text in said, f"option {option}", f"{got}: {said}")
        for options in (("--publisher-process", str(os.getpid() + 1)),
                        ("--store-process", "1", "442", "442", "443", "0", "strict")):
            got, said = self.daemon.run(*options)
            self.check(got == 70 and "started by mtls-accountd only" in said,
                       f"{options[0]} is not for the command line", f"{got}: {said}")
        # The build folder may lie where nobody else can go.
        copy = shutil.copy(world.build("mtls-accountd"), "/run/mtls-accountd-for-all")
        os.chmod(copy, 0o755)
        told = wire.as_uid(65534, lambda: subprocess.run([copy], stderr=subprocess.DEVNULL,
                                                         check=False).returncode)
        self.check(told == str(EXIT_NOPERM), "a person cannot start it", told)

    def refusals(self):
        rows = (("an unknown user", 'user = "nobody-such"', "nobody-such"),
                ("root as user", 'user = "root"', "is root"),
                ("root as mtls-authd", 'authd_user = "root"', "is root"),
                ("an unknown key", "colour = blue", "colour"),
                ("a window of system ids", "id_min = 60001\nid_max = 60002", "window"))
        for name, text, said in rows:
            world.write(world.CONF, text + "\n")
            for options in ((), ("--check",)):
                code, output = self.daemon.run(*options)
                self.check(code == EXIT_CONFIG and said in output,
                           f"{' '.join(options) or 'start'}: {name}", f"{code}: {output}")
        os.unlink(world.CONF)
        for option in ("--check", "--dump-config"):
            code, output = self.daemon.run("--config", world.CONF + ".not", option)
            self.check(code == EXIT_CONFIG and "accountd.conf.not" in output,
                       f"{option}: a file that is named must be there", f"{code}: {output}")

    def sockets(self):
        os.makedirs(world.RUN)
        world.write(world.CONTROL, "")
        code, said = self.daemon.run()
        self.check(code == EXIT_UNAVAILABLE and "not a socket" in said,
                   "a file in the socket's place is not removed", f"{code}: {said}")
        os.unlink(world.CONTROL)
        os.chmod(world.RUN, 0o777)
        code, said = self.daemon.run()
        self.check(code == EXIT_UNAVAILABLE and world.RUN in said,
                   "a folder that others may write to is refused", f"{code}: {said}")
        os.rmdir(world.RUN)
        self.daemon.start()
        rows = ((world.CONTROL, 0o600, 0, 0),
                (world.AUTHD, 0o660, world.ACCOUNTD_UID, world.AUTHD_UID),
                (os.path.dirname(world.STORE), 0o700, world.ACCOUNTD_UID, world.ACCOUNTD_UID),
                (world.STORE, 0o600, world.ACCOUNTD_UID, world.ACCOUNTD_UID),
                (os.path.dirname(world.SNAPSHOT), 0o755, 0, 0), (world.STATE, 0o755, 0, 0))
        for path, mode, uid, gid in rows:
            found = os.stat(path)
            got = (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid)
            self.check(got == (mode, uid, gid), f"mode and owner of {path}", got)
        code, said = self.daemon.run()
        self.check(code == EXIT_UNAVAILABLE and "another process listens" in said,
                   "a second one does not start", f"{code}: {said}")
        world.write(world.WORK + "/second.conf",
                    f'control_socket = "{world.RUN}/c2.sock"\nauthd_socket = "{world.RUN}/a2.sock"\n')
        code, said = self.daemon.run("--config", world.WORK + "/second.conf")
        self.check(code == EXIT_UNAVAILABLE and "store" in said,
                   "a second one with other sockets does not get the store", f"{code}: {said}")

    # Who may ask what.

    def peers(self):
        def attempt(path):
            try:
                answer = world.ask("status", path)
                return f"{answer.code} {len(answer.items)}"
            except OSError as error:
                return type(error).__name__
        rows = ((0, world.CONTROL, "0 1"), (0, world.AUTHD, "0 1"),
                (world.AUTHD_UID, world.AUTHD, "0 1"),
                (world.AUTHD_UID, world.CONTROL, "PermissionError"),
                (65534, world.AUTHD, "PermissionError"))
        for uid, path, want in rows:
            got = wire.as_uid(uid, lambda p=path: attempt(p))
            self.check(got == want, f"uid {uid} at {os.path.basename(path)}: {want}", got)
        # Whatever the modes say: the daemon looks itself.
        for uid, path in ((65534, world.AUTHD), (world.AUTHD_UID, world.CONTROL)):
            before = os.stat(path).st_mode
            os.chmod(path, 0o666)
            got = wire.as_uid(uid, lambda p=path: attempt(p))
            self.check(got.startswith(("None", "ConnectionReset", "BrokenPipe")),
                       f"uid {uid} is refused at a {os.path.basename(path)} with mode 0666", got)
            os.chmod(path, stat.S_IMODE(before))
        answer = world.ask("user-remove", world.AUTHD, name="alice")
        self.check(answer.code == world.REFUSED, "no change at the socket for mtls-authd", answer)

    def manners(self):
        """What is no request ends the connection, and nothing else."""
        rows = (("garbage", b"GET / HTTP/1.0\r\n\r\n"), ("an item first", world.item("user")),
                ("an end first", world.end()), ("a message of another protocol",
                                                wire.auth_request(account="x")),
                ("a length over the limit", b"\x78\x84\x7f\xff\xff\xff"))
        for name, data in rows:
            client = world.Client()
            client.send(data)
            self.check(client.answer().code is None, f"{name} ends the connection")
            client.close()
        client = world.Client()
        two = client
        two.send(world.request("status") + world.request("status"))
        self.check(two.answer().code == 0 and two.answer().code == 0,
                   "two requests in one packet get two answers")
        client.close()
        many = []
        try:
            for _ in range(80):
                many.append(world.Client())
            told = [client.ask("status").code for client in many[:64]]
            self.check(told == [0] * 64, "64 connections are served", told)
            try:
                self.check(many[79].ask("status").code is None, "the 80th is closed")
            except OSError:
                self.check(True, "the 80th is closed")
        finally:
            for client in many:
                client.close()
        self.check(world.wait_for(world.status), "and with room it goes on")
        rows = (("verb", world.request("nonsense"), world.USAGE),
                ("version", world.request("status", version=2), world.USAGE),
                ("field", world.request("user-remove", name="x", colour="blue"), world.USAGE),
                ("missing field", world.request("user-remove"), world.USAGE),
                ("dry run", world.request("user-remove", name="x", dry_run="maybe"), world.USAGE))
        for name, data, code in rows:
            client = world.Client()
            client.send(data)
            answer = client.answer()
            self.check(answer.code == code and answer.text, f"an unknown {name} is refused", answer)
            client.close()

    # Rights.

    def rights(self):
        want = {"store": str(world.ACCOUNTD_UID), "publisher": "0"}
        for kind, uid in want.items():
            status = world.status_of(self.daemon.child(kind))
            self.check(status["Uid"].split() == [uid] * 4, f"{kind}: uid {uid}", status["Uid"])
            for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
                self.check(int(status[name], 16) == 0, f"{kind}: {name} is empty", status[name])
            self.check(status["NoNewPrivs"] == "1" and status["Seccomp"] == "2",
                       f"{kind}: no new privileges, filtered")
            self.check(status["Groups"].strip() in ("", uid), f"{kind}: no groups",
                       status["Groups"])
            descriptors = len(os.listdir(f"/proc/{self.daemon.child(kind)}/fd"))
            self.check(descriptors < 32, f"{kind}: few descriptors", descriptors)
        with open(f"/proc/{self.daemon.child('publisher')}/limits", encoding="ascii") as f:
            limit = [line.split()[3] for line in f if line.startswith("Max data size")]
        self.check(limit == ["unlimited" if world.SANITIZED else str(1 << 30)],
                   "the publisher's memory is bounded", limit)

    # Deaths.

    def deaths(self):
        number = 0
        for kind in ("store", "publisher"):
            for _ in range(3):
                number += 1
                name = f"dies{number}"
                answer = world.add(name)
                self.check(answer.code == world.OK, f"{name} is added", answer)
                before = (self.daemon.child("store"), self.daemon.child("publisher"))
                os.kill(self.daemon.child(kind), signal.SIGKILL)

                def anew(before=before):
                    now = (self.daemon.child("store"), self.daemon.child("publisher"))
                    return all(now) and not set(now) & set(before)
                self.check(world.wait_for(anew), f"{kind} killed: both are started again")
                self.check(world.getent("passwd", name), f"{name} is still there")
        self.daemon.wait_ready()
        answer = world.add("after")
        self.check(answer.code == world.OK, "and changes go on", answer)

        store = self.daemon.child("store")
        publisher = self.daemon.child("publisher")
        self.daemon.stop(signal.SIGKILL)
        self.check(world.wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") and
                                                  world.words_of(pid)
                                                  for pid in (store, publisher))),
                   "the supervisor killed: its children end")
        self.daemon.start()
        self.check(world.getent("passwd", "after") and int(world.status()["users"]) == number + 1,
                   "a new one takes the sockets over and has all accounts", world.status())

    def ends(self):
        client = world.Client()  # an idle connection does not hold the end up
        code = self.daemon.stop()
        self.check(code == 0, "SIGTERM: it ends with 0", code)
        client.close()
        self.check(not os.path.exists(world.CONTROL) and not os.path.exists(world.AUTHD),
                   "the sockets are gone")
        self.check(world.getent("passwd", "after"), "the accounts are still seen")

    def busy(self):
        """A long change: the service manager hears all the time that the store lives."""
        heard = []
        manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        manager.bind(world.WORK + "/notify")
        manager.settimeout(world.PATIENCE)

        def listen():
            while True:
                said = manager.recv(4096)
                if b"WATCHDOG" in said:
                    heard.append(said)
                if b"STOPPING" in said:
                    return
        listener = threading.Thread(target=listen)
        listener.start()
        self.daemon.environment = {"NOTIFY_SOCKET": world.WORK + "/notify",
                                   "WATCHDOG_USEC": "20000"}
        self.daemon.start()
        seconds, count = 0, 10000
        while seconds < 1 and count < 1000000:
            count *= 2
            client = world.Client(timeout=300)
            client.send(world.request("import", dry_run="yes") + b"".join(
                world.item("user", name=f"busy{i}") for i in range(count)))
            before, begun = len(heard), time.monotonic()
            client.send(world.end())
            answer = client.answer()
            seconds, beats = time.monotonic() - begun, len(heard) - before
            client.close()
        self.check(answer.code == world.OK and seconds >= 1 and beats > 4 * seconds,
                   "the watchdog hears of a store that works on one long change",
                   f"{answer.code}, {count} accounts in {seconds} s: heard {beats} times")
        self.check(self.daemon.stop() == 0, "and it ends")
        listener.join()
        self.daemon.environment = None

    def reload(self):
        self.daemon.start()
        store = self.daemon.child("store")
        world.write(world.CONF, "colour = blue\n")
        self.daemon.process.send_signal(signal.SIGHUP)
        self.check(self.daemon.logged("the old settings stay"), "reload of a broken file is told")
        self.check(self.daemon.child("store") == store and world.status(),
                   "and changes nothing")
        world.write(world.CONF, "enumerate = false\nid_min = 2000300001\n")
        self.daemon.process.send_signal(signal.SIGHUP)
        self.check(self.daemon.logged("taken over"), "reload of a good file is told")
        self.check(world.wait_for(lambda: self.daemon.child("store") not in (store, None)),
                   "the processes are new")
        self.daemon.wait_ready()
        answer = world.add("later")
        self.check(answer.fields.get("uid") == "2000300001", "the new window is used", answer)
        os.unlink(world.CONF)
        self.check(self.daemon.stop(signal.SIGINT) == 0, "SIGINT: it ends with 0")


def main(out):
    start = Start(out)
    try:
        for part in (start.options, start.refusals, start.sockets, start.peers, start.manners,
                     start.rights, start.deaths, start.ends, start.busy, start.reload):
            part()
        complaints = start.daemon.complaints()
        out.result(not complaints, "no sanitizer and no sandbox had to say anything",
                   "\n".join(complaints[:20]))
    finally:
        if start.daemon.process and start.daemon.process.poll() is None:
            start.daemon.process.kill()


world.enter()
sys.exit(tap.run(main))
