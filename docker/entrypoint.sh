#!/bin/sh
# Runs `testonce` with what it is given; `python …` runs as it is. The database's password comes from a secret file,
# so that it stands in no setting (libpq reads PGPASSWORD). A service that has its own database (SQLite) makes it first.
set -eu

if [ -r /run/secrets/postgres-password ]; then
    PGPASSWORD=$(cat /run/secrets/postgres-password)
    export PGPASSWORD
fi
case ${1:-} in
    python) exec "$@" ;;
    serve) [ -n "${TESTONCE_CONFIG:-}${TESTONCE_DATABASE_URL:-}" ] || testonce init ;;
esac
exec testonce "$@"
