#!/usr/bin/env bash
# Kafka: one broker that is its own controller (KRaft), or three, from Maven Central's jars. Sourced by
# scripts/services.sh. Each listens twice: in the clear for everybody, and by TLS for who has a password.
# Environment: KAFKA_HEAP (default 384m), SERVICES_BROKERS (1, the default, or 3: one of three may die; it
# counts when they are made).

KAFKA_HEAP=${KAFKA_HEAP:-384m}
KAFKA_JARS=$TOOLS_DIR/kafka
JVM=(java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto)

kafka_home() {
    HOME_DIR=$SERVICES_DIR/kafka
    mkdir -p "$HOME_DIR"
    kafka_use 1
}

# kafka_use N: what follows is about broker N. The first one is at home; others have a room each.
kafka_use() {
    NODE=$1 NODE_DIR=$HOME_DIR
    [[ $NODE == 1 ]] || NODE_DIR=$HOME_DIR/broker$NODE
    mkdir -p "$NODE_DIR"
    CONF=$NODE_DIR/server.properties
}

# Those that were made.
kafka_nodes() { seq "$(cat "$HOME_DIR/brokers" 2>/dev/null || printf 1)"; }

# kafka_each COMMAND…: for each broker; fails if it fails for one.
kafka_each() {
    local node code=0
    for node in $(kafka_nodes); do
        kafka_use "$node"
        "$@" || code=1
    done
    kafka_use 1
    return "$code"
}

kafka_port() { cat "$NODE_DIR/port"; }
kafka_secure_port() { cat "$NODE_DIR/secure.port"; }
kafka_address() { printf '127.0.0.1:%s\n' "$(kafka_port)"; }
kafka_secure_address() { printf '127.0.0.1:%s\n' "$(kafka_secure_port)"; }

# The jars, again whenever their list changes.
need_kafka() {
    local wanted
    command -v java >/dev/null || apt_install default-jre-headless "java is missing" >&2
    wanted=$(cksum <scripts/services/kafka-pom.xml)
    [[ $(cat "$KAFKA_JARS/.installed" 2>/dev/null) != "$wanted" ]] || return 0
    command -v mvn >/dev/null || apt_install maven "maven is missing" >&2
    say "fetching Kafka from Maven Central"
    rm -rf "$KAFKA_JARS"
    mkdir -p "$KAFKA_JARS"
    mvn --quiet --batch-mode -f scripts/services/kafka-pom.xml dependency:copy-dependencies \
        -DincludeScope=runtime -DoutputDirectory="$KAFKA_JARS" >&2
    printf '%s\n' "$wanted" >"$KAFKA_JARS/.installed"
}

kafka_pid() { cat "$NODE_DIR/pid" 2>/dev/null || true; }

# An id is given anew: only the broker of this directory is ours.
kafka_alive() {
    local pid
    pid=$(kafka_pid)
    [[ $pid =~ ^[0-9]+$ ]] && { tr '\0' ' ' <"/proc/$pid/cmdline"; } 2>/dev/null | grep -qF "kafka.Kafka $CONF"
}

kafka_listens() { (exec 8<>"/dev/tcp/127.0.0.1/$(kafka_port)") 2>/dev/null; }
kafka_silent() { ! kafka_alive && ! kafka_listens; }
kafka_ready() { kafka_alive || fail "the broker has ended: $(tail -n 5 "$NODE_DIR/broker.log")"; kafka_listens; }

# Who may come by TLS.
KAFKA_USER=shop
KAFKA_PASSWORD=for-tests-only

# write_kafka_settings VOTERS COPIES
write_kafka_settings() {
    local voters=$1 copies=$2 port secure controller by=org.apache.kafka.common.security
    port=$(kafka_port)
    secure=$(kafka_secure_port)
    controller=$(cat "$NODE_DIR/controller.port")
    cat >"$CONF" <<SETTINGS
process.roles=broker,controller
node.id=$NODE
controller.quorum.voters=$voters
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:$port,SECURE://127.0.0.1:$secure,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$port,SECURE://127.0.0.1:$secure
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SECURE:SASL_SSL,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
ssl.keystore.type=PEM
ssl.keystore.location=$HOME_DIR/keystore.pem
listener.name.secure.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.secure.plain.sasl.jaas.config=$by.plain.PlainLoginModule required user_$KAFKA_USER="$KAFKA_PASSWORD";
listener.name.secure.scram-sha-256.sasl.jaas.config=$by.scram.ScramLoginModule required;
listener.name.secure.scram-sha-512.sasl.jaas.config=$by.scram.ScramLoginModule required;
log.dirs=$NODE_DIR/logs
auto.create.topics.enable=false
offsets.topic.replication.factor=$copies
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=$copies
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=$copies
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=4
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
log.cleaner.dedupe.buffer.size=8388608
log.cleaner.threads=1
num.network.threads=2
num.io.threads=4
background.threads=2
SETTINGS
}

kafka_storage() {
    "${JVM[@]}" -Xmx128m -Dorg.slf4j.simpleLogger.defaultLogLevel=error -cp "$KAFKA_JARS/*" \
        kafka.tools.StorageTool "$@"
}

# Ports of broker $NODE, other than those already given.
pick_kafka_ports() {
    local name port
    for name in port secure.port controller.port; do
        port=$(pick_port "${KAFKA_PORTS[@]}")
        KAFKA_PORTS+=("$port")
        printf '%s\n' "$port" >"$NODE_DIR/$name"
    done
    KAFKA_VOTERS+=${KAFKA_VOTERS:+,}$NODE@127.0.0.1:$port
}

format_kafka() {
    local cluster=$1 login="name=$KAFKA_USER,password=$KAFKA_PASSWORD"
    rm -rf "$NODE_DIR/logs"
    kafka_storage format -t "$cluster" -c "$CONF" \
        --add-scram "SCRAM-SHA-256=[$login]" --add-scram "SCRAM-SHA-512=[$login]" >"$NODE_DIR/format.log" 2>&1 \
        || { cat "$NODE_DIR/format.log" >&2; fail "Kafka's storage cannot be formatted"; }
}

make_kafka() {
    local brokers=${SERVICES_BROKERS:-1}
    [[ $brokers == 1 || $brokers == 3 ]] || fail "SERVICES_BROKERS is $brokers, not 1 or 3"
    printf '%s\n' "$brokers" >"$HOME_DIR/brokers"
    KAFKA_PORTS=() KAFKA_VOTERS=''
    kafka_each pick_kafka_ports
    make_certificates
    cat "$HOME_DIR/server.key" "$HOME_DIR/server.pem" >"$HOME_DIR/keystore.pem"
    kafka_each write_kafka_settings "$KAFKA_VOTERS" "$brokers"
    kafka_each format_kafka "$(kafka_storage random-uuid)"
    : >"$HOME_DIR/ready"
}

kafka_launch() {
    ! kafka_alive || return 0
    wait_for "free port" kafka_silent
    # In a session of its own: the end of who started it does not end it.
    setsid "${JVM[@]}" -Xms64m -Xmx"$KAFKA_HEAP" -XX:+ExitOnOutOfMemoryError -Djava.awt.headless=true \
        -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -Dorg.slf4j.simpleLogger.showDateTime=true \
        -cp "$KAFKA_JARS/*" kafka.Kafka "$CONF" >>"$NODE_DIR/broker.log" 2>&1 </dev/null 9>&- &
    printf '%s\n' "$!" >"$NODE_DIR/pid"
    sleep 0.2 # until the program of its own has taken the place of this shell's
}

# Of three, none is ready before a second one is there.
kafka_start() {
    kafka_each kafka_launch
    kafka_each wait_for "broker" kafka_ready
}

kafka_up() {
    kafka_home
    exec 9>"$HOME_DIR/lock"
    flock -w "$SERVICES_TIMEOUT" 9 || fail "another services.sh is at work in $HOME_DIR"
    need_kafka
    [[ -e $HOME_DIR/ready ]] || make_kafka
    kafka_start
    say "Kafka is up at $(kafka_addresses)"
}

# All of them, for who connects.
kafka_addresses() { kafka_each kafka_address | paste -s -d ,; }

kafka_known() {
    kafka_home
    [[ -e $HOME_DIR/ready ]] || fail "there is no Kafka here: run 'scripts/services.sh up kafka' first"
}

kafka_status_of_one() {
    if kafka_alive && kafka_listens; then
        printf 'broker %s  port %s  pid %s  up\n' "$NODE" "$(kafka_port)" "$(kafka_pid)"
        return
    fi
    printf 'broker %s  port %s  down\n' "$NODE" "$(kafka_port)"
    return 1
}

kafka_status() {
    kafka_known
    kafka_each kafka_status_of_one
}

kafka_env() {
    kafka_known
    printf "export APP_TEST_KAFKA='%s'\n" "$(kafka_addresses)"
    printf "export APP_TEST_KAFKA_SECURE='%s'\n" "$(kafka_each kafka_secure_address | paste -s -d ,)"
    printf "export APP_TEST_KAFKA_CA='%s'\n" "$HOME_DIR/ca.pem"
    printf "export APP_TEST_KAFKA_USER='%s'\n" "$KAFKA_USER"
    printf "export APP_TEST_KAFKA_PASSWORD='%s'\n" "$KAFKA_PASSWORD"
    printf "export APP_TEST_KAFKA_PID='%s'\n" "$(kafka_pid)"
    printf "export APP_TEST_KAFKA_JARS='%s'\n" "$KAFKA_JARS"
}

kafka_end() {
    local pid
    kafka_alive || return 0
    pid=$(kafka_pid)
    kill -CONT "$pid" 2>/dev/null || true
    kill "-$1" "$pid" 2>/dev/null || true
}

kafka_end_in_order() {
    (SERVICES_TIMEOUT=20 && wait_for "end of the broker" kafka_silent) 2>/dev/null || {
        kafka_end KILL
        wait_for "end of the broker" kafka_silent
    }
}

kafka_down() {
    kafka_home
    if [[ -e $HOME_DIR/ready ]]; then
        # In order where something is kept; the last of three could not, alone, and would be waited for.
        kafka_each kafka_end "$([[ ${1:-} == --wipe ]] && printf KILL || printf TERM)"
        kafka_each kafka_end_in_order
    fi
    [[ ${1:-} != --wipe ]] || rm -rf "$HOME_DIR"
}

# kill N, start N: broker N, or the one there is.
kafka_node() {
    local action=${1:-} node=${2:-1}
    kafka_known
    need_kafka
    kafka_nodes | grep -qx "$node" || fail "there is no broker $node"
    kafka_use "$node"
    case $action in
    kill)
        kafka_end KILL
        wait_for "end of the broker" kafka_silent
        ;;
    start)
        kafka_launch
        wait_for "broker" kafka_ready
        ;;
    *) usage ;;
    esac
}
