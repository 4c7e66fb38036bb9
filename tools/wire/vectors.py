"""Writes docs/vectors/wire.json: messages and invitations encoded by another CBOR implementation (cbor2) from field names and
values alone. network/tests/wire reads them.

    pip install cbor2; python tools/wire/vectors.py
"""
import hashlib
import json
import struct
from pathlib import Path

import cbor2

AL = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

def b58(data):
    n = int.from_bytes(data, "big"); s = ""
    while n:
        n, r = divmod(n, 58); s = AL[r] + s
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + s

def frame(kind, body):
    data = cbor2.dumps(body)
    return bytes([1, kind]) + struct.pack("<I", len(data)) + data

d = lambda b: bytes([b]) * 32
job = bytes(range(16))
rows = []
def put(family, name, kind, body):
    rows.append({"family": family, "name": name, "hex": frame(kind, body).hex()})

hello = {"protocol": 1, "network": d(7), "roles": 3, "software": "infernet/0.1.0"}
refusal = {"code": "job.unknown", "message": "no such job"}
put("request", "Hello", 1, hello)
put("request", "MinerOffer", 2, {"models": [{"digest": d(2), "dtype": "f16", "max_frames": 16, "max_width": 512, "max_height": 320,
    "seconds_per_evaluation": 0.1, "price_microcredits_per_step": 1500}], "memory_bytes": 2**33, "accepting": False, "pause_reasons": ["on_battery", "gpu_busy"]})
put("request", "MinerOffer", 2, {"models": [], "memory_bytes": 0, "accepting": True, "pause_reasons": [], "account": bytes([13]) * 20})
put("request", "PostJob", 3, {"spec": b"spec", "opening": b"opening", "deposit_microcredits": 2**40, "signature": bytes([9]) * 64})
put("request", "PostJob", 3, {"spec": b"spec", "opening": b"opening", "deposit_microcredits": 2**40, "signature": bytes([9]) * 64, "miners": 3})
put("request", "JobStatus", 4, {"job_id": job})
put("request", "CancelJob", 5, {"job_id": job})
put("request", "OfferJob", 6, {"spec": b"spec", "opening": b"opening", "challenge": b"challenge", "fee_microcredits": 100, "required_stake_microcredits": 70000, "attempt": 2})
put("request", "OfferJob", 6, {"spec": b"spec", "opening": b"opening", "challenge": b"challenge", "fee_microcredits": 100, "required_stake_microcredits": 70000, "attempt": 2,
    "payer": bytes([12]) * 20})
put("request", "Commit", 7, {"job_id": job, "commitment": b"commitment"})
put("request", "JobProgress", 8, {"job_id": job, "step": 3, "steps": 20, "preview": {"width": 2, "height": 1, "rgb": bytes(range(6))}})
put("request", "JobProgress", 8, {"job_id": job, "step": 0, "steps": 0, "preview": None})
put("request", "JobFailed", 9, {"job_id": job, "code": "worker.crashed", "message": "the worker ended with signal 9"})
put("request", "LedgerRequest", 10, {"request": b"request"})
put("request", "Account", 11, {"key": d(4)})
put("request", "Receipts", 12, {"after": 4294967296})
put("request", "Settled", 13, {"job_id": job, "receipt": b"receipt", "verdict": b""})
put("request", "ModelOffer", 14, {"digest": d(5)})
put("request", "JobPreview", 15, {"job_id": job, "after_step": 4})
put("request", "CoSign", 16, {"job_id": job, "attempt": 3, "judgement": b"judgement"})
put("request", "MemberQuery", 17, {"chain_id": 31337, "contract": bytes([5]) * 20})
put("response", "Hello", 1, hello)
put("response", "Ack", 2, {"now_unix_ms": 1700000000000})
put("response", "Posted", 3, {"job_id": job, "receipt": b"receipt"})
put("response", "Refused", 4, refusal)
put("response", "JobState", 5, {"stage": "committed", "attempt": 1, "progress_ppm": 1000000, "deadline_unix_ms": 1700000000000, "verdict": None, "receipt": b"receipt", "message": "waiting for the reveal"})
put("response", "Accepted", 6, {"now_unix_ms": 1})
put("response", "Accepted", 6, {"now_unix_ms": 1, "acceptance": {"account": bytes([13]) * 20, "signature": bytes([14]) * 65}})
put("response", "Declined", 7, refusal)
put("response", "Nonce", 8, {"nonce": d(6), "published_unix_ms": 23})
put("response", "LedgerAnswer", 9, {"receipt": b"receipt"})
put("response", "Account", 10, {"state": b"state"})
put("response", "Receipts", 11, {"receipts": [b"one", b"", b"three"], "more": True})
put("response", "ModelManifest", 12, {"files": [{"path": "unet/model.safetensors", "bytes": 2**33, "sha256": d(8)}]})
put("response", "Error", 13, refusal)
put("response", "JobPreview", 14, {"step": 9, "preview": {"width": 1, "height": 2, "rgb": bytes(range(6))}})
put("response", "JobPreview", 14, {"step": 0, "preview": None})
put("response", "CoSigned", 15, {"signature": bytes([15]) * 65})
put("announcement", "ValidatorHello", 1, {"network": d(7), "ledger_head": d(1), "sequence": 255, "parameters": d(2)})
put("announcement", "JobNotice", 2, {"job": d(1), "model": d(2), "width": 64, "height": 64, "frames": 16, "steps": 20, "fee_microcredits": 65536, "stage": "posted"})
put("blob", "Push", 1, {"subject": {"reveal": {"job_id": job}}, "digest": d(3), "bytes": 1 << 20})
put("blob", "Push", 1, {"subject": {"model_file": {"model": d(4), "path": "vae/config.json"}}, "digest": d(3), "bytes": 0})
put("blob", "Fetch", 2, {"subject": {"clip": {"job_id": job}}})
put("blob", "Fetch", 2, {"subject": {"evidence": {"job_id": job, "attempt": 2}}})
put("blob", "Start", 3, {"offset": 262144})
put("blob", "Refused", 4, refusal)
put("blob", "Done", 5, {"now_unix_ms": 2})

peer = "12D3KooWQK1wnefoLrcVHbbnf5tLzbopUd3K3bFAoJpA7YJgL5pV"
def invitation(key, **more):
    body = bytes([1]) + cbor2.dumps({"network": d(7), "name": "Garage", "validator": d(4),
        "bootstrap": [f"/ip4/192.0.2.1/udp/4001/quic-v1/p2p/{peer}", f"/dns4/swarm.example/tcp/4001/p2p/{peer}"], "swarm_key": key} | more)
    return "infernet://join/" + b58(body + hashlib.sha256(body).digest()[:4])
document = {"messages": rows, "invitations": [invitation(None), invitation(d(11)),
    invitation(None, chain={"chain_id": 31337, "contract": bytes([5]) * 20, "rpc": ["https://rpc.example"], "from_block": 7})]}
path = Path(__file__).parents[2] / "docs" / "vectors" / "wire.json"
path.write_text(json.dumps(document, indent=1) + "\n")
