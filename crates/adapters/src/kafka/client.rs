//! Connections to the brokers. They are made when they are needed, and after any failure they are
//! dropped and made anew from the configured brokers: so a restarted broker, another leader, or a
//! broker at another address is found without asking what exactly happened.
//!
//! The library underneath tries again for ever, and what it calls a deadline bounds only how often.
//! Here it tries once, every call ends by a timeout of ours, and who calls decides about the next.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use domain::error::cause;
use parking_lot::RwLock;
use rskafka::BackoffConfig;
use rskafka::client::partition::{Compression, PartitionClient, UnknownTopicHandling};
use rskafka::client::{Client, ClientBuilder};
use rskafka::record::Record;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::errors::KafkaError;
use super::measured::Sends;
use super::record::Outgoing;
use super::settings::KafkaSettings;

/// The longest answer that is read.
const ANSWER_MAX_BYTES: usize = 16 * 1024 * 1024;
/// What makes the library give up at its first failure.
const NO_RETRIES: Duration = Duration::from_millis(1);

/// Appends records to topics. Connects at its first use.
pub struct KafkaClient {
    settings: KafkaSettings,
    link: RwLock<Option<Arc<Link>>>,
    /// Held by the one that connects; the others take what it made.
    connecting: Mutex<()>,
    /// Which of the brokers is asked first.
    next_broker: AtomicUsize,
    /// What is sent to the topic of events, and to that of dead letters.
    sends: [Sends; 2],
}

/// One generation of connections.
struct Link {
    client: Client,
    topics: RwLock<HashMap<String, u32>>,
    /// One connection each; its requests are answered in their order.
    partitions: Mutex<HashMap<(String, u32), Arc<PartitionClient>>>,
}

/// A use of connections. Unless its end was seen, and was good, nobody uses them again: what was
/// cancelled or timed out may have left them waiting for a broker that is frozen.
struct Trial<'a> {
    client: &'a KafkaClient,
    link: Arc<Link>,
    is_good: bool,
}

impl Trial<'_> {
    fn end<T>(mut self, done: Result<T, KafkaError>) -> Result<T, KafkaError> {
        self.is_good = done.as_ref().err().is_none_or(KafkaError::is_refusal);
        done
    }
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        if !self.is_good {
            self.client.forget(&self.link);
        }
    }
}

impl KafkaClient {
    /// A client that has not connected yet.
    #[must_use]
    pub fn new(settings: KafkaSettings) -> Self {
        Self {
            sends: [Sends::to(&settings.topic), Sends::to(&settings.dead_letter_topic)],
            settings,
            link: RwLock::default(),
            connecting: Mutex::default(),
            next_broker: AtomicUsize::new(0),
        }
    }

    /// Its settings.
    #[must_use]
    pub const fn settings(&self) -> &KafkaSettings {
        &self.settings
    }

    /// How many partitions a topic has, as it was last heard.
    ///
    /// # Errors
    /// [`KafkaError`]; at most the connect timeout for each broker later.
    pub async fn partitions(&self, topic: &str) -> Result<u32, KafkaError> {
        let trial = self.trial().await?;
        let known = trial.link.topics.read().get(topic).copied();
        trial.end(known.ok_or_else(|| KafkaError::NoTopic(topic.to_owned())))
    }

    /// Asks the brokers which topics there are, so that they are known from now on.
    ///
    /// # Errors
    /// [`KafkaError`] where nobody answers in time.
    pub async fn look(&self) -> Result<(), KafkaError> {
        let within = self.settings.connect_timeout;
        let work = async {
            let trial = self.trial().await?;
            let done = trial.link.look().await;
            trial.end(done)
        };
        match timeout(within, work).await {
            Ok(done) => done,
            Err(_) => Err(KafkaError::Silent(within)),
        }
    }

    /// Appends records to a partition as one batch and waits until all replicas that are in sync have
    /// them; the offset of the first. One call at a time keeps their order.
    ///
    /// # Errors
    /// [`KafkaError`], which says whether they may have been written.
    pub async fn append(
        &self,
        topic: &str,
        partition: u32,
        records: Vec<Outgoing>,
        within: Duration,
    ) -> Result<i64, KafkaError> {
        let records: Vec<Record> = records.into_iter().map(Record::from).collect();
        let (sends, count) = (self.sends_to(topic), records.len() as u64);
        let running = sends.requests.begin();
        let work = async {
            let trial = self.trial().await?;
            let done = trial.link.append(topic, partition, records).await;
            trial.end(done)
        };
        let done = match timeout(within, work).await {
            Ok(done) => done,
            Err(_) => Err(KafkaError::Silent(within)),
        };
        running.end(done.as_ref().err());
        if done.is_ok() {
            sends.records.increment(count);
        }
        done
    }

    /// There are two topics that anything is sent to.
    fn sends_to(&self, topic: &str) -> &Sends {
        let [events, letters] = &self.sends;
        if topic == self.settings.topic { events } else { letters }
    }

    async fn trial(&self) -> Result<Trial<'_>, KafkaError> {
        let link = self.link().await?;
        Ok(Trial {
            client: self,
            link,
            is_good: false,
        })
    }

    async fn link(&self) -> Result<Arc<Link>, KafkaError> {
        if let Some(link) = self.current() {
            return Ok(link);
        }
        let _alone = self.connecting.lock().await;
        if let Some(link) = self.current() {
            return Ok(link);
        }
        let made = Arc::new(self.connect().await?);
        *self.link.write() = Some(Arc::clone(&made));
        Ok(made)
    }

    fn current(&self) -> Option<Arc<Link>> {
        self.link.read().clone()
    }

    /// Drops the connections, unless others have taken their place already.
    fn forget(&self, link: &Arc<Link>) {
        let mut current = self.link.write();
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, link)) {
            *current = None;
        }
    }

    /// One broker after the other: the library would wait for a frozen one and not ask the next.
    async fn connect(&self) -> Result<Link, KafkaError> {
        let brokers = &self.settings.brokers;
        let first = self.next_broker.fetch_add(1, Ordering::Relaxed);
        let mut failure = KafkaError::Silent(self.settings.connect_timeout);
        for at in 0..brokers.len() {
            let broker = &brokers[(first + at) % brokers.len()];
            match timeout(self.settings.connect_timeout, self.connect_to(broker.clone())).await {
                Ok(Ok(link)) => return Ok(link),
                Ok(Err(error)) => failure = error,
                Err(_) => failure = KafkaError::Silent(self.settings.connect_timeout),
            }
        }
        Err(failure)
    }

    async fn connect_to(&self, broker: String) -> Result<Link, KafkaError> {
        let mut builder = ClientBuilder::new(vec![broker])
            .client_id(self.settings.client_id)
            .max_message_size(ANSWER_MAX_BYTES)
            .backoff_config(BackoffConfig {
                init_backoff: NO_RETRIES,
                max_backoff: NO_RETRIES,
                base: 2.0,
                deadline: Some(NO_RETRIES),
            });
        if let Some(authority) = &self.settings.security.authority {
            builder = builder.tls_config(authority.config());
        }
        if let Some(login) = &self.settings.security.login {
            builder = builder.sasl_config(login.config());
        }
        let unreachable = |error| KafkaError::Unreachable(cause(error));
        let link = Link {
            client: builder.build().await.map_err(unreachable)?,
            topics: RwLock::default(),
            partitions: Mutex::default(),
        };
        link.look().await?;
        Ok(link)
    }
}

impl Link {
    async fn look(&self) -> Result<(), KafkaError> {
        let listed = self.client.list_topics().await;
        let listed = listed.map_err(|error| KafkaError::Unreachable(cause(error)))?;
        *self.topics.write() = listed
            .into_iter()
            .map(|topic| (topic.name, u32::try_from(topic.partitions.len()).unwrap_or(u32::MAX)))
            .collect();
        Ok(())
    }

    async fn append(&self, topic: &str, partition: u32, records: Vec<Record>) -> Result<i64, KafkaError> {
        let client = self.partition(topic, partition).await?;
        let offsets = client.produce(records, Compression::NoCompression).await;
        let offsets = offsets.map_err(|error| KafkaError::of(error, topic))?;
        Ok(offsets.first().copied().unwrap_or_default())
    }

    async fn partition(&self, topic: &str, partition: u32) -> Result<Arc<PartitionClient>, KafkaError> {
        let key = (topic.to_owned(), partition);
        if let Some(client) = self.partitions.lock().await.get(&key) {
            return Ok(Arc::clone(client));
        }
        let number = i32::try_from(partition).unwrap_or(i32::MAX);
        let client = self
            .client
            .partition_client(topic, number, UnknownTopicHandling::Error)
            .await
            .map_err(|error| KafkaError::of(error, topic))?;
        let client = Arc::new(client);
        self.partitions.lock().await.insert(key, Arc::clone(&client));
        Ok(client)
    }
}

impl fmt::Debug for KafkaClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaClient")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
