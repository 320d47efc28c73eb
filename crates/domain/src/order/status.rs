//! The state machine of an order. Every move is decided by a match over all states; an
//! illegal one is an error that names both. Source: the contract, "LOMS".
//!
//! ```text
//! new ──> awaiting payment ──> payed
//!  └────> failed     └───────> cancelled
//! ```

use std::fmt;

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OrderStatus {
    /// Made, nothing reserved yet.
    New,
    /// Its stock is reserved.
    AwaitingPayment,
    /// Its stock could not be reserved. Final.
    Failed,
    /// Paid; its units have left the stock. Final.
    Payed,
    /// Cancelled; its units are free again. Final.
    Cancelled,
}

/// What ends an order that awaits payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Settlement {
    /// The customer paid.
    Pay,
    /// The customer or the shop gave it up, or its time to pay ran out.
    Cancel,
}

/// A move that the state machine allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// To another status.
    To(OrderStatus),
    /// It is there already: a repeat, and a success.
    Already,
}

/// A move that it does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an order that is `{from}` cannot become `{to}`")]
pub struct IllegalMove {
    /// Where the order stands.
    pub from: OrderStatus,
    /// Where it was to go.
    pub to: OrderStatus,
}

impl OrderStatus {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::New,
        Self::AwaitingPayment,
        Self::Failed,
        Self::Payed,
        Self::Cancelled,
    ];

    /// The word of the contract.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::AwaitingPayment => "awaiting payment",
            Self::Failed => "failed",
            Self::Payed => "payed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The status of a word of the contract.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }

    /// What a settlement does to an order that stands here.
    ///
    /// # Errors
    /// [`IllegalMove`], naming both states.
    pub const fn settle(self, settlement: Settlement) -> Result<Step, IllegalMove> {
        match (self, settlement) {
            (Self::AwaitingPayment, Settlement::Pay) => Ok(Step::To(Self::Payed)),
            (Self::AwaitingPayment, Settlement::Cancel) => Ok(Step::To(Self::Cancelled)),
            (Self::Payed, Settlement::Pay) | (Self::Cancelled, Settlement::Cancel) => Ok(Step::Already),
            (Self::New | Self::Failed | Self::Cancelled, Settlement::Pay) => Err(IllegalMove {
                from: self,
                to: Self::Payed,
            }),
            (Self::New | Self::Failed | Self::Payed, Settlement::Cancel) => Err(IllegalMove {
                from: self,
                to: Self::Cancelled,
            }),
        }
    }

    /// Whether an event of this status can follow one of `before` (`None`: the first event).
    #[must_use]
    pub const fn can_follow(self, before: Option<Self>) -> bool {
        match (before, self) {
            (None, Self::New)
            | (Some(Self::New), Self::AwaitingPayment | Self::Failed)
            | (Some(Self::AwaitingPayment), Self::Payed | Self::Cancelled) => true,
            (None, Self::AwaitingPayment | Self::Failed | Self::Payed | Self::Cancelled)
            | (Some(Self::New), Self::New | Self::Payed | Self::Cancelled)
            | (Some(Self::AwaitingPayment), Self::New | Self::AwaitingPayment | Self::Failed)
            | (Some(Self::Failed | Self::Payed | Self::Cancelled), _) => false,
        }
    }
}

impl fmt::Display for OrderStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_contract() {
        let words = OrderStatus::ALL.map(OrderStatus::as_str);
        assert_eq!(words, ["new", "awaiting payment", "failed", "payed", "cancelled"]);
        for status in OrderStatus::ALL {
            assert_eq!(OrderStatus::parse(status.as_str()), Some(status));
        }
        assert_eq!(OrderStatus::parse("paid"), None);
    }

    #[test]
    fn settling_follows_the_table_of_the_contract() {
        use OrderStatus::{AwaitingPayment, Cancelled, Failed, New, Payed};
        let pay = OrderStatus::ALL.map(|s| s.settle(Settlement::Pay).ok());
        let cancel = OrderStatus::ALL.map(|s| s.settle(Settlement::Cancel).ok());
        assert_eq!(pay, [None, Some(Step::To(Payed)), None, Some(Step::Already), None]);
        assert_eq!(
            cancel,
            [None, Some(Step::To(Cancelled)), None, None, Some(Step::Already)]
        );
        let error = Failed.settle(Settlement::Pay).unwrap_err();
        assert_eq!(error.to_string(), "an order that is `failed` cannot become `payed`");
        assert!(New.can_follow(None) && AwaitingPayment.can_follow(Some(New)));
        assert_eq!(
            OrderStatus::ALL
                .iter()
                .filter(|s| s.can_follow(Some(AwaitingPayment)))
                .count(),
            2
        );
        assert!(OrderStatus::ALL.iter().all(|s| !s.can_follow(Some(Cancelled))));
    }
}
