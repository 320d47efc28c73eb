"""Holds deploy/ to the code: settings, ports and topics are those of docs/configuration.md (which a test
holds to the code), servers run as those that scripts/services.sh starts, nothing but the front is reachable.

Exits with 1 and a line for each thing that does not agree.
"""

import re
import sys

import yaml

COMPOSE = "deploy/compose.yaml"
PUBLISHED = {"cart": "cart.http.port", "loms": "loms.http.port", "kafka-ui": None}
ONLY_INNER = {"products", "postgres", "postgres-replica", "kafka", "prepare", "notifier-1", "notifier-2", "notifier-3"}
ONCE = {"prepare"}

found = []


def hold(good, what):
    if not good:
        found.append(what)


def text(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def settings():
    """Every setting with its default, from the table of the documentation."""
    rows = re.findall(r"^\| `([a-z0-9_.]+)` \| (?:`([^`]*)`|empty) \|", text("docs/configuration.md"), re.M)
    return dict(rows)


def key(variable):
    return variable.removeprefix("APP__").replace("__", ".").lower()


def check_service(name, service, defaults):
    image, build = service.get("image", ""), service.get("build")
    hold(build or re.search(r":v?\d+(\.\d+)+", image), f"{name}: the image {image!r} is not pinned")
    hold("healthcheck" in service or name in ONCE, f"{name} has no health check")
    networks = set(service.get("networks", []))
    hold("inner" in networks, f"{name} is not on the inner network")
    hold(networks == {"inner"} or name not in ONLY_INNER, f"{name} must be on the inner network only")
    ports = service.get("ports", [])
    hold(bool(ports) == (name in PUBLISHED), f"{name} publishes {ports}")
    for port in ports:
        address, outside, inside = port.rsplit(":", 2)
        hold(address == "127.0.0.1", f"{name} publishes beyond the loopback address: {port}")
        setting = PUBLISHED.get(name)
        hold(setting is None or outside == inside == defaults[setting], f"{name} publishes {port}, not {setting}")
    for variable in service.get("environment", {}):
        if variable.startswith("APP__"):
            hold(key(variable) in defaults, f"{name}: {variable} is no setting")
    for waited in service.get("depends_on", {}):
        hold(waited in compose["services"], f"{name} waits for {waited}, which there is not")


def check_urls(services, defaults):
    def environment(service):
        return services[service]["environment"]

    expected = {
        ("cart", "APP__CART__PRODUCTS__URL"): f"http://products:{defaults['products.http.port']}",
        ("cart", "APP__CART__LOMS__URL"): f"http://loms:{defaults['loms.grpc.port']}",
        ("loms", "APP__KAFKA__BROKERS"): "kafka:9092",
        ("notifier-1", "APP__KAFKA__BROKERS"): "kafka:9092",
    }
    for (service, variable), value in expected.items():
        hold(environment(service).get(variable) == value, f"{service}: {variable} is not {value}")
    for service in services:
        for variable in services[service].get("environment", {}):
            hold("TOPIC" not in variable or not variable.startswith("APP__"), f"{service} has another topic: {variable}")


def check_servers(services):
    """The servers of the tests, and these, are set the same way."""
    native = dict(re.findall(r"^([a-z_]+) = '?([^'\n]*)'?$", text("scripts/services/postgres.sh"), re.M))
    command = services["postgres"]["command"]
    hold(command == services["postgres-replica"]["command"], "the replica is set unlike its primary")
    for flag in command[1::2]:
        name, value = flag.split("=", 1)
        if name in native and name not in {"max_connections"}:
            hold(native[name] == value, f"{name} is {value} here and {native[name]} in scripts/services/postgres.sh")
    version = re.search(r"<kafka.version>([^<]+)<", text("scripts/services/kafka-pom.xml")).group(1)
    hold(services["kafka"]["image"].endswith(f":{version}"), f"the tests run Kafka {version}")
    hold(services["postgres"]["image"] == services["postgres-replica"]["image"], "the replica is another Postgres")


def check_dockerfile(defaults):
    exposed = re.search(r"^EXPOSE (.*)$", text("deploy/Dockerfile"), re.M).group(1).split()
    ports = [defaults[port] for port in ("cart.http.port", "products.http.port", "loms.grpc.port", "loms.http.port", "notifier.http.port")]
    hold(exposed == ports, f"the image exposes {exposed}, the roles listen on {ports}")
    hold(re.search(r"^USER \d+$", text("deploy/Dockerfile"), re.M), "the image runs as root")
    rust = re.search(r'rust-version = "([^"]+)"', text("Cargo.toml")).group(1)
    hold(f"ARG RUST_VERSION={rust}\n" in text("deploy/Dockerfile"), f"the image is not built by Rust {rust}")


compose = yaml.safe_load(text(COMPOSE))
defaults = settings()
hold(len(defaults) > 50, "the table of settings cannot be read")
for name, service in compose["services"].items():
    check_service(name, service, defaults)
check_urls(compose["services"], defaults)
check_servers(compose["services"])
check_dockerfile(defaults)
hold(compose["networks"]["inner"].get("internal") is True, "the inner network has a way out")
for problem in found:
    print(f"{COMPOSE}: {problem}", file=sys.stderr)
print(f"deploy: {len(compose['services'])} services, {len(defaults)} settings, {len(found)} problems")
sys.exit(bool(found))
