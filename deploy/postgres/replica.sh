#!/bin/sh
# A standby: copies the primary when its own directory is empty, then follows it. Its own list of standbys is
# empty, or its first commit after a promotion would hang.
set -eu

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    until PGPASSWORD=$REPLICATION_PASSWORD pg_basebackup --pgdata="$PGDATA" --wal-method=stream --checkpoint=fast \
        --slot=node2 --host=postgres --username=replicator; do
        echo "the primary is not there yet" >&2
        find "$PGDATA" -mindepth 1 -delete
        sleep 1
    done
    chmod 700 "$PGDATA"
    cat >"$PGDATA/postgresql.auto.conf" <<CONF
primary_conninfo = 'host=postgres user=replicator password=$REPLICATION_PASSWORD application_name=node2'
primary_slot_name = 'node2'
synchronous_standby_names = ''
CONF
    : >"$PGDATA/standby.signal"
fi
exec postgres "$@"
