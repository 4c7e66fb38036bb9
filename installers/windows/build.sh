#!/usr/bin/env bash
# Cross-builds InferNet for Windows on Linux and makes its installer: installers/windows/build.sh [FOLDER]
# Needs mingw-w64 (gcc, g++), nsis, and `rustup target add x86_64-pc-windows-gnu`. The installer goes into FOLDER (default:
# target/installers), what is in it into target/windows.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
cd "$root"
target="${CARGO_TARGET_DIR:-$root/target}"
out="${1:-$target/installers}"
profile="${PROFILE:-dist}"
readonly TRIPLE=x86_64-pc-windows-gnu

for command in x86_64-w64-mingw32-gcc x86_64-w64-mingw32-g++ makensis; do
    command -v "$command" >/dev/null || { echo "build.sh: $command not found; install mingw-w64 and nsis" >&2; exit 1; }
done
rustup target list --installed 2>/dev/null | grep -qx "$TRIPLE" || rustup target add "$TRIPLE"
cargo build --profile "$profile" --target "$TRIPLE" -p infernet --features "${FEATURES:-desktop}"

version="$(cargo metadata --no-deps --format-version 1 | grep -o '"name":"infernet","version":"[^"]*"' | cut -d'"' -f8)"
files="$target/windows"
rm -rf "$files"
mkdir -p "$files/assets" "$out"
cp "$target/$TRIPLE/$profile/infernet.exe" "$files/"
# What shows the shell's own pages; Windows 11 brings the rest. Only a build with the shell has it.
loader="$(find "$target/$TRIPLE/$profile" -name WebView2Loader.dll | head -n 1)"
[ -z "$loader" ] || cp "$loader" "$files/"
cp -r assets/models "$files/assets/"
cp LICENSE "$files/LICENSE.txt"
makensis -V2 -NOCD "-DVERSION=$version" "-DROOT=$root" "-DFILES=$files" "-DOUT=$out/InferNet-$version-setup.exe" installers/windows/infernet.nsi
(cd "$out" && sha256sum -- *.exe)
