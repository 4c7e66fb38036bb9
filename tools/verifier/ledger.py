"""An export of a ledger checked again from docs/LEDGER.md: encodings, chain, signatures, double entry, and the sum of all
credits. Which amounts an entry has to move is the state machine's: that is `infernet ledger verify`.

    python tools/verifier/ledger.py docs/vectors/ledger.jsonl VALIDATOR_KEY
"""

import hashlib
import json
import sys
from collections import defaultdict

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

KINDS = ["genesis", "issue", "request", "open_job", "assign", "committed", "audited", "release", "settle", "slash", "refund"]


class Wrong(Exception):
    """The export does not hold."""


def encode(value):
    """Core deterministic CBOR of integers, byte strings, text, booleans and lists."""
    if isinstance(value, bool):
        return b"\xf5" if value else b"\xf4"
    if isinstance(value, int):
        return head(0, value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    return head(4, len(value)) + b"".join(map(encode, value))


def head(major, value):
    for width, extra in ((0, 23), (1, 0xFF), (2, 0xFFFF), (4, 0xFFFFFFFF), (8, 0xFFFFFFFFFFFFFFFF)):
        if value <= extra:
            short = value if width == 0 else 24 + (width.bit_length() - 1)
            return bytes([major << 5 | short]) + (value.to_bytes(width, "big") if width else b"")
    raise Wrong("a number is above 64 bits")


def decode(data):
    """The value of an encoding; refuses every other encoding of it."""
    value, rest = item(data)
    if rest or encode(value) != data:
        raise Wrong("an encoding is not canonical")
    return value


def item(data):
    if not data:
        raise Wrong("an encoding is cut off")
    first, rest = data[0], data[1:]
    if first in (0xF4, 0xF5):
        return first == 0xF5, rest
    major, short = first >> 5, first & 0x1F
    if short >= 24:
        width = 1 << (short - 24)
        short, rest = int.from_bytes(rest[:width], "big"), rest[width:]
    if major == 0:
        return short, rest
    if major in (2, 3):
        if len(rest) < short:
            raise Wrong("an encoding is cut off")
        content = rest[:short]
        return (content if major == 2 else content.decode()), rest[short:]
    if major != 4:
        raise Wrong(f"an item begins with {first:#x}")
    items = []
    for _ in range(short):
        value, rest = item(rest)
        items.append(value)
    return items, rest


def signed(key, domain, body, signature):
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, domain + body)
    except (InvalidSignature, ValueError) as error:
        raise Wrong(f"a signature under {domain.decode()} does not hold") from error


def entry_id(kind, body):
    """What an entry is about; see the table of docs/LEDGER.md."""
    about = {
        "genesis": lambda: [],
        "issue": lambda: body[:1],
        "request": lambda: body[:2],
        "open_job": lambda: body[:1],
        "assign": lambda: body[:2],
        "committed": lambda: body[:3],
        "audited": lambda: body[:4],
        "release": lambda: body[:3],
        "settle": lambda: body[:1],
        "slash": lambda: body[:3],
        "refund": lambda: body[:1],
    }[kind]()
    return hashlib.sha256(b"infernet/ledger-entry-id/v1" + encode([KINDS.index(kind), about])).digest()[:16]


def check(lines, validator):
    pockets, previous, time, seen, ledger = defaultdict(int), bytes(32), 0, set(), None
    count = 0
    for place, line in enumerate(lines):
        receipt = json.loads(line)
        raw = {name: bytes.fromhex(receipt[name]) for name in ("network", "validator", "previous", "entry", "movements", "hash", "signature")}
        if receipt["sequence"] != place or raw["previous"] != previous or receipt["time_ms"] < time:
            raise Wrong(f"line {place + 1} does not follow the one before")
        if raw["validator"] != validator:
            raise Wrong(f"line {place + 1} is another validator's")
        chained = encode([raw["network"], validator, place, receipt["time_ms"], previous, raw["entry"], raw["movements"]])
        if hashlib.sha256(b"infernet/ledger-entry/v1" + chained).digest() != raw["hash"]:
            raise Wrong(f"the hash of line {place + 1} is of something else")
        signed(validator, b"infernet/ledger-receipt/v1", raw["hash"], raw["signature"])
        version, code, body = decode(raw["entry"])
        kind = KINDS[code]
        if version != 1 or receipt["content"]["kind"] != kind:
            raise Wrong(f"line {place + 1} says {receipt['content']['kind']} and is {kind}")
        if kind == "genesis":
            ledger = body[:2]
        if ledger != [raw["network"], validator] or (kind == "genesis") != (place == 0):
            raise Wrong(f"line {place + 1} is of another ledger")
        if kind == "request":
            signed(body[0], b"infernet/ledger-request/v1", encode(ledger + body[:3]), body[3])
        if kind == "open_job":
            signed(body[2], b"infernet/ledger-order/v1", encode(ledger + body[:6]), body[6])
        name = entry_id(kind, body)
        if name in seen:
            raise Wrong(f"line {place + 1} was entered before")
        seen.add(name)
        for (source, source_of), (target, target_of), amount in decode(raw["movements"]):
            pockets[source, source_of] -= amount
            pockets[target, target_of] += amount
            if source != 0 and pockets[source, source_of] < 0:
                raise Wrong(f"line {place + 1} takes more than there is")
        previous, time, count = raw["hash"], receipt["time_ms"], place + 1
    if count == 0:
        raise Wrong("there is no line")
    if sum(pockets.values()) != 0:
        raise Wrong("credits were made or lost")
    return count, previous, -pockets[0, b""], pockets[1, b""]


def main():
    path, validator = sys.argv[1], bytes.fromhex(sys.argv[2])
    try:
        with open(path, encoding="utf-8") as lines:
            entries, last, issued, burned = check(lines, validator)
    except (Wrong, ValueError, KeyError, IndexError, TypeError) as error:
        sys.exit(f"{path}: {error}")
    print(f"{entries} entries hold; head {last.hex()}; {issued} micro-credits issued, {burned} of them burned")


if __name__ == "__main__":
    main()
