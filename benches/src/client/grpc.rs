//! Orders and stock over gRPC, spread over a few connections.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use adapters::grpc::proto;
use proto::loms_client::LomsClient;
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

use super::http::causes;
use super::{Answer, Fault, FaultKind, Told};
use crate::dataset::Line;
use crate::error::LoadError;

/// Calls `loms`.
#[derive(Clone, Debug)]
pub(crate) struct GrpcOrders {
    channels: Arc<[Channel]>,
    next: Arc<AtomicUsize>,
    timeout: Duration,
}

impl GrpcOrders {
    /// A client of the service at `url`; connections are opened at the first call.
    pub(crate) fn new(url: &str, connections: usize, timeout: Duration) -> Result<Self, LoadError> {
        let endpoint = Endpoint::from_shared(url.to_owned())
            .map_err(|error| LoadError::Usage(format!("{url} is no gRPC address: {error}")))?
            .tcp_nodelay(true)
            .connect_timeout(timeout.min(Duration::from_secs(5)));
        let channels = (0..connections.max(1)).map(|_| endpoint.connect_lazy());
        Ok(Self {
            channels: channels.collect(),
            next: Arc::new(AtomicUsize::new(0)),
            timeout,
        })
    }

    fn client(&self) -> LomsClient<Channel> {
        let next = self.next.fetch_add(1, Ordering::Relaxed) % self.channels.len();
        LomsClient::new(self.channels[next].clone())
    }

    /// The deadline goes along as `grpc-timeout`, and holds on our side too.
    async fn bounded<T>(&self, call: impl Future<Output = Result<tonic::Response<T>, Status>>) -> Answer<T> {
        match tokio::time::timeout(self.timeout, call).await {
            Ok(Ok(answer)) => Ok(answer.into_inner()),
            Ok(Err(status)) => Err(fault_of(&status)),
            Err(_) => Err(Fault::new(FaultKind::Unknown, "no answer in time", "")),
        }
    }

    pub(super) async fn create(&self, user_id: i64, lines: &[Line], key: Option<&str>) -> Answer<i64> {
        let items = lines.iter().map(|line| proto::Item {
            sku: line.sku,
            count: line.count,
        });
        let mut request = Request::new(proto::OrderCreateRequest {
            user_id,
            items: items.collect(),
        });
        if let Some(key) = key {
            let value = MetadataValue::try_from(key)
                .map_err(|error| Fault::new(FaultKind::Unexpected, "bad key", error.to_string()))?;
            request.metadata_mut().insert("idempotency-key", value);
        }
        Ok(self.bounded(self.client().order_create(request)).await?.order_id)
    }

    pub(super) async fn pay(&self, order_id: i64) -> Answer<()> {
        let request = proto::OrderPayRequest { order_id };
        self.bounded(self.client().order_pay(request)).await.map(drop)
    }

    pub(super) async fn cancel(&self, order_id: i64) -> Answer<()> {
        let request = proto::OrderCancelRequest { order_id };
        self.bounded(self.client().order_cancel(request)).await.map(drop)
    }

    pub(super) async fn info(&self, order_id: i64) -> Answer<Told> {
        let request = proto::OrderInfoRequest { order_id };
        let told = self.bounded(self.client().order_info(request)).await?;
        let lines = told.items.iter().map(|item| Line {
            sku: item.sku,
            count: item.count,
        });
        Ok(Told {
            status: told.status,
            user_id: told.user_id,
            lines: lines.collect(),
        })
    }

    pub(super) async fn free(&self, sku: i64) -> Answer<Option<u32>> {
        let request = proto::StocksInfoRequest { sku };
        match self.bounded(self.client().stocks_info(request)).await {
            Ok(told) => Ok(Some(told.count)),
            Err(fault) if fault.code == code_name(Code::NotFound) => Ok(None),
            Err(fault) => Err(fault),
        }
    }
}

/// The class of a status. One that tonic made of a broken connection has a source, and says nothing
/// of whether the call was done; one that the service sent has none.
fn fault_of(status: &Status) -> Fault {
    if let Some(source) = status.source() {
        return Fault::new(FaultKind::Unknown, "connection lost", causes(source));
    }
    let kind = match status.code() {
        Code::FailedPrecondition => FaultKind::Refused,
        Code::Unavailable | Code::ResourceExhausted => FaultKind::Unavailable,
        Code::DeadlineExceeded | Code::Internal | Code::Unknown | Code::Cancelled => FaultKind::Unknown,
        _ => FaultKind::Unexpected,
    };
    Fault::new(kind, code_name(status.code()), status.message())
}

fn code_name(code: Code) -> String {
    format!("{code:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_status_of_the_service_is_definite() {
        let sent = Status::unavailable("queue full");
        assert_eq!(fault_of(&sent).kind, FaultKind::Unavailable);
        let made = Status::from_error(Box::new(std::io::Error::other("broken pipe")));
        assert_eq!(fault_of(&made).kind, FaultKind::Unknown);
        assert_eq!(fault_of(&Status::deadline_exceeded("")).kind, FaultKind::Unknown);
        assert_eq!(fault_of(&Status::failed_precondition("")).kind, FaultKind::Refused);
        assert_eq!(fault_of(&Status::invalid_argument("")).kind, FaultKind::Unexpected);
    }
}
