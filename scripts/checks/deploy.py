"""Holds deploy/ to the code: settings, ports and topics are those of docs/configuration.md (which a test
holds to the code), servers run as those that scripts/services.sh starts, nothing but the front is reachable. Whatever
a service asks of `app` is there in a build of its ROLES, and the Dockerfile's layer of dependencies suits cargo.

Exits with 1 and a line for each thing that does not agree.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import yaml

COMPOSE = "deploy/compose.yaml"
PUBLISHED = {"cart": "cart.http.port", "loms": "loms.http.port", "kafka-ui": None}
ONLY_INNER = {"products", "postgres", "postgres-replica", "kafka", "prepare", "notifier-1", "notifier-2", "notifier-3"}
ONCE = {"prepare"}
BROKERS = "kafka:9092"
# What these are depends on where a broker runs and who may come; everything else is the same in tests and containers.
KAFKA_BY_PLACE = {"node.id", "log.dirs", "listeners", "advertised.listeners", "controller.quorum.voters", "listener.security.protocol.map"}
# What must be said in both: a broker of one, whose topics nobody makes by asking for them.
KAFKA_SAID = re.compile(r"auto\.create\.topics\.enable|.*\.replication\.factor|.*\.min\.isr")

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


def commands():
    """Which role owns which command of `app`, read from the code: {"migrate": "loms", …}."""
    home = "crates/app/src/commands"
    body = re.search(r"pub enum Command \{\n(.*?)\n\}", text(f"{home}.rs"), re.S).group(1)
    groups = re.findall(r'cfg\(feature = "(\w+)"\)\]\n    #\[command\(flatten\)\]\n    \w+\((\w+)::(\w+)\)', body)
    hold(len(groups) == len(re.findall(r"^    [A-Z]", body, re.M)) > 0, f"{home}.rs: whose each command is cannot be read")
    owners = {}
    for role, module, group in groups:
        variants = re.search(rf"pub enum {group} \{{\n(.*?)\n\}}", text(f"{home}/{module}.rs"), re.S).group(1)
        names = re.findall(r"^    ([A-Z]\w*)", variants, re.M)
        hold(names, f"{home}/{module}.rs: its commands cannot be read")
        owners |= {re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower(): role for name in names}
    return owners


def roles_of(service):
    """The roles in the image of a service; none if it is not ours."""
    build = service.get("build")
    return set(build["args"]["ROLES"].split(",")) if build else set()


def words(value):
    return value if isinstance(value, str) else " ".join(value or [])


def check_image(name, service, owners, known):
    """A service of ours asks of its image what is built into it."""
    roles = roles_of(service)
    hold(roles <= known, f"{name} is built with {sorted(roles - known)}, which are no roles")
    image = service.get("image")
    for other, second in compose["services"].items():
        same = second.get("image") != image or roles_of(second) == roles
        hold(same, f"{name} and {other} are both {image}, with other roles")
    said = words(service.get("entrypoint", "app")) + " " + words(service.get("command"))
    said += "\n" + words(service.get("healthcheck", {}).get("test"))
    for command in re.findall(r"\bapp +([a-z][a-z-]*)", said):
        owner = owners.get(command)
        hold(owner or command == "healthcheck", f"{name}: there is no command 'app {command}'")
        hold(not owner or owner in roles, f"{name}: 'app {command}' is a command of {owner}, its ROLES are {sorted(roles)}")
    for role in re.findall(r"--role[ =](\w+)", said):
        hold(role in roles, f"{name}: --role {role}, its ROLES are {sorted(roles)}")


def check_settings(name, service, defaults):
    """What a role in a container must be told: to listen to others, and where its broker is."""
    roles, environment = roles_of(service), service.get("environment", {})
    for role in roles if name not in ONCE else ():
        hosts = [setting for setting in defaults if re.fullmatch(rf"{role}\.\w+\.host", setting)]
        hold(hosts, f"docs/configuration.md: {role} has no host to listen on")
        for setting in hosts:
            variable = "APP__" + setting.upper().replace(".", "__")
            hold(environment.get(variable) == "0.0.0.0", f"{name}: {variable} is not 0.0.0.0, nobody could reach it")
    role = environment.get("APP__ROLE")
    hold(role in roles or (role is None and len(roles) in (0, 1, 4)), f"{name}: APP__ROLE is {role}, its ROLES are {sorted(roles)}")
    if roles & {"loms", "notifier"}:
        hold(environment.get("APP__KAFKA__BROKERS") == BROKERS, f"{name}: APP__KAFKA__BROKERS is not {BROKERS}")


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
    for volume in service.get("volumes", []):
        source = volume.split(":")[0]
        there = not source.startswith(".") or os.path.exists(os.path.join("deploy", source))
        hold(there, f"{name} mounts {source}, which there is not")
    for waited in service.get("depends_on", {}):
        hold(waited in compose["services"], f"{name} waits for {waited}, which there is not")


def check_urls(services, defaults):
    def environment(service):
        return services[service]["environment"]

    expected = {
        ("cart", "APP__CART__PRODUCTS__URL"): f"http://products:{defaults['products.http.port']}",
        ("cart", "APP__CART__LOMS__URL"): f"http://loms:{defaults['loms.grpc.port']}",
        ("kafka", "KAFKA_ADVERTISED_LISTENERS"): f"PLAINTEXT://{BROKERS}",
        ("kafka-ui", "KAFKA_CLUSTERS_0_BOOTSTRAPSERVERS"): BROKERS,
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


def check_kafka(environment):
    """The broker of the containers is set as the one of the tests, of which there is one too."""
    native = dict(re.findall(r"^([a-z.-]+\.[a-z.-]+|listeners)=(.*)$", text("scripts/services/kafka.sh"), re.M))
    hold(len(native) > 20, "scripts/services/kafka.sh: the settings cannot be read")
    here = {key.removeprefix("KAFKA_").replace("_", ".").lower(): str(value) for key, value in environment.items()}
    for name, value in native.items():
        hold(name in here or not KAFKA_SAID.fullmatch(name), f"kafka: {name} is not set, in scripts/services/kafka.sh it is")
        value = value.replace("$copies", "1")
        same = name in KAFKA_BY_PLACE or here.get(name, value) == value
        hold(same, f"kafka: {name} is {here.get(name)}, in scripts/services/kafka.sh it is {value}")
    for name in here.keys() - native.keys():
        hold(False, f"kafka: {name} is not set in scripts/services/kafka.sh")


def check_layer():
    """Makes the Dockerfile's layer of manifests somewhere else: every target that a manifest names has its file there."""
    stage = re.search(r" AS manifests\nCOPY \. \.\nRUN (.*?[^\\])\n", text("deploy/Dockerfile"), re.S)
    if not stage:
        return hold(False, "deploy/Dockerfile: the stage of manifests cannot be read")
    ignored = text("deploy/Dockerfile.dockerignore").split()
    unlike = shutil.ignore_patterns(*(line.removeprefix("**/") for line in ignored))
    metadata = ["cargo", "metadata", "--locked", "--offline", "--no-deps", "--format-version", "1"]
    with tempfile.TemporaryDirectory() as home:
        layer = os.path.join(home, "build")
        shutil.copytree(".", layer, ignore=unlike)
        subprocess.run(["sh", "-ec", stage.group(1)], cwd=layer, check=True)
        done = subprocess.run(metadata, cwd=layer, capture_output=True, text=True, check=False)
        hold(done.returncode == 0, f"deploy/Dockerfile: cargo refuses the layer of manifests: {done.stderr.strip()}")
        packages = json.loads(done.stdout)["packages"] if done.returncode == 0 else []
        for package in packages:
            # Of a target without a path, whose file is missing, cargo says nothing.
            named = re.findall(r'^\[\[(\w+)\]\]\nname = "([^"]+)"', text(package["manifest_path"]), re.M)
            there = {(*target["kind"], target["name"]): target["src_path"] for target in package["targets"]}
            for target in named:
                hold(target in there, f"deploy/Dockerfile: the layer of manifests lacks {' '.join(target)} of {package['name']}")
            for path in (path for path in there.values() if not os.path.exists(path)):
                hold(False, f"deploy/Dockerfile: the layer of manifests lacks {os.path.relpath(path, layer)}")


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
owners = commands()
features = re.search(r"^default = (\[.*\])$", text("crates/app/Cargo.toml"), re.M).group(1)
for name, service in compose["services"].items():
    check_service(name, service, defaults)
    check_settings(name, service, defaults)
    if roles_of(service):
        check_image(name, service, owners, set(json.loads(features)))
check_urls(compose["services"], defaults)
check_servers(compose["services"])
check_kafka(compose["services"]["kafka"]["environment"])
check_dockerfile(defaults)
check_layer()
hold(compose["networks"]["inner"].get("internal") is True, "the inner network has a way out")
for problem in found:
    print(f"{COMPOSE}: {problem}", file=sys.stderr)
counted = f"{len(compose['services'])} services, {len(defaults)} settings, {len(owners)} commands"
print(f"deploy: {counted}, {len(found)} problems")
sys.exit(bool(found))
