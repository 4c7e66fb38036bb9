"""Turns the results of check.sh into a table for docs/benchmarks.md. Standard library only.

    python tools/gpu/report.py RESULTS
"""

import datetime
import json
import struct
import sys
from array import array
from pathlib import Path

MIB = 2**20


def load(folder: Path, name: str) -> dict | None:
    try:
        return json.loads((folder / f"{name}.json").read_text(encoding="utf-8").strip().splitlines()[-1])
    except (OSError, IndexError, ValueError):
        pass
    try:
        return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def tensor(path: Path, name: str) -> array:
    """One f32 tensor of a safetensors file."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        entry = json.loads(file.read(length))[name]
        begin, end = entry["data_offsets"]
        file.seek(8 + length + begin)
        values = array("f")
        values.frombytes(file.read(end - begin))
    return values


def relative_l2(found: array, expected: array) -> float:
    difference = sum((a - b) ** 2 for a, b in zip(found, expected, strict=True))
    return (difference / sum(b * b for b in expected)) ** 0.5


def main() -> int:
    folder = Path(sys.argv[1])
    devices = load(folder, "devices") or {}
    cards = [gpu for gpu in devices.get("gpus", []) if gpu.get("kind") != "software"]
    print(f"### {datetime.date.today()}")
    for gpu in cards:
        vram = (gpu.get("vram_total_bytes") or 0) / MIB
        print(f"\n{gpu['name']}, {vram:.0f} MiB, driver {gpu.get('driver_version')}, compute capability"
              f" {gpu.get('compute_capability')}, seen through {', '.join(gpu.get('backends', [])) or 'NVML only'}.")
    print(f"\nChosen: {json.dumps(devices.get('chosen'))}")
    print("\n| parity with diffusers on the GPU | cases | failed | worst of its bar |\n|---|---|---|---|")
    for dtype in ("f32", "f16", "bf16"):
        report = load(folder, f"parity-{dtype}")
        if report:
            worst = max(report["cases"], key=lambda case: case["error"] / case["bar"] if case["bar"] else case["error"])
            print(f"| {dtype} | {report['passed'] + report['failed']} | {report['failed']} | {worst['error']:.1e} of"
                  f" {worst['bar']:.0e} ({worst['kind']} {worst['name']}) |")
        else:
            print(f"| {dtype} | did not run | | |")
    print("\n| starter clip | seconds | step 0 against the CPU's f32 (relative L2) | peak VRAM |\n|---|---|---|---|")
    for dtype in ("cpu", "f32", "f16", "bf16"):
        report = load(folder, f"clip-{dtype}")
        if not report:
            print(f"| {dtype} | did not run | | |")
            continue
        error = relative_l2(tensor(folder / f"{dtype}.safetensors", "cond_0"), tensor(folder / "cpu.safetensors", "cond_0"))
        vram = report.get("peak_vram_bytes")
        print(f"| {dtype} | {report['seconds']:.2f} | {error:.1e} | {'' if vram is None else f'{vram / MIB:.0f} MiB'} |")
    print("\n| ZeroScope UNet, f16, one evaluation | InferNet | PyTorch | ratio | peak VRAM | PyTorch's | ratio |\n|---|---|---|---|---|---|---|")
    for size in ("256x256x8", "576x320x24"):
        ours, theirs = load(folder, f"evaluation-{size}"), load(folder, f"evaluation-pytorch-{size}")
        if not ours or not theirs:
            print(f"| {size} | did not run | | | | | |")
            continue
        seconds, other = ours["median_seconds"], theirs["seconds_median"]
        vram, their_vram = ours["peak_vram_bytes"] or 0, theirs["peak_vram_bytes"]
        print(f"| {size} | {seconds:.3f} s | {other:.3f} s | {seconds / other:.2f} | {vram / MIB:.0f} MiB |"
              f" {their_vram / MIB:.0f} MiB | {vram / their_vram:.2f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
