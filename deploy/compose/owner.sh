#!/bin/sh
# Run by the image of PostgreSQL when its data folder is new: the database and its owner, who may create roles and is no superuser.
set -eu

url=$(cat "${SECRETS:-/run/secrets}/owner_database_url")
rest=${url#*://*:}
OWNER_PASSWORD=${rest%%@*}
export OWNER_PASSWORD

psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres <<'SQL'
\getenv password OWNER_PASSWORD
CREATE ROLE magiclink LOGIN CREATEROLE PASSWORD :'password';
CREATE DATABASE magiclink OWNER magiclink;
SQL
