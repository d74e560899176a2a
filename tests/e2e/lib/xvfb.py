# SPDX-License-Identifier: LGPL-2.1-or-later
"""
A screen without a monitor (Xvfb), its keyboard (xdotool) and pictures of it. The screen is a mapped file, so
a picture needs no program. Pictures go to the folder $MTLS_SHOTS if that is set, else to /run/mtls-test/shots.
"""
import os
import struct
import subprocess
import zlib

from lib import terminal
from lib.elsewhere import Mounts
from lib.world import pwd_entry

DISPLAY = ":42"
WIDTH, HEIGHT = 800, 600
HEADER = struct.Struct(">25I")  # XWDFileHeader


# The sanitizer's runtime makes the start of a program slow, and xdotool is started for each key.
PLAIN = "mount --bind /dev/null /etc/ld.so.preload && echo ready && exec sleep infinity"


def open_folder():
    """Before the private root is entered, which hides the folder: an open one goes in with us."""
    path = os.environ.get("MTLS_SHOTS", "")
    if path and not path.isdigit():
        os.makedirs(path, exist_ok=True)
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        os.set_inheritable(descriptor, True)
        os.environ["MTLS_SHOTS"] = str(descriptor)


def folder():
    descriptor = os.environ.get("MTLS_SHOTS")
    path = f"/proc/self/fd/{descriptor}" if descriptor else "/run/mtls-test/shots"
    os.makedirs(path, exist_ok=True)
    return path


class Picture:
    """What the screen shows at this moment."""

    def __init__(self, data):
        fields = HEADER.unpack_from(data)
        self.stride, colours = fields[12], fields[19]
        if fields[1] != 7 or fields[11] != 32 or (fields[4], fields[5]) != (WIDTH, HEIGHT):
            raise RuntimeError(f"a screen of another kind: {fields}")
        self.pixels = data[fields[0] + 12 * colours:]

    def at(self, x, y):
        """(red, green, blue)"""
        blue, green, red = self.pixels[y * self.stride + 4 * x:][:3]
        return red, green, blue

    def save(self, path):
        """As PNG."""
        rows = b""
        for y in range(HEIGHT):
            line = self.pixels[y * self.stride:][:4 * WIDTH]
            rgb = bytearray(3 * WIDTH)
            rgb[0::3], rgb[1::3], rgb[2::3] = line[2::4], line[1::4], line[0::4]
            rows += b"\0" + rgb
        with open(path, "wb") as file:
            file.write(b"\x89PNG\r\n\x1a\n")
            for kind, body in ((b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)),
                               (b"IDAT", zlib.compress(rows, 6)), (b"IEND", b"")):
                file.write(struct.pack(">I", len(body)) + kind + body
                           + struct.pack(">I", zlib.crc32(kind + body)))
        return path


class Xvfb:
    """The screen of one person. Nobody else may use it but root."""

    def __init__(self, person):
        self.person = person
        entry = pwd_entry(person)
        self.folder = "/run/mtls-test/screen"
        os.makedirs(self.folder, exist_ok=True)
        os.chown(self.folder, entry.pw_uid, entry.pw_gid)
        os.makedirs("/tmp/.X11-unix", exist_ok=True)
        os.chmod("/tmp/.X11-unix", 0o1777)
        self.holder = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", PLAIN],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        if self.holder.stdout.readline() != b"ready\n":
            raise RuntimeError("no name space for programs of the screen")
        self.plain = Mounts(self.holder.pid)
        self.process = self.popen(
            "Xvfb", DISPLAY, "-screen", "0", f"{WIDTH}x{HEIGHT}x24", "-fbdir", self.folder,
            "-displayfd", "1", "-nolisten", "tcp", plain=True, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL)
        if self.process.stdout.readline().strip() != DISPLAY[1:].encode():
            raise RuntimeError("Xvfb does not start")

    def environment(self):
        return {**terminal.clean_environment(self.person), "DISPLAY": DISPLAY}

    def popen(self, *command, environment=None, plain=False, **options):
        """The person starts a program on this screen; @plain: one that loads nothing of ours."""
        return subprocess.Popen(
            command, env={**self.environment(), **(environment or {})}, cwd="/",
            stdin=subprocess.DEVNULL, start_new_session=True,
            preexec_fn=lambda: self._become(plain), **options)

    def _become(self, plain):
        if plain:
            self.plain.enter()
            os.chdir("/")
        terminal.become(self.person)

    def _xdotool(self, *arguments):
        with self.popen("xdotool", *arguments, plain=True, stdout=subprocess.DEVNULL) as process:
            if process.wait(terminal.DEADLINE):
                raise RuntimeError(f"xdotool {arguments[0]} failed")

    def key(self, *names):
        self._xdotool("key", *names)

    def enter(self, text):
        """Types it, and Return."""
        if text:
            self._xdotool("type", "--delay", "2", text)
        self.key("Return")

    def look(self):
        with open(self.folder + "/Xvfb_screen0", "rb") as file:
            return Picture(file.read())

    def shot(self, name):
        """A picture into the folder."""
        return self.look().save(f"{folder()}/{name}.png")

    def close(self):
        for process in (self.process, self.holder):
            process.kill()
            process.wait()
            process.stdout.close()
        self.plain.close()
