//! `app stock import|adjust|show`: loads stock from a file, adjusts one sku, shows what is on record.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use adapters::counted::pieces;
use adapters::postgres::connect::Connector;
use adapters::postgres::stock::PostgresStock;
use clap::Subcommand;
use domain::clock::Clock;
use domain::stock::adjust::{AdjustError, Adjustment, BadReason, Reason, Units};
use domain::stock::import::{ImportError, Imported};
use domain::stock::ports::{KeepingError, StockKeeping};
use domain::types::Sku;

use super::ledger::{CommandError, say};
use crate::clock::SystemClock;

/// What can be done with stock.
#[derive(Debug, Subcommand)]
pub enum StockCommand {
    /// Make the stock what a file says
    #[command(long_about = IMPORT)]
    Import {
        /// CSV or JSON; `-` reads standard input
        file: PathBuf,
    },
    /// Add units to a sku, or take some away
    #[command(long_about = ADJUST)]
    Adjust {
        /// Which sku
        #[arg(value_parser = sku)]
        sku: Sku,
        /// How many units: +5 adds five, -5 takes five away
        #[arg(value_name = "+N|-N", value_parser = units, allow_negative_numbers = true)]
        units: Units,
        /// Why, in 1 to 200 characters; it is kept
        #[arg(long, value_name = "TEXT", value_parser = reason)]
        reason: Reason,
    },
    /// Show the record of a sku and its last movements
    #[command(long_about = SHOW)]
    Show {
        /// Which sku
        #[arg(value_parser = sku)]
        sku: Sku,
        /// How many movements
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(..=10_000))]
        last: u32,
    },
}

const IMPORT: &str = "\
Make the stock what a file says: the total of each sku in it, reserved units included. Skus that the file \
does not name stay as they are; skus without a record get one.

The file is CSV, whose first line is `sku,total_count`, or a JSON array of {\"sku\": 1001, \"total_count\": 100}. \
It is taken over whole or not at all, and every difference is recorded as a movement. A total below what orders \
have reserved is refused, as is a sku that stands in the file twice. The very same file again changes nothing, so \
that a repeat is safe at any time and does not bring back what was sold. Orders go on meanwhile.

Exit code: 0 done (now or before), 1 refused or failed and nothing was changed, 2 wrong usage or settings, \
3 the COMMIT was not answered: repeat the command.";

const ADJUST: &str = "\
Add units to a sku, or take some away, for a reason that is recorded as a movement.

Units that orders have reserved cannot be taken away. A sku without a record is refused: `app stock import` makes \
records.

Exit code: 0 done, 1 refused or failed and nothing was changed, 2 wrong usage or settings, 3 the COMMIT was not \
answered: look at `app stock show` before you repeat it, because a repeat adjusts again.";

const SHOW: &str = "\
Show the record of a sku and its last movements, newest first, as the primary has them.

Exit code: 0 shown, 1 there is no record or the primary does not answer, 2 wrong usage or settings.";

/// For the answer to a COMMIT, in commit timeouts of LOMS: nobody waits behind an operator.
const COMMIT_TIMEOUTS: u32 = 4;

fn sku(text: &str) -> Result<Sku, String> {
    let number = text
        .parse::<i64>()
        .map_err(|_| "a sku is a positive 64-bit integer".to_owned())?;
    Sku::try_from(number).map_err(|error| error.to_string())
}

fn units(text: &str) -> Result<Units, String> {
    const SHAPE: &str = "write +N to add units, -N to take units away";
    let digits = text.strip_prefix(['+', '-']).unwrap_or_default();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(SHAPE.to_owned());
    }
    let number = text
        .parse::<i64>()
        .map_err(|_| "more than 4294967295 units".to_owned())?;
    Units::try_from(number).map_err(|error| error.to_string())
}

fn reason(text: &str) -> Result<Reason, BadReason> {
    Reason::new(text)
}

/// Does it, and says what was done.
pub(super) async fn run(command: StockCommand, connector: &Arc<Connector>) -> Result<(), CommandError> {
    let commit_timeout = connector.settings().commit_timeout * COMMIT_TIMEOUTS;
    let stock = PostgresStock::new(Arc::clone(connector), commit_timeout);
    match command {
        StockCommand::Import { file } => import(&stock, &file).await,
        StockCommand::Adjust { sku, units, reason } => adjust(&stock, Adjustment { sku, units, reason }).await,
        StockCommand::Show { sku, last } => show(&stock, sku, last).await,
    }
}

async fn import(stock: &PostgresStock, path: &Path) -> Result<(), CommandError> {
    let imported = stock.import(pieces(open(path)?), SystemClock.now()).await;
    let imported = imported.map_err(|error| match error {
        ImportError::Keeping(KeepingError::Unknown(cause)) => CommandError::Unknown {
            advice: "repeat the command: it waits for the first one, and changes nothing if that was done".to_owned(),
            cause,
        },
        ImportError::Refused(_) | ImportError::Unread(_) | ImportError::Keeping(_) => CommandError::Import {
            path: path.display().to_string(),
            source: error,
        },
    })?;
    match imported {
        Imported::Now {
            records,
            created,
            changed,
            added,
            taken,
        } => say(format!(
            "{records} records: {created} skus are new, {changed} have another total; \
             {added} units came, {taken} units went"
        )),
        Imported::Before(moment) => say(format!("this very file was imported at {moment}: nothing was changed")),
    }
}

fn open(path: &Path) -> Result<Box<dyn Read + Send>, CommandError> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin()));
    }
    let file = File::open(path).map_err(|source| CommandError::File {
        path: path.display().to_string(),
        source,
    })?;
    Ok(Box::new(file))
}

async fn adjust(stock: &PostgresStock, adjustment: Adjustment) -> Result<(), CommandError> {
    let (sku, units, now) = (adjustment.sku, adjustment.units.get(), SystemClock.now());
    let adjusted = stock.adjust(adjustment, now).await.map_err(|error| match error {
        AdjustError::Keeping(KeepingError::Unknown(cause)) => CommandError::Unknown {
            advice: format!(
                "do not repeat it blindly: when commits go on again (`app db status`), `app stock show {sku}` \
                 shows whether there is a movement of {units:+} at {now}"
            ),
            cause,
        },
        AdjustError::Refused(_) | AdjustError::Keeping(_) => CommandError::Adjust(error),
    })?;
    say(format!(
        "sku {sku} has {} units now, {} of them reserved",
        adjusted.total(),
        adjusted.reserved()
    ))
}

async fn show(stock: &PostgresStock, sku: Sku, last: u32) -> Result<(), CommandError> {
    let record = stock.record(sku, last).await.map_err(CommandError::Stock)?;
    if record.keeper_at_work {
        say("an import or an adjustment is at work, or waits for its COMMIT: it does not show yet")?;
    }
    let units = record.stock.ok_or(CommandError::NoRecord(sku))?;
    say(format!(
        "sku {sku}: {} units, {} of them reserved, {} free",
        units.total(),
        units.reserved(),
        units.free()
    ))?;
    for movement in record.movements {
        say(format!(
            "  {}  {:+}  {}",
            movement.moment, movement.units, movement.reason
        ))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_have_a_sign_and_are_within_a_count() {
        assert_eq!(units("+5").map(Units::get), Ok(5));
        assert_eq!(units("-4294967295").map(Units::get), Ok(-4_294_967_295));
        for bad in [
            "5",
            "",
            "+",
            "-",
            "+-5",
            "+5.0",
            "+0",
            "-0",
            "+4294967296",
            "+99999999999999999999",
            "five",
        ] {
            assert!(units(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn skus_are_positive() {
        assert_eq!(sku("1").map(Sku::get), Ok(1));
        for bad in ["0", "-1", "x", "9223372036854775808"] {
            assert!(sku(bad).is_err(), "{bad}");
        }
    }
}
