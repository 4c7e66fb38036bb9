"""Fits the polynomials of engine/src/kernels/math.rs: weighted least squares with Lawson's iteration, which approaches the minimax polynomial.

Run: python tools/reference/fit_polynomials.py   (needs numpy and mpmath)
"""

import mpmath as mp
import numpy as np

mp.mp.dps = 40
SAMPLES = 4000
ITERATIONS = 60


def fit(function, low, high, degree, weight=lambda x: 1.0):
    """Coefficients in ascending order and the largest weighted error on Chebyshev nodes."""
    nodes = np.cos(np.pi * (np.arange(SAMPLES) + 0.5) / SAMPLES) * (high - low) / 2 + (low + high) / 2
    values = np.array([float(function(mp.mpf(float(x)))) for x in nodes])
    importance = np.array([weight(x) for x in nodes])
    lawson = np.ones(SAMPLES)
    best = None
    for _ in range(ITERATIONS):
        powers = np.vander(nodes, degree + 1, increasing=True)
        scale = np.sqrt(lawson) * importance
        coefficients, *_ = np.linalg.lstsq(powers * scale[:, None], values * scale, rcond=None)
        error = np.abs((powers @ coefficients - values) * importance)
        if best is None or error.max() < best[1]:
            best = coefficients, error.max()
        lawson *= error / error.max() + 1e-12
        lawson /= lawson.sum()
    return best


def show(name, result):
    coefficients, error = result
    print(f"{name}: error {error:.1e}, ascending {[f'{np.float32(c):.9e}' for c in coefficients]}")


if __name__ == "__main__":
    half_ln2 = float(mp.log(2) / 2) * 1.0005
    show("exp, (e^r - 1 - r) / r^2", fit(lambda r: (mp.expm1(r) - r) / r**2 if r else mp.mpf(1) / 2, -half_ln2, half_ln2, 4))
    small = 0.95**2
    show("erf(x) / x in x^2", fit(lambda u: mp.erf(mp.sqrt(u)) / mp.sqrt(u) if u > 0 else 2 / mp.sqrt(mp.pi), 1e-12, small, 6))
    show("-ln erfc(t)", fit(lambda t: -mp.log(mp.erfc(t)), 0.9, 4.05, 8, weight=lambda t: float(mp.erfc(t))))
