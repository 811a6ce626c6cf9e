#!/bin/sh
# Registers what /etc/binfmt.d/zz-amphora.conf says, in front of all that is there: the entry
# that was registered last wins. Started by amphora-emulators.service, where systemd-binfmt
# does not do it, or somebody registers emulators after it.
set -u
table=/proc/sys/fs/binfmt_misc
[ -e "$table/register" ] || mount -t binfmt_misc binfmt_misc "$table" || exit 1
status=0
while IFS= read -r line; do
  case $line in '' | '#'* | ';'*) continue ;; esac
  name=${line#?}
  name=${name%%["${line%"${name}"}"]*}
  [ -e "$table/$name" ] && echo -1 >"$table/$name"
  printf '%s' "$line" >"$table/register" || status=1
done </etc/binfmt.d/zz-amphora.conf
exit $status
