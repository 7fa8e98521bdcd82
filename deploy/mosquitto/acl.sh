#!/bin/sh
# Prints one section of the broker's access list; NAME is the common name of the certificate.
#
#   ./acl.sh gateway  NAME SITE GATEWAY                      >>acl   writes its own tree, reads what is sent to it
#   ./acl.sh consumer NAME SITE GATEWAY WEARER [WEARER...]   >>acl   reads these wearers, acknowledges, asks
#   ./acl.sh operator NAME SITE GATEWAY                      >>acl   reads how the gateway is, nothing of wearers' events
#   ./acl.sh bridge   NAME SITE GATEWAY                      >>acl   a gateway's broker that passes on, see bridge.conf
#
# GATEWAY + = all gateways of the site; WEARER + = all wearers. `describe` and `health` name wearers, so consumers do
# not read them: `status` and `dropped` tell them what they need. Reload the broker afterwards.
set -eu

usage() { sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2; }
[ $# -ge 4 ] || usage
role=$1 name=$2 root=veille/v1/$3/$4
case "$name$3$4" in *[!A-Za-z0-9_.+-]*) echo "letters, digits, _ . - and + only" >&2; exit 2 ;; esac
shift 4

grant() { printf 'topic %s %s/%s\n' "$1" "$root" "$2"; }

tree() { for part in status describe health dropped 'wearer/#'; do grant write "$part"; done; for part in 'ack/#' 'command/#'; do grant read "$part"; done; }

printf '\n# %s\nuser %s\n' "$role" "$name"
case $role in
gateway | bridge) tree ;;
consumer)
    [ $# -ge 1 ] || usage
    grant read status
    grant read dropped
    for wearer; do grant read "wearer/$wearer/#"; done
    grant write "ack/$name"
    grant write command/explain
    ;;
operator) for part in status describe health dropped; do grant read "$part"; done ;;
*) usage ;;
esac
