#!/usr/bin/env bash
# The whole shop on real services and without containers, a process a role: Postgres with its synchronous
# standby (scripts/services.sh), products, loms, cart, notifier on their default ports. Ends with Ctrl-C;
# the services stay, `scripts/services.sh down postgres` ends them. Flags go to every role
# (scripts/up-native.sh --set log.level=debug). Logs: var/up-native/.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --release --package app
app=${CARGO_TARGET_DIR:-target}/release/app
scripts/services.sh up postgres
eval "$(scripts/services.sh env postgres)"
logs=var/up-native
mkdir -p "$logs"
export APP__POSTGRES__URL=$SHOP_POSTGRES_URL
export APP__POSTGRES__PASSWORD=$APP_TEST_POSTGRES_PASSWORD
export APP__POSTGRES__TLS_CA_FILE=${APP_TEST_POSTGRES_CA:-}

"$app" migrate "$@"
"$app" stock import crates/adapters/src/memory/stock.json "$@"

pids=()
# shellcheck disable=SC2329 # called by the trap
end() {
    trap - EXIT INT TERM
    kill -TERM "${pids[@]}" 2>/dev/null || true
    wait || true
    echo "the shop has ended; 'scripts/services.sh down postgres' ends its database"
}
trap end EXIT
trap 'exit 0' INT TERM
for role in products loms cart notifier; do
    "$app" --role "$role" "$@" >"$logs/$role.log" 2>&1 &
    pids+=($!)
done
for role in products loms cart notifier; do
    tries=0
    until "$app" healthcheck --role "$role" "$@" 2>/dev/null; do
        tries=$((tries + 1))
        [ "$tries" -lt 150 ] || { echo "$role does not get ready; its log is $logs/$role.log" >&2; exit 1; }
        sleep 0.2
    done
done
cat <<TEXT
The shop is up. Logs: $logs/*.log
  carts     http://127.0.0.1:8080/swagger/
  orders    http://127.0.0.1:8084/swagger/   gRPC 127.0.0.1:8083
  Postgres  $SHOP_POSTGRES_URL (password: APP_TEST_POSTGRES_PASSWORD of 'scripts/services.sh env postgres')
  audit     eval "\$(scripts/services.sh env postgres)"; then: APP__POSTGRES__URL=\$SHOP_POSTGRES_URL \\
            APP__POSTGRES__PASSWORD=\$APP_TEST_POSTGRES_PASSWORD APP__POSTGRES__TLS_CA_FILE=\$APP_TEST_POSTGRES_CA $app audit
Ctrl-C ends it.
TEXT
wait -n "${pids[@]}" || true
echo "a role has ended; see $logs" >&2
exit 1
