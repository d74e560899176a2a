# SPDX-License-Identifier: LGPL-2.1-or-later
"""
What accounts cost: libnss_mtls beside its peers and beside a bare cdb, and the way of an account from
the store to a running process. Contenders take turns in every round, in another order each time, each
in a process of its own: machines drift, so only medians and ratios of one run count.
"""
import argparse
import json
import os
import shutil
import signal
import sys
import time

import accountd
import peers
import plot
import report
import space
import sssd

BUILDS = 3


def arguments():
    parser = argparse.ArgumentParser(prog="bench/nss.sh", description=__doc__)
    parser.add_argument("--sizes", default="1000,100000,1000000",
                        type=lambda text: [int(size) for size in text.split(",")],
                        help="numbers of accounts, default 1000,100000,1000000")
    parser.add_argument("--rounds", type=int, default=5, help="default 5")
    parser.add_argument("--peers", default="", help="only these, by name: bare,mtls,...")
    parser.add_argument("--no-store", action="store_true", help="no mtls-accountd: lookups only")
    parser.add_argument("--json", metavar="FILE", help="all figures, of each round too")
    parser.add_argument("--svg", metavar="FILE", help="the plot")
    chosen = parser.parse_args()
    if min(chosen.sizes) < 16 or max(chosen.sizes) > 1000000 or chosen.rounds < 1:
        parser.error("sizes are 16 to 1000000, rounds 1 or more")
    return chosen


def chosen_peers(names):
    chosen = [peer for peer in peers.PEERS if not names or peer.key in names.split(",")]
    packages = sorted({word for peer in chosen if peer.missing() for word in peer.package.split()})
    if packages:
        print(f"not installed: {' '.join(packages)}; bench/README.md says how to\n")
    return chosen


def builds(people, store):
    """Bare cdb, snapshot and publish in turn: {"cdb_make": ns, ...}. The last ones stay for the lookups."""
    state = space.environment("MTLS_STATEDIR")
    bare, memory_only = state + "/bare.cdb", state + "/memory"
    os.makedirs(memory_only, exist_ok=True)
    took = [{"cdb_make": made("bare", people, bare),
             "build": made("snapshot", people, memory_only + "/accounts.cdb"),
             "publish": store.publish()} for _ in range(BUILDS)]
    shutil.rmtree(memory_only)
    space.link(bare, space.DATA + "/bare.cdb")
    return report.medians(took)


def made(kind, people, path):
    return float(space.run(space.program("make"), kind, str(people), path)) * 1e6


def accounts(people):
    """All that is not a lookup; the published snapshot stays."""
    with accountd.Store(people) as store:
        return {"import": store.import_ns} | builds(people, store) | store.add() | memory()


def memory():
    space.order("mtls")
    rss, private = space.run(space.program("first"), "u000007", "--memory", "/snapshot/accounts.cdb").split()
    return {"rss_kib": int(rss), "private_kib": int(private)}


def lookups_only(people):
    """Snapshot and bare cdb for the lookups, without a store: that saves minutes at a million."""
    folder = space.environment("MTLS_STATEDIR")
    took = {"cdb_make": made("bare", people, folder + "/bare.cdb"),
            "build": made("snapshot", people, folder + "/snapshot/accounts.cdb")}
    space.link(folder + "/bare.cdb", space.DATA + "/bare.cdb")
    return took | memory()


def lookups(people, chosen, rounds):
    """{peer: [{question: ns} of each round]}"""
    turns = {peer.key: [] for peer in chosen}
    for number in range(rounds):
        shift = number % len(chosen)
        for peer in chosen[shift:] + chosen[:shift]:
            turns[peer.key].append(peers.turn(peer, people))
    return turns


def measure(people, chosen, rounds, with_store):
    """Prints the table of one size, and returns its figures."""
    peers.place_all(people, [peer for peer in chosen if not peer.missing()])
    other = accounts(people) if with_store else lookups_only(people)
    if any(peer.key == "sss" and not peer.missing() for peer in chosen):
        with sssd.Sssd(people):
            turns = lookups(people, chosen, rounds)
    else:
        turns = lookups(people, chosen, rounds)
    results = {key: report.medians(each) for key, each in turns.items()}
    report.table(people, chosen, results, sys.stdout)
    report.other_table(other, sys.stdout)
    report.aims_table(people, results, other, sys.stdout)
    sys.stdout.flush()
    return {"people": people, "median": results, "rounds": turns, "other": other,
            "aims": [{"aim": text, "measured": measured, "limit": limit}
                     for text, measured, limit in report.aims(people, results, other)]}


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # daemons and files go in any case
    space.enter()
    start = time.monotonic()
    chosen = chosen_peers(options.peers)
    print(f"median of {options.rounds} rounds; in brackets: times what mtls needs")
    sizes = [measure(people, chosen, options.rounds, not options.no_store) for people in options.sizes]
    print(f"\n{time.monotonic() - start:.0f} s in all")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as out:
            json.dump({"unit": "ns", "sizes": sizes}, out, indent=1)
    if options.svg:
        with open(options.svg, "w", encoding="utf-8") as out:
            out.write(plot.svg(sizes, {peer.key: peer.label for peer in chosen}))


if __name__ == "__main__":
    main()
