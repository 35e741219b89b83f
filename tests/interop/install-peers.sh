#!/bin/sh
# Debian's DICOM and MRD programs, which the tests use as peers. Installs what is missing where apt may be used,
# otherwise names it: tests that need a missing peer are skipped, or fail where CI=true.
set -u

missing=""
need() { # need PROGRAM PACKAGE
    command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || missing="$missing $2"
}
need storescu dcmtk
need Orthanc orthanc
need dciodvfy dicom3tools
need ismrmrd_generate_cartesian_shepp_logan ismrmrd-tools
need strace strace
need bart bart
need faketime faketime

[ -z "$missing" ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing the peers that tests talk to:$missing"
    # Word splitting is wanted: one package a word.
    # shellcheck disable=SC2086
    if { DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing ||
        { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing; }
    } >/dev/null 2>&1; then
        exit 0
    fi
fi
echo "missing peers:$missing (Debian: apt-get install$missing)" >&2
exit 0
