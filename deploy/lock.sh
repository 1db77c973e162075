#!/usr/bin/env bash
# Choose the versions of the image, with the hashes of their files: deploy/lock.sh [UV]
#
# UV is the command of uv (`pip install uv`). Versions that are locked stay where they still fit;
# delete a lock to have the newest of all.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=${1:-uv}

lock() {
    "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
        --no-annotate "${@:2}" --output-file "deploy/locks/$1.txt"
}

lock base setup.cfg deploy/locks/image.in
# Each extra goes on top of the base, and must not change it.
for extra in lstm fetch postgres; do
    lock "$extra" setup.cfg --extra "$extra" --constraints deploy/locks/base.txt
done
# Airflow has an environment of its own in its image.
lock airflow deploy/airflow/requirements.txt
build=$(mktemp --suffix .in)
trap 'rm -f "$build"' EXIT
echo 'setuptools>=77' >"$build"
lock build "$build"
