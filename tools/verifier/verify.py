"""Checks known answers (docs/vectors) and bundles.

    python tools/verifier/verify.py vectors docs/vectors
    python tools/verifier/verify.py bundle FILE
"""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path

import protocol as p
from bundle import check_bundle

KIND_CODES = {name.decode(): code for code, name in p.KINDS.items()}
DTYPES = {"f32": p.F32, "f16": p.F16, "bf16": p.BF16}
SCHEMES = {"sha256": 1, "keccak256": 2}
CHECK_CODES = [
    *("commitment_signature commitment_session commitment_fields commitment_deadline reveal_present reveal_signature").split(),
    *("reveal_deadline reveal_size reveal_encoding reveal_leaves merkle_path tensor_format payload_digest").split(),
    *("finite_values schedule clip_binding clip_delivery clip_size initial_noise transition text_embeddings").split(),
    *("model_output model_output_worst_frame decoded_frame clip_decodes clip_frame").split(),
]
count = 0


def same(name: str, found, expected) -> None:
    global count
    found = found.hex() if isinstance(found, bytes) else found
    if found != expected:
        sys.exit(f"{name}: found {found}, the vector says {expected}")
    count += 1


def unhex(text):
    return None if text is None else bytes.fromhex(text)


def primitives(v: dict) -> None:
    for case in v["prompts"]:
        scheme, salt = SCHEMES[case["scheme"]], unhex(case["salt"])
        same("prompt", p.prompt_commitment(scheme, False, salt, case["prompt"].encode()), case["commitment"])
        negative = p.prompt_commitment(scheme, True, salt, case["negative_prompt"].encode())
        same("negative prompt", negative, case["negative_commitment"])
    for case in v["tensors"]:
        dtype = DTYPES[case["dtype"]]
        same("tensor bytes", p.to_bytes(case["values"], dtype), case["bytes"])
        same("tensor", p.tensor_digest(dtype, case["dims"], unhex(case["bytes"])), case["digest"])
    frame = v["frame"]
    same("frame", p.frame_digest(frame["width"], frame["height"], unhex(frame["pixels"])), frame["digest"])
    same("clip", p.clip_digest(unhex(v["clip"]["bytes"])), v["clip"]["digest"])
    for case in v["leaves"]:
        kind = KIND_CODES[case["kind"]]
        payload = p.payload_bytes(kind, [unhex(d) for d in case["digests"]], case["timestep"], case["sigma"])
        same("leaf", p.leaf_hash(kind, unhex(case["session"]), case["index"], payload), case["hash"])
    for case in v["trees"]:
        leaves = [unhex(leaf) for leaf in case["leaves"]]
        same("root", p.tree_root(leaves), case["root"])
        for entry in case["paths"]:
            index, path = entry["index"], [unhex(sibling) for sibling in entry["path"]]
            same("path", p.path_root(leaves[index], index, len(leaves), path), case["root"])
            same("longer path", p.path_root(leaves[index], index, len(leaves), [*path, path[-1] if path else leaves[0]]), None)
            if len(leaves) > 1:
                elsewhere = p.path_root(leaves[index], (index + 1) % len(leaves), len(leaves), path)
                same("position", elsewhere == unhex(case["root"]), False)
    for case in v["seeds"]:
        seed = p.job_seed(unhex(case["job"]), unhex(case["miner"]), unhex(case["c"]))
        same("seed", seed, case["seed"])
        bits = [f"{struct.unpack('<I', struct.pack('<f', x))[0]:08x}" for x in p.noise(seed, len(case["noise_bits"]))]
        same("noise", bits, case["noise_bits"])
        after = p.noise(seed, len(case["after_step_2_bits"]), 3)
        same("step noise", [f"{struct.unpack('<I', struct.pack('<f', x))[0]:08x}" for x in after], case["after_step_2_bits"])
    same("tolerance", tolerance_digest(v["tolerance"]["table"]), v["tolerance"]["digest"])


def tolerance_digest(table: dict) -> bytes:
    out = [unhex(table["model"]), struct.pack("<Q", len(table["pairs"]))]
    for pair in table["pairs"]:
        reason = (pair["refused"] or "").encode()
        out.append(struct.pack("<BBBQ", DTYPES[pair["miner"]], DTYPES[pair["validator"]], pair["refused"] is not None, len(reason)))
        out += [reason, struct.pack("<Q", len(pair["bins"]))]
        for b in pair["bins"]:
            end = b["sigma_below"]
            bounds = (b["whole_bound"], b["worst_frame_bound"], b["honest_evaluations"])
            out.append(struct.pack("<BdddQ", end is not None, end or 0.0, *bounds))
            out.append(struct.pack("<6d", *b["honest_whole"], *b["honest_worst_frame"]))
        out.append(struct.pack("<ddQ", pair["frame_psnr_db"], pair["clip_block_rms"], pair["honest_frames"]))
    return p.sha256(b"infernet/tolerance/v1", *out)


def statements(v: dict) -> None:
    for case in v["cases"]:
        job = p.Job(unhex(case["job"]))
        same("job", job.digest, case["job_digest"])
        challenge, challenge_signed = p.read_signed(p.Reader(unhex(case["challenge"])), p.read_challenge)
        signed = p.verify(b"infernet/challenge/v1", challenge["validator"], challenge_signed.body, challenge_signed.signature)
        same("challenge signature", signed, True)
        same("session", p.session_of(challenge_signed), case["session"])
        nonce = p.nonce_commitment(job.digest, challenge["validator"], unhex(case["nonce"]))
        same("nonce commitment", nonce, case["nonce_commitment"])
        same("nonce commitment", challenge["terms"].nonce_commitment, case["nonce_commitment"])
        pledge, pledge_signed = p.read_signed(p.Reader(unhex(case["pledge"])), p.read_pledge)
        signed = p.verify(b"infernet/pledge/v1", pledge["validator"], pledge_signed.body, pledge_signed.signature)
        same("pledge signature", signed, True)
        second = p.nonce_commitment(job.digest, pledge["validator"], unhex(case["second_nonce"]))
        same("second nonce", second == pledge["terms"].nonce_commitment, True)
        seed = p.job_seed(job.digest, challenge["miner"], challenge["c"])
        same("seed", seed, case["seed"])
        state = p.initial_state_digest(seed, job, case["init_noise_sigma"])
        same("initial state", state, case["initial_state_digest"])
        commitment, signed_commitment = p.read_signed(p.Reader(unhex(case["commitment"])), p.read_commitment)
        signed = p.verify(b"infernet/commit/v1", challenge["miner"], signed_commitment.body, signed_commitment.signature)
        same("commitment signature", signed, True)
        same("commitment", p.commitment_digest(signed_commitment), case["commitment_digest"])
        often = p.Terms(**{**vars(challenge["terms"]), "full_one_in": 2, "full_steps": 5, "last_step": True})
        for entry in case["draws"]:
            for name, terms in (("usual", challenge["terms"]), ("often_full", often)):
                steps, frames, full = p.draw(job, terms, unhex(entry["nonce"]), commitment["root"], signed_commitment.signature)
                same("draw", {"steps": steps, "frames": frames, "full": full}, entry[name])


def groups(v: dict) -> None:
    session, leaves = unhex(v["session"]), []
    for member in map(unhex, v["members"]):
        body, signature = member[:-64], member[-64:]
        same("member signature", p.verify(b"infernet/member-commit/v1", body[34:66], body, signature), True)
        leaves.append(p.sha256(b"\x00infernet/leaf/member/v1", session, member))
    same("group root", p.tree_root(leaves), v["root"])
    shipment = unhex(v["shipment"])
    body, signature = shipment[:-64], shipment[-64:]
    same("shipment signature", p.verify(b"infernet/shipment/v1", body[32:64], body, signature), True)
    same("boundary", p.sha256(b"infernet/boundary/v1", unhex(v["boundary"]["bytes"])), v["boundary"]["digest"])
    # Member 1 recorded what it received in exchange 0 and what it sent in exchange 1.
    other = p.sha256(b"infernet/boundary/v1", p.sha256(b"boundary", struct.pack("<Q", 1)))
    records = [(0, 0, 1, 0, unhex(v["boundary"]["digest"])), (1, 1, 0, 1, other)]
    hashes = [
        p.sha256(b"\x00infernet/leaf/boundary/v1", session, struct.pack("<IIHHB", 3, *record[:4]), record[4]) for record in records
    ]
    member = unhex(v["members"][1])
    same("boundary root", p.tree_root(hashes), member[102:134].hex())
    same("boundary count", struct.unpack("<I", member[134:138])[0], 2)


def verdict(v: dict, bundle: bytes) -> None:
    body = v["verdict"]
    same("bundle digest", p.sha256(b"infernet/bundle/v1", bundle), v["digest"])
    out = [unhex(body[name]) for name in ("bundle", "job", "session", "commitment", "miner", "validator", "tolerance")]
    out.append(p.u32(len(body["checks"])))
    for row in body["checks"]:
        leaf, error, bound = row["leaf"], row["error"], row["bound"]
        out.append(struct.pack("<BBBI", CHECK_CODES.index(row["check"]) + 1, row["passed"], leaf is not None, leaf or 0))
        out.append(struct.pack("<Bdd", error is not None, error or 0.0, bound or 0.0))
    encoded = b"".join(out)
    same("verdict", encoded, v["verdict_bytes"])
    signed = p.verify(b"infernet/verdict/v1", unhex(body["validator"]), encoded, unhex(v["signature"]))
    same("verdict signature", signed, True)


def main() -> None:
    if len(sys.argv) != 3 or sys.argv[1] not in ("vectors", "bundle"):
        sys.exit(__doc__)
    path = Path(sys.argv[2])
    if sys.argv[1] == "bundle":
        try:
            made = check_bundle(path.read_bytes())
        except p.Refused as error:
            sys.exit(f"{path}: refused: {error}")
        print(f"{path}: {len(made)} checks hold: {', '.join(made)}")
        return
    load = lambda name: json.loads((path / name).read_text())  # noqa: E731
    primitives(load("primitives.json"))
    statements(load("statements.json"))
    groups(load("groups.json"))
    for name in ("bundle", "second-opinion"):
        data = (path / f"{name}.bin").read_bytes()
        check_bundle(data)
        verdict(load(f"{name}.json"), data)
    print(f"{count} known answers agree, and both bundles hold")


if __name__ == "__main__":
    main()
