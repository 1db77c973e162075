#!/usr/bin/env bash
# Start a scheduler and two workers from the image, with TLS, and forecast the sample through them:
# deploy/check-image.sh [EXTRAS]. It needs no engine: the parts are processes of `buildah run` on
# loopback, with the commands of docker-compose.yml. Where a Docker engine is, use that file instead.
set -euom pipefail
cd "$(dirname "$0")/.."
export STORAGE_DRIVER=${STORAGE_DRIVER:-vfs} BUILDAH_ISOLATION=${BUILDAH_ISOLATION:-chroot}

EXTRAS=${1:-}
TAG=${TAG:-cryptodask:${EXTRAS:-latest}}
TAG=${TAG// /-}
COMM=${COMM:-18786} HTTP=${HTTP:-18787}
work=$(mktemp -d)
container=$(buildah from --pull-never "$TAG")
pids=()
cleanup() {
    # buildah passes on no signal; each part is a job, which is a group of processes.
    for pid in "${pids[@]}"; do kill -- -"$pid" 2>/dev/null || true; done
    wait
    buildah rm "$container" >/dev/null
    rm -rf "$work"
}
trap cleanup EXIT

mkdir "$work"/{tls,forecasts}
chown 10001:10001 "$work"/{tls,forecasts}

# part NAME HEALTH_PORT COMMAND...: a command in the image, as the part of that name, which sees only
# its certificate, read-only.
part() {
    local tls="$work/tls/$1:/tls/$1:ro"
    if [ "$1" = certificates ]; then tls="$work/tls:/tls"; fi
    buildah run --volume "$PWD/data:/data:ro" --volume "$tls" \
        --volume "$work/forecasts:/forecasts" "$container" -- \
        env DASK_CONFIG="/tls/$1" HEALTH_PORT="$2" "${@:3}"
}

healthy() {
    for _ in $(seq 60); do
        if part "$1" "$2" healthcheck 2>/dev/null; then return; fi
        kill -0 "${pids[-1]}" 2>/dev/null || break # it has ended
        sleep 1
    done
    echo "the $1 did not become healthy:" >&2
    cat "$work"/*.log >&2
    exit 1
}

echo "as $(part certificates 0 id)"
part certificates 0 cryptodask security init /tls --host scheduler >/dev/null
part scheduler "$HTTP" dask scheduler --protocol=tls --host=127.0.0.1 --port="$COMM" \
    --dashboard-address="127.0.0.1:$HTTP" >"$work/scheduler.log" 2>&1 &
pids+=($!)
healthy scheduler "$HTTP"
for n in 1 2; do
    part worker "$((HTTP + n))" dask worker "tls://127.0.0.1:$COMM" --nworkers=1 --nthreads=1 \
        --dashboard-address="127.0.0.1:$((HTTP + n))" >"$work/worker-$n.log" 2>&1 &
    pids+=($!)
done
healthy worker "$((HTTP + 1))"
healthy worker "$((HTTP + 2))"
echo "a scheduler and two workers are healthy"

# The sample has coins that can't be forecast, on purpose: exit code 3 says that some failed.
forecast() {
    part client 0 cryptodask forecast /data "$@" --horizon 10 \
        --scheduler "tls://127.0.0.1:$COMM" --out /forecasts/forecasts.csv || [ $? -eq 3 ]
    rows=$(($(wc -l <"$work/forecasts/forecasts.csv") - 1))
}

forecast --model naive --model linear --model lstm
[ "$rows" -gt 2000 ]
echo "$rows forecasts of the sample through the image $TAG"

# A loss that the LSTM has of Keras.
if [[ " $EXTRAS " == *" lstm "* ]]; then
    forecast --model lstm --option lstm.loss=log_cosh --coins Baresatoy,Benumotoy
    [ "$rows" -eq 20 ]
    echo "$rows forecasts with a loss of Keras"
fi
