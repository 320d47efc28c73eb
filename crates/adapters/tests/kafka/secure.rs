//! TLS and passwords: by both clients, and refused where something is wrong.

use std::time::Duration;

use adapters::kafka::client::KafkaClient;
use adapters::kafka::settings::{Authority, AuthorityError, KafkaSettings, Login, Mechanism, Security};
use adapters::kafka::testing::{Broker, Topics};
use adapters::kafka::topics::ensure;
use domain::notify::ports::EventSource;
use domain::order::ports::EventPublisher;

use super::consume::{commit, ids, join, publish, take};
use super::support::{assert_complete, publisher, trade};

/// The same topics by the door for who has a password.
fn secured(topics: &Topics, mechanism: Mechanism) -> KafkaSettings {
    let (address, security) = Broker::secure(mechanism);
    KafkaSettings {
        brokers: vec![address],
        security,
        ..topics.settings.clone()
    }
}

#[tokio::test]
async fn events_pass_by_every_mechanism() {
    for mechanism in Mechanism::ALL {
        let topics = Topics::fresh(&Broker::shared(), &[]).await;
        let published = publisher(&secured(&topics, mechanism)).publish(trade(1, 10)).await;
        assert!(published.error.is_none(), "{mechanism:?}: {published:?}");
        assert_complete(&topics.read(&topics.settings.topic).await, 1..11);
    }
}

#[tokio::test]
async fn a_member_of_the_group_receives_and_commits_by_every_mechanism() {
    for mechanism in Mechanism::ALL {
        let topics = Topics::fresh(&Broker::shared(), &[]).await;
        publish(&topics, 1..11).await;
        let mut source = join(&secured(&topics, mechanism));
        let got = take(&mut source, 10).await;
        assert_eq!(ids(&got), (1..11).collect::<Vec<_>>(), "{mechanism:?}");
        assert!(source.health().answers());
        commit(&mut source, &got).await;
        source.leave().await.unwrap();
        publish(&topics, 11..12).await;
        let mut next = join(&secured(&topics, mechanism));
        assert_eq!(
            ids(&take(&mut next, 1).await),
            [11],
            "{mechanism:?}: positions are kept"
        );
        next.leave().await.unwrap();
    }
}

#[tokio::test]
async fn topics_are_looked_at_by_every_mechanism() {
    for mechanism in Mechanism::ALL {
        let topics = Topics::missing(&Broker::shared());
        let settings = secured(&topics, mechanism);
        let looked = ensure(&settings, &[], Duration::from_secs(30)).await;
        assert_eq!(looked.unwrap(), Vec::<String>::new(), "{mechanism:?}");
    }
}

#[tokio::test]
async fn what_is_wrong_is_refused() {
    let topics = Topics::missing(&Broker::shared());
    let good = secured(&topics, Mechanism::ScramSha512);
    KafkaClient::new(good.clone()).look().await.unwrap();
    let login = good.security.login.clone().unwrap();
    let another = Login {
        password: "another".to_owned(),
        ..login.clone()
    };
    // An authority that did not sign the broker's certificate.
    let stranger = Authority::parse(STRANGER).unwrap();
    let with = |authority: Option<Authority>, login: Option<Login>| KafkaSettings {
        security: Security { authority, login },
        connect_timeout: Duration::from_secs(5),
        ..good.clone()
    };
    let authority = good.security.authority.clone();
    for (what, settings) in [
        ("another password", with(authority.clone(), Some(another))),
        ("no login", with(authority, None)),
        ("another authority", with(Some(stranger), Some(login.clone()))),
        ("in the clear", with(None, Some(login))),
    ] {
        let looked = KafkaClient::new(settings.clone()).look().await;
        assert!(looked.is_err(), "{what}");
        let looked = ensure(&settings, &[], Duration::from_secs(3)).await;
        assert!(looked.is_err(), "{what}, by the other client");
        let mut member = join(&settings);
        let told = tokio::time::timeout(Duration::from_secs(60), member.next(1)).await;
        assert!(told.expect("it is told").is_err(), "{what}, by a member");
        assert!(!member.health().answers(), "{what}");
    }
}

#[test]
fn what_is_no_certificate_is_refused() {
    assert_eq!(Authority::parse("hello").unwrap_err(), AuthorityError::NoCertificate);
    let broken = STRANGER.replace("MII", "!!!");
    assert!(Authority::parse(&broken).is_err());
}

/// A certificate that signed nothing.
const STRANGER: &str = include_str!("stranger.pem");
