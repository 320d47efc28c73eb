-- The audit: a query a check, all in one snapshot. Each gives the first `limit` rows that break the
-- rule, and in `found` how many there are.

--! bound_statement
-- Gives the next statement what is left of the time of the whole, by the server's clock.
select set_config('statement_timeout', cast(greatest(
    1, :milliseconds - cast(extract(epoch from clock_timestamp() - transaction_timestamp()) * 1000 as bigint)
) as text), true) as bound;

--! stock_bounds
select sku, total_count, reserved, count(*) over () as found
from stock where reserved < 0 or reserved > total_count
order by sku limit :limit;

--! reservations : (recorded?)
with awaited as (
    select i.sku, cast(sum(i.count) as bigint) as units
    from orders o join order_items i on i.order_id = o.id
    where o.status = 'awaiting payment' group by i.sku)
select coalesce(s.sku, a.sku) as sku, s.reserved as recorded, coalesce(a.units, 0) as awaiting, count(*) over () as found
from stock s full join awaited a on a.sku = s.sku
where s.reserved is distinct from coalesce(a.units, 0)
order by 1 limit :limit;

--! totals : (recorded?)
with moves as (
    select sku, units as moved, 0 as payed from stock_movements
    union all
    select i.sku, 0, i.count from orders o join order_items i on i.order_id = o.id where o.status = 'payed'),
sums as (select sku, cast(sum(moved) as bigint) as moved, cast(sum(payed) as bigint) as payed from moves group by sku)
select coalesce(s.sku, m.sku) as sku, s.total_count as recorded,
    coalesce(m.moved, 0) as moved, coalesce(m.payed, 0) as payed, count(*) over () as found
from stock s full join sums m on m.sku = s.sku
where s.total_count is distinct from coalesce(m.moved - m.payed, 0)
order by 1 limit :limit;

--! lines
select coalesce(o.id, i.order_id) as order_id, o.id is not null as exists, coalesce(i.items, 0) as items,
    count(*) over () as found
from orders o full join (select order_id, count(*) as items from order_items group by order_id) i on i.order_id = o.id
where o.id is null or i.items is null or i.items > :items_max
order by 1 limit :limit;

--! shortages : (sku?, wanted?, free?, ordered?)
select o.id, o.status, o.short_sku as sku, o.short_wanted as wanted, o.short_free as free, i.count as ordered,
    count(*) over () as found
from orders o left join order_items i on i.order_id = o.id and i.sku = o.short_sku
where (o.status = 'failed' or o.short_sku is not null or o.short_wanted is not null or o.short_free is not null)
    and not coalesce(o.status = 'failed' and i.count = o.short_wanted and coalesce(o.short_free, 0) < o.short_wanted, false)
order by o.id limit :limit;

--! paths
-- Which histories there are; orders without one have an empty path.
select path, count(*) as orders from (
    select coalesce(e.path, '{}') as path from orders o left join (
        select order_id, array_agg(status order by step, event_id) as path from order_events group by order_id
    ) e on e.order_id = o.id) paths
group by path;

--! orders_of_path
select o.id from orders o left join (
    select order_id, array_agg(status order by step, event_id) as path from order_events group by order_id
) e on e.order_id = o.id
where coalesce(e.path, '{}') = :path
order by o.id limit :limit;

--! standing : (status?, placed_at?, settled_at?, began?)
-- Orders without a history are found by their path.
with ends as (
    select distinct on (order_id) order_id, status, moment from order_events order by order_id, step desc, event_id desc)
select e.order_id, o.status, o.placed_at, o.settled_at, b.moment as began, e.status as last, e.moment as ended,
    count(*) over () as found
from ends e
left join orders o on o.id = e.order_id
left join order_events b on b.order_id = e.order_id and b.step = 0
where o.status is distinct from e.status
    or o.settled_at is distinct from case when e.status in ('payed', 'cancelled') then e.moment end
    or o.placed_at <> b.moment
order by 1 limit :limit;

--! event_order
select order_id, before as event, event_id as next, count(*) over () as found from (
    select order_id, event_id, lag(event_id) over (partition by order_id order by step, event_id) as before
    from order_events) e
where event_id <= before
order by order_id, next limit :limit;

--! event_ids
select event_id, count(*) as times, count(*) over () as found
from order_events group by event_id having count(*) > 1
order by event_id limit :limit;

--! sequences
select sequence, used, given, count(*) over () as found from (
    select 'event_ids' as sequence, (select coalesce(max(event_id), 0) from order_events) as used,
        case when is_called then last_value else 0 end as given
    from event_ids
    union all
    select 'order_id_blocks', (select coalesce(max(id), 0) from orders),
        case when is_called then last_value + :block - 1 else 0 end
    from order_id_blocks) ids
where used > given
order by sequence limit :limit;

--! unsent : (recorded?)
select u.event_id, u.order_id, u.status, e.event_id as recorded, count(*) over () as found
from outbox u left join order_events e on e.order_id = u.order_id and e.step = u.step
where (u.event_id, u.status, u.moment) is distinct from (e.event_id, e.status, e.moment)
order by u.event_id limit :limit;

--! sent_in_order
select u.order_id, min(u.event_id) as unsent, max(e.event_id) as sent, count(*) over () as found
from outbox u join order_events e on e.order_id = u.order_id and e.step > u.step
where not exists (select from outbox later where later.order_id = e.order_id and later.step = e.step)
group by u.order_id
order by u.order_id limit :limit;

--! keys : (owner?)
select user_id, order_id, owner, keys, count(*) over () as found from (
    select k.user_id, k.order_id, o.user_id as owner, count(*) over (partition by k.order_id) as keys
    from idempotency_keys k left join orders o on o.id = k.order_id) named
where owner is distinct from user_id or keys > 1
order by order_id, user_id limit :limit;
