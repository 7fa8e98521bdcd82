#!/bin/sh
# Locks what the gateway runs: versions and the hashes of every file, for all platforms. RELEASE = an environment with
# pip-tools. Made with Python 3.11, the oldest that is served, so that the versions serve all.
set -eu
cd "$(dirname "$0")/../.."
lock() {
    CUSTOM_COMPILE_COMMAND="make lock" "${RELEASE:-.venv-release}/bin/pip-compile" --quiet --upgrade --generate-hashes \
        --strip-extras --allow-unsafe --no-annotate --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
        "$@" pyproject.toml
}
# With the extra `update`: a gateway that cannot check signatures runs no bundle but the one in the package.
lock --extra update --output-file deploy/lock/agent.txt
lock --extra update --extra litert --output-file deploy/lock/litert.txt
