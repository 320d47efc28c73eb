#!/usr/bin/env bash
# Finds the tools that the other scripts need, and installs what is missing: Python packages into
# var/tools/py, Node packages into var/tools/node, a program of Go beside them (all ignored by git),
# the rest by apt. Sourced, from the root of the repository. Each `need_…` does nothing when its tool
# is already there.

TOOLS_DIR="$PWD/var/tools"
PATH="$TOOLS_DIR/py/bin:$PATH"
export PATH PYTHONDONTWRITEBYTECODE=1
PLAYWRIGHT_VERSION=1.65.1
COMPOSE_GO_VERSION=v2.16.2

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

STARTED_SERVICES=()

# start_service NAME DIRECTORY: a real server in SERVICES_DIR (or else in this directory), and in the environment
# what its clients have to know. end_services ends and wipes what was started so.
start_service() {
    SERVICES_DIR=${SERVICES_DIR:-$PWD/$2}
    export SERVICES_DIR
    STARTED_SERVICES+=("$1")
    scripts/services.sh up "$1"
    eval "$(scripts/services.sh env "$1")"
}

# need_service NAME VARIABLE DIRECTORY: one that is private to this run, unless one is told of by its variable.
need_service() {
    [ -z "${!2:-}" ] || return 0
    start_service "$1" "$3"
}

end_services() {
    local service
    for service in "${STARTED_SERVICES[@]}"; do scripts/services.sh down --wipe "$service" || true; done
}

# apt_install PACKAGE REASON: as root, or through sudo where it asks for no password.
apt_install() {
    local run=(env DEBIAN_FRONTEND=noninteractive)
    command -v apt-get >/dev/null || fail "$2. There is no apt here: install it ($1 on Debian) and run again."
    if [ "$(id -u)" != 0 ]; then
        sudo -n true 2>/dev/null || fail "$2. Only root may use apt: run 'sudo apt-get install $1' and try again."
        run=(sudo -n "${run[@]}")
    fi
    printf 'installing %s with apt\n' "$1"
    if [ -z "${APT_LISTS_FRESH:-}" ]; then
        "${run[@]}" apt-get update -qq
        APT_LISTS_FRESH=1
    fi
    # shellcheck disable=SC2086 # $1 may be a list of packages
    "${run[@]}" apt-get install -y -qq --no-install-recommends $1 >/dev/null \
        || fail "$2, and apt could not install $1."
}

need_rust() {
    local part
    command -v cargo >/dev/null || fail "cargo is missing: install the Rust toolchain named in Cargo.toml"
    for part in fmt clippy; do
        cargo "$part" --version >/dev/null 2>&1 || fail "cargo $part is missing: add this component to the Rust toolchain"
    done
}

# librdkafka is built from source, over the system's OpenSSL.
need_openssl() {
    if ! command -v pkg-config >/dev/null || ! pkg-config --exists openssl; then
        apt_install "libssl-dev pkg-config" "OpenSSL's headers are missing"
    fi
}

# The Python tools, again whenever the list of them changes.
need_python_tools() {
    local wanted have
    command -v python3 >/dev/null || apt_install "python3 python3-venv" "python3 is missing"
    wanted=$(cksum <scripts/requirements.txt)
    have=$(cat "$TOOLS_DIR/py/.installed" 2>/dev/null || true)
    [ "$wanted" = "$have" ] && return
    printf 'installing the Python tools of scripts/requirements.txt\n'
    mkdir -p "$TOOLS_DIR"
    if ! python3 -m venv "$TOOLS_DIR/py" >/dev/null 2>&1; then
        rm -rf "$TOOLS_DIR/py"
        apt_install python3-venv "python3 cannot make virtual environments"
        python3 -m venv "$TOOLS_DIR/py"
    fi
    "$TOOLS_DIR/py/bin/python" -m pip install --quiet --disable-pip-version-check -r scripts/requirements.txt
    printf '%s' "$wanted" >"$TOOLS_DIR/py/.installed"
    hash -r # this shell may have looked python3 up before it was there
}

# LLVM's coverage tools, of the compiler's own major version. They never come through rustup.
need_llvm() {
    local major sysroot dir
    major=$(rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
    sysroot=$(rustc --print sysroot)/lib/rustlib/$(rustc -vV | sed -n 's/^host: //p')/bin
    if [ -z "${LLVM_COV:-}" ] || [ -z "${LLVM_PROFDATA:-}" ]; then
        for dir in "$sysroot" "/usr/lib/llvm-$major/bin"; do
            [ -x "$dir/llvm-cov" ] && break
        done
        if [ ! -x "$dir/llvm-cov" ]; then
            apt_install "llvm-$major" "llvm-cov $major is missing (or set LLVM_COV and LLVM_PROFDATA)"
        fi
        LLVM_COV="$dir/llvm-cov"
        LLVM_PROFDATA="$dir/llvm-profdata"
    fi
    export LLVM_COV LLVM_PROFDATA
}

need_chromium() {
    CHROMIUM=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)}
    if [ -z "$CHROMIUM" ]; then
        apt_install chromium "chromium is missing (or set CHROMIUM to a browser of its kind)"
        CHROMIUM=$(command -v chromium) || fail "chromium was installed and is not on the PATH"
    fi
    command -v node >/dev/null || apt_install nodejs "node is missing"
    if ! grep -qs "\"version\": \"$PLAYWRIGHT_VERSION\"" "$TOOLS_DIR/node/node_modules/playwright-core/package.json"; then
        command -v npm >/dev/null || apt_install npm "npm is missing"
        printf 'installing playwright-core %s\n' "$PLAYWRIGHT_VERSION"
        npm install --silent --no-audit --no-fund --no-package-lock --prefix "$TOOLS_DIR/node" \
            "playwright-core@$PLAYWRIGHT_VERSION"
    fi
    export CHROMIUM
    export NODE_MODULES="$TOOLS_DIR/node/node_modules"
}

# The reader of the Compose specification that Compose itself is made of: COMPOSE_SPEC. Nobody packs it, Go builds it;
# where Go is not there or cannot, this says why and fails, and the caller says what is not checked.
need_compose_spec() {
    local home=$TOOLS_DIR/compose-go-$COMPOSE_GO_VERSION
    COMPOSE_SPEC=$home/compose-spec
    [ ! -x "$COMPOSE_SPEC" ] || return 0
    command -v go >/dev/null || { printf 'go is missing\n' >&2; return 1; }
    printf 'building compose-go %s\n' "$COMPOSE_GO_VERSION"
    mkdir -p "$home"
    GOBIN=$home go install "github.com/compose-spec/compose-go/v2/cmd@$COMPOSE_GO_VERSION" || return 1
    mv "$home/cmd" "$COMPOSE_SPEC"
}

# prometheus and promtool. Debian's package is only unpacked: installed, it would start a server of its own.
need_prometheus() {
    local home=$TOOLS_DIR/prometheus lists=(apt-get update -qq)
    if ! command -v promtool >/dev/null || ! command -v prometheus >/dev/null; then
        if [ ! -x "$home/usr/bin/promtool" ]; then
            command -v apt-get >/dev/null || fail "prometheus and promtool are missing, and there is no apt: put both on the PATH"
            printf 'unpacking Debian'"'"'s prometheus into %s\n' "$home"
            rm -rf "$home" && mkdir -p "$home"
            [ "$(id -u)" = 0 ] || lists=(sudo -n "${lists[@]}")
            "${lists[@]}" || printf 'the lists of apt stay as they are\n'
            (cd "$home" && apt-get download -qq prometheus && dpkg -x prometheus_*.deb . && rm prometheus_*.deb) \
                || fail "apt has no package prometheus: put prometheus and promtool on the PATH"
        fi
        PATH="$home/usr/bin:$PATH"
    fi
}
