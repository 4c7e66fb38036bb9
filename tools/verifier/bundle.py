"""The checks 1 to 19 of docs/PROTOCOL.md, section 8, on a bundle: everything that needs neither scheduler nor model."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

import protocol as p

MAX_BUNDLE = 2**30


@dataclass
class Leaf:
    index: int
    kind: int
    payload: bytes
    digests: list
    path: list[bytes]
    contents: int
    tensors: list


def read_tensor(r: p.Reader) -> tuple[int, list[int], bytes]:
    dtype, rank = r.u8(), r.u8()
    p.require(dtype in p.DTYPE_BYTES and rank <= 8, "tensor head")
    dims = [r.u32() for _ in range(rank)]
    data = r.bytes(MAX_BUNDLE)
    p.require(len(data) == math.prod(dims) * p.DTYPE_BYTES[dtype], "tensor size")
    return dtype, dims, data


def read_frame(r: p.Reader) -> tuple[int, int, bytes]:
    width, height = r.u32(), r.u32()
    pixels = r.bytes(MAX_BUNDLE)
    p.require(len(pixels) == 3 * width * height, "frame size")
    return width, height, pixels


def read_leaf(r: p.Reader) -> Leaf:
    index, kind = r.u32(), r.u8()
    p.require(kind in p.KINDS, "leaf kind")
    start = r.at
    digests = [r.raw(32)]
    if kind == 1:
        digests += [r.raw(32), r.optional(lambda: r.raw(32))]
        r.raw(16)
    elif kind == 5:
        digests.append(r.optional(lambda: r.raw(32)))
    payload = r.data[start : r.at]
    depth = r.u8()
    p.require(depth <= 32, "path length")
    path = [r.raw(32) for _ in range(depth)]
    contents = r.u8()
    p.require(contents <= 3, "leaf contents")
    tensors: list = []
    if contents == 1:
        tensors = [read_tensor(r), read_tensor(r), r.optional(lambda: read_tensor(r))]
    elif contents:
        tensors = [read_tensor(r) if contents == 2 else read_frame(r)]
    return Leaf(index, kind, payload, digests, path, contents, tensors)


def read_reveal(data: bytes) -> list[Leaf]:
    r = p.Reader(data)
    count = r.u32()
    p.require(count <= 4096, "number of leaves")
    leaves = [read_leaf(r) for _ in range(count)]
    r.end()
    return leaves


def planned(job: p.Job, steps: list[int], frames: list[int]) -> dict[int, int]:
    """Leaf index to contents (0: digests only)."""
    total, count = job.fields["steps"], job.leaf_count
    plan = {0: 0, count - 2: 0, count - 1: 0}
    for step in sorted({*steps, total - 1}):
        plan.setdefault(step + 1, 0)
        plan[step] = 1
        if job.needs_previous(step):
            plan[step - 1] = 1
    plan[total] = 2
    plan.update({total + 1 + frame: 3 for frame in frames})
    return dict(sorted(plan.items()))


def finite(dtype: int, data: bytes) -> bool:
    width, mask = {p.F32: ("I", 0x7F800000), p.F16: ("H", 0x7C00), p.BF16: ("H", 0x7F80)}[dtype]
    return all(word & mask != mask for (word,) in struct.iter_unpack("<" + width, data))


def check_bundle(data: bytes) -> list[str]:
    """Names of the checks that were made, in order.

    Raises:
        Refused: The name of the check that failed, or what about the validator's own statements is wrong.
    """
    p.require(len(data) <= MAX_BUNDLE, "bundle is too large")
    r = p.Reader(data)
    p.require(r.raw(8) == b"infbndl1", "magic")
    job = p.Job(r.raw(p.JOB_LEN))
    salt, prompts = r.raw(32), (r.bytes(8192), r.bytes(8192))
    challenge, challenge_signed = p.read_signed(r, p.read_challenge)
    pledge = r.optional(lambda: p.read_signed(r, p.read_pledge))
    commitment, commitment_signed = p.read_signed(r, p.read_commitment)
    nonce = r.raw(32)
    committed_at, published_at, revealed_at = r.u64(), r.u64(), r.u64()
    reveal = r.optional(lambda: (r.bytes(MAX_BUNDLE), r.raw(64)))
    clip = r.bytes(MAX_BUNDLE)
    r.end()

    # The requester's and the validator's statements.
    for name, text in zip(("prompt", "negative_prompt"), prompts):
        scheme, digest = job.fields[name]
        p.require(p.prompt_commitment(scheme, name != "prompt", salt, text) == digest, f"{name} opening")
        text.decode("utf-8")
    signed = p.verify(b"infernet/challenge/v1", challenge["validator"], challenge_signed.body, challenge_signed.signature)
    p.require(signed and challenge["job"] == job.digest, "challenge")
    p.require(challenge["commit_by"] <= job.fields["deadline"], "challenge ends after the deadline")
    challenge["terms"].check(job)
    auditor, announcement = challenge, p.session_of(challenge_signed)
    if pledge:
        auditor, body = pledge[0], pledge[1]
        signed = p.verify(b"infernet/pledge/v1", auditor["validator"], body.body, body.signature)
        p.require(signed and auditor["job"] == job.digest, "pledge")
        auditor["terms"].check(job)
        announcement = p.sha256(b"infernet/pledge-digest/v1", body.body)
    terms, session = auditor["terms"], p.session_of(challenge_signed)
    opened = p.nonce_commitment(job.digest, auditor["validator"], nonce)
    p.require(opened == terms.nonce_commitment, "nonce")

    made: list[str] = []

    def check(name: str, holds: bool) -> None:
        p.require(holds, name)
        made.append(name)

    # The miner's.
    miner = challenge["miner"]
    signed = p.verify(b"infernet/commit/v1", miner, commitment_signed.body, commitment_signed.signature)
    check("commitment_signature", signed and commitment["miner"] == miner)
    check("commitment_session", commitment["session"] == session)
    seed = p.job_seed(job.digest, miner, challenge["c"])
    fields = (commitment["job"], commitment["seed"], commitment["leaf_count"])
    check("commitment_fields", fields == (job.digest, seed, job.leaf_count))
    check("commitment_deadline", committed_at <= challenge["commit_by"])
    check("reveal_present", reveal is not None)
    content = p.sha256(b"infernet/reveal-content/v1", reveal[0])
    statement = p.commitment_digest(commitment_signed) + miner + announcement + nonce + content
    check("reveal_signature", p.verify(b"infernet/reveal/v1", miner, statement, reveal[1]))
    check("reveal_deadline", revealed_at <= published_at + auditor["window"])

    steps, frames, _ = p.draw(job, terms, nonce, commitment["root"], commitment_signed.signature)
    plan = planned(job, steps, frames)
    elements, guided = math.prod(job.fields["latent"]), job.fields["guided"]
    state, output = 30 + elements * p.DTYPE_BYTES[job.fields["dtype"]], 30 + 4 * elements
    pixels = 3 * job.fields["width"] * job.fields["height"]
    sizes = {0: 0, 1: state + output + 1 + guided * output, 2: state, 3: 16 + pixels}
    check("reveal_size", len(reveal[0]) <= 4 + sum(1144 + sizes[contents] for contents in plan.values()))
    try:
        leaves = read_reveal(reveal[0])
    except p.Refused as error:
        raise p.Refused(f"reveal_encoding: {error}") from error
    made.append("reveal_encoding")

    right_kind = all(leaf.kind == job.kind(leaf.index) for leaf in leaves)
    branches = all((leaf.digests[-1] is not None) == guided for leaf in leaves if leaf.kind in (1, 5))
    tensors = all((leaf.tensors[2] is not None) == guided for leaf in leaves if leaf.contents == 1)
    asked = [(leaf.index, leaf.contents) for leaf in leaves] == list(plan.items())
    check("reveal_leaves", asked and right_kind and branches and tensors)
    hashes = [p.leaf_hash(leaf.kind, session, leaf.index, leaf.payload) for leaf in leaves]
    roots = [p.path_root(h, leaf.index, job.leaf_count, leaf.path) for h, leaf in zip(hashes, leaves)]
    check("merkle_path", all(root == commitment["root"] for root in roots))

    shape, format_ok, digests_ok, finite_ok = [1, *job.fields["latent"]], True, True, True
    for leaf in leaves:
        if leaf.contents == 3:
            width, height, data_ = leaf.tensors[0]
            format_ok &= (width, height) == (job.fields["width"], job.fields["height"])
            digests_ok &= p.frame_digest(width, height, data_) == leaf.digests[0]
            continue
        for place, tensor in enumerate(leaf.tensors):
            if tensor is not None:
                dtype, dims, data_ = tensor
                format_ok &= dims == shape and dtype == (p.F32 if place else job.fields["dtype"])
                digests_ok &= p.tensor_digest(dtype, dims, data_) == leaf.digests[place]
                finite_ok &= finite(dtype, data_)
    check("tensor_format", format_ok)
    check("payload_digest", digests_ok)
    check("finite_values", finite_ok)
    by_index = {leaf.index: leaf for leaf in leaves}
    check("clip_binding", by_index[job.leaf_count - 2].digests[0] == commitment["clip"])
    check("clip_delivery", p.clip_digest(clip) == commitment["clip"])
    check("clip_size", len(clip) <= pixels * job.fields["frames"] + 2**20)
    if job.fields["scheduler"][0] != 3:
        # Euler's initial noise level needs the sampler's tables.
        check("initial_noise", p.initial_state_digest(seed, job, 1.0) == by_index[0].digests[0])
    return made
