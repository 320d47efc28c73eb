-- The unit of work over the ledger. Every statement gives a row, so that cornucopia keeps it prepared.

--! next_order_ids
select nextval('order_id_blocks') as first from generate_series(1, cast(:blocks as integer));

--! lock_orders : (short_sku?, short_wanted?, short_free?)
select id, user_id, status, placed_at, short_sku, short_wanted, short_free
from orders where id = any(:ids) order by id for no key update;

--! items_of_orders
select order_id, sku, count from order_items where order_id = any(:orders) order by order_id, sku;

--! lock_stock
-- The stock of drafts, and that of loaded orders.
select sku, total_count, reserved from stock
where sku = any(cast(:skus as bigint[]) || array(select i.sku from order_items i where i.order_id = any(:orders)))
order by sku for no key update;

--! recorded_orders : (short_sku?, short_wanted?, short_free?)
-- After the locks, in a statement of its own: it sees what the holder of the locks before us committed.
select k.user_id, k.key, o.id, o.status, o.placed_at, o.short_sku, o.short_wanted, o.short_free, i.sku, i.count
from unnest(cast(:users as bigint[]), cast(:keys as text[])) as wanted (user_id, key)
join idempotency_keys k on k.user_id = wanted.user_id and k.key = wanted.key
join orders o on o.id = k.order_id
join order_items i on i.order_id = o.id
order by k.user_id, k.key, i.sku;

--! insert_orders (short_skus[?], short_wanted[?], short_free[?])
with placed as (
    insert into orders (id, user_id, status, placed_at, short_sku, short_wanted, short_free)
    select * from unnest(
        cast(:ids as bigint[]), cast(:users as bigint[]), cast(:statuses as order_status[]),
        cast(:placed_at as timestamptz[]), cast(:short_skus as bigint[]), cast(:short_wanted as bigint[]),
        cast(:short_free as bigint[]))
    returning 1)
select count(*) from placed;

--! insert_items
with inserted as (
    insert into order_items (order_id, sku, count)
    select * from unnest(cast(:orders as bigint[]), cast(:skus as bigint[]), cast(:counts as bigint[]))
    returning 1)
select count(*) from inserted;

--! settle_orders
-- An order that is not there, or does not await payment, fails the batch: division by zero. The status
-- as text keeps the plan from walking through all unpaid orders.
with settled as (
    update orders o set status = s.status, settled_at = s.moment
    from unnest(cast(:ids as bigint[]), cast(:statuses as order_status[]), cast(:moments as timestamptz[]))
        as s (id, status, moment)
    where o.id = s.id and o.id = any(cast(:ids as bigint[])) and cast(o.status as text) = 'awaiting payment'
    returning 1)
select 1 / cast(count(*) = cardinality(cast(:ids as bigint[])) as integer) as complete from settled;

--! insert_events (traceparents[?])
with numbered as (
    select nextval('event_ids') as event_id, change.*
    from (select * from unnest(
            cast(:orders as bigint[]), cast(:statuses as order_status[]), cast(:moments as timestamptz[]),
            cast(:traceparents as text[])) with ordinality as c (order_id, status, moment, traceparent, ord)
        order by ord) change
), history as (
    insert into order_events (order_id, status, moment, event_id)
    select order_id, status, moment, event_id from numbered
), unsent as (
    insert into outbox (event_id, order_id, status, moment, traceparent)
    select event_id, order_id, status, moment, traceparent from numbered
    returning 1)
select count(*) from unsent;

--! insert_keys
-- In key order, and plainly: a key that another instance recorded meanwhile fails the batch.
with recorded as (
    insert into idempotency_keys (user_id, key, order_id, created_at)
    select user_id, key, order_id, created_at from unnest(
        cast(:users as bigint[]), cast(:keys as text[]), cast(:orders as bigint[]), cast(:created_at as timestamptz[]))
        with ordinality as k (user_id, key, order_id, created_at, ord)
    order by ord
    returning 1)
select count(*) from recorded;

--! update_stock
-- A record that is not there fails the batch: division by zero.
with updated as (
    update stock s set total_count = c.total_count, reserved = c.reserved
    from unnest(cast(:skus as bigint[]), cast(:totals as bigint[]), cast(:reserved as bigint[]))
        as c (sku, total_count, reserved)
    where s.sku = c.sku
    returning 1)
select 1 / cast(count(*) = cardinality(cast(:skus as bigint[])) as integer) as complete from updated;

--! held_stock
-- Which of these records another transaction holds, and has for longer than anybody waits: a batch of
-- ours that is under way is none. Whose age cannot be seen counts as old.
select sku from stock where sku = any(:skus)
except
select sku from (select s.sku from stock s where s.sku = any(:skus) for no key update skip locked) free
except
select s.sku from stock s join pg_stat_activity a on a.backend_xid = s.xmax
where s.sku = any(:skus) and a.xact_start > clock_timestamp() - cast(current_setting('lock_timeout') as interval);

--! held_orders
-- Which of these orders another transaction holds, in the same sense.
select id from orders where id = any(:ids)
except
select id from (select o.id from orders o where o.id = any(:ids) for no key update skip locked) free
except
select o.id from orders o join pg_stat_activity a on a.backend_xid = o.xmax
where o.id = any(:ids) and a.xact_start > clock_timestamp() - cast(current_setting('lock_timeout') as interval);
