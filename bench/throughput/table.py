# SPDX-License-Identifier: LGPL-2.1-or-later
"""The tables on the terminal, and the aims of the product beside what was measured."""
import statistics

AIM = 1.25  # authentications a second of one core, times those of nginx
IDLE_AIM = 14 * 1024
PEER, OURS, OURS_IDLE = "nginx", "mtls", "mtls-unix"
FLOOR = "GnuTLS in memory, server's half"


def spread(values):
    """Half of what lies between the lowest and the highest, as a part of the median."""
    return (max(values) - min(values)) / 2 / statistics.median(values)


def medians(rounds):
    """{contender: {"cpu_us", "per_second", "parts_us", "spread"}}"""
    found = {}
    for key, turns in rounds.items():
        row = {name: statistics.median(turn[name] for turn in turns)
               for name in ("cpu_us", "per_second") if name in turns[0]}
        row["spread"] = spread([turn["cpu_us"] for turn in turns])
        parts = {name for turn in turns for name in turn.get("parts_us", {})}
        row["parts_us"] = {name: statistics.median(turn["parts_us"].get(name, 0) for turn in turns)
                           for name in parts}
        found[key] = row
    return found


def ratio(rounds):
    """How many times the peer's authentications a core does, round by round; None without it."""
    if not rounds.get(OURS) or not rounds.get(PEER):
        return None
    return [peer["cpu_us"] / ours["cpu_us"] for peer, ours in zip(rounds[PEER], rounds[OURS])]


def show(figures, out):
    median, labels = figures["median"], figures["labels"]
    peer = median.get(PEER, {}).get("cpu_us")
    print(f"\n{'server, one core':34} {'CPU each':>9} {'spread':>7} {'a second':>9} {'x ' + PEER:>8} "
          f"{'wall: a second':>15}", file=out)
    for key in sorted(labels, key=lambda key: median[key]["cpu_us"]):
        row = median[key]
        times = f"{peer / row['cpu_us']:8.2f}" if peer else ""
        print(f"  {labels[key]:32} {row['cpu_us']:6.0f} µs {row['spread']:6.0%} {1e6 / row['cpu_us']:9.0f} "
              f"{times:>8} {row['per_second']:15.0f}", file=out)
        if len(row["parts_us"]) > 1:
            print("      " + ", ".join(f"{name} {us:.0f} µs" for name, us in
                                       sorted(row["parts_us"].items(), key=lambda part: -part[1])), file=out)
    row = median["floor"]
    print(f"  {FLOOR:32} {row['cpu_us']:6.0f} µs {row['spread']:6.0%} {1e6 / row['cpu_us']:9.0f}", file=out)
    for count, found in figures["idle"].items():
        print(f"  {int(count):,} silent connections, memory of each: " +
              ", ".join(f"{labels[key]} {size / 1024:.1f} KiB" for key, size in found.items()), file=out)
    aims(figures, out)


def aims(figures, out):
    rounds = ratio(figures["rounds"])
    if rounds:
        middle = statistics.median(rounds)
        print(f"  aim: authentications a second of a core >= {AIM} x {PEER}: {middle:.2f} "
              f"({min(rounds):.2f} to {max(rounds):.2f}), {'met' if middle >= AIM else 'missed'}", file=out)
    sizes = [found[OURS_IDLE] for found in figures["idle"].values() if OURS_IDLE in found]
    if sizes:
        print(f"  aim: a silent connection <= {IDLE_AIM // 1024} KiB: {max(sizes) / 1024:.1f} KiB, "
              f"{'met' if max(sizes) <= IDLE_AIM else 'missed'}", file=out)
