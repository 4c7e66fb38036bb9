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
for file in "$program" "$place/WebView2Loader.dll" "$place/uninstall.exe" "$place/assets/models/starter/model.json"; do
    [ -s "$file" ] || fail "$file was not installed"
done
shortcut="$(find "$user" "$WINEPREFIX/drive_c/ProgramData" -name InferNet.lnk | head -n 1)"
[ -n "$shortcut" ] || fail "there is no entry in the Start menu"
windows reg query 'HKCU\Software\Classes\infernet\shell\open\command' | grep -q 'infernet.exe' || fail "links are not registered"
windows reg query 'HKCU\Software\Microsoft\Windows\CurrentVersion\Uninstall\InferNet' | grep -q DisplayVersion || fail "it is not in the list of programs"
# Every Windows 10 and later has it; Wine 8 does not.
cat >"$work/prng.c" <<'C'
#include <windows.h>
BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T length) { return SystemFunction036(data, (ULONG)length); }
C
x86_64-w64-mingw32-gcc -shared -O2 -o "$place/bcryptprimitives.dll" "$work/prng.c" -ladvapi32

say "$(windows "$program" --version)"
windows "$program" devices --json | grep -q '"cpu"' || fail "no CPU was found"

say "a clip there and here, bit for bit"
folder="$user/Bilder und Ärger"
mkdir -p "$folder"
export INFERNET_ASSETS_DIR=""
options=(generate "a red circle moving right" --seed 7 --steps 12 --threads 2)
(cd "$folder" && windows "$program" "${options[@]}" --out windows.mp4 --trace windows.jsonl >/dev/null)
(cd "$folder" && INFERNET_ASSETS_DIR="$root/assets" "$native" "${options[@]}" --out linux.mp4 --trace linux.jsonl >/dev/null)
same "$folder/windows.mp4" "$folder/linux.mp4"
say "$(sha256sum <"$folder/windows.mp4" | cut -c1-16)... both"

say "proved there, verified here; and the other way round"
(cd "$folder" && windows "$program" "${options[@]}" --out proved.mp4 --prove windows.bundle >/dev/null)
(cd "$folder" && INFERNET_ASSETS_DIR="$root/assets" "$native" verify windows.bundle)
(cd "$folder" && INFERNET_ASSETS_DIR="$root/assets" "$native" "${options[@]}" --out proved-here.mp4 --prove linux.bundle >/dev/null)
(cd "$folder" && windows "$program" verify linux.bundle)

say "a node"
windows "$program" node --loopback --api-listen 127.0.0.1:17417 --found wine >"$work/node.log" 2>&1 &
node=$!
for _ in $(seq 60); do windows "$program" status >"$work/status" 2>/dev/null && break; sleep 1; done
cat "$work/status" >&2
grep -qi mining "$work/status" || { cat "$work/node.log" >&2; fail "the node does not answer"; }
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
