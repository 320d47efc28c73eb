#!/bin/sh
# Runs once, when the primary's directory is made: who replicates, who owns the shop's database, whom commits
# wait for. The list of standbys stays empty until here is done: nothing may wait for one before it can come.
set -eu

psql --username "$POSTGRES_USER" --dbname postgres --set ON_ERROR_STOP=1 \
    --set replication_password="$REPLICATION_PASSWORD" --set shop_password="$SHOP_PASSWORD" <<'SQL'
create role replicator login replication password :'replication_password';
select pg_create_physical_replication_slot('node2');
create role shop login password :'shop_password' in role pg_monitor;
create database shop owner shop;
grant alter system on parameter synchronous_standby_names to shop;
grant execute on function pg_reload_conf() to shop;
alter system set synchronous_standby_names = 'FIRST 1 (node2)';
SQL
printf 'host replication replicator all scram-sha-256\n' >>"$PGDATA/pg_hba.conf"
