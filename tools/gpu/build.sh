#!/usr/bin/env bash
# Builds InferNet with its CUDA worker and packs everything that tools/gpu/check.sh needs into one folder, for a machine that has
# an NVIDIA GPU but neither Rust nor a network.
#
# usage: tools/gpu/build.sh [FOLDER]        (default: target/gpu-check)
#
# Without an installed CUDA toolkit (13.0 or a 12.x on PATH or in CUDA_HOME), the compiler comes from NVIDIA's wheels on PyPI. No GPU
# and no driver are needed to build. CUDA_COMPUTE_CAP is the oldest generation the worker runs on (default 75, RTX 20; newer cards
# compile its PTX when it first starts).
set -euo pipefail
root="$(cd "$(dirname "$0")/../.." && pwd)"
cd "$root"
target="${CARGO_TARGET_DIR:-$root/target}"
out="${1:-$target/gpu-check}"
export CUDA_COMPUTE_CAP="${CUDA_COMPUTE_CAP:-75}"
python="${PYTHON:-python3}"

# The driver that a program needs is at least as new as its compiler; 13.0 is what driver 580 runs.
wheels=(nvidia-cuda-nvcc==13.0.88 nvidia-nvvm==13.0.88 nvidia-cuda-crt==13.0.88 'nvidia-cuda-runtime==13.0.*'
    'nvidia-cuda-cccl==13.0.*' 'nvidia-curand==10.4.0.*')
libraries=(libcuda.so.1 libcudart.so.13 libcublas.so.13 libcublasLt.so.13 libcurand.so.10 libnvrtc.so.13)

if [ -n "${CUDA_HOME:-}" ] && [ -x "$CUDA_HOME/bin/nvcc" ]; then
    echo "using the CUDA toolkit in $CUDA_HOME" >&2
elif command -v nvcc >/dev/null; then
    CUDA_HOME="$(dirname "$(dirname "$(readlink -f "$(command -v nvcc)")")")"
    echo "using the CUDA toolkit in $CUDA_HOME" >&2
else
    toolkit="$target/cuda-toolkit"
    CUDA_HOME="$toolkit/nvidia/cu13"
    if [ ! -e "$toolkit/complete" ]; then
        echo "fetching NVIDIA's compiler from PyPI into $toolkit (about 300 MB)" >&2
        rm -rf "$toolkit" && mkdir -p "$toolkit"
        "$python" -m pip download --quiet --no-deps --only-binary=:all: --platform manylinux2014_x86_64 \
            --platform manylinux_2_17_x86_64 --platform manylinux_2_27_x86_64 --platform manylinux2010_x86_64 \
            --platform manylinux_2_12_x86_64 -d "$toolkit" "${wheels[@]}"
        for wheel in "$toolkit"/*.whl; do "$python" -m zipfile -e "$wheel" "$toolkit"; done
        chmod -R +x "$CUDA_HOME/bin" "$CUDA_HOME/nvvm/bin"
        rm "$toolkit"/*.whl
        touch "$toolkit/complete"
    fi
fi
export CUDA_HOME CUDA_PATH="$CUDA_HOME" PATH="$CUDA_HOME/bin:$PATH"

# Libraries of the driver and the toolkit are found when the worker starts; to link, empty ones of the same names do.
stubs="$target/cuda-stubs"
mkdir -p "$stubs"
links=""
for library in "${libraries[@]}"; do
    name="${library%%.so*}"
    gcc -shared -x c /dev/null -Wl,-soname,"$library" -o "$stubs/$name.so"
    links="$links -l${name#lib}"
done
flags="-L $stubs -C link-args=-Wl,--unresolved-symbols=ignore-all,--no-as-needed$links"
cargo build --release -p infernet --bin infernet
# A folder of its own: other flags would make cargo build everything anew each time.
RUSTFLAGS="$flags" CARGO_TARGET_DIR="$target/cuda" cargo build --release -p infernet --features cuda --bin infernet-worker-cuda

rm -rf "$out" && mkdir -p "$out/bin" "$out/tools"
cp "$target/release/infernet" "$target/cuda/release/infernet-worker-cuda" "$out/bin/"
strip "$out"/bin/*
cp -r assets "$out/assets"
cp -r engine/tests/golden "$out/golden"
cp -r tools/reference tools/bench tools/gpu "$out/tools/"
find "$out" -name __pycache__ -prune -exec rm -rf {} +
echo "packed $out ($(du -sh "$out" | cut -f1)); carry it to the GPU machine and run tools/gpu/check.sh there" >&2
