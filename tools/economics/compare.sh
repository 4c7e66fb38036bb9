#!/usr/bin/env bash
# The published study's stage-1 sweep in plain NumPy and in our crate, one after the other in the same run.
#   tools/economics/compare.sh [python]
# Machines are shared: besides wall time it prints user CPU time, which waits for nobody. Ours is the sum over 20 sweeps.
set -euo pipefail
python=${1:-python3}
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$(dirname "$here")")
cd "$root"
cargo build --quiet --release -p infernet-economics --example sweep
ours=${CARGO_TARGET_DIR:-target}/release/examples/sweep
TIMEFORMAT='wall %R s, user CPU %U s'
for round in 1 2; do
    echo "round $round, ours, 20 sweeps, all cores:"
    time "$ours"
    echo "round $round, ours, 20 sweeps, one thread:"
    time RAYON_NUM_THREADS=1 "$ours"
    echo "round $round, NumPy, one sweep:"
    time OMP_NUM_THREADS=1 "$python" "$here/reference.py" sweep
done
