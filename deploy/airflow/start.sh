#!/bin/sh
# Run a command of Airflow with the secrets that lie in files: airflow-start COMMAND...
#
# Passwords are put into no URL: libpq, which both Airflow and CryptoDask reach PostgreSQL by, takes
# that of the environment.
set -eu
secrets=${SECRETS:-/run/secrets}
PGPASSWORD=$(cat "$secrets/postgres")
AIRFLOW__API__SECRET_KEY=$(cat "$secrets/airflow_key")
AIRFLOW__API_AUTH__JWT_SECRET=$(cat "$secrets/airflow_jwt")
export PGPASSWORD AIRFLOW__API__SECRET_KEY AIRFLOW__API_AUTH__JWT_SECRET
# Airflow opens the file of its users' passwords for writing. Parts of a pod share it, and probes write
# it again while somebody logs in: it is there in one move, and never empty.
users=${TMPDIR:-/tmp}/airflow-users.json
new=$(mktemp "$users.XXXXXX")
cat "$secrets/airflow_users" >"$new"
mv -f "$new" "$users"
export AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE="$users"
exec "$@"
