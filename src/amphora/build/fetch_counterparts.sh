# Installs the packages given as NAME=VERSION, compiled for this CPU, in the native variant
# of an image: each in the very version asked for (a cross compiler's may end in crossN).
# One that cannot be had is left out: what it would stand in for stays in the emulator.
set -eu

# Without an index nothing is known of what can be had: better to fail, and try again next time.
apt-get update -qq -o APT::Update::Error-Mode=any
chosen=
for wanted in "$@"; do
    name=${wanted%%=*} version=${wanted#*=}
    for available in $(apt-cache madison "$name" | cut -d'|' -f2); do
        case $available in
        "$version" | "$version"cross[0-9]*) chosen="$chosen $name=$available" && break ;;
        esac
    done
done
if [ -n "$chosen" ]; then
    # Unquoted: one word for each package.
    apt-get install -y -qq --no-install-recommends -o Dpkg::Use-Pty=0 $chosen >/dev/null
fi
