#!/bin/sh
# The wheels of one architecture, each checked against its hash in the lock: all that an install without a network needs.
#
#   deploy/wheels.sh amd64|arm64 FOLDER        PYTHON = with pip and build; PYTHONS = versions to serve (3.11 3.13)
set -eu
cd "$(dirname "$0")/.."
[ $# -eq 2 ] || { sed -n '4s/^# *//p' "$0" >&2; exit 2; }
case $1 in amd64) machine=x86_64 ;; arm64) machine=aarch64 ;; *) echo "$1: amd64 or arm64" >&2; exit 2 ;; esac
folder=$2
rm -rf "$folder"
mkdir -p "$folder"
for version in ${PYTHONS:-3.11 3.13}; do
    "${PYTHON:-python3}" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
        --require-hashes --requirement deploy/lock/agent.txt --dest "$folder" \
        --python-version "$version" --implementation cp \
        --platform "manylinux_2_28_$machine" --platform "manylinux_2_27_$machine" \
        --platform "manylinux_2_17_$machine" --platform "manylinux2014_$machine"
done
"${PYTHON:-python3}" -m build --wheel --no-isolation --outdir "$folder" . >/dev/null
