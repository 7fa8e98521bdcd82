#!/bin/sh
# `make check-arm64`: the wheel and its locked dependencies on an emulated arm64 Debian. Needs root; on Debian:
# mmdebstrap qemu-user-static binfmt-support mosquitto. The emulator says nothing of speed.
#
#   tests/arm64/check.sh bookworm|trixie        PYTHON = the x86 side, with Veille and its dependencies
set -eu
cd "$(dirname "$0")/../.."
suite=$1 python=${PYTHON:-python3} work=build/arm64 root=build/arm64/$1
case $suite in bookworm) version=3.11 ;; trixie) version=3.13 ;; *) echo "$suite: bookworm or trixie" >&2; exit 2 ;; esac

[ -e /proc/sys/fs/binfmt_misc/register ] || mount -t binfmt_misc none /proc/sys/fs/binfmt_misc
[ -e /proc/sys/fs/binfmt_misc/qemu-aarch64 ] || update-binfmts --enable qemu-aarch64
if [ ! -e "$root/usr/bin/python3" ]; then
    mkdir -p "$work"
    # Unpacked, not configured: nothing is run under emulation that Veille does not need.
    mmdebstrap --quiet --arch=arm64 --variant=extract --mode=root \
        --include=python3,python3-minimal,libstdc++6,libgcc-s1,libc6,zlib1g,libexpat1,libffi8,libssl3 "$suite" "$root"
    for place in lib bin sbin; do [ -e "$root/$place" ] || ln -s "usr/$place" "$root/$place"; done
fi
rm -rf "$root/opt/site"
echo "installing from the lock for arm64"
"$python" -m pip install --quiet --disable-pip-version-check --no-deps --only-binary=:all: --require-hashes \
    --requirement deploy/lock/litert.txt --target "$root/opt/site" --python-version "$version" --implementation cp \
    --platform manylinux_2_28_aarch64 --platform manylinux_2_27_aarch64 --platform manylinux_2_17_aarch64
rm -rf "$work/wheel"
"$python" -m build --wheel --no-isolation --outdir "$work/wheel" . >/dev/null
"$python" -m pip install --quiet --disable-pip-version-check --no-deps --target "$root/opt/site" "$work"/wheel/*.whl
mkdir -p "$root/work" "$root/tmp"
cp tests/arm64/verdicts.py "$root/work/"
echo "127.0.0.1 localhost" >"$root/etc/hosts"
"$python" tests/arm64/compare.py "$root"
