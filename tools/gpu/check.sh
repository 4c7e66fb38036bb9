#!/usr/bin/env bash
# On a machine with an NVIDIA GPU, without a network: is the card found, does the CUDA worker compute what the CPU and diffusers compute,
# how fast is it beside PyTorch on the same card, and how much video memory does it take?
#
# usage: tools/gpu/check.sh [RESULTS]       (default: gpu-results; run in the folder that build.sh packed)
#
# Needs Python with torch (CUDA), diffusers and transformers in PYTHON (default python3) for the comparison; without them that part is
# left out, and the report says so. Writes RESULTS/report.md and the JSON of every part.
set -uo pipefail
root="$(cd "$(dirname "$0")/../.." && pwd)"
results="$(mkdir -p "${1:-gpu-results}" && cd "${1:-gpu-results}" && pwd)"
python="${PYTHON:-python3}"
infernet="$root/bin/infernet"
export INFERNET_ASSETS_DIR="$root/assets" INFERNET_DATA_DIR="$results/data"
cd "$root/tools"
failed=0
part() { # part NAME COMMAND...: its JSON goes to RESULTS/NAME.json, its messages to NAME.log
    local name="$1" start=$SECONDS; shift
    if "$@" > "$results/$name.json" 2> "$results/$name.log"; then
        echo "ok      $name ($((SECONDS - start)) s)"
    else
        echo "FAILED  $name: $(tail -n 1 "$results/$name.log")"; failed=1
    fi
}

part devices "$infernet" devices --json
for dtype in f32 f16 bf16; do
    part "parity-$dtype" "$infernet" parity "$root/golden" --device cuda --dtype "$dtype" --json
done
part clip-cpu "$infernet" generate "a red circle moving right on a white background" --seed 1 --device cpu \
    --trace "$results/cpu.safetensors" --out "$results/cpu.mp4" --force --json
for dtype in f32 f16 bf16; do
    part "clip-$dtype" "$infernet" generate "a red circle moving right on a white background" --seed 1 --device cuda --dtype "$dtype" \
        --trace "$results/$dtype.safetensors" --out "$results/$dtype.mp4" --force --json
done

# Full width, random weights: shapes, time and memory are those of the published model.
model="$results/zeroscope"
if "$python" -c 'import torch, diffusers, transformers' 2> "$results/python.log"; then
    [ -e "$model/model_index.json" ] || part zeroscope-weights "$python" -m reference zeroscope --out "$model"
    for size in "256 256 8" "576 320 24"; do
        read -r width height frames <<< "$size"
        part "evaluation-${width}x${height}x${frames}" "$infernet" bench --evaluations --device cuda --dtype f16 --model "$model" \
            --width "$width" --height "$height" --frames "$frames" --runs 5 --json
        part "evaluation-pytorch-${width}x${height}x${frames}" "$python" bench/pytorch_bench.py unet --model "$model" --device cuda \
            --dtype float16 --batch 1 --width "$width" --height "$height" --frames "$frames" --repeat 5
    done
else
    echo "skipped the comparison with PyTorch: $(tail -n 1 "$results/python.log")"
fi
"$python" gpu/report.py "$results" > "$results/report.md" && cat "$results/report.md"
exit "$failed"
