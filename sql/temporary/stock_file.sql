-- The records of a stock file, while `app stock import` looks at them: not part of the schema.
create temporary table stock_file (
    line bigint not null,
    sku bigint not null,
    total_count bigint not null
);
