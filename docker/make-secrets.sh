#!/bin/sh
# Makes the passwords of docker/compose.yaml, each once and each at random, in docker/secrets (not in git).
# The folder is its owner's only; the files in it are readable, for containers see them as another user.
set -eu
umask 077

folder=$(dirname "$0")/secrets
mkdir -p "$folder"
chmod 700 "$folder"

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

for name in postgres-password hospital-token archive-password; do
    [ -s "$folder/$name" ] || random > "$folder/$name"
done
rm -f "$folder/archive-user" "$folder/archive-users.json"
printf 'testonce' > "$folder/archive-user"
printf '{"AuthenticationEnabled": true, "RegisteredUsers": {"testonce": "%s"}}\n' "$(cat "$folder/archive-password")" \
    > "$folder/archive-users.json"
chmod 444 "$folder"/*
echo "secrets are in $folder"
