#!/usr/bin/env bash
# Runs a command with FOLDER as its root, and in it what every Linux has: /proc, /dev, and the X socket if there is one.
#   in_root.sh FOLDER COMMAND [ARG ...]
# The mounts are this process's own and go with it. Needs root.
set -euo pipefail
# shellcheck disable=SC2016 # The inner shell expands these.
exec unshare --mount bash -c 'set -e
  root=$1; shift
  mkdir -p "$root"/{proc,dev,tmp/.X11-unix}
  mount -t proc proc "$root/proc"
  mount --rbind /dev "$root/dev"
  [ ! -d /tmp/.X11-unix ] || mount --bind /tmp/.X11-unix "$root/tmp/.X11-unix"
  exec chroot "$root" "$@"' - "$@"
