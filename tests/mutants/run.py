# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Removes checks, one at a time, and demands that the test named for each notices.

    run.py [NAME...]        all mutants, or these (names of *.patch without the ending)

A mutant is a patch of the sources. Lines before its diff say what must happen:

    Reason: TOKEN           the deny reason whose check is removed (may stand more than once)
    Row: NAME               a row of tests/e2e/rows.py: with this mutant it must be seen to ENTER, in at
                            least one host, while the passing set-up still enters
    Unit: tests/unit/x      or, for what no host can show: a test program that must fail, and that
                            passes without the mutant
    Test: tests/e2e/x.py: RESULT
                            or, for what the matrix has no row for: the result of that name, of a script
                            of `make check`, must be "not ok"; it is "ok" without the mutant

Each is built from a copy of source and build folder, so only what it touches is compiled. A mutant that
does not apply, does not build, breaks the passing login, or survives is a failure. Needs root.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

HEADER = re.compile(r"^(Reason|Row|Unit|Test): (.*)$")
COPIED = ("quickstart", "configure", "Makefile.in", "aclocal.m4", "config.h.in")


class Mutant:
    def __init__(self, path):
        self.path = path
        self.name = os.path.basename(path)[:-len(".patch")]
        self.reasons, self.row, self.unit, self.test = [], None, None, None
        with open(path, encoding="utf-8") as file:
            for line in file:
                if line.startswith(("diff ", "--- ")):
                    break
                self._header(HEADER.match(line.rstrip("\n")))
        if [bool(self.row), bool(self.unit), bool(self.test)].count(True) != 1:
            raise RuntimeError(f"{path}: needs exactly one of Row:, Unit: and Test:")

    def _header(self, match):
        if not match:
            return
        key, value = match.groups()
        if key == "Reason":
            self.reasons.append(value)
        elif key == "Row":
            self.row = value
        elif key == "Test":
            self.test = tuple(value.split(": ", 1))
        else:
            self.unit = value


def folder():
    return os.path.dirname(os.path.realpath(__file__))


def all_mutants():
    return [Mutant(os.path.join(folder(), name)) for name in sorted(os.listdir(folder()))
            if name.endswith(".patch")]


def call(argv, log, **options):
    with open(log, "ab") as file:
        file.write(f"$ {' '.join(argv)}\n".encode())
        file.flush()
        return subprocess.run(argv, stdout=file, stderr=file, stdin=subprocess.DEVNULL,
                              check=False, **options).returncode


class Copy:
    """Source and build folder, copied with their times."""

    def __init__(self, scratch, srcdir, builddir):
        self.src = os.path.join(scratch, "src")
        self.build = os.path.join(self.src, "build")
        self.log = os.path.join(scratch, "log")
        skipped = shutil.ignore_patterns(".git", "build", "build-*[!x]", "autom4te.cache")
        shutil.copytree(srcdir, self.src, symlinks=True, ignore=lambda path, names: [
            n for n in skipped(path, names) if path == srcdir and n != "build-aux"])
        skipped = shutil.ignore_patterns("stage", "*.log", "*.trs", "fuzz")
        shutil.copytree(builddir, self.build, symlinks=True, ignore=skipped)

    def make(self, *targets):
        jobs = str(os.cpu_count() or 1)
        # Warnings (unused functions and variables) are what removing a check leaves behind.
        return call(["make", "-C", self.build, "-j" + jobs, f"abs_top_srcdir={self.src}",
                     f"abs_top_builddir={self.build}", "CFLAGS=-O1 -Wno-error", *targets], self.log)

    def patch(self, path):
        return call(["patch", "-p1", "--fuzz=0", "--no-backup-if-mismatch", "-d", self.src, "-i",
                     path], self.log)

    def row(self, name):
        """Exit status of matrix.py: 0 if the row was refused as it should, 3 if it entered."""
        status = os.path.join(self.build, "mutant-row.status")
        if os.path.exists(status):
            os.unlink(status)
        call(["make", "-s", "-C", self.build, f"abs_top_srcdir={self.src}",
              f"abs_top_builddir={self.build}", "mutant-row", f"MUTANT_ROW={name}"], self.log)
        try:
            with open(status, encoding="utf-8") as file:
                return int(file.read())
        except (FileNotFoundError, ValueError):
            return -1

    def unit(self, name):
        env = dict(os.environ, top_srcdir=self.src, top_builddir=self.build,
                   CMOCKA_MESSAGE_OUTPUT="TAP")
        return call([os.path.join(self.build, name)], self.log, env=env, cwd=self.build, timeout=300)

    def script(self, name):
        """{result: whether it is ok} of a script of `make check`."""
        self.make("check", f"TESTS={name}")
        try:
            with open(os.path.join(self.build, os.path.splitext(name)[0] + ".log"), encoding="utf-8") as file:
                found = re.findall(r"^(not )?ok \d+ - (.*)$", file.read(), re.M)
        except FileNotFoundError:
            return {}
        return {result: not failed for failed, result in found}

    def tail(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return "".join(f"# {line}" for line in file.readlines()[-30:])


def try_mutant(mutant, copy):
    """Empty if it was killed, else why not."""
    if copy.patch(mutant.path):
        return "does not apply"
    if mutant.unit:
        # Some run programs of the build.
        if copy.make("all") or copy.make(mutant.unit):
            return "does not build"
        return "" if copy.unit(mutant.unit) else f"survives {mutant.unit}"
    if mutant.test:
        script, result = mutant.test
        return {True: f"survives '{result}'", False: ""}.get(
            copy.script(script).get(result), f"no result '{result}' of {script}")
    if copy.make("all") or copy.make("demo-ready"):
        return "does not build"
    status = copy.row(mutant.row)
    return {3: "", 0: f"survives the row '{mutant.row}'"}.get(
        status, f"the row '{mutant.row}' neither entered nor was refused as before")


def unit_before(name, builddir):
    """True if the test program passes without a mutant."""
    env = dict(os.environ, CMOCKA_MESSAGE_OUTPUT="TAP")
    return not subprocess.run([os.path.join(builddir, name)], env=env, cwd=builddir, check=False,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode


def main():
    if os.geteuid() != 0:
        print("1..0 # SKIP needs root")
        return 0
    srcdir, builddir = os.environ["top_srcdir"], os.environ["top_builddir"]
    mutants = [m for m in all_mutants() if not sys.argv[1:] or m.name in sys.argv[1:]]
    sick = {m.unit for m in mutants if m.unit and not unit_before(m.unit, builddir)}
    survivors = 0
    print(f"1..{len(mutants)}", flush=True)
    for number, mutant in enumerate(mutants, 1):
        start = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="mutant.") as scratch:
            copy = Copy(scratch, srcdir, builddir)
            why = f"{mutant.unit} fails without it" if mutant.unit in sick else \
                try_mutant(mutant, copy)
            word = "not ok" if why else "ok"
            spent = time.monotonic() - start
            print(f"{word} {number} - {mutant.name}: {why or 'killed'} ({spent:.0f} s)", flush=True)
            if why:
                survivors += 1
                print(copy.tail(), end="", flush=True)
    print(f"# {len(mutants) - survivors} of {len(mutants)} mutants killed")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
