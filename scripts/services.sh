#!/usr/bin/env bash
# Real services on this machine, without containers, on private ports and in a private directory:
#
#   scripts/services.sh up postgres       a primary and its synchronous standby; again when up: nothing
#   scripts/services.sh status postgres   a line a server; exit code 0 only if all is as it should be
#   scripts/services.sh env postgres      what tests and the shop have to know, as `export` lines
#   scripts/services.sh down postgres     ends them; --wipe removes what they wrote too
#   scripts/services.sh node postgres …   trouble on purpose: kill N, start N, promote N, rejoin N
#
# The same for `kafka`: one broker, or three (node kafka kill N, start N). `up postgres` and `up kafka` know
# nothing of each other.
#
# Environment: SERVICES_DIR (default var/services), SERVICES_TIMEOUT (seconds to wait for anything,
# default 60), and what each file of scripts/services/ names at its top. What is missing is installed.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/tools.sh
. scripts/tools.sh
umask 077

SERVICES_DIR=$(realpath -m "${SERVICES_DIR:-var/services}")
SERVICES_TIMEOUT=${SERVICES_TIMEOUT:-60}

usage() {
    sed -n '2,/^set -euo/p' "$0" | sed '$d; s/^# \{0,1\}//' >&2
    exit 2
}

say() { printf '%s\n' "$*" >&2; }

# wait_for WHAT COMMAND…: until the command succeeds.
wait_for() {
    local what=$1 end=$((SECONDS + SERVICES_TIMEOUT))
    shift
    until "$@"; do
        ((SECONDS < end)) || fail "no $what after $SERVICES_TIMEOUT s; the logs are in $SERVICES_DIR"
        sleep 0.05
    done
}

# A free port below those that outgoing connections take, other than those given.
pick_port() {
    local port tries
    for ((tries = 0; tries < 500; tries++)); do
        port=$((12000 + (RANDOM * 32768 + RANDOM) % 20000))
        [[ " $* " != *" $port "* ]] || continue
        (exec 8<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { printf '%s\n' "$port"; return; }
    done
    fail "no free port"
}

# A certificate authority of our own, and a certificate for the loopback addresses, in $HOME_DIR.
make_certificates() {
    command -v openssl >/dev/null || apt_install openssl "openssl is missing" >&2
    (
        cd "$HOME_DIR"
        openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj "/CN=services of the tests" \
            -addext "basicConstraints=critical,CA:TRUE" -keyout ca.key -out ca.pem
        openssl req -newkey rsa:2048 -nodes -subj "/CN=localhost" -keyout server.key -out server.csr
        printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n' >server.ext
        openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 3650 -extfile server.ext -out server.pem
    ) >"$HOME_DIR/openssl.log" 2>&1 || { cat "$HOME_DIR/openssl.log" >&2; fail "openssl refuses"; }
    chmod 600 "$HOME_DIR"/*.key
    chmod 644 "$HOME_DIR/ca.pem"
}

main() {
    local action=${1:-} wipe='' service
    shift || usage
    if [[ ${1:-} == --wipe ]]; then
        wipe=--wipe
        shift
    fi
    service=${1:-}
    [[ -n $service && -f scripts/services/$service.sh ]] || usage
    shift
    [[ ${1:-} != --wipe ]] || wipe=--wipe
    # shellcheck source=scripts/services/postgres.sh
    . "scripts/services/$service.sh"
    case $action in
    up | status | env) "${service}_$action" ;;
    down) "${service}_down" "$wipe" ;;
    node) "${service}_node" "$@" ;;
    *) usage ;;
    esac
}

main "$@"
