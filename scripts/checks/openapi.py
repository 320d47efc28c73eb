"""schemathesis over both OpenAPI documents, as the running shop serves them: it finds no answer of
5xx that the contract does not name, and none outside the documents. Run by with_shop.py.

Examples are bounded and drawn from a fixed seed, so that a failure comes again.
"""

import os
import subprocess
import sys
import tempfile

SEED = "20260102"
EXAMPLES = os.environ.get("OPENAPI_EXAMPLES", "60")
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "missing_required_header",
]


def check(name, base, folder):
    """Runs schemathesis on one API; whether it passed."""
    url = f"{base}/openapi.json"
    print(f"\n-- {name}: {url}", flush=True)
    command = [
        "schemathesis", "run", url, "--url", base,
        "--checks", ",".join(CHECKS),
        "--phases", "examples,coverage,fuzzing,stateful",
        "--max-examples", EXAMPLES,
        "--seed", SEED, "--generation-deterministic",
        "--request-timeout", "15", "--warnings", "off", "--continue-on-failure", "--no-color",
    ]  # fmt: skip
    return subprocess.run(command, cwd=folder, check=False).returncode == 0


def main():
    passed = []
    for name, variable in (("cart", "SHOP_CART"), ("gateway", "SHOP_GATEWAY")):
        with tempfile.TemporaryDirectory() as folder:
            passed.append(check(name, os.environ[variable], folder))
    sys.exit(0 if all(passed) else 1)


if __name__ == "__main__":
    main()
