#!/bin/sh
# `make check-service`: boots a fresh Debian with a real systemd, installs the .deb without a network, and tries it:
# first event, sandbox, kill, hang, update, mistake, doctor, removal. Needs root, mmdebstrap, systemd-container, 500 MB.
#
#   tests/service/boot.sh PACKAGE.deb [bookworm|trixie]        PYTHON = the publisher's side, with veille[update]
set -eu
deb=$(realpath "$1") suite=${2:-bookworm} here=$(realpath "$(dirname "$0")")
work=$(realpath "${WORK:-build}")/service base=$work/$suite.tar root=$work/$suite
mkdir -p "$work"
[ -s "$base" ] || mmdebstrap --quiet --variant=apt \
    --include=systemd,systemd-sysv,dbus,python3,python3-venv,adduser,mosquitto,mosquitto-clients "$suite" "$base"
rm -rf "$root"
mkdir "$root"
tar -xf "$base" -C "$root"
echo "127.0.0.1 localhost" >"$root/etc/hosts" # a bootstrapped root has none
cp "$deb" "$root/root/veille.deb"
cp "$here/inside.py" "$root/root/"
(cd "$here/../.." && "${PYTHON:-python3}" -m tests.service.publish "$root/srv")
chmod -R go+rX "$root/srv"
cat >"$root/etc/systemd/system/try.service" <<'UNIT'
[Unit]
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/bin/sh -c '/usr/bin/python3 -B /root/inside.py >/root/report 2>&1; echo $? >/root/status'
ExecStopPost=/bin/systemctl poweroff --force
[Install]
WantedBy=default.target
UNIT
ln -s /etc/systemd/system/try.service "$root/etc/systemd/system/multi-user.target.wants/try.service"
sed -i 's/^After=multi-user.target/After=basic.target/' "$root/etc/systemd/system/try.service"
timeout 500 systemd-nspawn --quiet --directory="$root" --register=no --keep-unit --private-network --boot \
    </dev/null >"$work/boot.log" 2>&1 || true
cat "$root/root/report"
exit "$(cat "$root/root/status")"
