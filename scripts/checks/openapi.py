"""schemathesis over both OpenAPI documents, as the running shop serves them: it finds no answer of
5xx that the contract does not name, and none outside the documents. Run by with_shop.py.

Examples are bounded and the same in each run, so that a failure comes again.
"""

import os
import subprocess
import sys
import tempfile

EXAMPLES = os.environ.get("OPENAPI_EXAMPLES", "60")
# A sound order may be refused (no stock, unknown sku), so acceptance of all sound data is no rule here.
LEFT_OUT = "positive_data_acceptance"


def check(name, base, folder):
    """Runs schemathesis on one API; whether it passed."""
    url = f"{base}/openapi.json"
    print(f"\n-- {name}: {url}", flush=True)
    command = [
        "schemathesis", "run", url, "--url", base,
        "--checks", "all", "--exclude-checks", LEFT_OUT,
        "--phases", "examples,coverage,fuzzing,stateful",
        "--max-examples", EXAMPLES,
        "--generation-deterministic",
        "--request-timeout", "15", "--warnings", "off", "--continue-on-failure", "--no-color",
    ]  # fmt: skip
    here = os.path.dirname(os.path.abspath(__file__))
    env = os.environ | {"SCHEMATHESIS_HOOKS": "openapi_hooks", "PYTHONPATH": here}
    return subprocess.run(command, cwd=folder, env=env, check=False).returncode == 0


def main():
    passed = []
    for name, variable in (("cart", "SHOP_CART"), ("gateway", "SHOP_GATEWAY")):
        with tempfile.TemporaryDirectory() as folder:
            passed.append(check(name, os.environ[variable], folder))
    sys.exit(0 if all(passed) else 1)


if __name__ == "__main__":
    main()
