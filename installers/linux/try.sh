#!/usr/bin/env bash
# Installs a .deb in a clean Debian, uses it as a newcomer would, and takes it off again: installers/linux/try.sh FILE.deb [FOLDER]
# Needs root (chroot), debootstrap, Xvfb, xdotool and ffmpeg. Pictures of the window go into FOLDER (default: a new one, which is said).
set -euo pipefail
package="$(realpath "${1:?usage: try.sh FILE.deb [FOLDER]}")"
pictures="$(realpath "${2:-$(mktemp -d)}")"
mkdir -p "$pictures"
clean="$(mktemp -d)"
chmod 755 "$clean"
release="$(. /etc/os-release && echo "$VERSION_CODENAME")"
sources="$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null || true)"
mirror="$(awk '$1 == "deb" { for (i = 2; i <= NF; i++) if ($i ~ /^http/) { print $i; exit } } $1 == "URIs:" { print $2; exit }' <<<"$sources")"
display=""

finish() {
    [ -z "$display" ] || kill "$display" 2>/dev/null || true
    for place in tmp/.X11-unix dev proc; do umount -l "$clean/$place" 2>/dev/null || true; done
    # Never through a mount that is still there.
    grep -q " $clean/" /proc/mounts || rm -rf "$clean"
}
trap finish EXIT
say() { echo "try: $*" >&2; }
inside() { chroot "$clean" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/home/someone LANG=C.UTF-8 "$@"; }
# A user without rights.
someone() { inside setpriv --reuid 1000 --regid 1000 --clear-groups -- env DISPLAY=":$number" XDG_RUNTIME_DIR=/home/someone/run "$@"; }

say "a clean $release from ${mirror%%\?*}"
debootstrap --variant=minbase "$release" "$clean" "$mirror" >/dev/null
rm -f "$clean/etc/apt/sources.list"
cp /etc/apt/sources.list "$clean/etc/apt/" 2>/dev/null || true
cp -r /etc/apt/apt.conf.d /etc/apt/sources.list.d /etc/apt/trusted.gpg.d "$clean/etc/apt/" 2>/dev/null || true
cp /etc/resolv.conf "$clean/etc/" 2>/dev/null || true
cp -r /usr/local/share/ca-certificates "$clean/usr/local/share/" 2>/dev/null || true
cp -r /etc/ssl "$clean/etc/" 2>/dev/null || true
mount -t proc proc "$clean/proc"
mount --rbind /dev "$clean/dev"
inside useradd --create-home --uid 1000 someone
inside install -d -o 1000 -m 700 /home/someone/run

say "installing $(basename "$package") with what it depends on"
cp "$package" "$clean/infernet.deb"
inside apt-get update -qq
inside env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq /infernet.deb dbus >/dev/null
inside apt-get -qq check
number=0
someone infernet --version
someone infernet devices --json | grep -q '"cpu"'

say "a clip on the command line"
someone infernet generate "a red circle moving right" --seed 7 --out /home/someone/clip.mp4 >/dev/null
ffprobe -v error -select_streams v -show_entries stream=codec_name,width,height,nb_frames -of csv=p=0 "$clean/home/someone/clip.mp4"

say "the desktop: Start, and a clip in the gallery"
mkdir -p "$clean/tmp/.X11-unix" && mount --bind /tmp/.X11-unix "$clean/tmp/.X11-unix"
exec 3< <(exec Xvfb -displayfd 1 -screen 0 1280x800x24 -nolisten tcp 2>/dev/null)
display=$!
read -r number <&3
someone dbus-run-session -- env INFERNET_SKIP_WIZARD=true infernet desktop >"$clean/desktop.log" 2>&1 &
until_() { # what, seconds, command
    local what="$1" end=$((SECONDS + $2)); shift 2
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || { say "waited for $what in vain"; cat "$clean/desktop.log" >&2; exit 1; }
        sleep 0.5
    done
}
shown() { DISPLAY=":$number" xdotool search --onlyvisible --name InferNet; }
picture() { ffmpeg -loglevel error -y -f x11grab -video_size 1280x800 -i ":$number" -frames:v 1 "$pictures/$1.png"; }
until_ "the node" 60 someone infernet status
until_ "the window" 60 shown
DISPLAY=":$number" xdotool windowfocus "$(shown | tail -n 1)"
sleep 4; picture package-1-new
for keys in "key ctrl+k" "type Start" "key Return"; do sleep 1; DISPLAY=":$number" xdotool $keys; done
settled() { someone infernet jobs --json | grep -q '"settled"'; }
until_ "the first clip" 120 settled
sleep 3; picture package-2-settled
pkill -TERM -f "^infernet desktop" || true
until_ "the desktop's end" 30 bash -c "! pgrep -f '^infernet desktop'"

say "taken off again: programs go, what is the user's stays"
inside env DEBIAN_FRONTEND=noninteractive apt-get purge -y -qq infernet >/dev/null
for gone in /usr/bin/infernet /usr/lib/infernet /usr/lib/systemd/user/infernet.service /usr/share/applications/infernet.desktop; do
    [ ! -e "$clean$gone" ] || { say "$gone is left"; exit 1; }
done
kept="$clean/home/someone/.local/share/infernet"
[ -e "$kept/settings.toml" ] && find "$kept/clips" -name '*.mp4' | grep -q . || { say "the user's files are gone from $kept"; exit 1; }
say "all of it works; pictures in $pictures"
