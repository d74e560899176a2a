# SPDX-License-Identifier: LGPL-2.1-or-later
"""
rename_in_snapshot.py FILE OLD NEW: a snapshot in which an account has another name of the same length,
as a writer without today's rules could have made it. Checksums are made anew; the hash tables are
not, so that questions by name find neither of the two.
"""
import os
import struct
import sys

MASK = (1 << 64) - 1
P1, P2, P3, P4, P5 = (11400714785074694791, 14029467366897019727, 1609587929392839161,
                      9650029242287828579, 2870177450012600261)


def rotate(value, bits):
    return (value << bits | value >> (64 - bits)) & MASK


def mix(lane, value):
    return rotate((lane + value * P2) & MASK, 31) * P1 & MASK


def xxh64(data, seed=0):
    """After the specification of XXH64."""
    at, length = 0, len(data)
    if length >= 32:
        lanes = [(seed + P1 + P2) & MASK, (seed + P2) & MASK, seed, (seed - P1) & MASK]
        while at + 32 <= length:
            lanes = [mix(lane, value) for lane, value in
                     zip(lanes, struct.unpack_from("<4Q", data, at))]
            at += 32
        result = sum(rotate(lane, bits) for lane, bits in zip(lanes, (1, 7, 12, 18))) & MASK
        for lane in lanes:
            result = ((result ^ mix(0, lane)) * P1 + P4) & MASK
    else:
        result = (seed + P5) & MASK
    result = (result + length) & MASK
    while at + 8 <= length:
        result = (rotate(result ^ mix(0, struct.unpack_from("<Q", data, at)[0]), 27) * P1 + P4) & MASK
        at += 8
    if at + 4 <= length:
        result = (rotate(result ^ struct.unpack_from("<I", data, at)[0] * P1 & MASK, 23) * P2 + P3) & MASK
        at += 4
    for byte in data[at:]:
        result = rotate(result ^ byte * P5 & MASK, 11) * P1 & MASK
    result = (result ^ result >> 33) * P2 & MASK
    result = (result ^ result >> 29) * P3 & MASK
    return result ^ result >> 32


def renamed(data, old, new):
    end = min(struct.unpack_from("<I", data, 8 * i)[0] for i in range(256))
    at, count = 2048, 0
    while at < end:
        key_len, value_len = struct.unpack_from("<II", data, at)
        value_at = at + 8 + key_len
        at = value_at + value_len
        key = bytes(data[value_at - key_len:value_at])
        body = bytes(data[value_at:at - 8])
        assert struct.pack("<Q", xxh64(body, xxh64(key))) == data[at - 8:at]
        if old not in key + body:
            continue
        key, body = key.replace(old, new), body.replace(old, new)
        data[value_at - key_len:at] = key + body + struct.pack("<Q", xxh64(body, xxh64(key)))
        count += 1
    return count


def main():
    path, old, new = sys.argv[1], *(name.encode() for name in sys.argv[2:])
    with open(path, "rb") as file:
        data = bytearray(file.read())
    if len(old) != len(new) or not renamed(data, old, new):
        return 1
    with open(path + ".new", "wb") as file:
        file.write(data)
    os.rename(path + ".new", path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
