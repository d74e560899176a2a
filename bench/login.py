# SPDX-License-Identifier: LGPL-2.1-or-later
"""
What one login costs: pam_mtls with mtls-authd on this machine, pam_permit, pam_unix (yescrypt), in one
process and taking turns, and the in-memory handshake as the floor. Only the ratios of one run count.
"""
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests/e2e"))

from lib import private  # noqa: E402 pylint: disable=wrong-import-position
from lib.world import PASSPHRASE, PROGRAMS, World, run, write  # noqa: E402 pylint: disable=wrong-import-position

ROUNDS = "100"
SERVICES = {
    "pam_permit": "auth required pam_permit.so\n",
    "pam_unix": "auth required pam_unix.so\n",
    "pam_mtls": "auth required {module}\n",
}


def measure(world, program):
    folder = "/run/mtls-test/bench.d"
    for service, text in SERVICES.items():
        write(f"{folder}/{service}", text.format(module=world.module))
    run("chpasswd", "--crypt-method", "YESCRYPT", text=f"bob:{PASSPHRASE}\n")
    done = subprocess.run([program, folder, "bob", PASSPHRASE, ROUNDS, *SERVICES], check=True,
                          stdout=subprocess.PIPE, encoding="ascii")
    return {line.split()[0]: float(line.split()[1]) for line in done.stdout.splitlines()}


def main():
    private.enter()
    world = World()
    built = os.environ["top_builddir"] + "/bench"
    program = shutil.copy(built + "/bench_login", PROGRAMS)
    try:
        times = measure(world, program)
    finally:
        world.close()
    floor = float(run(built + "/bench_handshake").stdout)
    base = times["pam_permit"]
    ours = times["pam_mtls"] - base
    print(f"one login, median of {ROUNDS}        ms   above pam_permit   / pam_mtls")
    for name, value in sorted(times.items(), key=lambda item: item[1]):
        above = value - base
        print(f"  {name:28} {value / 1000:8.3f}   {above / 1000:8.3f}   {above / ours:14.2f}")
    print(f"  {'handshake in memory (floor)':28} {floor / 1000:8.3f}   {'':8}   {floor / ours:14.2f}")


if __name__ == "__main__":
    main()
