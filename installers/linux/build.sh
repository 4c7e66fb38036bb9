#!/usr/bin/env bash
# Makes the .deb and the .rpm of the desktop: installers/linux/build.sh [FOLDER]. They go into FOLDER (default: target/installers).
# Needs what `tools/setup.sh test` installs, and npm for Tauri's bundler.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
cd "$root"
target="${CARGO_TARGET_DIR:-$root/target}"
out="${1:-$target/installers}"
profile="${PROFILE:-dist}"
# The bundler that fits the version of Tauri in Cargo.toml.
readonly CLI="@tauri-apps/cli@2.12.5"

# Of the whole workspace: with the features that the tests have seen.
case "$profile" in
    dist) cargo build --profile dist --workspace --bin infernet --features infernet/desktop ;;
    release) cargo build --release --workspace --bin infernet --features infernet/desktop ;;
    *) echo "build.sh: PROFILE is dist or release, not $profile" >&2; exit 2 ;;
esac
# The bundler takes what stands in target/release.
if [ "$profile" = dist ]; then
    mkdir -p "$target/release"
    cp "$target/dist/infernet" "$target/release/infernet"
fi
tools="$target/tauri-cli"
if [ "$("$tools/node_modules/.bin/tauri" --version 2>/dev/null || true)" != "tauri-cli ${CLI##*@}" ]; then
    npm install --prefix "$tools" --no-save --ignore-scripts --no-audit --no-fund "$CLI" >&2
fi
rm -rf "$target/release/bundle"
(cd src-tauri && CARGO_TARGET_DIR="$target" "$tools/node_modules/.bin/tauri" bundle --bundles deb,rpm --features desktop)
mkdir -p "$out"
find "$target/release/bundle" \( -name '*.deb' -o -name '*.rpm' \) -exec cp {} "$out/" \;
(cd "$out" && sha256sum -- *.deb *.rpm > SHA256SUMS && cat SHA256SUMS)
