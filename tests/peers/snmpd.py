"""Answers for snmpd's `pass_persist` out of a file: a line an object, `OID TYPE VALUE`.

snmpd asks on standard input (`PING`, `get`, `getnext` and the object on the next line) and reads three lines, or `NONE`. A line `loop OID`
in the file lets what follows OID be OID itself, as an agent does that has lost its way.
"""

import bisect
import sys


def key(text):
    return [int(part) for part in text.strip().strip(".").split(".")]


def main():
    objects, loops = {}, []
    with open(sys.argv[1], encoding="latin-1") as lines:
        for line in lines:
            if line.startswith("loop "):
                loops.append(key(line[5:]))
            elif line.strip():
                oid, kind, value = line.rstrip("\n").split(" ", 2)
                objects[tuple(key(oid))] = (kind, value)
    order = sorted(objects)
    while True:
        command = sys.stdin.readline()
        if not command:
            return
        if command.strip() == "PING":
            print("PONG", flush=True)
            continue
        at = tuple(key(sys.stdin.readline()))
        if command.strip() == "get":
            found = at if at in objects else None
        elif list(at) in loops:
            found = at
        else:
            place = bisect.bisect_right(order, at)
            found = order[place] if place < len(order) else None
        if found is None:
            print("NONE", flush=True)
        else:
            kind, value = objects[found]
            print("." + ".".join(map(str, found)), kind, value, sep="\n", flush=True)


main()
