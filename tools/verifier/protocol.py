"""Proof of inference without a model, from docs/PROTOCOL.md alone: decoding, hashes, tree, signatures, draw and noise.

Nothing here shares code with the Rust implementation.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import struct
from dataclasses import dataclass, field

from Crypto.Hash import keccak
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms

F32, F16, BF16 = 1, 2, 3
DTYPE_BYTES = {F32: 4, F16: 2, BF16: 2}
JOB_LEN = 317
GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493


def sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def hmac_sha256(key: bytes, *parts: bytes) -> bytes:
    return hmac.new(key, b"".join(parts), hashlib.sha256).digest()


def u32(value: int) -> bytes:
    return struct.pack("<I", value)


class Refused(Exception):
    """The input is not the canonical encoding of anything, or a check failed."""


def require(holds: bool, reason: str) -> None:
    if not holds:
        raise Refused(reason)


# Decoding


class Reader:
    def __init__(self, data: bytes):
        self.data, self.at = data, 0

    def raw(self, count: int) -> bytes:
        require(count <= len(self.data) - self.at, f"cut off at byte {self.at}")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, kind: str):
        return struct.unpack("<" + kind, self.raw(struct.calcsize("<" + kind)))[0]

    def u8(self) -> int:
        return self.number("B")

    def u32(self) -> int:
        return self.number("I")

    def u64(self) -> int:
        return self.number("Q")

    def flag(self) -> bool:
        value = self.u8()
        require(value in (0, 1), f"flag is {value}")
        return value == 1

    def bytes(self, limit: int) -> bytes:
        length = self.u64()
        require(length <= limit, f"length {length} is above {limit}")
        return self.raw(length)

    def optional(self, read):
        return read() if self.flag() else None

    def end(self) -> None:
        require(self.at == len(self.data), "bytes follow the end")


@dataclass
class Signed:
    body: bytes
    signature: bytes

    @property
    def whole(self) -> bytes:
        return self.body + self.signature


def verify(domain: bytes, signer: bytes, body: bytes, signature: bytes) -> bool:
    if int.from_bytes(signature[32:], "little") >= GROUP_ORDER:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(signer).verify(signature, domain + body)
    except (InvalidSignature, ValueError):
        return False
    return True


@dataclass
class Job:
    raw: bytes
    fields: dict = field(default_factory=dict)

    def __post_init__(self):
        require(len(self.raw) == JOB_LEN, f"a job has {JOB_LEN} bytes")
        r, f = Reader(self.raw), self.fields
        require(r.number("H") == 1, "job version")
        f["network"], f["job_id"], f["requester"], f["model"] = r.raw(32), r.raw(16), r.raw(32), r.raw(32)
        f["prompt"], f["negative_prompt"] = (r.u8(), r.raw(32)), (r.u8(), r.raw(32))
        f["width"], f["height"], f["frames"] = r.u32(), r.u32(), r.u32()
        numerator, denominator = r.u32(), r.u32()
        require(math.gcd(numerator, denominator) == 1 and 1 <= numerator <= 1000 * denominator, "frame rate")
        f["steps"], guidance = r.u32(), r.number("f")
        require(0 <= guidance <= 100 and math.copysign(1, guidance) > 0, "guidance")
        f["guided"], f["scheduler"], f["dtype"] = guidance > 1, r.raw(44), r.u8()
        f["latent"] = tuple(r.u32() for _ in range(4))
        f["shard_plan"], f["deposit"], f["deadline"] = r.raw(32), r.u64(), r.u64()
        r.end()
        require(1 <= f["width"] <= 4096 and 1 <= f["height"] <= 4096, "size")
        require(1 <= f["frames"] <= 1024 and 1 <= f["steps"] <= 1000, "frames or steps")
        require(f["dtype"] in DTYPE_BYTES, "latent dtype")
        require(1 <= math.prod(f["latent"]) <= 2**26, "latent size")

    @property
    def digest(self) -> bytes:
        return sha256(b"infernet/job/v1", self.raw)

    @property
    def leaf_count(self) -> int:
        return self.fields["steps"] + self.fields["frames"] + 3

    def kind(self, index: int) -> int:
        steps, frames = self.fields["steps"], self.fields["frames"]
        if index < steps:
            return 1
        return 2 if index == steps else 3 if index <= steps + frames else 4 if index == steps + frames + 1 else 5

    def needs_previous(self, step: int) -> bool:
        scheduler, steps = self.fields["scheduler"], self.fields["steps"]
        kind, order, lower_final, euler_final, last_sigma = (scheduler[i] for i in (0, 39, 41, 42, 43))
        end = step == steps - 1 and (euler_final or last_sigma == 1 or (lower_final and steps < 15))
        return kind == 2 and order == 2 and step > 0 and not end


@dataclass
class Terms:
    nonce_commitment: bytes
    steps: int
    frames: int
    full_one_in: int
    full_steps: int
    last_step: bool
    tolerance: bytes

    @classmethod
    def read(cls, r: Reader) -> Terms:
        return cls(r.raw(32), r.u32(), r.u32(), r.u32(), r.u32(), r.flag(), r.raw(32))

    def check(self, job: Job) -> None:
        require(1 <= self.steps <= job.fields["steps"] and 1 <= self.frames <= job.fields["frames"], "terms")
        never = self.full_one_in == 0 and self.full_steps == 0
        require(never or (self.full_one_in > 0 and self.steps <= self.full_steps <= job.fields["steps"]), "full check")


def read_signed(r: Reader, read) -> tuple[dict, Signed]:
    start = r.at
    fields = read(r)
    body = r.data[start : r.at]
    return fields, Signed(body, r.raw(64))


def read_challenge(r: Reader) -> dict:
    names = ("job", "miner", "validator", "c")
    return {name: r.raw(32) for name in names} | {"terms": Terms.read(r), "commit_by": r.u64(), "window": r.u64()}


def read_pledge(r: Reader) -> dict:
    return {"job": r.raw(32), "validator": r.raw(32), "terms": Terms.read(r), "window": r.u64()}


def read_commitment(r: Reader) -> dict:
    fields = {name: r.raw(32) for name in ("job", "session", "miner", "seed", "root")}
    fields |= {"leaf_count": r.u32(), "clip": r.raw(32)}
    return fields | {"group": r.optional(lambda: (r.raw(32), r.number("H")))}


def session_of(challenge: Signed) -> bytes:
    return sha256(b"infernet/session/v1", challenge.body)


def nonce_commitment(job: bytes, validator: bytes, nonce: bytes) -> bytes:
    return sha256(b"infernet/audit-nonce/v1", job, validator, nonce)


def commitment_digest(commitment: Signed) -> bytes:
    return sha256(b"infernet/commitment-digest/v1", commitment.whole)


def prompt_commitment(scheme: int, negative: bool, salt: bytes, text: bytes) -> bytes:
    data = (b"infernet/negative-prompt/v1" if negative else b"infernet/prompt/v1") + salt + text
    require(scheme in (1, 2), "prompt commitment scheme")
    return sha256(data) if scheme == 1 else keccak.new(digest_bits=256, data=data).digest()


# Tree


def node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01", left, right)


def tree_root(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return node(tree_root(leaves[:split]), tree_root(leaves[split:]))


def path_root(leaf: bytes, index: int, count: int, path: list[bytes]) -> bytes | None:
    """The root that a path leads to, from the top down; None where the path does not have this position's length."""
    if count == 1:
        return leaf if not path else None
    if not path or not 0 <= index < count:
        return None
    split = 1 << (count - 1).bit_length() - 1
    if index < split:
        below = path_root(leaf, index, split, path[:-1])
        return below and node(below, path[-1])
    below = path_root(leaf, index - split, count - split, path[:-1])
    return below and node(path[-1], below)


# Payloads


def tensor_digest(dtype: int, dims: list[int], data: bytes) -> bytes:
    return sha256(b"infernet/tensor/v1", bytes([dtype, len(dims)]), *map(u32, dims), data)


def frame_digest(width: int, height: int, pixels: bytes) -> bytes:
    return sha256(b"infernet/frame/v1", u32(width), u32(height), pixels)


def clip_digest(data: bytes) -> bytes:
    return sha256(b"infernet/clip/v1", data)


KINDS = {1: b"step", 2: b"final", 3: b"frame", 4: b"clip", 5: b"text"}


def leaf_hash(kind: int, session: bytes, index: int, payload: bytes) -> bytes:
    return sha256(b"\x00", b"infernet/leaf/", KINDS[kind], b"/v1", session, u32(index), payload)


def payload_bytes(kind: int, digests: list[bytes | None], timestep: float = 0, sigma: float = 0) -> bytes:
    optional = lambda d: b"\x00" if d is None else b"\x01" + d  # noqa: E731
    if kind == 1:
        return digests[0] + digests[1] + optional(digests[2]) + struct.pack("<dd", timestep, sigma)
    return digests[0] + optional(digests[1]) if kind == 5 else digests[0]


# Seed, noise and draw


def job_seed(job: bytes, miner: bytes, c: bytes) -> bytes:
    return hmac_sha256(miner, b"infernet/seed/v1", job, c)


def noise(seed: bytes, count: int, stream: int = 0) -> list[float]:
    """Standard normal numbers as f32 (exactly representable floats): stream 0 for the first state, i + 1 after step i."""
    key = sha256(b"infernet/noise/v2", seed, u32(stream))
    blocks = -(-count // 16)
    words = Cipher(algorithms.ChaCha20(key, bytes(16)), None).encryptor().update(bytes(64 * blocks))
    out: list[float] = []
    for a, b in struct.iter_unpack("<II", words):
        radius = math.sqrt(-2.0 * math.log((a + 1.0) / 2**32))
        angle = 2.0 * math.pi * (b / 2**32)
        out += [radius * math.cos(angle), radius * math.sin(angle)]
    return [struct.unpack("<f", struct.pack("<f", x))[0] for x in out[:count]]


def to_bytes(values: list[float], dtype: int) -> bytes:
    """Values (representable in f32) rounded to a number format, ties to even."""
    if dtype == BF16:
        words = (struct.unpack("<I", struct.pack("<f", x))[0] for x in values)
        return b"".join(struct.pack("<H", (w + 0x7FFF + (w >> 16 & 1)) >> 16) for w in words)
    return struct.pack(f"<{len(values)}{'f' if dtype == F32 else 'e'}", *values)


def initial_state_digest(seed: bytes, job: Job, init_noise_sigma: float) -> bytes:
    values = noise(seed, math.prod(job.fields["latent"]))
    scaled = [struct.unpack("<f", struct.pack("<f", x * init_noise_sigma))[0] for x in values]
    dtype = job.fields["dtype"]
    return tensor_digest(dtype, [1, *job.fields["latent"]], to_bytes(scaled, dtype))


class Words:
    def __init__(self, nonce: bytes, purpose: int, root: bytes, signature: bytes):
        self.nonce, self.head, self.counter, self.queue = nonce, bytes([purpose]) + root + signature, 0, []

    def next(self) -> int:
        if not self.queue:
            block = hmac_sha256(self.nonce, b"infernet/indices/v1", self.head, u32(self.counter))
            self.queue, self.counter = list(struct.unpack("<4Q", block)), self.counter + 1
        return self.queue.pop(0)

    def below(self, n: int) -> int:
        while (word := self.next()) >= 2**64 // n * n:
            pass
        return word % n

    def choose(self, count: int, n: int) -> list[int]:
        items = list(range(n))
        for j in range(count):
            other = j + self.below(n - j)
            items[j], items[other] = items[other], items[j]
        return sorted(items[:count])


def draw(job: Job, terms: Terms, nonce: bytes, root: bytes, signature: bytes) -> tuple[list[int], list[int], bool]:
    words = lambda purpose: Words(nonce, purpose, root, signature)  # noqa: E731
    full = terms.full_one_in > 0 and words(3).below(terms.full_one_in) == 0
    total = job.fields["steps"]
    steps = words(1).choose(terms.full_steps if full else terms.steps, total)
    if terms.last_step and total - 1 not in steps:
        steps.append(total - 1)
    return steps, words(2).choose(terms.frames, job.fields["frames"]), full
