#!/usr/bin/env bash
# Kafka: one broker that is its own controller (KRaft), from Maven Central's jars. Sourced by
# scripts/services.sh. It listens twice: in the clear for everybody, and by TLS for who has a password.
# Environment: KAFKA_HEAP (default 384m).

KAFKA_HEAP=${KAFKA_HEAP:-384m}
KAFKA_JARS=$TOOLS_DIR/kafka
JVM=(java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto)

kafka_home() {
    HOME_DIR=$SERVICES_DIR/kafka
    mkdir -p "$HOME_DIR"
    CONF=$HOME_DIR/server.properties
}

kafka_port() { cat "$HOME_DIR/port"; }
kafka_secure_port() { cat "$HOME_DIR/secure.port"; }

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

kafka_pid() { cat "$HOME_DIR/pid" 2>/dev/null || true; }

# An id is given anew: only the broker of this directory is ours.
kafka_alive() {
    local pid
    pid=$(kafka_pid)
    [[ $pid =~ ^[0-9]+$ ]] && { tr '\0' ' ' <"/proc/$pid/cmdline"; } 2>/dev/null | grep -qF "kafka.Kafka $CONF"
}

kafka_listens() { (exec 8<>"/dev/tcp/127.0.0.1/$(kafka_port)") 2>/dev/null; }
kafka_silent() { ! kafka_alive && ! kafka_listens; }
kafka_ready() { kafka_alive || fail "the broker has ended: $(tail -n 5 "$HOME_DIR/broker.log")"; kafka_listens; }

# Who may come by TLS.
KAFKA_USER=shop
KAFKA_PASSWORD=for-tests-only

write_kafka_settings() {
    local port=$1 controller=$2 secure=$3 by=org.apache.kafka.common.security
    cat >"$CONF" <<SETTINGS
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
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
log.dirs=$HOME_DIR/logs
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
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

make_kafka() {
    local port controller secure login="name=$KAFKA_USER,password=$KAFKA_PASSWORD"
    port=$(pick_port)
    secure=$(pick_port "$port")
    controller=$(pick_port "$port" "$secure")
    rm -rf "$HOME_DIR/logs"
    printf '%s\n' "$port" >"$HOME_DIR/port"
    printf '%s\n' "$secure" >"$HOME_DIR/secure.port"
    make_certificates
    cat "$HOME_DIR/server.key" "$HOME_DIR/server.pem" >"$HOME_DIR/keystore.pem"
    write_kafka_settings "$port" "$controller" "$secure"
    kafka_storage format -t "$(kafka_storage random-uuid)" -c "$CONF" \
        --add-scram "SCRAM-SHA-256=[$login]" --add-scram "SCRAM-SHA-512=[$login]" >"$HOME_DIR/format.log" 2>&1 \
        || { cat "$HOME_DIR/format.log" >&2; fail "Kafka's storage cannot be formatted"; }
    : >"$HOME_DIR/ready"
}

kafka_start() {
    ! kafka_alive || return 0
    wait_for "free port" kafka_silent
    # In a session of its own: the end of who started it does not end it.
    setsid "${JVM[@]}" -Xms64m -Xmx"$KAFKA_HEAP" -XX:+ExitOnOutOfMemoryError -Djava.awt.headless=true \
        -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -Dorg.slf4j.simpleLogger.showDateTime=true \
        -cp "$KAFKA_JARS/*" kafka.Kafka "$CONF" >>"$HOME_DIR/broker.log" 2>&1 </dev/null 9>&- &
    printf '%s\n' "$!" >"$HOME_DIR/pid"
    sleep 0.2 # until the program of its own has taken the place of this shell's
    wait_for "broker" kafka_ready
}

kafka_up() {
    kafka_home
    exec 9>"$HOME_DIR/lock"
    flock -w "$SERVICES_TIMEOUT" 9 || fail "another services.sh is at work in $HOME_DIR"
    need_kafka
    [[ -e $HOME_DIR/ready ]] || make_kafka
    kafka_start
    say "Kafka is up on port $(kafka_port)"
}

kafka_known() {
    kafka_home
    [[ -e $HOME_DIR/ready ]] || fail "there is no Kafka here: run 'scripts/services.sh up kafka' first"
}

kafka_status() {
    kafka_known
    if kafka_alive && kafka_listens; then
        printf 'broker  port %s  pid %s  up\n' "$(kafka_port)" "$(kafka_pid)"
        return
    fi
    printf 'broker  port %s  down\n' "$(kafka_port)"
    return 1
}

kafka_env() {
    kafka_known
    printf "export APP_TEST_KAFKA='127.0.0.1:%s'\n" "$(kafka_port)"
    printf "export APP_TEST_KAFKA_SECURE='127.0.0.1:%s'\n" "$(kafka_secure_port)"
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

kafka_down() {
    kafka_home
    if [[ -e $HOME_DIR/ready ]]; then
        kafka_end TERM
        (SERVICES_TIMEOUT=20 && wait_for "end of the broker" kafka_silent) 2>/dev/null || {
            kafka_end KILL
            wait_for "end of the broker" kafka_silent
        }
    fi
    [[ ${1:-} != --wipe ]] || rm -rf "$HOME_DIR"
}

# kill, start: the one node there is.
kafka_node() {
    kafka_known
    need_kafka
    case ${1:-} in
    kill)
        kafka_end KILL
        wait_for "end of the broker" kafka_silent
        ;;
    start) kafka_start ;;
    *) usage ;;
    esac
}
