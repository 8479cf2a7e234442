#!/bin/sh
# Makes what compose.yaml needs, once: `sh prepare.sh relay.example.org`. What is there stays as it is.
set -eu
name=${1:?the host part of addresses, such as relay.example.org}
cd "$(dirname "$0")"
umask 077
mkdir -p secrets
# What is there is written anew below.
chmod -f 0600 secrets/database.env secrets/nats.conf || true
secret() { test -e "secrets/$1" || openssl rand -hex 32 > "secrets/$1"; }
certificate() {
    test -e "secrets/$1.pem" || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 \
        -subj "/CN=$2" -addext "subjectAltName=DNS:$2" -keyout "secrets/$1.key" -out "secrets/$1.pem" 2> /dev/null
}
secret share-token
secret bus-token
secret database-password
secret nats-cluster
certificate shares shares
# A publicly trusted one is better: put it there before, as tls.pem (the chain) and tls.key.
certificate tls "$name"
# With another port: CHAPPE_DESK_ORIGIN=https://NAME:PORT in .env, too, for the profile `single`.
test -e .env || printf 'CHAPPE_SERVER_NAME=%s\nCHAPPE_PORT=443\n' "$name" > .env
# Without TLS: nobody else is in the network `inside`, which does not leave this machine. The relay wants that said.
printf 'CHAPPE_DATABASE_URL=postgresql://chappe:%s@postgres:5432/chappe?sslmode=disable\n' "$(cat secrets/database-password)" > secrets/database.env
route=nats://chappe:$(cat secrets/nats-cluster)
cat > secrets/nats.conf << END
# Three of them. They only wake gateways: nothing is stored, and nothing is lost if all of them go.
listen: "0.0.0.0:4222"
max_payload: 64KB
authorization { token: "$(cat secrets/bus-token)" }
cluster {
  name: chappe
  listen: "0.0.0.0:6222"
  authorization { user: chappe, password: "$(cat secrets/nats-cluster)" }
  routes: [ "$route@nats-1:6222", "$route@nats-2:6222", "$route@nats-3:6222" ]
}
END
# The containers run as nobody in particular, and read them; on this machine the folder lets nobody in.
chmod 0444 secrets/*
echo "secrets/ is made; keep it as you keep keys, and in no repository."
