-- Reads, from a replica where one is in step.

--! order_by_id : (short_sku?, short_wanted?, short_free?)
select o.id, o.user_id, o.status, o.placed_at, o.short_sku, o.short_wanted, o.short_free, i.sku, i.count
from orders o join order_items i on i.order_id = o.id
where o.id = :id order by i.sku;

--! history_of_order
select status, moment from order_events where order_id = :order_id order by step;

--! unpaid_orders
select id from orders where status = 'awaiting payment' and placed_at < :placed_before
order by placed_at, id limit :limit;

--! stock_by_sku
select total_count, reserved from stock where sku = :sku;

--! movements_of_sku
select units, reason, moment from stock_movements where sku = :sku order by id limit :limit;
