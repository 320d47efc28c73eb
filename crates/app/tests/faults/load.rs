//! Clients that create orders with idempotency keys, pay and cancel them, and write down what they
//! were told.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use adapters::grpc::IDEMPOTENCY_KEY;
use adapters::grpc::proto::loms_client::LomsClient;
use adapters::grpc::proto::{Item, OrderCancelRequest, OrderCreateRequest, OrderPayRequest};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};

use crate::figures::{now, seed};

/// What a client waits at most for an answer.
pub(crate) const ANSWER_PATIENCE: Duration = Duration::from_secs(15);

/// What a caller knows after a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told<T> {
    /// It was done.
    Done(T),
    /// It was refused, for good.
    Refused(Code),
    /// UNAVAILABLE, by LOMS: nothing was done.
    NotDone,
    /// DEADLINE_EXCEEDED, by LOMS: nobody knows.
    Unknown,
    /// No answer: the connection broke, or took too long.
    Lost,
    /// There was no connection, so nothing was sent.
    Unreached,
}

/// What is to be done with an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settle {
    Pay,
    Cancel,
}

/// An order to create.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) user: i64,
    pub(crate) key: String,
    /// Skus and counts, by ascending sku, each once.
    pub(crate) lines: Vec<(i64, u32)>,
}

/// One order as its client knows it.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) draft: Draft,
    /// The last attempt.
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
    /// What each attempt to create it was told, all with the same key.
    pub(crate) created: Vec<Told<i64>>,
    /// The one attempt to settle it.
    pub(crate) settled: Option<(Settle, Told<()>)>,
}

impl Call {
    /// The order, if its client was told.
    pub(crate) fn order(&self) -> Option<i64> {
        self.created.iter().find_map(|told| match told {
            Told::Done(order) => Some(*order),
            Told::Refused(_) | Told::NotDone | Told::Unknown | Told::Lost | Told::Unreached => None,
        })
    }
}

/// A status without a source came from LOMS; one with a source was made here, of an error.
fn told<T, U>(answer: Result<Response<T>, Status>, value: impl FnOnce(T) -> U) -> Told<U> {
    match answer {
        Ok(answer) => Told::Done(value(answer.into_inner())),
        Err(status) if std::error::Error::source(&status).is_some() => match status.code() {
            Code::Unavailable => Told::Unreached,
            _ => Told::Lost,
        },
        Err(status) => match status.code() {
            Code::Unavailable => Told::NotDone,
            Code::DeadlineExceeded => Told::Unknown,
            Code::Cancelled | Code::Unknown => Told::Lost,
            code => Told::Refused(code),
        },
    }
}

/// A client of one LOMS, with a connection of its own, made when it is needed.
#[derive(Debug, Clone)]
pub(crate) struct Client(LomsClient<Channel>);

impl Client {
    pub(crate) fn of(url: &str) -> Self {
        let endpoint = Channel::from_shared(url.to_owned()).unwrap();
        Self(LomsClient::new(endpoint.connect_lazy()))
    }

    /// Creates an order. Its lines are sent in an order that nobody sorted, the same for each repeat.
    pub(crate) async fn create(&mut self, draft: &Draft) -> Told<i64> {
        let mut hasher = DefaultHasher::new();
        draft.key.hash(&mut hasher);
        let mut items: Vec<_> = draft
            .lines
            .iter()
            .map(|(sku, count)| Item {
                sku: *sku,
                count: *count,
            })
            .collect();
        items.shuffle(&mut StdRng::seed_from_u64(hasher.finish()));
        let mut request = Request::new(OrderCreateRequest {
            user_id: draft.user,
            items,
        });
        if !draft.key.is_empty() {
            request
                .metadata_mut()
                .insert(IDEMPOTENCY_KEY, draft.key.parse().unwrap());
        }
        let answer = tokio::time::timeout(ANSWER_PATIENCE, self.0.order_create(request)).await;
        answer.map_or(Told::Lost, |answer| told(answer, |created| created.order_id))
    }

    pub(crate) async fn settle(&mut self, how: Settle, order_id: i64) -> Told<()> {
        let settled = async {
            match how {
                Settle::Pay => told(self.0.order_pay(OrderPayRequest { order_id }).await, drop),
                Settle::Cancel => told(self.0.order_cancel(OrderCancelRequest { order_id }).await, drop),
            }
        };
        tokio::time::timeout(ANSWER_PATIENCE, settled)
            .await
            .unwrap_or(Told::Lost)
    }
}

/// What the clients of a load do.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Where LOMS answers; clients take them in turn.
    pub(crate) urls: Vec<String>,
    pub(crate) clients: usize,
    /// The user of the first client; the others follow.
    pub(crate) first_user: i64,
    /// What orders are of.
    pub(crate) skus: RangeInclusive<i64>,
    /// How many lines an order has.
    pub(crate) lines: RangeInclusive<usize>,
    /// Orders a client begins; `None`: until it is stopped.
    pub(crate) orders: Option<usize>,
    /// Whether every second client repeats at once what it got no answer to.
    pub(crate) repeats: bool,
    /// What a client waits after a call that was not answered, or not done.
    pub(crate) pause: Duration,
    pub(crate) seed: u64,
    /// What a client rests after each order.
    pub(crate) rest: Duration,
}

impl Plan {
    /// Small orders of twenty skus.
    pub(crate) fn of(urls: Vec<String>, clients: usize) -> Self {
        Self {
            urls,
            clients,
            first_user: 1,
            skus: 1..=20,
            lines: 1..=4,
            orders: None,
            repeats: true,
            pause: Duration::from_millis(10),
            seed: seed(),
            rest: Duration::ZERO,
        }
    }
}

/// Clients at work.
pub(crate) struct Load {
    stop: CancellationToken,
    log: Arc<Mutex<Vec<Call>>>,
    clients: JoinSet<()>,
}

impl Load {
    /// Starts them.
    pub(crate) fn start(plan: &Plan) -> Self {
        let (stop, log) = (CancellationToken::new(), Arc::<Mutex<Vec<Call>>>::default());
        let mut clients = JoinSet::new();
        for number in 0..plan.clients {
            clients.spawn(client(plan.clone(), number, stop.clone(), Arc::clone(&log)));
        }
        Self { stop, log, clients }
    }

    /// What was written down so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.log.lock().unwrap().clone()
    }

    /// How many calls ended so far that satisfy this.
    pub(crate) fn count(&self, of: impl Fn(&Call) -> bool) -> usize {
        self.log.lock().unwrap().iter().filter(|call| of(call)).count()
    }

    /// Has every client end what it began; all calls.
    pub(crate) async fn stop(self) -> Vec<Call> {
        self.stop.cancel();
        self.ended().await
    }

    /// Waits until every client has done its orders; all calls.
    pub(crate) async fn ended(mut self) -> Vec<Call> {
        while let Some(ended) = self.clients.join_next().await {
            ended.unwrap();
        }
        std::mem::take(&mut *self.log.lock().unwrap())
    }
}

/// Distinct skus in ascending order.
fn lines(random: &mut StdRng, plan: &Plan) -> Vec<(i64, u32)> {
    let skus: Vec<i64> = plan.skus.clone().collect();
    let wanted = random.random_range(plan.lines.clone()).min(skus.len());
    let mut chosen = rand::seq::index::sample(random, skus.len(), wanted).into_vec();
    chosen.sort_unstable();
    chosen
        .into_iter()
        .map(|at| (skus[at], random.random_range(1..=3)))
        .collect()
}

/// Calls again as long as there is no connection and nobody says stop.
async fn reached<T: PartialEq, F: Future<Output = Told<T>>>(
    stop: &CancellationToken,
    mut call: impl FnMut() -> F,
) -> Told<T> {
    loop {
        let told = call().await;
        if told != Told::Unreached || stop.is_cancelled() {
            return told;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn client(plan: Plan, number: usize, stop: CancellationToken, log: Arc<Mutex<Vec<Call>>>) {
    let mut random = StdRng::seed_from_u64(plan.seed.wrapping_add(number as u64));
    let loms = Client::of(&plan.urls[number % plan.urls.len()]);
    let repeats = plan.repeats && number % 2 == 1;
    for round in 0..plan.orders.unwrap_or(usize::MAX) {
        if stop.is_cancelled() {
            return;
        }
        let draft = Draft {
            user: plan.first_user + i64::try_from(number).unwrap(),
            key: format!("load-{number}-{round}"),
            lines: lines(&mut random, &plan),
        };
        let mut attempts = Vec::new();
        let (told, began, ended) = loop {
            let began = now();
            let told = reached(&stop, || {
                let (mut loms, draft) = (loms.clone(), draft.clone());
                async move { loms.create(&draft).await }
            })
            .await;
            let ended = now();
            attempts.push(told);
            let unclear = matches!(told, Told::NotDone | Told::Unknown | Told::Lost);
            if unclear {
                tokio::time::sleep(plan.pause).await;
            }
            if !unclear || !repeats || stop.is_cancelled() {
                break (told, began, ended);
            }
        };
        let how = [None, Some(Settle::Pay), Some(Settle::Cancel)][random.random_range(0..3)];
        let settled = match (told, how) {
            (Told::Done(order), Some(how)) => Some((
                how,
                reached(&stop, || {
                    let mut loms = loms.clone();
                    async move { loms.settle(how, order).await }
                })
                .await,
            )),
            _ => None,
        };
        log.lock().unwrap().push(Call {
            draft,
            began,
            ended,
            created: attempts,
            settled,
        });
        tokio::time::sleep(plan.rest).await;
    }
}
