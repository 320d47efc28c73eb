#!/usr/bin/env bash
# The whole shop on real services and without containers, a process a role: Postgres with its synchronous
# standby and Kafka (scripts/services.sh), products, loms, cart on their default ports, three notifiers on
# 8085 to 8087. Ends with Ctrl-C; the services stay, `scripts/services.sh down postgres` and `… down kafka`
# end them. Flags go to every role (scripts/up-native.sh --set log.level=debug). Logs: var/up-native/.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --release --package app
app=${CARGO_TARGET_DIR:-target}/release/app
scripts/services.sh up postgres
scripts/services.sh up kafka
eval "$(scripts/services.sh env postgres)"
eval "$(scripts/services.sh env kafka)"
logs=var/up-native
mkdir -p "$logs"
export APP__POSTGRES__URL=$SHOP_POSTGRES_URL
export APP__POSTGRES__PASSWORD=$APP_TEST_POSTGRES_PASSWORD
export APP__POSTGRES__TLS_CA_FILE=${APP_TEST_POSTGRES_CA:-}
export APP__KAFKA__BROKERS=$APP_TEST_KAFKA

"$app" migrate "$@"
"$app" stock import crates/adapters/src/memory/stock.json "$@"
"$app" topics "$@"

pids=()
# shellcheck disable=SC2329 # called by the trap
end() {
    trap - EXIT INT TERM
    kill -TERM "${pids[@]}" 2>/dev/null || true
    wait || true
    echo "the shop has ended; 'scripts/services.sh down postgres' and 'scripts/services.sh down kafka' end its services"
}
trap end EXIT
trap 'exit 0' INT TERM
# begin NAME ROLE FLAG…
begin() {
    local name=$1 role=$2
    shift 2
    "$app" --role "$role" "$@" >"$logs/$name.log" 2>&1 &
    pids+=($!)
}
# ready NAME ROLE FLAG…
ready() {
    local name=$1 role=$2 tries=0
    shift 2
    until "$app" healthcheck --role "$role" "$@" 2>/dev/null; do
        tries=$((tries + 1))
        [ "$tries" -lt 150 ] || { echo "$name does not get ready; its log is $logs/$name.log" >&2; exit 1; }
        sleep 0.2
    done
}
for role in products loms cart; do
    begin "$role" "$role" "$@"
done
for port in 8085 8086 8087; do
    begin "notifier-$port" notifier --set "notifier.http.port=$port" "$@"
done
for role in products loms cart; do
    ready "$role" "$role" "$@"
done
for port in 8085 8086 8087; do
    ready "notifier-$port" notifier --set "notifier.http.port=$port" "$@"
done
cat <<TEXT
The shop is up. Logs: $logs/*.log
  carts     http://127.0.0.1:8080/swagger/
  orders    http://127.0.0.1:8084/swagger/   gRPC 127.0.0.1:8083
  events    tail -f $logs/notifier-*.log     Kafka $APP_TEST_KAFKA
  Postgres  $SHOP_POSTGRES_URL (password: APP_TEST_POSTGRES_PASSWORD of 'scripts/services.sh env postgres')
  audit     eval "\$(scripts/services.sh env postgres)"; then: APP__POSTGRES__URL=\$SHOP_POSTGRES_URL \\
            APP__POSTGRES__PASSWORD=\$APP_TEST_POSTGRES_PASSWORD APP__POSTGRES__TLS_CA_FILE=\$APP_TEST_POSTGRES_CA $app audit
Ctrl-C ends it.
TEXT
wait -n "${pids[@]}" || true
echo "a role has ended; see $logs" >&2
exit 1
