#!/usr/bin/env bash
# The whole test command. On a machine that has only the Rust toolchain it installs what it needs
# (scripts/tools.sh), runs the steps below in order, stops at the first that fails, and ends with
# a table of what ran and how long it took.
#
#   scripts/test.sh              every step
#   scripts/test.sh lint         format shell generated clippy docs deps roles
#   scripts/test.sh coverage     tests coverage
#   scripts/test.sh STEP ...     just these
#
# There is one target directory and one set of compiled dependencies. Only the project's own crates
# are built a second time, instrumented: the tests run once, and that run also gives the coverage.
# The generator is built apart: together with it cargo would give the shop's dependencies features
# that no shop is built with, and compile them once more for that.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/tools.sh
. scripts/tools.sh
exec </dev/null

STEPS=(format shell generated clippy docs deps roles tests doctests coverage model browser openapi fuzz monitoring)
LINT=(format shell generated clippy docs deps roles)
ROLES=(products cart loms notifier)
SHOP=(--locked --workspace --exclude codegen)
GENERATOR=(--locked --package codegen)
COVERAGE_FLOOR=90
FUZZ_SECONDS=${FUZZ_SECONDS:-20}
FUZZ_SEED=${FUZZ_SEED:-1}
LOGS=var/test
TARGET=${CARGO_TARGET_DIR:-target}
[ -z "${CI:-}" ] || export CARGO_INCREMENTAL=0

step_format() {
    cargo fmt --all --check
}

# Scripts, the justfile, the container files, and the helpers written in Python and JavaScript.
step_shell() {
    need_python_tools
    local scripts
    mapfile -t scripts < <(find scripts deploy .ci -type f \( -name '*.sh' -o -path '.ci/run' \) 2>/dev/null | sort)
    shellcheck --external-sources "${scripts[@]}"
    printf 'shellcheck: %s scripts\n' "${#scripts[@]}"
    just --summary >/dev/null
    python3 scripts/checks/deploy.py
    compose_specification
    find scripts -name '*.py' -print0 | xargs -0 -r -n 1 python3 -c 'import ast, sys; ast.parse(open(sys.argv[1]).read(), sys.argv[1])'
}

# The container files against the Compose specification, alone and together, as `just` gives them to Compose. Only
# where Go is there: Debian's is too old, and nothing else here needs it.
compose_specification() {
    local files said
    if ! need_compose_spec; then
        NOTE="passed; SKIPPED: deploy/*compose.yaml against the Compose specification, which needs Go 1.24"
        printf 'WARNING: %s\n' "$NOTE" >&2
        return
    fi
    for files in compose.yaml 'compose.yaml monitoring/compose.yaml'; do
        # shellcheck disable=SC2086 # a list
        said=$(cd deploy && "$COMPOSE_SPEC" -format json $files 2>&1) || fail "deploy: $files: $said"
        printf 'compose-go %s: deploy: %s\n' "$COMPOSE_GO_VERSION" "$files"
    done
    NOTE="passed, Compose specification by compose-go $COMPOSE_GO_VERSION"
}

# A Postgres with a synchronous standby, private to this run unless one is told of; started when the first
# step needs it.
with_postgres() {
    need_service postgres APP_TEST_POSTGRES "$LOGS/services"
    "$@"
}

# And a Kafka broker.
with_services() {
    need_service postgres APP_TEST_POSTGRES "$LOGS/services"
    need_service kafka APP_TEST_KAFKA "$LOGS/services"
    "$@"
}

# What is committed is what the generator makes now. It asks Postgres what the queries mean.
step_generated() {
    with_postgres generated
}

generated() {
    cargo run --quiet "${GENERATOR[@]}" -- --check "${APP_TEST_POSTGRES%/*}/"
}

# Twice: with the model checker's stores, and with those that ship.
step_clippy() {
    cargo clippy "${SHOP[@]}" --all-targets -- -D warnings
    cargo clippy "${SHOP[@]}" --all-targets --all-features -- -D warnings
    cargo clippy "${GENERATOR[@]}" --all-targets -- -D warnings
}

# With private items: these are documents for those who work here, so links to private items hold too.
step_docs() {
    local flags="-D warnings -A rustdoc::private_intra_doc_links"
    RUSTDOCFLAGS=$flags cargo doc --no-deps --document-private-items "${SHOP[@]}"
    RUSTDOCFLAGS=$flags cargo doc --no-deps --document-private-items "${GENERATOR[@]}"
}

# Licences, sources, and no crate in two versions but those deny.toml names with a reason.
step_deps() {
    need_python_tools
    cargo fetch --locked
    cargo deny --offline check -D unnecessary-skip -D unmatched-skip bans licenses sources
    printf 'cargo tree --duplicates: %s crates in more than one version, each named in deny.toml\n' \
        "$(cargo tree --workspace --duplicates --depth 0 --prefix none --format '{p}' | awk 'NF {print $1}' | sort | uniq -c | awk '$1 > 1' | wc -l)"
}

# Each role builds alone, without a warning; such a binary refuses the roles it does not have, and has the
# commands of its role and no others: without brokers and database they say what is missing.
step_roles() {
    local role other code said
    for role in "${ROLES[@]}"; do
        cargo clippy --locked --package app --lib --bins --no-default-features --features "$role" -- -D warnings
        cargo build --locked --package app --bin app --no-default-features --features "$role"
        other=cart
        [ "$role" = cart ] && other=loms
        code=0
        said=$("$TARGET/debug/app" --role "$other" 2>&1) || code=$?
        if [ "$code" != 2 ] || ! grep -q "feature.*$other" <<<"$said"; then
            fail "a binary with the role $role alone, started with --role $other, ended with $code and said: $said"
        fi
        printf '%s alone, asked for %s: %s\n' "$role" "$other" "$(grep -m 1 "feature.*$other" <<<"$said")"
        said=$("$TARGET/debug/app" --print-config)
        grep -q "^role = \"$role\"" <<<"$said" || fail "a binary with the role $role alone does not have it as its default"
        role_command "$role" notifier 'set kafka.brokers' dlq list
        role_command "$role" notifier 'set kafka.brokers' topics
        role_command "$role" loms 'set postgres.url' audit
    done
}

# role_command ROLE OWNER WORDS COMMAND…: in the binary of its owner a command says these words.
role_command() {
    local role=$1 owner=$2 words=$3 said
    shift 3
    [ "$role" = "$owner" ] || words=unrecognized
    ! said=$("$TARGET/debug/app" "$@" 2>&1) || fail "app $* of the role $role alone ended as if it were done"
    grep -q "$words" <<<"$said" || fail "app $* of the role $role alone said: $said"
}

# Instrumentation by the wrapper for workspace members, so that dependencies are shared with every
# other step. (By itself cargo-llvm-cov would build all of them again, in a directory of its own.)
instrumented() {
    need_python_tools
    need_llvm
    (
        eval "$(cargo llvm-cov show-env --sh --no-cfg-coverage 2>/dev/null)"
        LLVM_PROFILE_FILE="$CARGO_LLVM_COV_TARGET_DIR/$(basename "$PWD")-%4m.profraw"
        RUSTC_WORKSPACE_WRAPPER=$RUSTC_WRAPPER
        # Counters that can be mapped into a file while the program runs, for the fuzzer.
        __CARGO_LLVM_COV_RUSTC_WRAPPER_RUSTFLAGS+=$'\x1f-Cllvm-args=-runtime-counter-relocation'
        export LLVM_PROFILE_FILE RUSTC_WORKSPACE_WRAPPER CARGO_INCREMENTAL=0
        unset RUSTC_WRAPPER
        "$@"
    )
}

nextest() {
    instrumented cargo nextest run --config-file scripts/nextest.toml "$@"
}

step_tests() {
    rm -f "$TARGET"/*.profraw "$TARGET"/*.profdata
    with_services true
    {
        nextest "${SHOP[@]}"
        nextest "${GENERATOR[@]}"
    } 2>&1 | tee "$LOGS/tests.log"
    NOTE=$(sed 's/\x1b\[[0-9;]*m//g' "$LOGS/tests.log" | sed -n 's/^ *Summary \[[^]]*\] *//p' | paste -s -d '+' | sed 's/+/ + /g')
}

step_doctests() {
    instrumented cargo test --doc "${SHOP[@]}"
}

# Of the binaries that ran and no others: what older builds left behind would count as never run.
step_coverage() {
    local binaries list=(cargo nextest list --cargo-quiet --list-type binaries-only --message-format json)
    instrumented "${list[@]}" "${SHOP[@]}" >"$LOGS/shop.json"
    instrumented "${list[@]}" "${GENERATOR[@]}" >"$LOGS/generator.json"
    mapfile -t binaries < <(python3 scripts/checks/coverage.py objects "$LOGS/shop.json" "$LOGS/generator.json")
    "$LLVM_PROFDATA" merge --sparse --failure-mode=all --output "$LOGS/tests.profdata" "$TARGET"/*.profraw
    "$LLVM_COV" export --format=lcov --instr-profile "$LOGS/tests.profdata" "${binaries[@]/#/--object=}" \
        >"$LOGS/coverage.lcov" 2>"$LOGS/coverage.err" || fail "$(cat "$LOGS/coverage.err")"
    python3 scripts/checks/coverage.py report "$LOGS/coverage.lcov" --floor "$COVERAGE_FLOOR" | tee "$LOGS/coverage.txt"
    NOTE=$(tail -n 1 "$LOGS/coverage.txt")
}

# The memory stores on shuttle's locks: the checker decides every interleaving.
step_model() {
    need_python_tools
    cargo nextest run --config-file scripts/nextest.toml "${SHOP[@]}" \
        --features adapters/model-check --test 'model_check*'
}

# with_shop COMMAND: the command against a running `app` on free ports; its log is looked at after.
with_shop() {
    instrumented cargo nextest run "${SHOP[@]}" --no-run --cargo-quiet
    cp "$TARGET/debug/app" "$LOGS/app" # another build may replace it meanwhile
    python3 scripts/checks/with_shop.py --app "$LOGS/app" --log "$LOGS/shop.log" -- "$@"
}

step_browser() {
    need_chromium
    with_shop node scripts/checks/browser.mjs
}

step_openapi() {
    need_python_tools
    with_shop python3 scripts/checks/openapi.py
}

step_fuzz() {
    need_python_tools
    with_shop python3 scripts/checks/fuzz.py --seconds "$FUZZ_SECONDS" --seed "$FUZZ_SEED"
}

# Rules, their unit tests, runbooks and dashboards as they stand; then every query of them, asked of a real Prometheus
# that scrapes the running roles.
step_monitoring() {
    need_python_tools
    need_prometheus
    monitoring_files
    with_services monitoring_live
    NOTE=$(tail -n 1 "$LOGS/monitoring.txt")
}

monitoring_files() {
    local home=deploy/monitoring/prometheus
    promtool check config "$home/prometheus.yml"
    promtool test rules "$home"/tests/*.yml
    python3 scripts/monitoring/dashboards.py --check
    python3 scripts/monitoring/slo.py --check
    python3 scripts/monitoring/agree.py
}

monitoring_live() {
    instrumented cargo nextest run "${SHOP[@]}" --no-run --cargo-quiet
    cp "$TARGET/debug/app" "$LOGS/app" # another build may replace it meanwhile
    python3 scripts/monitoring/live.py --app "$LOGS/app" --directory "$LOGS/monitoring" | tee "$LOGS/monitoring.txt"
}

report() {
    local code=$? line
    end_services
    [ -n "${RUNNING:-}" ] && [ "$code" != 0 ] && TABLE+=("$(printf '%-10s %5ss  FAILED' "$RUNNING" $((SECONDS - BEGAN)))")
    printf '\n== summary\n'
    for line in "${TABLE[@]}"; do printf '%s\n' "$line"; done
    if [ "$code" = 0 ]; then
        printf 'all steps passed in %s min %s s\n' $((SECONDS / 60)) $((SECONDS % 60))
    else
        printf 'failed: %s (the rest did not run)\n' "${RUNNING:-start}"
    fi
}

main() {
    local asked step some wanted=()
    for asked in "${@:-all}"; do
        case $asked in
        all) some=("${STEPS[@]}") ;;
        lint) some=("${LINT[@]}") ;;
        coverage) some=(tests coverage) ;;
        *) some=("$asked") ;;
        esac
        for step in "${some[@]}"; do
            [[ " ${STEPS[*]} " == *" $step "* ]] || fail "no step '$step'. Steps: ${STEPS[*]}; groups: lint coverage"
            [[ " ${wanted[*]} " == *" $step "* ]] || wanted+=("$step")
        done
    done
    need_rust
    need_openssl
    mkdir -p "$LOGS"
    TABLE=()
    trap report EXIT
    for step in "${wanted[@]}"; do
        RUNNING=$step BEGAN=$SECONDS NOTE=
        printf '\n== %s\n' "$step"
        "step_$step"
        TABLE+=("$(printf '%-10s %5ss  %s' "$step" $((SECONDS - BEGAN)) "${NOTE:-passed}")")
        printf -- '-- %s passed in %s s\n' "$step" $((SECONDS - BEGAN))
    done
    RUNNING=
}

main "$@"
