-- Retention.

--! forget_keys
-- By their places: the keys themselves would be looked up again.
with gone as (
    delete from idempotency_keys where ctid = any(array(
        select ctid from idempotency_keys where created_at < :created_before
        order by created_at limit :limit for update skip locked))
    returning 1)
select count(*) from gone;
