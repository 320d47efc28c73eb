-- The tables of a service that makes a transaction a step. As durable and as guarded as ours: logged,
-- with the same keys, checks and references; without our history and our idempotency keys.

create type order_status as enum ('new', 'awaiting payment', 'failed', 'payed', 'cancelled');

create table stock (
    sku bigint primary key check (sku > 0),
    total_count bigint not null check (total_count between 0 and 4294967295),
    reserved bigint not null default 0 check (reserved between 0 and total_count)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

create table orders (
    id bigint generated always as identity primary key,
    user_id bigint not null check (user_id > 0),
    status order_status not null,
    placed_at timestamptz not null default now(),
    settled_at timestamptz
);
create index orders_unpaid on orders (placed_at, id) where status = 'awaiting payment';

create table order_items (
    order_id bigint not null references orders (id),
    sku bigint not null check (sku > 0),
    count bigint not null check (count between 1 and 4294967295),
    primary key (order_id, sku)
);

create table outbox (
    event_id bigint generated always as identity primary key,
    order_id bigint not null references orders (id),
    status order_status not null,
    moment timestamptz not null default now()
);
