//! Rows as values of the domain, and back. A row that breaks a rule of the domain is an error: the
//! schema holds the same rules.

use domain::clock::Moment;
use domain::order::model::{Line, Lines, Order, Shortage};
use domain::order::status::OrderStatus;
use domain::stock::model::Stock;
use domain::types::{OrderId, Quantity, Sku, UserId};
use sql::types::OrderStatus as Word;
use time::OffsetDateTime;

use super::errors::Refusal;

const MICROS_PER_MILLI: i64 = 1_000;

pub(super) fn word(status: OrderStatus) -> Word {
    match status {
        OrderStatus::New => Word::new,
        OrderStatus::AwaitingPayment => Word::awaiting_payment,
        OrderStatus::Failed => Word::failed,
        OrderStatus::Payed => Word::payed,
        OrderStatus::Cancelled => Word::cancelled,
    }
}

pub(super) fn status(word: Word) -> OrderStatus {
    match word {
        Word::new => OrderStatus::New,
        Word::awaiting_payment => OrderStatus::AwaitingPayment,
        Word::failed => OrderStatus::Failed,
        Word::payed => OrderStatus::Payed,
        Word::cancelled => OrderStatus::Cancelled,
    }
}

pub(super) fn moment(at: OffsetDateTime) -> Moment {
    let micros = at.unix_timestamp_nanos() / 1_000;
    Moment::from_unix_millis(i64::try_from(micros).unwrap_or(i64::MAX).div_euclid(MICROS_PER_MILLI))
}

pub(super) fn timestamp(moment: Moment) -> OffsetDateTime {
    // A moment is always between 1970 and 9999.
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(moment.unix_millis()) * 1_000_000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

pub(super) fn sku(n: i64) -> Result<Sku, Refusal> {
    Sku::try_from(n).map_err(|_| Refusal::BadRow("stock"))
}

pub(super) fn order_id(n: i64) -> Result<OrderId, Refusal> {
    OrderId::try_from(n).map_err(|_| Refusal::BadRow("orders"))
}

pub(super) fn user_id(n: i64) -> Result<UserId, Refusal> {
    UserId::try_from(n).map_err(|_| Refusal::BadRow("orders"))
}

fn count(n: i64) -> Option<u32> {
    u32::try_from(n).ok()
}

pub(super) fn quantity(n: i64) -> Result<Quantity, Refusal> {
    count(n)
        .and_then(|n| Quantity::try_from(n).ok())
        .ok_or(Refusal::BadRow("order_items"))
}

pub(super) fn stock(total: i64, reserved: i64) -> Result<Stock, Refusal> {
    count(total)
        .zip(count(reserved))
        .and_then(|(total, reserved)| Stock::new(total, reserved).ok())
        .ok_or(Refusal::BadRow("stock"))
}

pub(super) fn line(sku_of: i64, count: i64) -> Result<Line, Refusal> {
    Ok(Line {
        sku: sku(sku_of)?,
        quantity: quantity(count)?,
    })
}

/// The lines of an order from its rows.
pub(super) fn lines(rows: impl IntoIterator<Item = Result<Line, Refusal>>) -> Result<Lines, Refusal> {
    let lines: Vec<Line> = rows.into_iter().collect::<Result<_, _>>()?;
    Lines::merge(lines).map_err(|_| Refusal::BadRow("order_items"))
}

/// The head of an order as it stands in a row, without its lines.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    pub(super) id: i64,
    pub(super) user: i64,
    pub(super) status: Word,
    pub(super) placed_at: OffsetDateTime,
    /// The sku that was short, units wanted, and units that were free.
    pub(super) short: (Option<i64>, Option<i64>, Option<i64>),
}

impl Head {
    pub(super) fn with(self, lines: Lines) -> Result<Order, Refusal> {
        let shortage = match self.short {
            (Some(short), Some(wanted), free) => Some(Shortage {
                sku: sku(short)?,
                wanted: quantity(wanted)?,
                free: free.map(|n| count(n).ok_or(Refusal::BadRow("orders"))).transpose()?,
            }),
            _ => None,
        };
        Ok(Order {
            id: order_id(self.id)?,
            user: user_id(self.user)?,
            lines,
            status: status(self.status),
            shortage,
            placed_at: moment(self.placed_at),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_survive_to_the_millisecond() {
        for millis in [0, 1, 1_767_323_045_678, 253_402_300_799_999] {
            let at = Moment::from_unix_millis(millis);
            assert_eq!(moment(timestamp(at)), at);
        }
    }

    #[test]
    fn statuses_are_the_same_words() {
        for each in OrderStatus::ALL {
            assert_eq!(status(word(each)), each);
        }
    }

    #[test]
    fn rows_outside_the_rules_are_refused() {
        assert_eq!(stock(1, 2), Err(Refusal::BadRow("stock")));
        assert_eq!(stock(i64::MAX, 0), Err(Refusal::BadRow("stock")));
        assert_eq!(quantity(0), Err(Refusal::BadRow("order_items")));
        assert_eq!(sku(0), Err(Refusal::BadRow("stock")));
    }
}
