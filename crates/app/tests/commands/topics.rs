//! `app topics`.

use adapters::kafka::testing::{Broker, Topics};

use crate::process::{Ended, run};

async fn on(topics: &Topics, more: &[(&str, &str)]) -> Ended {
    let mut variables = vec![
        ("APP__KAFKA__BROKERS", topics.settings.brokers[0].as_str()),
        ("APP__KAFKA__TOPIC", &topics.settings.topic),
        ("APP__KAFKA__DEAD_LETTER_TOPIC", &topics.settings.dead_letter_topic),
    ];
    variables.extend_from_slice(more);
    run(&["topics"], &variables).await
}

#[tokio::test]
async fn it_creates_the_topics_says_so_and_does_it_once() {
    let topics = Topics::missing(&Broker::shared());
    let (events, letters) = (&topics.settings.topic, &topics.settings.dead_letter_topic);
    for done in ["was created", "is as it should be"] {
        let ended = on(&topics, &[]).await;
        let expected = format!(
            "{events} {done}: 2 partitions, 1 copies, kept 168 h\n\
             {letters} {done}: 1 partitions, 1 copies, kept 720 h\n"
        );
        assert_eq!((ended.code, ended.out, ended.err), (Some(0), expected, String::new()));
    }
    let ended = on(&topics, &[("APP__KAFKA__RETENTION_HOURS", "24")]).await;
    let differs = format!("app: {events} has retention.ms 604800000, not 86400000\n");
    assert_eq!((ended.code, ended.out, ended.err), (Some(1), String::new(), differs));
}

#[tokio::test]
async fn without_brokers_it_says_which_setting_it_lacks() {
    let ended = run(&["topics"], &[]).await;
    assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""));
    assert!(ended.err.contains("set kafka.brokers"), "{}", ended.err);
    let ended = run(&["topics"], &[("APP__KAFKA__BROKERS", "127.0.0.1:1")]).await;
    assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""));
    assert!(ended.err.contains("the topics cannot be looked at"), "{}", ended.err);
}

#[tokio::test]
async fn its_help_tells_its_exit_codes() {
    let help = run(&["topics", "--help"], &[]).await;
    assert_eq!((help.code, help.err.as_str()), (Some(0), ""));
    assert!(help.out.contains("Exit code: 0"), "{}", help.out);
}
