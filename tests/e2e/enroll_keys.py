# SPDX-License-Identifier: LGPL-2.1-or-later
"""
`mtlsctl enroll` for keys where they are: on a card (SoftHSM2), in a TPM (swtpm), in an agent (ssh-agent). The login that is
tried proves the key; what it disproves leaves nothing. `try` and `renew` with such keys.
"""
import os
import shutil
import socket
import subprocess
import sys

from lib import private, softhsm, tap, tpm
from lib.initiated import Done, Initiated
from lib.private import environment
from lib.records import wait_for
from lib.softhsm import PIN
from lib.terminal import become, clean_environment, converse
from lib.world import PROGRAMS, pki, pwd_entry, run, write

EVIL = PROGRAMS + "/libevil_p11.so"


class Test:
    def __init__(self, out):
        self.out = out
        self.world = Initiated()
        self.readers = softhsm.Readers()
        self.modules = [self.readers.path]
        self.settings()

    def settings(self, **changes):
        path = self.world.at("pam_mtls.conf")
        if not hasattr(self, "base"):
            self.base = pki.read(path)
        text = "".join(f"{key} = {value}\n" for key, value in changes.items())
        write(path, f"pkcs11_modules = {{ {', '.join(chr(34) + m + chr(34) for m in self.modules)} }}\n" + text + self.base)

    def expect(self, name, done, status, *texts):
        text = done.out + done.err
        return self.out.result(done.status == status and all(t in text for t in texts), name,
                               f"wanted {status}, {texts}; got {done}")

    def state(self, person):
        """What an enrolment leaves: certificates and bindings."""
        return sorted(os.listdir(self.world.at("certs.d"))) if os.path.isdir(self.world.at("certs.d")) else [], \
            run("mtlsctl", "bind", "list", person, "--json").stdout

    def share(self):
        self.readers.change(lambda module: None)

    def tried(self, person, *words, secret=PIN, **variables):
        """`mtlsctl try` by the person."""
        env = [f"{k}={v}" for k, v in variables.items()]
        done = Done(["try", *words], secret, prefix=["runuser", "-u", person, "--", "env", *env])
        self.share()
        return done


def cards(t):
    """A key on a card, made there or found there."""
    card = t.readers.insert("bob's card")
    t.share()
    done = Done(["enroll", "bob", "--pkcs11", "bob's card", "--generate", "p256", "--dry-run"], None)
    t.expect("a dry run", done, 0, "would make", "a new key 'bob' on 'bob's card'", "nothing was changed")
    done = Done(["enroll", "bob", "--pkcs11", "bob's card"], PIN)
    t.expect("no key there yet", done, 1, "--generate p256 makes one")
    done = Done(["enroll", "bob", "--pkcs11", "bob's card", "--generate", "p256", "--json"], PIN)
    t.out.result(done.status == 0 and done.json.get("proven") is True and done.json["bound"] and done.json["undone"] is False and
                 done.json["place"] == "the key 'bob' on 'bob's card'" and done.json["try"]["source"] == "pkcs11" and
                 os.path.dirname(done.json["file"]) == t.world.at("certs.d"), "a new key on a card, proven by a login", done)
    t.share()
    t.out.result(PIN not in done.out + done.err, "no PIN in what is said", done)
    file = done.json["file"]
    done = t.tried("bob")
    t.expect("try, by the sources of pam_mtls.conf", done, 0, "pkcs11", "on 'bob's card'", "Access granted.")
    done = t.tried("bob", "--source", "pkcs11", secret="000000")
    t.expect("a wrong PIN", done, 3, "pin-wrong")
    done = t.tried("bob", "--source", "file")
    t.expect("only files, of which there are none", done, 3, "no-credential")
    done = t.tried("bob", "--source", "pkcs11", "--uri", "pkcs11:token=other")
    t.expect("another card's URI", done, 3, "no-token")
    done = Done(["enroll", "bob", "--pkcs11", "pkcs11:token=bob%27s%20card", "--json"], PIN)
    t.out.result(done.status == 0 and done.json["proven"] is True and done.json["replaced"] and done.json["file"] == file,
                 "the key that is there, once more", done)
    for words in ([], ["--dry-run"]):
        done = Done(["enroll", "bob", "--pkcs11", "bob's card", "--generate", "p256", *words], PIN)
        t.expect(f"a second key of that name {words}", done, 1, "there is a key 'bob' on 'bob's card': without --generate it is taken", "--cn")
    t.out.result(t.state("bob")[0] == [os.path.basename(file)], "and none is made", t.state("bob"))
    old = pki.read(file)
    done = Done(["renew", "bob", "--json"], None)
    t.out.result(done.status == 0 and [i["kind"] for i in done.json["items"]] == ["certs.d"] and pki.read(file) != old,
                 "renew: the certificate of the card's key", done)
    t.expect("and it lets bob in", t.tried("bob"), 0, "Access granted.")
    done = Done(["explain", "bob"], None)
    t.expect("explain bob: the card is looked at", done, 0, "on 'bob's card', protected by a PIN", "'bob' would enter")
    os.rename(softhsm.CONF, "/etc/softhsm/elsewhere.conf")
    done = Done(["enroll", "bob", "--pkcs11", "bob's card"], PIN)
    t.expect("drivers find their own configuration only", done, 1, "no card was found")
    t.settings(pkcs11_environment='{ "SOFTHSM2_CONF=/etc/softhsm/elsewhere.conf" }')
    done = Done(["enroll", "bob", "--pkcs11", "bob's card", "--json"], PIN)
    t.out.result(done.status == 0 and done.json.get("proven") is True, "and what pkcs11_environment says", done)
    os.rename("/etc/softhsm/elsewhere.conf", softhsm.CONF)
    t.settings()
    t.share()
    card.pull()
    done = Done(["explain", "bob"], None)
    t.expect("explain bob, without the card", done, 3, "No card was found.", "and none on a card")
    card.push()
    wrong(t, card, file)
    several(t)
    t.readers.clear()
    t.world.forget("bob")
    shutil.rmtree(t.world.at("certs.d"))


def outside(t):
    """A certificate of another CA for a key on a card; and a reader with a keypad."""
    card = t.readers.insert("erin's card").put(t.world.pki.key).put_public(t.world.pki.key)
    t.share()
    cert = "/root/erin.crt"
    t.world.pki.user_ca.sign(cert, t.world.pki.key, "/O=Example/CN=erin")
    t.world.append("authd.conf", {"ca corp": {"files": [t.world.pki.user_ca.pem]}})
    t.world.restart()
    done = Done(["enroll", "erin", "--pkcs11", "erin's card", "--cert", "/root/other.crt"], PIN)
    t.expect("no such file", done, 1, "/root/other.crt")
    t.world.pki.user_ca.sign("/root/other.crt", t.world.authority("server").key, "/O=Example/CN=erin")
    done = Done(["enroll", "erin", "--pkcs11", "erin's card", "--cert", "/root/other.crt"], PIN)
    t.expect("the certificate of another key", done, 1, "is not the certificate of the key 'login' on 'erin's card'")
    done = Done(["enroll", "erin", "--pkcs11", "erin's card", "--cert", cert, "--json"], PIN)
    t.share()
    t.out.result(done.status == 0 and done.json.get("proven") is True and done.json["issuer"] != done.json["subject"],
                 "another CA's certificate for the key on the card", done)
    shutil.copy(os.path.join(environment("top_builddir"), "tests/e2e/.libs/libevil_p11.so"), EVIL)
    write("/run/mtls-test/evil-p11", f"real {t.readers.path}\npad {PIN}\n")
    t.modules = [EVIL]
    t.settings()
    done = Done(["enroll", "erin", "--pkcs11", "erin's card", "--cert", cert, "--json"], None)
    t.share()
    t.out.result(done.status == 0 and done.json.get("proven") is True and "Type the PIN at the reader" in done.err,
                 "a PIN that is typed at the reader", done)
    t.modules = [t.readers.path]
    t.settings()
    card.discard()
    t.readers.cards.pop("erin's card")
    t.world.forget("erin")
    shutil.rmtree(t.world.at("certs.d"))


def wrong(t, card, file):
    """A login that is refused: what was made is taken back, and what was there before is there again."""
    before, content = t.state("bob"), pki.read(file)
    done = Done(["enroll", "bob", "--pkcs11", "bob's card", "--json"], "000000")
    t.share()
    t.out.result(done.status == 3 and done.json["undone"] is True and done.json["proven"] is False and
                 "pin-wrong" in done.json["text"] and t.state("bob") == before and pki.read(file) == content,
                 "a wrong PIN, of a key that is enrolled: all is as before", done)
    before = t.state("carol")
    done = Done(["enroll", "carol", "--pkcs11", "bob's card"], "000000")
    t.share()
    t.expect("somebody else, and a wrong PIN", done, 3, "REFUSED", "undone")
    t.out.result(t.state("carol")[1] == before[1] and pki.read(file) == content, "nothing is bound", t.state("carol"))
    done = Done(["enroll", "carol", "--pkcs11", "bob's card", "--generate", "p384", "--service", "none"], "000000")
    t.expect("a new key, and a wrong PIN: none is made", done, 1, "Wrong PIN.")
    t.share()
    for words in (["--pkcs11", "pkcs11:token=x?pin-value=1"], ["--pkcs11", "x", "--agent"], ["--tpm2", "--key", "/x"], ["--generate", "p256"],
                  ["--pkcs11", "x", "--generate", "dsa"], ["--agent", "--generate", "p256"], ["--fingerprint", "x"], ["--agent", "--socket", "x"]):
        done = Done(["enroll", "carol", *words], None)
        t.out.result(done.status == 2, f"a wrong command line: {words}", done)
    card.pull()
    done = Done(["enroll", "carol", "--pkcs11", "bob's card"], PIN)
    t.expect("a card that is not there", done, 1, "no card was found")
    card.push()
    t.modules = []
    t.world.install(t.world.at("pam_mtls.conf"), t.base)
    done = Done(["enroll", "carol", "--pkcs11", "bob's card"], PIN)
    t.expect("no driver is named", done, 1, "pkcs11_modules")
    done = t.tried("bob", "--source", "pkcs11")
    t.expect("try: no driver is named", done, 3, "pkcs11_modules")
    done = t.tried("bob", "--source", "agent")
    t.expect("try: nobody says where an agent is", done, 3, "agent-missing", "no SSH_AUTH_SOCK")
    write(t.world.at("pam_mtls.conf"), "sources = pkcs11\n" + t.base)
    done = t.tried("bob")
    t.expect("try: cards are all there is, and no driver is named", done, 3, "no-source", "no driver of cards is named in pkcs11_modules")
    t.modules = [t.readers.path]
    t.settings()


def several(t):
    """Two keys on a card: which one, by a question or by its URI."""
    done = Done(["enroll", "bob", "--pkcs11", "bob's card", "--generate", "p384", "--cn", "second", "--no-try", "--json"], PIN)
    t.share()
    t.out.result(done.status == 0 and done.json["proven"] is None and done.json["bound"], "a second key, not tried", done)
    os.unlink(done.json["file"])
    run("mtlsctl", "bind", "remove", "bob", done.json["key"])
    done = Done(["enroll", "bob", "--pkcs11", "bob's card"], PIN)
    t.expect("nobody to ask", done, 1, "1: '", "2: '", "there is no choice")
    done = Done(["enroll", "bob", "--pkcs11", "pkcs11:token=bob%27s%20card;object=second", "--json"], PIN)
    t.share()
    t.out.result(done.status == 0 and done.json["proven"] is True and "'second'" in done.json["place"], "by the key's URI", done)
    os.unlink(done.json["file"])
    answers = [(r"Which key \(1-2\)\? $", "1", False), (r"PIN of 'bob's card': $", PIN, True)]
    done = converse(["mtlsctl", "enroll", "bob", "--pkcs11", "bob's card"], answers)
    t.share()
    t.out.result(done.status == 0 and "tried" in done.text and PIN not in done.text, "asked for on the terminal", done.text)


class Agent:
    """A real ssh-agent of a person."""

    def __init__(self, person):
        self.person = person
        self.path = f"/home/{person}/agent.sock"
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.process = subprocess.Popen(["ssh-agent", "-D", "-a", self.path], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, cwd="/", env=clean_environment(person),
                                        preexec_fn=lambda: become(person))
        if not wait_for(lambda: os.path.exists(self.path)):
            raise RuntimeError("no ssh-agent")

    def do(self, *argv):
        return subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd="/",
                              env={**clean_environment(self.person), "SSH_AUTH_SOCK": self.path},
                              preexec_fn=lambda: become(self.person)).stdout.decode()

    def add(self, kind, comment, *words):
        path = f"/home/{self.person}/{comment}"
        self.do("ssh-keygen", "-q", "-t", kind, "-N", "", "-C", comment, "-f", path, *words)
        self.do("ssh-add", "-q", path)
        os.unlink(path)
        return self.do("ssh-keygen", "-lf", path + ".pub").split()[1]

    def end(self):
        self.process.kill()
        self.process.wait()


def agents(t):
    agent = Agent("bob")
    where = {"SSH_AUTH_SOCK": agent.path}
    done = Done(["enroll", "bob", "--agent"], None, where)
    t.expect("an agent without a key", done, 1, "has no such key that can be used")
    agent.add("rsa", "old", "-b", "2048")
    done = Done(["enroll", "bob", "--agent"], None, where)
    t.expect("an agent with an RSA key only", done, 1, "RSA")
    prints = {name: agent.add(kind, name, *words) for name, kind, words in
              (("blue", "ed25519", ()), ("red", "ecdsa", ("-b", "256")), ("green", "ecdsa", ("-b", "384")))}
    done = Done(["enroll", "bob", "--agent"], None, where)
    t.expect("several, and nobody to ask", done, 1, "'blue', " + prints["blue"], "'red'", "there is no choice")
    done = Done(["enroll", "bob", "--agent", "--key-comment", "blue", "--dry-run"], None, where)
    t.expect("a dry run", done, 0, "the key 'blue' in the agent", "nothing was changed")
    for name, words, variables in (("blue", ["--key-comment", "blue"], where), ("red", ["--fingerprint", prints["red"]], where),
                                   ("green", ["--key-comment", "green", "--socket", agent.path], {"SSH_AUTH_SOCK": ""})):
        done = Done(["enroll", "bob", "--agent", *words, "--json"], None, variables)
        t.out.result(done.status == 0 and done.json.get("proven") is True and done.json["bound"] and
                     done.json["place"] == f"the key '{name}' in the agent" and done.json["try"]["source"] == "agent",
                     f"{name}: proven by a login", done)
        if name != "green":
            os.unlink(done.json["file"])
    done = t.tried("bob", "--source", "agent", "--service", "sudo", secret=None, **where)
    t.expect("try with the agent", done, 0, "agent", "Access granted.")
    done = t.tried("bob", "--source", "agent", secret=None, **where)
    t.expect("a service that wants a secret", done, 3, "key-unprotected")
    done = t.tried("bob", "--source", "agent", "--socket", "/nonexistent", "--service", "sudo", secret=None)
    t.expect("no agent", done, 3, "agent-missing")
    # As by sudo, which cleans the environment: that of the shell before it says where the agent is.
    line = "unset SSH_AUTH_SOCK; mtlsctl enroll bob --agent --key-comment green --no-try --dry-run; :"
    done = subprocess.run(["sh", "-c", line], check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8",
                          env={**os.environ, **where})
    t.out.result("the key 'green' in the agent" in done.stdout, "found behind a cleaned environment", done.stdout)
    strangers(t, agent)
    full_disk(t, where)
    agent.end()
    done = Done(["enroll", "bob", "--agent", "--socket", agent.path], None)
    t.expect("an agent that is gone", done, 1, "no agent answers")
    t.world.forget("bob")


def full_disk(t, where):
    """No room for the certificate of a key that is elsewhere."""
    folder = t.world.at("certs.d")
    before = t.state("bob")
    run("mount", "-t", "tmpfs", "-o", "size=4k,mode=0755", "tmpfs", folder)
    with open(folder + "/fill", "wb") as file:
        file.write(b"x" * 4096)
    done = Done(["enroll", "bob", "--agent", "--key-comment", "red"], None, where)
    t.expect("a full disk", done, 1, "No space left")
    t.out.result(os.listdir(folder) == ["fill"], "a full disk: no half of a file is left", done)
    run("umount", folder)
    t.out.result(t.state("bob") == before, "a full disk: nothing is bound", t.state("bob"))


def strangers(t, agent):
    """Others' agents, and what is none."""
    before = t.state("carol")
    done = Done(["enroll", "carol", "--agent", "--key-comment", "blue", "--socket", agent.path], None)
    t.expect("another person's agent", done, 1, "agent")
    os.chmod("/home/bob", 0o755)
    os.chmod(agent.path, 0o666)
    done = Done(["enroll", "carol", "--agent", "--key-comment", "blue", "--socket", agent.path], None)
    t.expect("another person's agent, open to all", done, 1, "is not the person's")
    link = "/home/carol/agent.sock"
    t.world.as_person("carol", "ln", "-s", agent.path, link)
    done = Done(["enroll", "carol", "--agent", "--key-comment", "blue", "--socket", link], None)
    t.expect("by a link", done, 1, "agent")
    for path, text in (("/etc/passwd", "is not the person's"), ("/nonexistent", "no agent answers")):
        done = Done(["enroll", "carol", "--agent", "--socket", path], None)
        t.expect(f"no agent: {path}", done, 1, text)
    t.out.result(t.state("carol") == before, "nothing of it has left anything", t.state("carol"))
    # A locked agent shows no keys; one that signs no more is found out by the login.
    lies = Liar("carol", agent.path)
    done = Done(["enroll", "carol", "--agent", "--key-comment", "blue", "--socket", lies.path, "--json"], None)
    t.out.result(done.status == 3 and done.json["undone"] is True and t.state("carol") == before,
                 "an agent that shows a key and does not sign: nothing stays", done)
    lies.end()


class Liar:
    """A person's agent that shows another one's keys, and refuses to sign."""

    def __init__(self, person, real):
        self.path = f"/home/{person}/liar.sock"
        entry = pwd_entry(person)
        with socket.socket(socket.AF_UNIX) as agent:
            agent.connect(real)
            agent.sendall(b"\0\0\0\1\x0b")
            self.keys = self.message(agent)
        ready, wrote = os.pipe()
        self.pid = os.fork()  # who listens is the person
        if self.pid == 0:
            try:
                os.initgroups(person, entry.pw_gid)
                os.setgid(entry.pw_gid)
                os.setuid(entry.pw_uid)
                self.listen(wrote)
            finally:
                os._exit(1)
        os.close(wrote)
        os.read(ready, 1)
        os.close(ready)

    @staticmethod
    def message(stream):
        head = stream.recv(4, socket.MSG_WAITALL)
        return stream.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL) if len(head) == 4 else b""

    def listen(self, wrote):
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(self.path)
        listening.listen(8)
        os.write(wrote, b"x")
        while True:
            with listening.accept()[0] as client:
                while asked := self.message(client):
                    answer = self.keys if asked[0] == 11 else b"\x05"
                    client.sendall(len(answer).to_bytes(4, "big") + answer)

    def end(self):
        os.kill(self.pid, 9)
        os.waitpid(self.pid, 0)


def tpms(t):
    """The person's token in a TPM."""
    chip = tpm.Tpm()
    t.modules = [t.readers.path]
    t.settings()
    done = Done(["enroll", "dave", "--tpm2"], PIN)
    t.expect("no driver of TPMs is named", done, 1, "names no driver of TPMs", "libtpm2_pkcs11.so")
    t.modules = [chip.path, t.readers.path]
    t.settings()
    done = Done(["enroll", "dave", "--tpm2"], PIN)
    t.expect("no token there", done, 1, "has no token in a TPM", "tpm2_ptool addtoken --pid 1 --label dave")
    chip.insert("dave's tpm")
    done = Done(["enroll", "dave", "--tpm2", "--json"], PIN)
    chip.change(lambda module: None)
    t.out.result(done.status == 0 and done.json.get("proven") is True and done.json["place"] == "the key 'dave' on 'dave's tpm'",
                 "a key that is made in the TPM, proven by a login", done)
    done = Done(["enroll", "dave", "--tpm2", "--json"], PIN)
    chip.change(lambda module: None)
    t.out.result(done.status == 0 and done.json.get("proven") is True and done.json["replaced"], "the one that is there, once more", done)
    done = Done(["try"], PIN, prefix=["runuser", "-u", "dave", "--"])
    t.expect("try with the TPM", done, 0, "on 'dave's tpm'", "Access granted.")
    chip.stop()


def test(out):
    os.makedirs(PROGRAMS, exist_ok=True)
    t = Test(out)
    for part in (cards, outside, agents):
        part(t)
    if shutil.which("swtpm") and shutil.which("tpm2-abrmd"):
        tpms(t)
    else:
        out.skip("keys in a TPM", "swtpm or tpm2-abrmd is missing")
    t.world.close()
    out.result(not t.world.problems(), "no daemon, worker or signer crashed", t.world.problems())


if __name__ == "__main__":
    private.enter()
    os.setsid()
    sys.exit(tap.run(test))
