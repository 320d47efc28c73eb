-- What the nodes of the cluster say of themselves and of each other. Standbys of other servers are
-- only seen by a role with pg_monitor.

--! timeline : (timeline?)
-- Of a server that takes writes; a standby has none.
select case when not pg_is_in_recovery() then
    cast(cast('x' || lpad(substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8), 8, '0') as bit(32)) as integer)
end as timeline;

--! standing : (standby_name?)
-- Whether this is a standby, and by which name its primary knows it.
select pg_is_in_recovery() as standby,
    (select coalesce(substring(conninfo from '(?:^|\s)application_name=(\S+)'),
            nullif(current_setting('cluster_name'), ''), 'walreceiver')
        from pg_stat_wal_receiver where status = 'streaming') as standby_name;

--! writing
-- Whether the primary takes writes, also of new sessions, and how far it has written, in bytes of WAL.
select not cast(current_setting('transaction_read_only') as boolean) and not exists (
        select from pg_db_role_setting, unnest(setconfig) as setting
        where setdatabase in (0, (select oid from pg_database where datname = current_database()))
            and setrole in (0, (select oid from pg_roles where rolname = current_user))
            and lower(setting) in ('default_transaction_read_only=on', 'default_transaction_read_only=true',
                'default_transaction_read_only=yes', 'default_transaction_read_only=1')) as takes_writes,
    cast(pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') as bigint) as written;

--! synchronous_standbys : (replayed?)
-- Whom the primary waits for, and how far each has applied, in bytes of WAL.
select application_name as name, cast(pg_wal_lsn_diff(replay_lsn, '0/0') as bigint) as replayed
from pg_stat_replication where sync_state = 'sync' and state = 'streaming';
