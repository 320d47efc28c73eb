# Sourced by demo.sh, replay.sh and compare.sh: a release build of the shop and of the load program, and
# an instance of the shop of one's own, on free loopback ports, in memory.
#
# shellcheck shell=sh disable=SC2034 # what it sets is used by those who source it
#
# Sets: load, app (programs), and after start_app: app_pid, cart_port, products_port, grpc_port,
# gateway_port, notifier_port, urls (arguments for `load`).

root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root" || exit 1
target=${CARGO_TARGET_DIR:-target}
load=$target/release/load
app=$target/release/app
app_pid=

# One build each, so that `app` is the same program as that of `cargo run --release`.
# SKIP_BUILD=1 takes what is built already.
build() {
    [ -z "${SKIP_BUILD:-}" ] || return 0
    cargo build --quiet --release -p app --bin app
    cargo build --quiet --release -p benches --bin load
}

# start_app LOG [flags of app …]
start_app() {
    app_log=$1
    shift
    app_flags=$*
    case $app_log in /dev/*) app_err=/dev/stderr ;; *) app_err=$app_log.err ;; esac
    # shellcheck disable=SC2046 # one port a word
    set -- $("$load" free-ports 5)
    cart_port=$1 products_port=$2 grpc_port=$3 gateway_port=$4 notifier_port=$5
    urls="--cart-url http://127.0.0.1:$cart_port --products-url http://127.0.0.1:$products_port
        --grpc-url http://127.0.0.1:$grpc_port --gateway-url http://127.0.0.1:$gateway_port"
    # shellcheck disable=SC2086 # flags have no blanks in them
    APP__CART__HTTP__PORT=$cart_port APP__PRODUCTS__HTTP__PORT=$products_port \
        APP__LOMS__GRPC__PORT=$grpc_port APP__LOMS__HTTP__PORT=$gateway_port \
        APP__NOTIFIER__HTTP__PORT=$notifier_port \
        "$app" $app_flags >"$app_log" 2>>"$app_err" &
    app_pid=$!
    case $app_flags in
        *'--role loms'*) listening=$gateway_port ;;
        *) listening="$cart_port $products_port $gateway_port $notifier_port" ;;
    esac
    for port in $listening; do
        "$load" ready "http://127.0.0.1:$port/readyz" || {
            [ ! -s "$app_log.err" ] || cat "$app_log.err" >&2
            exit 1
        }
    done
}

# Ends it in order; fails where it does not end with 0.
stop_app() {
    [ -n "$app_pid" ] || return 0
    pid=$app_pid
    app_pid=
    kill -TERM "$pid"
    wait "$pid" || {
        echo "the shop ended with exit code $?" >&2
        return 1
    }
}

# For traps: whatever happened, nothing is left behind.
kill_app() {
    if [ -n "$app_pid" ]; then
        kill -KILL "$app_pid" 2>/dev/null || true
        wait "$app_pid" 2>/dev/null || true
        app_pid=
    fi
}

# memory_mib FIELD: VmRSS (now) or VmHWM (most so far) of the shop.
memory_mib() {
    awk -v field="$1:" '$1 == field { printf "%.1f", $2 / 1024 }' "/proc/$app_pid/status"
}
