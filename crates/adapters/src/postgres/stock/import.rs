//! A file of counted stock: COPY into a temporary table, a look at what is wrong, then a transaction
//! that takes it over. It compares and records first, while orders go on; only its last statement
//! locks the records that change, so that orders wait for them no longer than they have to.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use domain::clock::Moment;
use domain::error::{Cause, cause};
use domain::stock::import::{Counted, Digest, Fault, ImportError, Imported, Piece, Problems};
use domain::stock::model::Stock;
use domain::stock::ports::KeepingError;
use domain::types::Sku;
use futures::{SinkExt, Stream, StreamExt};
use sql::queries::stock;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, CopyInSink};

use super::super::errors::Refusal;
use super::super::rows;
use super::{PostgresStock, bounded};

/// The temporary tables.
const TABLES: &str = include_str!("../../../../../sql/temporary/stock_file.sql");
const COPY: &str = "copy stock_file (line, sku, total_count) from stdin";
/// For a piece of the file to be taken by the server, and for a look at all of it.
const STAGE_TIMEOUT: Duration = Duration::from_secs(60);
/// For each statement of the transaction. Orders of skus that change wait for the last one.
const TAKE_OVER_TIMEOUT: Duration = Duration::from_secs(60);
/// Records may be held by others for a moment; and what was looked at may have changed.
const ATTEMPTS_MAX: u32 = 5;
const PAUSE: Duration = Duration::from_millis(500);

/// A file that lies in the temporary table.
struct Staged {
    records: u64,
    digest: Digest,
    problems: Problems,
}

pub(super) async fn import(
    keeper: &PostgresStock,
    file: impl Stream<Item = Piece> + Send,
    now: Moment,
) -> Result<Imported, ImportError> {
    let client = keeper.connect().await?;
    // Nothing that is staged waits for a standby.
    let prepare = format!("set synchronous_commit = local; {TABLES}");
    bounded(STAGE_TIMEOUT, client.batch_execute(&prepare)).await?;
    let staged = stage(&client, file).await?;
    if staged.records > 0 {
        bounded(STAGE_TIMEOUT, client.batch_execute("analyze stock_file")).await?;
    }
    if let Some(moment) = imported_before(&client, staged.digest).await? {
        return Ok(Imported::Before(moment));
    }
    let mut held = KeepingError::Held(cause(Refusal::TimedOut));
    for _ in 0..ATTEMPTS_MAX {
        let problems = look(&client, staged.problems.clone()).await?;
        if !problems.is_empty() {
            return Err(ImportError::Refused(problems));
        }
        match take_over(keeper, &client, &staged, now).await {
            Ok(imported @ Imported::Before(_)) => return Ok(imported),
            Ok(imported) => {
                keeper.commit(client).await?;
                return Ok(imported);
            }
            // Somebody reserved meanwhile, or holds records: look again.
            Err(error @ KeepingError::Held(_)) => held = error,
            Err(KeepingError::Unavailable(why)) if breaks_the_rule(&why) => {
                held = KeepingError::Held(why);
            }
            Err(error) => return Err(error.into()),
        }
        bounded(STAGE_TIMEOUT, client.batch_execute("rollback")).await?;
        tokio::time::sleep(PAUSE).await;
    }
    Err(held.into())
}

/// Copies the records, and gathers what is wrong with the file.
async fn stage(client: &Client, file: impl Stream<Item = Piece> + Send) -> Result<Staged, ImportError> {
    let sink: CopyInSink<Bytes> = bounded(STAGE_TIMEOUT, client.copy_in(COPY)).await?;
    let (mut sink, mut file) = (std::pin::pin!(sink), std::pin::pin!(file));
    let mut problems = Problems::default();
    let mut records = 0;
    let digest = loop {
        match file.next().await {
            Some(Piece::Records(more)) => {
                records += u64::try_from(more.len()).unwrap_or(u64::MAX);
                bounded(STAGE_TIMEOUT, sink.send(lines(&more))).await?;
            }
            Some(Piece::Problem(line, fault)) => problems.add(line, fault),
            Some(Piece::Broken(cause)) => return Err(ImportError::Unread(cause)),
            Some(Piece::End(digest)) => break digest,
            None => {
                return Err(ImportError::Unread(cause(io::Error::from(
                    io::ErrorKind::UnexpectedEof,
                ))));
            }
        }
    };
    bounded(STAGE_TIMEOUT, sink.finish()).await?;
    Ok(Staged {
        records,
        digest,
        problems,
    })
}

/// Records in the text format of COPY.
fn lines(records: &[Counted]) -> Bytes {
    let mut text = BytesMut::with_capacity(records.len() * 32);
    for Counted { line, sku, total } in records {
        text.put_slice(format!("{line}\t{sku}\t{total}\n").as_bytes());
    }
    text.freeze()
}

async fn imported_before(client: &Client, digest: Digest) -> Result<Option<Moment>, KeepingError> {
    let digest = digest.0.as_slice();
    let before = bounded(STAGE_TIMEOUT, stock::import_of().bind(client, &digest).opt()).await?;
    Ok(before.map(|row| rows::moment(row.moment)))
}

/// What is wrong with the staged records, beside what is known already.
async fn look(client: &Client, mut problems: Problems) -> Result<Problems, KeepingError> {
    let limit = i64::try_from(Problems::TOLD_MAX).unwrap_or(i64::MAX);
    let untold = |found: i64, told: usize| {
        let told = i64::try_from(told).unwrap_or(i64::MAX);
        u64::try_from(found.saturating_sub(told)).unwrap_or(0)
    };
    let repeated = bounded(STAGE_TIMEOUT, stock::repeated_skus().bind(client, &limit).all()).await?;
    problems.add_untold(untold(repeated.first().map_or(0, |row| row.found), repeated.len()));
    for row in repeated {
        let (sku, first) = (sku(row.sku)?, row.first_line.unsigned_abs());
        problems.add(row.line.unsigned_abs(), Fault::Repeated { sku, first });
    }
    let below = bounded(STAGE_TIMEOUT, stock::below_reserved().bind(client, &limit).all()).await?;
    problems.add_untold(untold(below.first().map_or(0, |row| row.found), below.len()));
    for row in below {
        let (total, reserved) = (count(row.total_count)?, count(row.reserved)?);
        if let Err(source) = Stock::new(total, reserved) {
            let sku = sku(row.sku)?;
            problems.add(row.line.unsigned_abs(), Fault::BelowReserved { sku, source });
        }
    }
    Ok(problems)
}

/// Everything but the COMMIT. A repeat is rolled back with the client's connection.
async fn take_over(
    keeper: &PostgresStock,
    client: &Arc<Client>,
    staged: &Staged,
    now: Moment,
) -> Result<Imported, KeepingError> {
    keeper.begin(client, TAKE_OVER_TIMEOUT).await?;
    let (digest, moment) = (staged.digest.0.as_slice(), rows::timestamp(now));
    let records = i32::try_from(staged.records).unwrap_or(i32::MAX);
    let remember = stock::remember_import();
    let remembered = bounded(
        TAKE_OVER_TIMEOUT,
        remember.bind(&**client, &digest, &records, &moment).one(),
    )
    .await?;
    if remembered == 0 {
        let before = imported_before(client, staged.digest).await?;
        return Ok(Imported::Before(before.unwrap_or(now)));
    }
    let reason = format!("import of sha256:{}", staged.digest);
    let (comparing, reason) = (stock::compare(), reason.as_str());
    let comparing = comparing.bind(&**client, &reason, &moment);
    let found = bounded(TAKE_OVER_TIMEOUT, comparing.one()).await?;
    bounded(STAGE_TIMEOUT, client.batch_execute("analyze stock_difference")).await?;
    bounded(TAKE_OVER_TIMEOUT, stock::take_over().bind(&**client).one()).await?;
    Ok(Imported::Now {
        records: staged.records,
        created: found.created.unsigned_abs(),
        changed: found.changed.unsigned_abs(),
        added: found.added.unsigned_abs(),
        taken: found.taken.unsigned_abs(),
    })
}

/// Whether the server refused a total that is below what is reserved.
fn breaks_the_rule(cause: &Cause) -> bool {
    let error = cause.downcast_ref::<tokio_postgres::Error>();
    error.is_some_and(|error| error.code() == Some(&SqlState::CHECK_VIOLATION))
}

fn sku(n: i64) -> Result<Sku, KeepingError> {
    rows::sku(n).map_err(|error| KeepingError::Unavailable(cause(error)))
}

fn count(n: i64) -> Result<u32, KeepingError> {
    u32::try_from(n).map_err(|_| KeepingError::Unavailable(cause(Refusal::BadRow("stock"))))
}
