"""Flips bits all over a bundle and cuts it; nothing of it may be accepted but what no signature covers (the times).

    python tools/verifier/attacks.py FILE
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import protocol as p
from bundle import check_bundle


def outcome(data: bytes) -> str:
    try:
        check_bundle(data)
    except (p.Refused, UnicodeDecodeError) as error:
        return str(error).split(":")[0].split(" at byte")[0]
    return "accepted"


def main() -> None:
    data = Path(sys.argv[1]).read_bytes()
    check_bundle(data)
    found: Counter[str] = Counter()
    accepted = []
    for at in range(0, len(data), max(1, len(data) // 1500)):
        damaged = bytearray(data)
        damaged[at] ^= 1 << at % 8
        result = outcome(bytes(damaged))
        found[result] += 1
        if result == "accepted":
            accepted.append(at)
    cuts = sum(outcome(data[:at]) == "accepted" for at in range(0, len(data), 97))
    for name, number in found.most_common():
        print(f"{number:6}  {name}")
    print(f"accepted flips at bytes {accepted}; accepted cuts: {cuts}")
    # The validator's three times are its own word: small changes of them are as true as before.
    if len(accepted) > 24 or cuts:
        sys.exit("something was accepted that should not be")


if __name__ == "__main__":
    main()
