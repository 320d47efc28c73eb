-- Work that one instance at a time does: whoever holds the session's advisory lock.

--! try_turn
select pg_try_advisory_lock(:space, :job) as mine;

--! keep_turn
select 1 as alive;
