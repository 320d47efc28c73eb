-- Keeping stock: imports and adjustments, one at a time. `stock_file` and `stock_difference` are
-- temporary tables (sql/temporary): the records of a file, and where stock differs from them.

--! stock_keeper
-- The turn of whoever changes totals, until the end of the transaction.
select count(*) from pg_advisory_xact_lock(:space, :job);

--! stock_keeper_at_work
-- Whether another changes totals right now, or waits for its COMMIT.
select exists (
    select from pg_locks l join pg_database d on d.oid = l.database
    where l.locktype = 'advisory' and l.granted and d.datname = current_database()
        and l.classid = cast(cast(:space as integer) as oid) and l.objid = cast(cast(:job as integer) as oid)) as busy;

--! import_of
select records, moment from stock_imports where digest = :digest;

--! remember_import
with remembered as (
    insert into stock_imports (digest, records, moment) values (:digest, :records, :moment)
    on conflict (digest) do nothing returning 1)
select count(*) from remembered;

--! repeated_skus
-- Lines whose sku stands further up already; how many there are in every row.
select line, sku, first_line, count(*) over () as found
from (select line, sku, min(line) over (partition by sku) as first_line from stock_file) f
where line > first_line order by line limit :limit;

--! below_reserved
-- Lines that count less than what is reserved; how many there are in every row.
select f.line, f.sku, f.total_count, s.reserved, count(*) over () as found
from stock_file f join stock s on s.sku = f.sku
where f.total_count < s.reserved order by f.line limit :limit;

--! compare
-- What the file says is compared with what is on record now, and recorded as movements, while orders go
-- on: no row is locked that they wait for. Skus without a record get one.
with differing as (
    insert into stock_difference (sku, units)
    select s.sku, f.total_count - s.total_count from stock s join stock_file f on f.sku = s.sku
    where s.total_count <> f.total_count
    returning sku, units
), created as (
    insert into stock (sku, total_count)
    select f.sku, f.total_count from stock_file f
    where not exists (select from stock s where s.sku = f.sku) order by f.sku
    returning sku, total_count as units
), moved as (
    insert into stock_movements (sku, units, reason, moment)
    select m.sku, m.units, :reason, :moment
    from (select sku, units from differing union all select sku, units from created) m order by m.sku
    returning units)
select
    (select count(*) from differing) as changed,
    (select count(*) from created) as created,
    cast(coalesce(sum(units) filter (where units > 0), 0) as bigint) as added,
    cast(coalesce(-sum(units) filter (where units < 0), 0) as bigint) as taken
from moved;

--! take_over
-- Locks what differed in the one order of locks, and moves it: what orders sold since it was compared
-- comes off what was counted. Totals below what is reserved are refused by the constraint of the table.
with locked as materialized (
    select s.sku, d.units from stock s join stock_difference d on d.sku = s.sku
    order by s.sku for no key update of s
), changed as (
    update stock s set total_count = s.total_count + l.units from locked l where s.sku = l.sku returning 1)
select 1 / cast(count(*) = (select count(*) from stock_difference) as integer) as complete from changed;

--! lock_record
select total_count, reserved from stock where sku = :sku for no key update;

--! move_stock
-- A record that is not there, or a total that is not the one that was loaded, fails: division by zero.
with updated as (
    update stock set total_count = :total
    where sku = :sku and total_count = cast(:total as bigint) - cast(:units as bigint) returning 1
), moved as (
    insert into stock_movements (sku, units, reason, moment) values (:sku, :units, :reason, :moment) returning 1)
select 1 / cast((select count(*) from updated) = (select count(*) from moved) as integer) as complete;

--! last_movements
select id, units, reason, moment from stock_movements where sku = :sku order by id desc limit :limit;
