#!/bin/sh
# A login for each service, with no more rights than the group role that the migration made for it. Again is fine.
set -eu

secrets=${SECRETS:-/run/secrets}
owner=$(cat "$secrets/owner_database_url")

for service in issuer verifier notifier; do
    url=$(cat "$secrets/${service}_database_url")
    rest=${url#*://*:}
    LOGIN=$service LOGIN_PASSWORD=${rest%%@*} psql --quiet --set ON_ERROR_STOP=1 "$owner" <<'SQL'
\getenv login LOGIN
\getenv password LOGIN_PASSWORD
SELECT format('CREATE ROLE %I LOGIN IN ROLE %I', :'login', 'magiclink_' || :'login')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'login') \gexec
SELECT format('ALTER ROLE %I PASSWORD %L', :'login', :'password') \gexec
SQL
done
