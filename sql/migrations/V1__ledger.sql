-- The ledger: stock and its movements, orders with their items and history, idempotency keys,
-- and the outbox. The rules live in the domain; behind each stands a constraint here.

create type order_status as enum ('new', 'awaiting payment', 'failed', 'payed', 'cancelled');

-- Which binaries may run on this schema: those that know at least this migration. A migration that
-- older binaries cannot live with raises it.
create table schema_compatibility (
    only_row boolean primary key default true check (only_row),
    oldest_version integer not null check (oldest_version > 0)
);
insert into schema_compatibility (oldest_version) values (1);

-- Updated in place by every batch: room in each page keeps the updates off the index (HOT).
create table stock (
    sku bigint primary key check (sku > 0),
    total_count bigint not null check (total_count between 0 and 4294967295),
    reserved bigint not null default 0,
    constraint stock_reserved_within_total check (reserved between 0 and total_count)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

-- Every load and adjustment: total_count = sum(units) - units payed.
create table stock_movements (
    id bigint generated always as identity primary key,
    sku bigint not null references stock (sku),
    units bigint not null check (units between -4294967295 and 4294967295),
    reason text not null check (length(reason) between 1 and 200),
    moment timestamptz not null
);
create index stock_movements_of_sku on stock_movements (sku, id);

-- Stock files that were imported, so that a repeat changes nothing.
create table stock_imports (
    digest bytea primary key check (length(digest) = 32),
    records integer not null check (records > 0),
    moment timestamptz not null
);

-- An instance takes ids in blocks; what it does not use is lost.
create sequence order_id_blocks as bigint increment by 1000;

create table orders (
    id bigint primary key check (id > 0),
    user_id bigint not null check (user_id > 0),
    -- `new` is a step of the history only: the transaction that makes an order also reserves or fails it.
    status order_status not null check (status <> 'new'),
    placed_at timestamptz not null,
    settled_at timestamptz,
    short_sku bigint check (short_sku > 0),
    short_wanted bigint check (short_wanted between 1 and 4294967295),
    short_free bigint check (short_free between 0 and 4294967295),
    constraint orders_settled_at_of_the_settled check ((status in ('payed', 'cancelled')) = (settled_at is not null)),
    constraint orders_shortage_of_the_failed check (
        (status = 'failed') = (short_sku is not null) and (short_sku is null) = (short_wanted is null)),
    constraint orders_shortage_is_one check (short_free is null or coalesce(short_free < short_wanted, false))
);
create index orders_unpaid on orders (placed_at, id) where status = 'awaiting payment';

create table order_items (
    order_id bigint not null references orders (id),
    sku bigint not null check (sku > 0),
    count bigint not null check (count between 1 and 4294967295),
    primary key (order_id, sku)
);

-- The history: one row a status, never changed. The key allows one first, one second and one last
-- status an order, so none is paid twice, or paid and cancelled.
create table order_events (
    order_id bigint not null references orders (id),
    step smallint not null generated always as (
        case status when 'new' then 0 when 'awaiting payment' then 1 else 2 end) stored,
    status order_status not null,
    moment timestamptz not null,
    event_id bigint not null check (event_id > 0),
    primary key (order_id, step)
);

-- Given while the order is locked, one by one (cache 1): ids follow the order of changes per order.
create sequence event_ids as bigint cache 1;

-- Events that the broker has not acknowledged yet.
create table outbox (
    event_id bigint primary key check (event_id > 0),
    order_id bigint not null,
    step smallint not null generated always as (
        case status when 'new' then 0 when 'awaiting payment' then 1 else 2 end) stored,
    status order_status not null,
    moment timestamptz not null,
    traceparent text check (length(traceparent) = 55),
    foreign key (order_id, step) references order_events (order_id, step)
) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

create table idempotency_keys (
    user_id bigint not null check (user_id > 0),
    key text collate "C" not null check (length(key) between 1 and 64),
    order_id bigint not null references orders (id),
    created_at timestamptz not null,
    primary key (user_id, key)
);
create index idempotency_keys_by_age on idempotency_keys (created_at);
