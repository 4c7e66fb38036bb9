"""Fills fuzz/corpus with valid inputs, cut out of docs/vectors (needs tools/verifier/requirements.txt).

    python fuzz/seeds.py
"""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tools" / "verifier"))

import protocol as p  # noqa: E402


def put(target: str, name: str, data: bytes) -> None:
    folder = ROOT / "fuzz" / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def main() -> None:
    for name in ("bundle", "second-opinion"):
        data = (ROOT / "docs" / "vectors" / f"{name}.bin").read_bytes()
        put("bundle", name, data)
        r = p.Reader(data)
        r.raw(8 + p.JOB_LEN + 32), r.bytes(8192), r.bytes(8192)
        p.read_signed(r, p.read_challenge)
        r.optional(lambda: p.read_signed(r, p.read_pledge))
        p.read_signed(r, p.read_commitment)
        r.raw(32 + 24)
        reveal, _ = r.optional(lambda: (r.bytes(2**30), r.raw(64)))
        put("reveal", name, reveal)
        put("structure", name, reveal)
        verdict = json.loads((ROOT / "docs" / "vectors" / f"{name}.json").read_text())
        put("messages", f"verdict-{name}", b"\x04" + bytes.fromhex(verdict["verdict_bytes"] + verdict["signature"]))
    cases = json.loads((ROOT / "docs" / "vectors" / "statements.json").read_text())["cases"]
    for number, case in enumerate(cases):
        for kind, field in enumerate(("job", "challenge", "pledge", "commitment")):
            put("messages", f"{field}-{number}", bytes([kind]) + bytes.fromhex(case[field]))
    groups = json.loads((ROOT / "docs" / "vectors" / "groups.json").read_text())
    for number, member in enumerate(groups["members"]):
        put("messages", f"member-{number}", b"\x05" + bytes.fromhex(member))
    put("messages", "shipment", b"\x06" + bytes.fromhex(groups["shipment"]))
    wire = json.loads((ROOT / "docs" / "vectors" / "wire.json").read_text())
    families = ["request", "response", "announcement", "blob"]
    for number, message in enumerate(wire["messages"]):
        kind = bytes([families.index(message["family"])])
        put("wire", f"{message['family']}-{number}", kind + bytes.fromhex(message["hex"]))
    for number, invitation in enumerate(wire["invitations"]):
        put("wire", f"invitation-{number}", b"\x05" + invitation.encode())
    put("wire", "bans", b"\x06" + b'{"version":1,"bans":[]}')
    # A whole record is large; the head of one leads the fuzzer to the tensors.
    put("evidence", "head", b"infevid1" + bytes.fromhex(cases[0]["job"] + cases[0]["challenge"]))


if __name__ == "__main__":
    main()
