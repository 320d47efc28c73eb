-- Retention.

--! forget_keys
with old as (
    select user_id, key from idempotency_keys where created_at < :created_before
    order by created_at limit :limit for update skip locked
), gone as (
    delete from idempotency_keys k using old where k.user_id = old.user_id and k.key = old.key returning 1)
select count(*) from gone;
