//! `app db status`, `degrade` and `restore`, on servers of the test's own, one of which dies.

use crate::cluster::Cluster;
use crate::process::Folder;
use crate::support::{done, fails, on, start};

const SHOP: &str = "operated";

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_goes_on_without_the_standby_and_comes_back() {
    let cluster = Cluster::up(1).await;
    cluster.create(1, SHOP).await;
    let url = cluster.url(SHOP);
    let folder = Folder::new();
    let file = |name: &str, total: u32| folder.file(name, format!("sku,total_count\n1,{total}\n"));
    done(&url, &["migrate"]).await;
    done(&url, &["stock", "import", &file("first.csv", 10)]).await;
    let well = done(&url, &["db", "status"]).await;
    for part in [
        ": primary on timeline 1, takes writes; commits wait for FIRST 1 (node2), 0 do now\n",
        "  followed by node2: streaming, sync (in step), ",
        ": standby, known as node2\n",
        "schema version ",
        "\norders can be taken\n",
    ] {
        assert!(well.contains(part), "{part} is not in {well}");
    }

    cluster.kill(2).await;
    // Both COMMITs wait for the standby; their commands give up, and say what to do.
    let import = start(&url, &["stock", "import", &file("second.csv", 25)]);
    let unknown = import.ended().await;
    assert_eq!((unknown.code, unknown.out.as_str()), (Some(3), ""), "{}", unknown.err);
    assert!(unknown.err.contains("repeat the command"), "{}", unknown.err);
    let shown = done(&url, &["stock", "show", "1"]).await;
    assert!(
        shown.contains("waits for its COMMIT") && shown.contains("sku 1: 10 units"),
        "{shown}"
    );
    let ill = on(&url, &["db", "status"]).await;
    assert_eq!(ill.code, Some(1), "{}", ill.out);
    assert!(ill.out.contains("does not answer"), "{}", ill.out);
    assert!(
        ill.err
            .contains("commits wait for FIRST 1 (node2), and none of them is there (1 wait now)"),
        "{}",
        ill.err
    );
    assert!(
        fails(&url, &["db", "restore"], 1)
            .await
            .contains("no standby is connected")
    );

    let degraded = done(&url, &["db", "degrade"]).await;
    assert!(
        degraded.contains("commits wait for nobody now; 1 that waited are free"),
        "{degraded}"
    );
    assert!(degraded.contains("app db restore 'FIRST 1 (node2)'"), "{degraded}");
    assert!(done(&url, &["db", "degrade"]).await.contains("nothing was changed"));
    let repeated = done(&url, &["stock", "import", &file("second.csv", 25)]).await;
    assert!(
        repeated.contains("nothing was changed"),
        "the first one was done: {repeated}"
    );
    assert!(
        done(&url, &["stock", "adjust", "1", "+1", "--reason", "found"])
            .await
            .contains("26 units now")
    );
    assert!(
        done(&url, &["db", "status"])
            .await
            .contains("commits wait for nobody\n")
    );

    cluster.start(2).await;
    followed(&url).await;
    let said = fails(&url, &["db", "restore", "FIRST 2 (node2, node3)"], 1).await;
    assert!(said.contains("commits wait for nobody again"), "{said}");
    assert!(
        fails(&url, &["db", "restore", "FIRST x"], 1)
            .await
            .contains("invalid value")
    );
    assert!(
        fails(&url, &["db", "restore"], 1)
            .await
            .contains("postgresql.conf names no standby")
    );
    assert!(
        done(&url, &["db", "status"])
            .await
            .contains("commits wait for nobody\n")
    );
    let restored = done(&url, &["db", "restore", "FIRST 1 (node2)"]).await;
    assert_eq!(restored, "commits wait for FIRST 1 (node2), and are answered\n");
    let well = done(&url, &["db", "status"]).await;
    assert!(well.contains("streaming, sync (in step)"), "{well}");
    done(&url, &["stock", "adjust", "1", "-1", "--reason", "lost"]).await;

    // A role without the right changes nothing.
    let admin = cluster.admin(1, SHOP).await;
    admin
        .batch_execute("create role guest login password 'guest'")
        .await
        .unwrap();
    let (scheme, rest) = url.split_once("://").unwrap();
    let guest = format!("{scheme}://guest:guest@{}", rest.split_once('@').unwrap().1);
    assert!(
        fails(&guest, &["db", "degrade"], 1)
            .await
            .contains("GRANT ALTER SYSTEM")
    );

    // A second server that takes writes is trouble, and commands talk to the newer one.
    cluster.promote(2).await;
    let split = on(&url, &["db", "status"]).await;
    assert_eq!(split.code, Some(1), "{}", split.out);
    assert!(
        split.err.contains("takes writes too, on timeline 1 where"),
        "{}",
        split.err
    );
    assert!(done(&url, &["stock", "show", "1"]).await.starts_with("sku 1: 25 units"));
}

/// Waits until the standby follows again.
async fn followed(url: &str) {
    let waited = tokio::time::timeout(crate::harness::PATIENCE, async {
        while !done(url, &["db", "status"])
            .await
            .contains("followed by node2: streaming")
        {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    });
    waited.await.expect("the standby follows again");
}
