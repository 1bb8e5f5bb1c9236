#!/usr/bin/env bash
# Serves NetBox on 127.0.0.1 until its own input ends, and then removes everything:
#
#   netbox.sh CACHE STATE PORT DATABASE_PORT REDIS_PORT
#
# CACHE is what tests/peers/get/netbox made. Where `ready.sql` is missing in it, the database is made from nothing (minutes) and kept there;
# NETBOX_DUMP may name a dump (.sql.xz) of a migrated one to begin with. Prints `ready` once it answers.
set -euo pipefail
cache=${1:?} state=${2:?} port=${3:?} database_port=${4:?} redis_port=${5:?}
bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
python=$cache/venv/bin/python
token=nbt_TESTSTESTS01.0123456789abcdefghijABCDEFGHIJ0123456789

# PostgreSQL does not run as root.
owner() { if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }
query() { psql -q -h 127.0.0.1 -p "$database_port" -v ON_ERROR_STOP=1 "$@" >/dev/null; }
finish() {
  if [ -n "${web:-}" ]; then kill "$web" 2>/dev/null; wait "$web" 2>/dev/null; fi
  if [ -f "$state/redis.pid" ]; then kill "$(cat "$state/redis.pid")" 2>/dev/null; fi
  owner "$bin/pg_ctl" -D "$state/pg/data" -m immediate stop >/dev/null 2>&1
  rm -rf "$state"
  return 0
}
trap 'set +e; finish' EXIT

mkdir -p "$state/pg" "$state/root/conf"
chmod 755 "$state"
if [ "$(id -u)" = 0 ]; then chown postgres "$state/pg"; fi
owner "$bin/initdb" -D "$state/pg/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync >/dev/null
cat >>"$state/pg/data/postgresql.conf" <<SETTINGS
listen_addresses = '127.0.0.1'
port = $database_port
unix_socket_directories = '$state/pg'
shared_buffers = 64MB
fsync = off
synchronous_commit = off
full_page_writes = off
SETTINGS
(cd "$state/pg" && owner "$bin/pg_ctl" -D data -l "$state/pg/log" -w -t 60 start >/dev/null)
query -U postgres -c "CREATE ROLE netbox LOGIN" -c "CREATE DATABASE netbox OWNER netbox"
redis-server --bind 127.0.0.1 --port "$redis_port" --save '' --appendonly no --dir "$state" --daemonize yes --pidfile "$state/redis.pid" >/dev/null
: >"$state/root/conf/__init__.py"
cat >"$state/root/conf/configuration.py" <<SETTINGS
ALLOWED_HOSTS = ['127.0.0.1', 'localhost']
DATABASES = {'default': {'NAME': 'netbox', 'USER': 'netbox', 'HOST': '127.0.0.1', 'PORT': '$database_port'}}
REDIS = {name: {'HOST': '127.0.0.1', 'PORT': $redis_port, 'DATABASE': number} for number, name in enumerate(('tasks', 'caching'))}
SECRET_KEY = 'for tests only, on this machine, and gone after them'
API_TOKEN_PEPPERS = {1: 'for tests only, on this machine, and gone after them'}
ISOLATED_DEPLOYMENT = True
CENSUS_REPORTING_ENABLED = False
SETTINGS
export NETBOX_ROOT=$state/root

if [ -f "$cache/ready.sql" ]; then
  query -U netbox -d netbox -f "$cache/ready.sql"
else
  if [ -n "${NETBOX_DUMP:-}" ]; then
    xz -dc "$NETBOX_DUMP" | query -U netbox -d netbox
  else
    "$cache/venv/bin/netbox" migrate --no-input >"$state/migrate.log" 2>&1
  fi
  "$cache/venv/bin/netbox" shell --no-imports >/dev/null <<'PYTHON'
from users.models import Token, User
user = User.objects.create(username='tests', is_superuser=True, is_active=True)
Token(user=user, version=2, key='TESTSTESTS01', token='0123456789abcdefghijABCDEFGHIJ0123456789').save()
PYTHON
  "$bin/pg_dump" -h 127.0.0.1 -p "$database_port" -U netbox --no-owner netbox >"$cache/ready.sql.part"
  mv "$cache/ready.sql.part" "$cache/ready.sql"
fi

cd "$state/root"
"$python" -m gunicorn --bind "127.0.0.1:$port" --workers 1 --threads 4 --timeout 120 --no-control-socket netbox.wsgi >"$state/web.log" 2>&1 </dev/null &
web=$!
ask="import sys, urllib.request as web; web.urlopen(web.Request('http://127.0.0.1:$port/api/status/', headers={'Authorization': 'Bearer $token'}), timeout=60).read()"
for _ in $(seq 240); do
  kill -0 "$web" 2>/dev/null || { tail -n 3 "$state/web.log" >&2; exit 1; }
  if "$python" -c "$ask" 2>/dev/null; then
    echo ready
    cat >/dev/null
    exit 0
  fi
  sleep 0.5
done
exit 1
