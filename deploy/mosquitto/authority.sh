#!/bin/sh
# A small certificate authority for tests and first trials; a hospital has its own.
#
#   ./authority.sh FOLDER init                     make the authority: ca.crt, ca.key, ca.crl
#   ./authority.sh FOLDER broker NAME HOST...      certificate of a broker, for these host names or addresses
#   ./authority.sh FOLDER client NAME [DAYS]       certificate of a gateway or a consumer; the broker knows it by NAME
#   ./authority.sh FOLDER expired NAME             one that ended yesterday, to see it refused
#   ./authority.sh FOLDER revoke NAME              take a certificate back: writes ca.crl anew; then reload the broker
#
# Keys are written for their owner alone, and are not encrypted: a gateway must start without a person.
set -eu
umask 077

usage() { sed -n '2,11s/^# \{0,1\}//p' "$0" >&2; exit 2; }
[ $# -ge 2 ] || usage
folder=$1 verb=$2
shift 2
mkdir -p "$folder"
cd "$folder"

settings() {
    cat <<CNF
[ca]
default_ca = authority
[authority]
database = ca.index
serial = ca.serial
crlnumber = ca.crlnumber
new_certs_dir = .
certificate = ca.crt
private_key = ca.key
default_md = sha256
default_crl_days = 3650
unique_subject = no
policy = any
copy_extensions = none
[any]
commonName = supplied
[broker]
basicConstraints = critical,CA:false
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = ${names:-DNS:localhost}
[client]
basicConstraints = critical,CA:false
keyUsage = critical,digitalSignature
extendedKeyUsage = clientAuth
CNF
}

new_key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"; }

sign() { # NAME KIND DATES...
    name=$1 kind=$2
    shift 2
    case $name in *[!A-Za-z0-9_.-]*) echo "$name: letters, digits, _ . and - only" >&2; exit 2 ;; esac
    new_key "$name"
    openssl req -new -key "$name.key" -subj "/CN=$name" -out "$name.csr"
    settings >ca.cnf
    openssl ca -batch -notext -config ca.cnf -extensions "$kind" -in "$name.csr" -out "$name.crt" "$@" 2>ca.log ||
        { cat ca.log >&2; exit 1; }
    rm -f "$name.csr" [0-9A-F]*.pem
}

crl() { settings >ca.cnf; openssl ca -config ca.cnf -gencrl -out ca.crl 2>ca.log || { cat ca.log >&2; exit 1; }; }

case $verb in
init)
    [ ! -e ca.key ] || { echo "$folder: there is an authority already" >&2; exit 2; }
    : >ca.index
    # A random start, so that certificates of two test authorities are not mistaken for each other.
    openssl rand -hex 8 >ca.serial
    echo 01 >ca.crlnumber
    new_key ca
    openssl req -x509 -new -key ca.key -sha256 -days 3650 -subj "/CN=Veille test authority" -out ca.crt \
        -addext "basicConstraints=critical,CA:true" -addext "keyUsage=critical,keyCertSign,cRLSign"
    crl
    ;;
broker)
    [ $# -ge 2 ] || usage
    broker=$1
    shift
    names=
    for host; do
        case $host in *[!0-9.]*) kind=DNS ;; *) kind=IP ;; esac
        case $host in *:*) kind=IP ;; esac
        names="$names${names:+,}$kind:$host"
    done
    sign "$broker" broker -days 825
    ;;
client) [ $# -ge 1 ] || usage; sign "$1" client -days "${2:-825}" ;;
expired)
    [ $# -eq 1 ] || usage
    sign "$1" client -startdate 20200101000000Z -enddate "$(date -u -d yesterday +%Y%m%d%H%M%SZ)"
    ;;
revoke)
    [ $# -eq 1 ] || usage
    settings >ca.cnf
    openssl ca -config ca.cnf -revoke "$1.crt" 2>ca.log || { cat ca.log >&2; exit 1; }
    crl
    ;;
*) usage ;;
esac
