#!/bin/sh
# Debian packages that some tests need, installed where that is allowed; `make test` and `make bench` run this first.
#
#   tests/system-packages.sh STAMP
#
# Allowed means: Debian or a relative of it, and root or sudo without a password. It is tried once: STAMP is left
# behind, and while it exists nothing is tried again (CI=true tries always). NO_SYSTEM_PACKAGES=1 never installs.
# What is still missing is named together with the tests that will be skipped; with CI=true that is a failure.
# No daemon of the packages is started, now or at the next boot: the tests start their own, on loopback.
set -eu

PACKAGES="orthanc orthanc-dicomweb dcmtk"
POLICY=${POLICY_RC_D:-/usr/sbin/policy-rc.d}
OURS="# of tests/system-packages.sh; may be removed when that is not running"
PATH=$PATH:/usr/sbin:/sbin
export PATH

say() { echo "system packages: $*" >&2; }

debian() { command -v apt-get > /dev/null && command -v dpkg-query > /dev/null; }

absent() {
    for one in $PACKAGES; do
        if debian; then
            [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$one" 2> /dev/null)" = installed ] || echo "$one"
        else
            case $one in
                orthanc) command -v Orthanc > /dev/null || echo "$one" ;;
                dcmtk) command -v storescu > /dev/null || echo "$one" ;;
            esac # where the plugin of another system lies is not known here; the tests look for it
        fi
    done | tr '\n' ' '
}

# Apt may neither ask, nor wait for ever, nor leave its daemons running.
apt() {
    limit=$1
    shift
    DEBIAN_FRONTEND=noninteractive timeout --kill-after=20 "$limit" apt-get --quiet=2 --yes --no-install-recommends \
        -o DPkg::Lock::Timeout=60 -o Acquire::Retries=1 -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20 "$@"
}

disable() {
    [ "$1" = orthanc ] || return 0
    if [ -d /run/systemd/system ]; then
        systemctl disable --now --quiet orthanc
    elif [ -x /etc/init.d/orthanc ]; then
        update-rc.d orthanc disable
        [ "$policy_was_there" = no ] || /etc/init.d/orthanc stop
    fi
}

# As root. A policy-rc.d that answers 101 forbids starting services (invoke-rc.d(8)); one that is there stays as it is.
install() {
    policy_was_there=yes
    trap '[ "$policy_was_there" = yes ] || rm -f "$POLICY"' EXIT
    trap 'exit 1' HUP INT TERM
    if [ ! -e "$POLICY" ] || grep -qxF "$OURS" "$POLICY"; then
        policy_was_there=no # or it is ours, of a run that was killed
        printf '#!/bin/sh\n%s\nexit 101\n' "$OURS" > "$POLICY"
        chmod 755 "$POLICY"
    fi
    if ! apt 240 install --download-only "$@" > /dev/null 2>&1; then
        apt 120 update > /dev/null # the lists were never fetched, or name versions that are gone
        apt 240 install --download-only "$@" > /dev/null
    fi
    apt 240 install "$@" > /dev/null
    for one in "$@"; do
        disable "$one" > /dev/null 2>&1 || say "the service of $one could not be switched off; look whether it runs"
    done
}

if [ "${1:-}" = --install ]; then
    shift
    install "$@"
    exit 0
fi

stamp=${1:?usage: tests/system-packages.sh STAMP}
missing=$(absent)
[ -n "$missing" ] || exit 0

why=
if [ "${NO_SYSTEM_PACKAGES:-}" = 1 ]; then
    why="NO_SYSTEM_PACKAGES=1"
elif ! debian; then
    why="this is not Debian or a relative of it"
elif [ -e "$stamp" ] && [ "${CI:-}" != true ]; then
    why="it failed before; to try again remove $stamp"
elif [ "$(id -u)" = 0 ]; then
    as_root=
elif command -v sudo > /dev/null && sudo -n true 2> /dev/null; then
    as_root="sudo -n POLICY_RC_D=$POLICY"
else
    why="neither root nor sudo without a password"
fi

if [ -z "$why" ]; then
    say "installing ${missing% } (apt-get, up to some minutes; NO_SYSTEM_PACKAGES=1 leaves them out) ..."
    mkdir -p "$(dirname "$stamp")"
    : > "$stamp"
    # shellcheck disable=SC2086  # words on purpose
    if $as_root sh "$0" --install $missing; then
        missing=$(absent)
        [ -n "$missing" ] || { rm -f "$stamp"; exit 0; }
        why="apt-get reported success, yet they are absent"
    else
        why="apt-get failed, see above"
    fi
fi

say "not installed: ${missing% } ($why)."
say "By hand: apt-get install --no-install-recommends ${missing% }"
if [ "${CI:-}" = true ]; then
    say "CI=true: no test may be skipped, so this is a failure."
    exit 1
fi
say "Tests against a real image archive (Orthanc, dcmtk) will be skipped; all others run."
