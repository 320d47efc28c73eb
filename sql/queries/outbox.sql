-- The outbox: read what is unsent, never "after the last one" (ids commit out of order), then forget
-- what was acknowledged.

--! unsent : (traceparent?)
select event_id, order_id, status, moment, traceparent from outbox order by event_id limit :limit;

--! forget_sent
with sent as (delete from outbox where event_id = any(:ids) returning 1)
select count(*) from sent;

--! backlog : (oldest?, newest?, oldest_moment?)
-- Exact as far as `limit`; beyond it the span of the ids tells.
select
    (select count(*) from (select 1 from outbox order by event_id limit :limit) counted) as counted,
    (select min(event_id) from outbox) as oldest,
    (select max(event_id) from outbox) as newest,
    (select moment from outbox order by event_id limit 1) as oldest_moment;
