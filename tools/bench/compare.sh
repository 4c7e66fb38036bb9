#!/usr/bin/env bash
# The engine beside diffusers/PyTorch in turn, so that a machine's moods hit both: seconds per clip of the starter model.
# usage: compare.sh INFERNET_BINARY PYTHON [ROUNDS] [THREADS]
set -euo pipefail
binary="$1"; python="$2"; rounds="${3:-5}"; threads="${4:-2}"
here="$(cd "$(dirname "$0")" && pwd)"
model="$here/../../assets/models/starter"
steps=20; guidance=2
export INFERNET_ASSETS_DIR="$here/../../assets"
for ((round = 1; round <= rounds; round++)); do
    ours=$("$binary" bench --threads "$threads" --runs 3 --steps "$steps" --json)
    theirs=$("$python" "$here/pytorch_bench.py" clip --model "$model" --threads "$threads" --repeat 3 --steps "$steps" --guidance "$guidance")
    "$python" - "$round" "$ours" "$theirs" <<'P'
import json, sys
number, ours, theirs = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
mine, other = ours["median_seconds"], theirs["seconds_median"]
memory = [data["peak_memory_bytes"] / 2**20 for data in (ours, theirs)]
print(f"round {number}: InferNet {mine:.3f} s, PyTorch {other:.3f} s ({theirs['best']}), ratio {mine / other:.2f}; "
      f"peak memory {memory[0]:.0f} and {memory[1]:.0f} MiB, ratio {memory[0] / memory[1]:.2f}")
P
done
