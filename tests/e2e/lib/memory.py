# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Looks for a secret in the memory of a process, as root, by an image that gcore makes. Each image is proven
to be searchable: another secret, planted in the same process just before, has to be found in it.
"""
import os
import secrets
import string
import subprocess

PIECE = 8  # allocators write over the first bytes of what was freed, so the rest has to be found
FORMS = ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
PAGE = 4096
IMAGE = "/run/mtls-test/image"


def new_secret(length=24):
    """Not to be mistaken for anything else."""
    letters = string.ascii_letters + string.digits
    return "".join(secrets.choice(letters) for _ in range(length))


def needles(secret):
    """{name: bytes} of each piece of the secret, narrow and wide."""
    pieces = [secret[at:at + PIECE] for at in range(0, len(secret) - PIECE + 1, PIECE)]
    return {f"{form}[{i}]": piece.encode(form) for form in FORMS for i, piece in enumerate(pieces)}


def found_in(data, secret):
    """Names of the pieces that @data has, with what stands around the first of them."""
    return [f"{name} at {data.find(needle):#x}: {data[max(0, data.find(needle) - 24):][:80]!r}"
            for name, needle in needles(secret).items() if needle in data]


def lowest_of_stack(pid):
    """Where the stack of a process that waits for something has nothing of use."""
    with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as file:
        return next(int(line.split("-")[0], 16) for line in file if "[stack]" in line) + 64


def gdb(pid, *commands):
    """The words that start gdb on a process, to see all of it."""
    words = ["gdb", "-nx", "-batch"]
    for setting in ("set auto-solib-add off", "set debuginfod enabled off",
                    "set use-coredump-filter off", "set dump-excluded-mappings on"):
        words += ["-iex", setting]
    words += ["-p", str(pid)]
    for command in commands:
        words += ["-ex", command]
    return words


def without_empty_pages(path):
    """Threads have large stacks, of which little is used."""
    empty = bytes(PAGE)
    with open(path, "rb") as file:
        return b"".join(page for page in iter(lambda: file.read(PAGE), b"") if page != empty)


class Look:
    """
    One look at a process: `planted` says why the search cannot be trusted, `left` what was found. With
    @after_send the look is taken when the process next sends something on its descriptor 0: call
    take() when it can have come to that.
    """

    ARGUMENT = {"x86_64": "$rdi", "aarch64": "$x0"}

    def __init__(self, pid, secret, after_send=False):
        self.secret, self.control = secret, new_secret()
        self.image = f"{IMAGE}.{pid}"
        planted = f"{IMAGE}.{pid}.planted"
        with open(planted, "wb") as file:
            file.write(b"\0".join(self.control.encode(form) for form in FORMS))
        plant = f"restore {planted} binary {lowest_of_stack(pid)}"
        wait = []
        if after_send:
            first = self.ARGUMENT[os.uname().machine]
            wait = ["catch syscall sendto", f"condition 1 {first} == 0", "continue"]
        self.gdb = subprocess.Popen(gdb(pid, *wait, plant, f"gcore {self.image}"),
                                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                    stderr=subprocess.STDOUT, cwd="/")
        self.said = b""
        # Before that nothing is caught.
        while after_send and b"Catchpoint 1" not in self.said:
            more = os.read(self.gdb.stdout.fileno(), 4096)
            if not more:
                break
            self.said += more
        if not after_send:
            self.take()

    def take(self):
        self.said += self.gdb.communicate(timeout=60)[0]
        try:
            data = without_empty_pages(self.image)
        except FileNotFoundError as error:
            raise RuntimeError(f"no image: {self.said.decode(errors='replace')}") from error
        os.unlink(self.image)
        missing = [name for name, needle in needles(self.control).items() if needle not in data]
        self.planted = f"not found in {len(data)} bytes: {missing}" if missing else ""
        self.left = "; ".join(found_in(data, self.secret))
