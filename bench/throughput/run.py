# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Authentications a second on one core: mtls-authd beside TLS servers that verify the same client
certificate. Full mutual TLS 1.3 handshakes, none resumed. Contenders take turns in every round, in
another order each time. Then the memory of connections that are open and say nothing.
"""
import argparse
import json
import os
import subprocess
import sys
import time

sys.path[:0] = [os.path.join(os.environ["top_srcdir"], folder)
                for folder in ("tests/e2e", "tests/certs", "bench/nss")]

# pylint: disable=wrong-import-position
import bars  # noqa: E402
import contenders  # noqa: E402
import cpu  # noqa: E402
import table  # noqa: E402
from lib import private, wire  # noqa: E402

RUN = "/run/mtls-test"
FLOOR_ROUNDS = "500"


class World:
    """Certificates, accounts and the settings of all contenders."""

    def __init__(self, cores):
        from lib.alone import Alone  # pylint: disable=import-outside-toplevel
        self.server_core, self.client_core = cores
        self.alone = Alone()
        self.at = self.alone.at
        self.alpn = wire.ALPN
        self.request = wire.auth_request(service="sudo", account="bob")
        # nonce and verdict of an AuthReply, as PROTOCOL.md has them
        self.expected = wire.der(0x04, wire.NONCE) + wire.integer(wire.ALLOWED)
        self.settings = {"handshake_timeout": f"{contenders.IDLE_SECONDS}s", "request_timeout": "30s",
                         "lookup_timeout": "30s", "max_connections": "15000", "max_per_address": "15000",
                         "max_per_uid": "15000", "workers": "1"}

    def close(self):
        self.alone.daemon.kill()


def program(world, name, *words, core=None):
    path = f"{os.environ['top_builddir']}/bench/{name}"
    return ["taskset", "-c", core or world.client_core, path, *words]


def load(world, contender, options, seconds):
    """One turn of the load generator: {"done": ..., "seconds": ...}."""
    for name, data in (("request", contender.request), ("expected", contender.expected)):
        with open(f"{RUN}/{name}", "wb") as file:
            file.write(data)
    argv = program(world, "throughput/load", "--cert", world.at("bob.crt"), "--key", world.at("bob.key"),
                   "--request", RUN + "/request", "--expect", RUN + "/expected", "--places",
                   str(options.places), "--processes", str(options.processes), "--seconds", str(seconds))
    argv += ["--alpn", contender.alpn] if contender.alpn else []
    done = subprocess.run([*argv, contender.address], stdout=subprocess.PIPE, check=True)
    result = json.loads(done.stdout)
    if result["failed"] or not result["done"]:
        raise RuntimeError(f"{contender.label}: {result}")
    return result


def turn(world, contender, options):
    """Figures of one contender in one round."""
    contender.start()
    try:
        load(world, contender, options, 1)  # warm
        before = cpu.spent(contender.leader())
        result = load(world, contender, options, options.seconds)
        used = cpu.between(before, cpu.spent(contender.leader()))
    finally:
        contender.stop()
    count = result["done"]
    return {"per_second": count / result["seconds"], "cpu_us": sum(used.values()) / count / 1000,
            "parts_us": {name: ns / count / 1000 for name, ns in used.items()}}


def floor(world):
    """The server's half of a handshake in memory, with a request and a reply: CPU time in µs."""
    argv = program(world, "bench_handshake", FLOOR_ROUNDS, "server", core=world.server_core)
    return {"cpu_us": float(subprocess.run(argv, stdout=subprocess.PIPE, check=True).stdout)}


def rounds(world, chosen, options):
    """{contender: [figures of each round]}"""
    turns = {contender.key: [] for contender in chosen} | {"floor": []}
    for number in range(options.rounds):
        shift = number % len(chosen)
        for contender in chosen[shift:] + chosen[:shift]:
            turns[contender.key].append(turn(world, contender, options))
        turns["floor"].append(floor(world))
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
    return turns


def settle(leader):
    """Sockets of a server that has finished to start: as many as half a second ago."""
    seen = []
    while len(seen) < 6 or len(set(seen[-6:])) > 1:
        seen.append(cpu.sockets(leader))
        time.sleep(0.1)
    return seen[-1]


def idle(world, contender, count):
    """Bytes of memory for each of @count connections that say nothing."""
    contender.start()
    try:
        leader = contender.leader()
        sockets = settle(leader)
        before = cpu.resident(leader)
        with subprocess.Popen(program(world, "throughput/load", "--idle", str(count), contender.address),
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client:
            if client.stdout.readline() != b"ready\n":
                raise RuntimeError(f"{contender.label}: {count} connections were not taken")
            for _ in range(600):
                if cpu.sockets(leader) >= sockets + count:
                    break
                time.sleep(0.1)
            else:
                raise RuntimeError(f"{contender.label}: holds {cpu.sockets(leader) - sockets} of {count}")
            used = cpu.resident(leader) - before
            client.stdin.close()
    finally:
        contender.stop()
    return used / count


def arguments():
    def counts(text):
        return [int(count) for count in text.split(",") if count]

    parser = argparse.ArgumentParser(prog="bench/throughput.sh", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="default 7")
    parser.add_argument("--seconds", type=int, default=3, help="of load in each turn, default 3")
    parser.add_argument("--places", type=int, default=8, help="connections at a time of a process, default 8")
    parser.add_argument("--processes", type=int, default=2, help="of the client, default 2")
    parser.add_argument("--idle", type=counts, default=[1000, 10000], metavar="N,N",
                        help="silent connections, default 1000,10000; '' for none")
    parser.add_argument("--peers", default="", help="only these, by name: mtls,nginx,...")
    parser.add_argument("--json", metavar="FILE", help="all figures, of each round too")
    parser.add_argument("--svg", metavar="FILE", help="the plot")
    chosen = parser.parse_args()
    for name in ("json", "svg"):
        if getattr(chosen, name):
            setattr(chosen, name, os.path.abspath(getattr(chosen, name)))
    return chosen


def choose(world, names):
    """The contenders that are here; those that are not are named."""
    wanted = [kind(world) for kind in contenders.CONTENDERS if not names or kind.key in names.split(",")]
    packages = sorted(contender.package for contender in wanted if contender.missing())
    if packages:
        print(f"not installed: apt-get install --no-install-recommends {' '.join(packages)}\n")
    return [contender for contender in wanted if not contender.missing()]


def cores():
    """One for the server, one for the clients."""
    mine = sorted(os.sched_getaffinity(0))
    if len(mine) < 2:
        sys.exit("bench/throughput.sh: needs two processors, one for the server and one for the clients")
    return str(mine[0]), str(mine[1])


def main():
    options = arguments()
    if not os.path.exists(os.environ["top_builddir"] + "/bench/throughput/load"):
        print("bench/throughput.sh: left out; apt-get install libssl-dev, then configure anew")
        return
    private.enter()
    world = World(cores())
    try:
        chosen = choose(world, options.peers)
        figures = {"rounds": rounds(world, chosen, options),
                   "labels": {contender.key: contender.label for contender in chosen},
                   "idle": {str(count): {contender.key: idle(world, contender, count)
                                         for contender in chosen if contender.idles}
                            for count in options.idle}}
    finally:
        world.close()
    figures["median"] = table.medians(figures["rounds"])
    table.show(figures, sys.stdout)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as out:
            json.dump(figures, out, indent=1)
    if options.svg:
        with open(options.svg, "w", encoding="utf-8") as out:
            out.write(bars.svg(figures))


if __name__ == "__main__":
    main()
