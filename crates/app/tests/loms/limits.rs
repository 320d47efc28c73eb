//! The gRPC server at its limits, when what it calls fails, and at its end.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use adapters::grpc::proto::loms_client::LomsClient;
use adapters::grpc::proto::{Item, OrderCreateRequest, OrderPayRequest, StocksInfoRequest};
use app::telemetry::trace;
use domain::order::model::Draft;
use domain::order::place::PlaceRefusal;
use domain::order::ports::{BookError, OrderBook};
use domain::order::settle::{SettleCommand, SettleRefusal, Settled};
use domain::testing::build::order_id;
use domain::testing::faults::planted;
use domain::trace::TraceContext;
use domain::types::OrderId;
use parking_lot::Mutex;
use prost_reflect::prost::Message;
use slog::{Drain, Level, Logger, Never, OwnedKVList, Record, o};
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::support::{CALL_TIMEOUT, Running, SOON, order, quiet};

/// An order book that does as the first sku of an order tells it.
#[derive(Clone, Default)]
struct Moody {
    began: Arc<Mutex<usize>>,
}

const UNAVAILABLE: i64 = 1;
const UNKNOWN: i64 = 2;
const POISONOUS: i64 = 3;
const PANICS: i64 = 4;
const NEVER: i64 = 5;
const SLOW: i64 = 6;

impl OrderBook for Moody {
    async fn place(&self, draft: Draft, _: Option<TraceContext>) -> Result<Result<OrderId, PlaceRefusal>, BookError> {
        *self.began.lock() += 1;
        let first = draft.lines.iter().next().map(|line| line.sku.get());
        match first {
            Some(UNAVAILABLE) => Err(BookError::Unavailable(planted())),
            Some(UNKNOWN) => Err(BookError::Unknown(planted())),
            Some(POISONOUS) => Err(BookError::Poisonous(planted())),
            Some(PANICS) => panic!("planted"),
            Some(NEVER) => std::future::pending().await,
            Some(SLOW) => {
                tokio::time::sleep(CALL_TIMEOUT / 2).await;
                Ok(Ok(order_id(1)))
            }
            _ => Ok(Ok(order_id(1))),
        }
    }

    async fn settle(
        &self,
        _: SettleCommand,
        _: Option<TraceContext>,
    ) -> Result<Result<Settled, SettleRefusal>, BookError> {
        Err(BookError::Unavailable(planted()))
    }
}

async fn create(client: &mut LomsClient<Channel>, sku: i64) -> Result<i64, Status> {
    let call = client.order_create(order(&[(sku, 1)]));
    let answer = tokio::time::timeout(SOON, call).await.expect("soon");
    answer.map(|answer| answer.into_inner().order_id)
}

#[tokio::test]
async fn failures_have_their_codes_and_show_no_internals() {
    let mut client = Running::over(Moody::default(), quiet()).await.client().await;
    let expected = [
        (UNAVAILABLE, Code::Unavailable),
        (UNKNOWN, Code::DeadlineExceeded),
        (POISONOUS, Code::Internal),
        (PANICS, Code::Internal),
        (NEVER, Code::DeadlineExceeded),
    ];
    for (mood, code) in expected {
        let status = create(&mut client, mood).await.unwrap_err();
        assert_eq!(status.code(), code, "{status:?}");
        assert!(
            !status.message().contains("test") && !status.message().contains("planted"),
            "{status:?}"
        );
        assert_eq!(status.metadata().get("x-trace-id").unwrap().len(), 32, "{status:?}");
    }
    // The connection has survived all of it.
    assert_eq!(create(&mut client, 99).await.unwrap(), 1);
}

/// tonic's client keeps the deadline too, which would hide what the server does; curl does not.
#[tokio::test]
async fn the_deadline_of_a_caller_is_kept_by_the_server() {
    let running = Running::over(Moody::default(), quiet()).await;
    let message = order(&[(NEVER, 1)]).encode_to_vec();
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    let file = std::env::temp_dir().join(format!("loms-deadline-{}", std::process::id()));
    std::fs::write(&file, [&[0][..], &length, &message].concat()).unwrap();
    for timeout in ["0m", "100m", "250000u"] {
        let mut curl = Command::new("curl");
        curl.args([
            "-sS",
            "-D",
            "-",
            "-o",
            "/dev/null",
            "--http2-prior-knowledge",
            "-m",
            "5",
        ])
        .args(["-H", "content-type: application/grpc", "-H", "te: trailers"])
        .args(["-H", &format!("grpc-timeout: {timeout}")])
        .args(["--data-binary", &format!("@{}", file.display())])
        .arg(format!("{}/loms.v1.Loms/OrderCreate", running.url));
        let output = tokio::task::spawn_blocking(move || curl.output())
            .await
            .unwrap()
            .unwrap();
        let headers = String::from_utf8(output.stdout).unwrap();
        assert!(headers.contains("grpc-status: 4\r\n"), "{timeout}: {headers}");
    }
    std::fs::remove_file(file).unwrap();
}

#[tokio::test]
async fn a_request_over_the_limit_is_too_large() {
    let mut client = Running::over(Moody::default(), quiet()).await.client().await;
    for items in [30_000, 200_000] {
        let message = OrderCreateRequest {
            user_id: 1,
            items: vec![
                Item {
                    sku: i64::MAX,
                    count: u32::MAX,
                };
                items
            ],
        };
        let status = client.order_create(message).await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted, "{items}: {status:?}");
    }
    assert_eq!(create(&mut client, 99).await.unwrap(), 1);
}

#[tokio::test]
async fn a_request_that_breaks_many_rules_is_answered_shortly() {
    let mut client = Running::over(Moody::default(), quiet()).await.client().await;
    for items in [500, 60_000] {
        let status = client.order_create(order(&vec![(0, 0); items])).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{items}: {status:?}");
        assert!(
            status.message().len() < 2_048 && status.message().contains("more"),
            "{status:?}"
        );
    }
}

#[tokio::test]
async fn bytes_that_are_no_message_are_the_callers_mistake() {
    let running = Running::over(Moody::default(), quiet()).await;
    let mut grpc = Grpc::new(running.channel().await);
    grpc.ready().await.unwrap();
    // Field 1 of StocksInfoRequest is a number; a status of OrderInfoResponse is text there.
    let path = PathAndQuery::from_static("/loms.v1.Loms/StocksInfo");
    let message = adapters::grpc::proto::OrderInfoResponse {
        status: "no number".to_owned(),
        ..Default::default()
    };
    let status = grpc
        .unary(Request::new(message), path, Codec::default())
        .await
        .map(drop)
        .unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
}

type Codec = adapters::grpc::codec::StrictCodec<
    adapters::grpc::proto::OrderInfoResponse,
    adapters::grpc::proto::StocksInfoResponse,
>;

#[tokio::test]
async fn connections_over_the_limit_wait_for_a_place() {
    let running = Running::over(Moody::default(), quiet()).await;
    let mut open = Vec::new();
    for _ in 0..4 {
        let mut client = running.client().await;
        create(&mut client, 99).await.unwrap();
        open.push(client);
    }
    let endpoint = Channel::from_shared(running.url.clone()).unwrap();
    let mut late = LomsClient::new(endpoint.connect_lazy());
    let early = tokio::time::timeout(Duration::from_millis(300), late.order_create(order(&[(99, 1)])));
    assert!(early.await.is_err(), "there was no place");
    open.clear();
    create(&mut late, 99).await.unwrap();
}

/// Keeps, of each line but those at level debug, its message and the trace that was current.
#[derive(Clone, Default)]
struct Kept(Arc<std::sync::Mutex<Vec<Line>>>);

type Line = (String, Option<u128>);

impl Drain for Kept {
    type Ok = ();
    type Err = Never;

    fn log(&self, record: &Record<'_>, _: &OwnedKVList) -> Result<(), Never> {
        if !record.level().is_at_least(Level::Info) {
            return Ok(());
        }
        let trace = trace::current().map(|trace| trace.trace_id());
        self.0.lock().unwrap().push((record.msg().to_string(), trace));
        Ok(())
    }
}

#[tokio::test]
async fn the_log_and_the_answer_have_the_trace_of_the_caller() {
    let kept = Kept::default();
    let running = Running::over(Moody::default(), Logger::root(kept.clone(), o!())).await;
    let mut client = running.client().await;
    let traced = |message| {
        let mut request = Request::new(message);
        let parent = "00-000000000000000000000000000000ab-00000000000000cd-01";
        request.metadata_mut().insert("traceparent", parent.parse().unwrap());
        request
    };
    let answer = client.order_create(traced(order(&[(99, 1)]))).await.unwrap();
    assert_eq!(answer.metadata().get("x-trace-id").unwrap(), &format!("{:032x}", 0xab));
    client.order_create(traced(order(&[(POISONOUS, 1)]))).await.unwrap_err();
    let lines = kept.0.lock().unwrap().clone();
    let expected = ["request", "internal error", "request failed"];
    assert_eq!(lines, expected.map(|msg| (msg.to_owned(), Some(0xab))));
}

#[tokio::test]
async fn a_call_of_an_unknown_method_has_its_line_and_a_probe_has_none() {
    let kept = Kept::default();
    let running = Running::over(Moody::default(), Logger::root(kept.clone(), o!())).await;
    let mut health = HealthClient::new(running.channel().await);
    health.check(HealthCheckRequest::default()).await.unwrap();
    assert_eq!(*kept.0.lock().unwrap(), []);
    let mut grpc = Grpc::new(running.channel().await);
    grpc.ready().await.unwrap();
    let path = PathAndQuery::from_static("/loms.v1.Loms/OrderForget");
    let answer = grpc.unary(Request::new(Default::default()), path, Codec::default());
    assert_eq!(answer.await.map(drop).unwrap_err().code(), Code::Unimplemented);
    let lines = kept.0.lock().unwrap().clone();
    assert_eq!((lines.len(), lines[0].0.as_str()), (1, "request"), "{lines:?}");
}

#[tokio::test]
async fn a_call_whose_caller_goes_away_has_its_line_too() {
    let (kept, moody) = (Kept::default(), Moody::default());
    let running = Running::over(moody.clone(), Logger::root(kept.clone(), o!())).await;
    let mut client = running.client().await;
    let call = tokio::spawn(async move { create(&mut client, NEVER).await });
    while *moody.began.lock() == 0 {
        tokio::task::yield_now().await;
    }
    call.abort();
    let told = async {
        while kept.0.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, told).await.expect("soon");
    let lines = kept.0.lock().unwrap().clone();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].0 == "request cancelled" && lines[0].1.is_some(), "{lines:?}");
}

#[tokio::test]
async fn calls_in_flight_are_answered_before_the_end() {
    let moody = Moody::default();
    let running = Running::over(moody.clone(), quiet()).await;
    let mut client = running.client().await;
    let call = tokio::spawn(async move { create(&mut client, SLOW).await });
    while *moody.began.lock() == 0 {
        tokio::task::yield_now().await;
    }
    running.stop.cancel();
    assert_eq!(call.await.unwrap().unwrap(), 1);
    assert!(tokio::time::timeout(SOON, running.ended).await.expect("soon").unwrap());
}

#[tokio::test]
async fn a_stream_that_is_held_open_does_not_hold_up_the_end() {
    let running = Running::over(Moody::default(), quiet()).await;
    let mut health = HealthClient::new(running.channel().await);
    let service = "loms.v1.Loms".to_owned();
    let mut watched = health.watch(HealthCheckRequest { service }).await.unwrap().into_inner();
    watched.message().await.unwrap().unwrap();
    running.stop.cancel();
    let ended = tokio::time::timeout(CALL_TIMEOUT * 3, running.ended).await;
    assert!(ended.expect("bounded").unwrap());
    let last = watched.message().await.unwrap().unwrap();
    assert_ne!(last.status, 1, "it says that it serves no more");
}

#[tokio::test]
async fn settling_passes_failures_on() {
    let mut client = Running::over(Moody::default(), quiet()).await.client().await;
    let status = client.order_pay(OrderPayRequest { order_id: 1 }).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    let unknown = client.stocks_info(StocksInfoRequest { sku: 99 }).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
}
