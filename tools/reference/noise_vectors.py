"""Known answers for the portable noise, from its description alone (engine/src/noise.rs): Python's `cryptography` ChaCha20 and mpmath.

Run: python tools/reference/noise_vectors.py
"""

import hashlib
import struct

import mpmath
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms

mpmath.mp.dps = 40


def element(seed: int | bytes, stream: int, index: int) -> float:
    """Standard normal number `index` of a stream (0: initial latent, i + 1: step i), before rounding to f32."""
    if isinstance(seed, bytes):
        head = b"infernet/noise/v2" + seed
    else:
        head = b"infernet/noise/v1" + struct.pack("<Q", seed)
    key = hashlib.sha256(head + struct.pack("<I", stream)).digest()
    block, place = divmod(index, 16)
    nonce = struct.pack("<QQ", block, 0)
    words = struct.unpack("<16I", Cipher(algorithms.ChaCha20(key, nonce), None).encryptor().update(bytes(64)))
    a, b = words[place // 2 * 2 : place // 2 * 2 + 2]
    radius = mpmath.sqrt(-2 * mpmath.log(mpmath.mpf(a + 1) / 2**32))
    angle = 2 * mpmath.pi * mpmath.mpf(b) / 2**32
    return float(radius * (mpmath.sin(angle) if place % 2 else mpmath.cos(angle)))


if __name__ == "__main__":
    for seed, stream, start in [(0, 0, 0), (42, 0, 14), (2**64 - 1, 25, 1_000_003), (bytes(range(32)), 0, 0), (b"\xff" * 32, 25, 30)]:
        bits = [struct.unpack("<I", struct.pack("<f", element(seed, stream, start + i)))[0] for i in range(4)]
        print(seed.hex() if isinstance(seed, bytes) else seed, stream, start, "[" + ", ".join(f"0x{b:08x}" for b in bits) + "]")
