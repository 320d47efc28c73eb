-- What operators see of the servers, and whom the primary waits for.

--! server_state : (timeline?)
select pg_is_in_recovery() as standby,
    case when not pg_is_in_recovery() then
        cast(cast('x' || lpad(substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8), 8, '0') as bit(32)) as integer)
    end as timeline,
    not cast(current_setting('transaction_read_only') as boolean) as takes_writes,
    current_setting('server_version') as server_version,
    current_setting('synchronous_standby_names') as waits_for,
    (select count(*) from pg_stat_activity where datname = current_database() and backend_type = 'client backend')
        as connections,
    cast(current_setting('max_connections') as integer) as connections_max,
    (select count(*) from pg_stat_activity where wait_event = 'SyncRep') as commits_waiting;

--! standbys : (lag_bytes?, lag_seconds?)
-- Those that follow this server, as it sees them.
select application_name as name, coalesce(state, '?') as state, coalesce(sync_state, '?') as sync_state,
    cast(pg_wal_lsn_diff(case when pg_is_in_recovery() then pg_last_wal_receive_lsn() else pg_current_wal_lsn() end,
        replay_lsn) as bigint) as lag_bytes,
    cast(extract(epoch from replay_lag) as double precision) as lag_seconds
from pg_stat_replication order by application_name;

--! waits_for
-- Whom commits wait for, where that is set, how many wait now, and when this session read the settings.
select setting as names, source, pg_conf_load_time() as read_at,
    (select count(*) from pg_stat_activity where wait_event = 'SyncRep') as commits_waiting
from pg_settings where name = 'synchronous_standby_names';

--! may_alter_system
select has_parameter_privilege('synchronous_standby_names', 'alter system') as may_set,
    has_function_privilege('pg_reload_conf()', 'execute') as may_reload;

--! reload_settings
select pg_reload_conf() as done;

--! try_commit
-- Writes a record of WAL that nobody reads, so that the COMMIT has something to wait for.
select cast(pg_logical_emit_message(true, 'loms', 'is anybody there?') as text) as position;
