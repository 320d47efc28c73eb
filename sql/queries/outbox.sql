-- The outbox: read what is unsent, never "after the last one" (ids commit out of order), then forget
-- what was acknowledged.

--! unsent : (traceparent?)
select event_id, order_id, status, moment, traceparent from outbox order by event_id limit :limit;

--! forget_sent
with sent as (delete from outbox where event_id = any(:ids) returning 1)
select count(*) from sent;

--! backlog : (oldest?, newest?, oldest_moment?)
-- Exact as far as `limit`; beyond it the span of the ids tells. One scan from the front: rows that were
-- forgotten and not vacuumed yet stand there, and a standby looks at each of them again.
select
    count(*) as counted,
    min(event_id) as oldest,
    (select max(event_id) from outbox) as newest,
    min(moment) as oldest_moment
from (select event_id, moment from outbox order by event_id limit :limit) counted;
