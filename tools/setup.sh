#!/usr/bin/env bash
# Installs what building (`run`) or testing (`test`) needs and is missing, and says what it does.
# System packages come from apt (Debian, Ubuntu), Rust from rustup; nothing is done where nothing is missing.
set -euo pipefail

readonly RUST_MINIMUM="1.95.0"
purpose="${1:-run}"

packages=(build-essential pkg-config curl ca-certificates)
commands=(cc make pkg-config curl)
if [ "$purpose" = test ]; then
    # faketime, iproute2 and nftables: tests with wrong clocks and with network namespaces.
    packages+=(ffmpeg faketime iproute2 nftables openssl procps)
    # Node.js from elsewhere brings its own npm, which Debian's package of that name conflicts with.
    command -v npm >/dev/null || packages+=(nodejs npm)
    commands+=(ffmpeg ffprobe faketime ip nft node npm openssl pgrep)
fi
# The desktop shell, and the window that software Vulkan draws in tests.
libraries=()
if [ "$purpose" = test ] || [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
    packages+=(libwebkit2gtk-4.1-dev libayatana-appindicator3-dev libgtk-3-dev librsvg2-dev libxkbcommon-dev)
    libraries+=(webkit2gtk-4.1 ayatana-appindicator3-0.1 gtk+-3.0 xkbcommon)
fi
if [ "$purpose" = test ]; then
    packages+=(mesa-vulkan-drivers libvulkan1 xvfb xdotool dbus-x11 libxkbcommon-x11-0 libxcursor1 libxi6 libxrandr2)
    commands+=(Xvfb xdotool dbus-run-session)
fi

missing=()
for command in "${commands[@]}"; do
    command -v "$command" >/dev/null || missing+=("$command")
done
for library in ${libraries[@]+"${libraries[@]}"}; do
    pkg-config --exists "$library" 2>/dev/null || missing+=("$library")
done
if [ ${#missing[@]} -gt 0 ]; then
    if ! command -v apt-get >/dev/null; then
        echo "setup: ${missing[*]} not found and there is no apt here; install the equivalents of: ${packages[*]}" >&2
        exit 1
    fi
    as_root=()
    if [ "$(id -u)" -ne 0 ]; then as_root=(sudo); fi
    echo "setup: ${missing[*]} not found; installing ${packages[*]} with apt" >&2
    "${as_root[@]}" apt-get update -qq
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${packages[@]}" >&2
fi

if ! command -v cargo >/dev/null && [ -x "$HOME/.cargo/bin/cargo" ]; then
    export PATH="$HOME/.cargo/bin:$PATH"
fi
rust_version() { rustc --version 2>/dev/null | awk '{print $2}'; }
at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }
if ! command -v cargo >/dev/null; then
    echo "setup: Rust not found; installing the stable toolchain with rustup into ~/.cargo" >&2
    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal -c rustfmt,clippy >&2
    export PATH="$HOME/.cargo/bin:$PATH"
elif ! at_least "$RUST_MINIMUM" "$(rust_version)"; then
    if ! command -v rustup >/dev/null; then
        echo "setup: Rust $(rust_version) is too old (needs $RUST_MINIMUM) and rustup is not there to update it; install it from https://rustup.rs" >&2
        exit 1
    fi
    echo "setup: Rust $(rust_version) is older than $RUST_MINIMUM; updating the stable toolchain" >&2
    rustup update stable >&2
fi

# The settlement contract's tests: the pinned compiler and chain, from the lock file in contracts/.
if [ "$purpose" = test ]; then
    contracts="$(cd "$(dirname "${BASH_SOURCE[0]}")/../contracts" && pwd)"
    # Not `npm ci`: releases of npm disagree on what a lock file must say of optional packages for other systems. Nothing is saved.
    # npm keeps a copy of the lock file it has installed; a newer lock file is installed anew.
    if [ ! -e "$contracts/node_modules/.package-lock.json" ] ||
        [ "$contracts/package-lock.json" -nt "$contracts/node_modules/.package-lock.json" ]; then
        echo "setup: installing the Solidity compiler and the test chain into contracts/node_modules" >&2
        (cd "$contracts" && npm install --no-save --ignore-scripts --no-audit --no-fund >&2)
        touch "$contracts/node_modules/.package-lock.json"
    fi
fi

if [ "$purpose" = test ] && ! cargo nextest --version >/dev/null 2>&1; then
    echo "setup: cargo-nextest not found; building it (about five minutes, once)" >&2
    cargo install --locked cargo-nextest >&2
fi
