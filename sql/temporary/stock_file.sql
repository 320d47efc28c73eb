-- The records of a stock file, while `app stock import` looks at them: not part of the schema.
create temporary table stock_file (
    line bigint not null,
    sku bigint not null,
    total_count bigint not null
);

-- Records whose total is another, and by how much.
create temporary table stock_difference (
    sku bigint not null,
    units bigint not null
);
