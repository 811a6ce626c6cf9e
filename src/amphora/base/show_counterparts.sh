#!/bin/sh
# mmdebstrap's hook; $1 is the new root. The first call shows the directory that this file is
# in as /dev/.amphora there, as soon as somebody opens the gate; the second takes it away.
set -eu

area=${0%/*} place=$1/dev/.amphora
if [ -d "$place" ]; then
    umount "$place"
    rmdir "$place"
else
    read -r _ <"$area/gate"
    mkdir -p "$place"
    mount --bind "$area" "$place"
fi
