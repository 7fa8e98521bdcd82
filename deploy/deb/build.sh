#!/bin/sh
# Builds dist/veille_VERSION_ARCH.deb. Inside: the wheels; on installing, they become an environment of their own under
# /opt/veille-VERSION, with no network.
#
#   MAINTAINER="Name <address>" deploy/deb/build.sh amd64|arm64
set -eu
cd "$(dirname "$0")/../.."
[ $# -eq 1 ] || { sed -n '5s/^# *//p' "$0" >&2; exit 2; }
arch=$1 tree=build/deb-$1
maintainer=${MAINTAINER:-}
if [ -z "$maintainer" ]; then
    maintainer="nobody yet <root@localhost>"
    echo "no MAINTAINER=\"Name <address>\" is given: a package for others should say who answers for it" >&2
fi
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH
umask 022

rm -rf "$tree"
mkdir -p "$tree/DEBIAN" "$tree/usr/bin" "$tree/usr/lib/systemd/system" "$tree/usr/share/doc/veille"
deploy/wheels.sh "$arch" "$tree/usr/share/veille/wheels"
cp deploy/lock/agent.txt "$tree/usr/share/veille/lock.txt"
cp deploy/veille.service deploy/veille-update.service deploy/veille-update.timer "$tree/usr/lib/systemd/system/"
# All that the pages point at: an engineer beside a dead gateway may have no network.
cp -r deploy/*.md deploy/mosquitto "$tree/usr/share/doc/veille/"
cp LICENSE "$tree/usr/share/doc/veille/copyright"
ln -s /opt/veille/bin/veille "$tree/usr/bin/veille"

for script in postinst prerm postrm; do
    sed "s/@VERSION@/$version/g" "deploy/deb/$script" >"$tree/DEBIAN/$script"
    chmod 755 "$tree/DEBIAN/$script"
done
cp deploy/deb/triggers "$tree/DEBIAN/"
size=$(du -sk "$tree" | cut -f1)
sed -e "s/@VERSION@/$version/" -e "s/@ARCH@/$arch/" -e "s/@SIZE@/$size/" -e "s|@MAINTAINER@|$maintainer|" \
    deploy/deb/control >"$tree/DEBIAN/control"
(cd "$tree" && find usr -type f -exec md5sum {} + | sort -k 2 >DEBIAN/md5sums)

mkdir -p dist
# Wheels are compressed already.
dpkg-deb --root-owner-group -Zgzip -z1 --build "$tree" "dist/veille_${version}_$arch.deb"
