//! Calls that are decided together: the batch stands in the trace of one of them, and is linked with all.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;

use crate::hook::Hook;
use crate::shop::{Shop, post};
use crate::told::Told;

/// Calls at the same time.
const CALLS: u128 = 24;
/// How often so many are made until some are decided together.
const ROUNDS_MAX: u128 = 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_linked_with_all_its_members() {
    let hook = Hook::start(204).await;
    let shop = Shop::open(&[(1, 100_000)], &hook.url, &[&[], &[("loms.lanes", "1")], &[]]).await;
    let url = format!("{}/order/create", shop.loms.gateway);
    let mut made = 0;
    let together = |told: &[Told]| told.iter().any(|span| span.links.len() > 1 && span.kind == "INTERNAL");
    for round in 0..ROUNDS_MAX {
        let calls = (1..=CALLS).map(|n| {
            let url = &url;
            async move { post(url, r#"{"userId":1,"items":[{"sku":1,"count":1}]}"#, (round << 32) + n).await }
        });
        assert!(join_all(calls).await.iter().all(|status| *status == 200));
        made += usize::try_from(CALLS).unwrap();
        let all = |told: &[Told]| told.iter().filter(|span| span.kind == "SERVER").count() == made;
        shop.collector.until("all calls", all).await;
        if together(&shop.collector.told()) {
            break;
        }
    }
    let (collector, _) = shop.close().await;
    let told = collector.told();
    assert!(together(&told), "no two calls of {made} were decided together");

    let calls: BTreeMap<&str, &Told> = told
        .iter()
        .filter(|span| span.kind == "SERVER")
        .map(|span| (&*span.id, span))
        .collect();
    let mut members = BTreeSet::new();
    for batch in told.iter().filter(|span| span.kind == "INTERNAL") {
        assert_eq!(batch.of("loms.batch.size"), batch.links.len().to_string());
        assert_eq!(batch.parent, batch.links[0], "it is a child of its first member");
        assert_eq!(batch.trace, calls[&*batch.parent].trace);
        for member in &batch.links {
            assert!(members.insert(member.clone()), "a call is decided once");
            let back: &[String] = if *member == batch.parent {
                &[]
            } else {
                std::slice::from_ref(&batch.id)
            };
            assert_eq!(calls[&**member].links, back, "from the others there is a link to it");
        }
        let statements = told.iter().filter(|span| span.parent == batch.id);
        let names: Vec<&str> = statements.map(|span| &*span.name).collect();
        assert!(names.contains(&"begin") && names.contains(&"commit"), "{names:?}");
    }
    assert_eq!(members.len(), calls.len(), "every call is a member of a batch");
    // Each event is sent in the trace of its own call.
    for call in calls.values() {
        let sent = told
            .iter()
            .filter(|span| span.kind == "PRODUCER" && span.parent == call.id);
        assert!(sent.clone().all(|span| span.trace == call.trace));
        assert_eq!(sent.count(), 2);
    }
}
