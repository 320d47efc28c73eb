#!/bin/sh
# The shop beside bare servers, over loopback, 64 in flight, interleaved in the same run: cart add beside a bare
# actix-web handler, OrderCreate (3 lines) beside a bare tonic service. OrderCreate twice: with all roles in one
# process, where relay and notifier work on its two events too, and with the role loms alone. Then the time from
# start to first answer. Arguments go to `load compare`, for example --rounds 11 --duration-seconds 5.
# Results: var/compare/*.json.
set -eu

# shellcheck source=scripts/private-app.sh
. "$(dirname "$0")/private-app.sh"

build
out=var/compare
mkdir -p "$out"
dir=$(mktemp -d)
bare_http_pid=
bare_grpc_pid=
clean() {
    kill_app
    for pid in $bare_http_pid $bare_grpc_pid; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$dir"
}
trap clean EXIT
trap 'exit 1' INT TERM

# 10,000 products with more stock than any run can sell.
awk 'BEGIN { printf "["; for (i = 1; i <= 10000; i++)
    printf "%s{\"sku\":%d,\"name\":\"Product %d\",\"price\":%d}\n", (i > 1 ? "," : ""), i, i, i; print "]" }' >"$dir/catalogue.json"
awk 'BEGIN { printf "["; for (i = 1; i <= 10000; i++)
    printf "%s{\"sku\":%d,\"total_count\":4000000000,\"reserved\":0}\n", (i > 1 ? "," : ""), i; print "]" }' >"$dir/stock.json"

# shellcheck disable=SC2046 # one port a word
set -- $("$load" free-ports 2) "$@"
bare_http=127.0.0.1:$1
bare_grpc=127.0.0.1:$2
shift 2
"$load" bare-http --addr "$bare_http" &
bare_http_pid=$!
"$load" bare-grpc --addr "$bare_grpc" &
bare_grpc_pid=$!
# Its log costs what it costs anywhere, and is not kept.
start_app /dev/null --catalogue "$dir/catalogue.json" --stock "$dir/stock.json"

"$load" compare cart-add --ours-url "http://127.0.0.1:$cart_port" --ours-pid "$app_pid" \
    --bare-url "http://$bare_http" --bare-pid "$bare_http_pid" --json "$out/cart-add.json" "$@"
"$load" compare grpc-create --ours-url "http://127.0.0.1:$grpc_port" --ours-pid "$app_pid" \
    --bare-url "http://$bare_grpc" --bare-pid "$bare_grpc_pid" --json "$out/grpc-create.json" "$@"
stop_app

start_app /dev/null --role loms --stock "$dir/stock.json"
printf '\nrole loms alone:'
"$load" compare grpc-create --ours-url "http://127.0.0.1:$grpc_port" --ours-pid "$app_pid" \
    --bare-url "http://$bare_grpc" --bare-pid "$bare_grpc_pid" --json "$out/grpc-create-loms.json" "$@"
stop_app

export APP__CART__HTTP__PORT="$cart_port" APP__PRODUCTS__HTTP__PORT="$products_port" \
    APP__LOMS__GRPC__PORT="$grpc_port" APP__LOMS__HTTP__PORT="$gateway_port" \
    APP__NOTIFIER__HTTP__PORT="$notifier_port"
"$load" start-up --url "http://127.0.0.1:$cart_port/healthz" -- "$app"
