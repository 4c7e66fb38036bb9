#!/usr/bin/env bash
# Tries the Windows program and its installer under Wine: installers/windows/try.sh SETUP.exe LINUX_INFERNET
# Needs wine, xvfb-run, mingw-w64 (a library that Wine 8 lacks is made for it) and curl. LINUX_INFERNET is the program of the same
# version for Linux, whose clips are compared bit for bit. What Wine can't show: see installers/README.md.
set -euo pipefail
setup="$(realpath "${1:?usage: try.sh SETUP.exe LINUX_INFERNET}")"
native="$(realpath "${2:?usage: try.sh SETUP.exe LINUX_INFERNET}")"
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
work="$(mktemp -d)"
export WINEPREFIX="$work/prefix" WINEDEBUG=-all WINEDLLOVERRIDES="mscoree=;mshtml="
wine="$(command -v wine64 || { [ -x /usr/lib/wine/wine64 ] && echo /usr/lib/wine/wine64; } || command -v wine)"
node=""
finish() {
    [ -z "$node" ] || kill "$node" 2>/dev/null || true
    WINEPREFIX="$work/prefix" wineserver -k 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
say() { echo "try: $*" >&2; }
fail() { say "$*"; exit 1; }
windows() { timeout 570 "$wine" "$@" </dev/null; }
same() { cmp -s "$1" "$2" || fail "$1 and $2 differ"; }

say "a new Windows: $("$wine" --version)"
xvfb-run -a "$wine" wineboot -i >/dev/null 2>&1
wineserver -w
user="$(ls -d "$WINEPREFIX"/drive_c/users/*/ | grep -v Public | head -n 1)"
place="$user/AppData/Local/Programs/InferNet"

say "the installer, silently"
xvfb-run -a "$wine" "$setup" /S
wineserver -w
program="$place/infernet.exe"
for file in "$program" "$place/WebView2Loader.dll" "$place/uninstall.exe" "$place/assets/models/starter/model_index.json"; do
    [ -s "$file" ] || fail "$file was not installed"
done
shortcut="$(find "$user" "$WINEPREFIX/drive_c/ProgramData" -name InferNet.lnk | head -n 1)"
[ -n "$shortcut" ] || fail "there is no entry in the Start menu"
has() { local text; text="$(windows "${@:2}")"; grep -q -- "$1" <<<"$text"; }
has infernet.exe reg query 'HKCU\Software\Classes\infernet\shell\open\command' || fail "links are not registered"
has DisplayVersion reg query 'HKCU\Software\Microsoft\Windows\CurrentVersion\Uninstall\InferNet' || fail "it is not in the list of programs"
# Every Windows 10 and later has it; Wine 8 does not.
cat >"$work/prng.c" <<'C'
#include <windows.h>
BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T length) { return SystemFunction036(data, (ULONG)length); }
C
x86_64-w64-mingw32-gcc -shared -O2 -o "$place/bcryptprimitives.dll" "$work/prng.c" -ladvapi32

say "$(windows "$program" --version)"
has '"brand"' "$program" devices --json || fail "no CPU was found"

say "a clip there and here, bit for bit"
folder="$user/Bilder und Ärger"
mkdir -p "$folder"
unset INFERNET_ASSETS_DIR
options=(generate "a red circle moving right" --steps 12 --threads 2)
(cd "$folder" && windows "$program" "${options[@]}" --seed 7 --out windows.mp4 --trace windows.safetensors >/dev/null)
(cd "$folder" && INFERNET_ASSETS_DIR="$root/assets" "$native" "${options[@]}" --seed 7 --out linux.mp4 --trace linux.safetensors >/dev/null)
same "$folder/windows.mp4" "$folder/linux.mp4"
# Their headers' order is free; the tensors are compared by what the steps hold.
python3 - "$folder/windows.safetensors" "$folder/linux.safetensors" <<'PY' || fail "the steps differ"
import json, struct, sys

def tensors(path):
    data = open(path, "rb").read()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    body = data[8 + length :]
    return {name: (one["dtype"], one["shape"], body[slice(*one["data_offsets"])]) for name, one in header.items()}

ours, theirs = tensors(sys.argv[1]), tensors(sys.argv[2])
differ = [name for name in ours if ours[name] != theirs.get(name)]
sys.exit(f"{differ} of {len(ours)} tensors differ" if differ or ours.keys() != theirs.keys() else 0)
PY
say "$(sha256sum <"$folder/windows.mp4" | cut -c1-16)... both"

say "proved there, verified here; and the other way round"
here() { (cd "$folder" && INFERNET_ASSETS_DIR="$root/assets" "$native" "$@"); }
there() { (cd "$folder" && windows "$program" "$@"); }
there "${options[@]}" --out proved.mp4 --prove windows.proof >/dev/null
there reveal windows.proof --out windows.bundle >/dev/null
here verify --bundle windows.bundle >/dev/null || fail "a run proved on Windows does not hold on Linux"
here "${options[@]}" --out proved-here.mp4 --prove linux.proof >/dev/null
here reveal linux.proof --out linux.bundle >/dev/null
there verify --bundle linux.bundle >/dev/null || fail "a run proved on Linux does not hold on Windows"

say "a node mines its own clip"
# TCP alone: Wine 8 lacks what QUIC asks of sockets.
windows "$program" node --listen /ip4/127.0.0.1/tcp/0 --api-listen 127.0.0.1:17417 --found wine >"$work/node.log" 2>&1 &
node=$!
until_() { # what, tries, command
    local what="$1" tries="$2"; shift 2
    for _ in $(seq "$tries"); do "$@" >/dev/null 2>&1 && return; sleep 1; done
    cat "$work/node.log" >&2
    fail "waited for $what in vain"
}
until_ "the node" 60 windows "$program" status
windows "$program" submit "a red circle moving right" --steps 6 >/dev/null
until_ "the settled job" 120 has '"settled"' "$program" jobs --json
wineserver -k || true
node=""

say "taken off again"
rm "$place/bcryptprimitives.dll"
xvfb-run -a "$wine" "$place/uninstall.exe" /S
wineserver -w
[ ! -e "$program" ] || fail "the program is left"
[ ! -e "$shortcut" ] || fail "the entry in the Start menu is left"
find "$user" -path '*InferNet*' -name '*.toml' -o -path '*InferNet*' -name 'identity*' | grep -q . || fail "the user's files are gone"
say "all of it works"
