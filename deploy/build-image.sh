#!/usr/bin/env bash
# Build the image: deploy/build-image.sh [EXTRAS], as deploy/build-image.sh "lstm".
#
# With a Docker engine it is a plain `docker build`. Without one, buildah builds the same Dockerfile
# over a base that debootstrap makes, which needs root, and `apt-get install buildah debootstrap`.
#
#   TAG            name of the image           (cryptodask:latest, or cryptodask:EXTRAS)
#   TARGET         stage of the Dockerfile     (the last; `airflow` is for the pipeline)
#   BASE           base image                  (the Dockerfile's, or a Debian made here)
#   SUITE          Debian that is made here    (bookworm)
#   DEBIAN_MIRROR  where it comes from         (debootstrap's own)
#   PIP_INDEX_URL, PIP_CERT   package index and certificates, if not pip's own on this machine
set -euo pipefail
cd "$(dirname "$0")/.."

EXTRAS=${1:-}
TAG=${TAG:-cryptodask:${EXTRAS:-latest}}
TAG=${TAG// /-}
SUITE=${SUITE:-bookworm}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The build gets the settings of pip on this machine, as secrets that stay out of the image.
index=${PIP_INDEX_URL:-$(python3 -m pip config get global.index-url 2>/dev/null || true)}
printf '[global]\n%s\n' "${index:+index-url = $index}" >"$work/pip.conf"
touch "$work/ca.crt"
for bundle in "${PIP_CERT:-}" "${SSL_CERT_FILE:-}"; do
    if [ -s "$bundle" ]; then
        cat "$bundle" >"$work/ca.crt"
        break
    fi
done

options=(--file deploy/Dockerfile --tag "$TAG" --build-arg "EXTRAS=$EXTRAS"
    ${TARGET:+--target "$TARGET"} --secret "id=pip.conf,src=$work/pip.conf" --secret "id=ca.crt,src=$work/ca.crt")

if docker info >/dev/null 2>&1; then
    docker build "${options[@]}" ${BASE:+--build-arg "BASE=$BASE"} .
    exit
fi

command -v buildah >/dev/null || {
    echo "neither a Docker engine nor buildah is here: apt-get install buildah debootstrap" >&2
    exit 1
}
export STORAGE_DRIVER=${STORAGE_DRIVER:-vfs} BUILDAH_ISOLATION=${BUILDAH_ISOLATION:-chroot}

if [ -z "${BASE:-}" ]; then
    BASE=localhost/debian-python:$SUITE
    if ! buildah inspect --type image "$BASE" >/dev/null 2>&1; then
        command -v debootstrap >/dev/null || {
            echo "debootstrap is not here: apt-get install debootstrap, or give BASE" >&2
            exit 1
        }
        debootstrap --variant=minbase --include=python3,python3-venv "$SUITE" "$work/base" \
            ${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"}
        rm -rf "$work"/base/var/{cache/apt,lib/apt/lists,log}/* \
            "$work"/base/usr/share/{doc,info,locale,man}/*
        container=$(buildah from scratch)
        buildah copy --quiet "$container" "$work/base" /
        buildah commit --quiet --rm "$container" "$BASE"
    fi
fi
# OCI's own format has no health check.
buildah bud --pull-never --format docker "${options[@]}" --build-arg "BASE=$BASE" .
