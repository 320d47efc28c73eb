//! `app db status`, `degrade` and `restore`, on servers of the test's own, one of which dies.

use std::time::Duration;

use crate::cluster::Cluster;
use crate::harness::PATIENCE;
use crate::process::Folder;
use crate::support::{done, fails, on};

const DATABASE: &str = "operated";

/// What each step goes on with.
struct Shop {
    cluster: Cluster,
    url: String,
    folder: Folder,
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_goes_on_without_the_standby_and_comes_back() {
    let cluster = Cluster::up(1).await;
    cluster.create(1, DATABASE).await;
    let shop = Shop {
        url: cluster.url(DATABASE),
        cluster,
        folder: Folder::new(),
    };
    all_is_well(&shop).await;
    shop.cluster.kill(2).await;
    commits_wait_for_the_dead_standby(&shop).await;
    going_on_without_it(&shop).await;
    shop.cluster.start(2).await;
    the_way_back(&shop).await;
    a_role_without_the_right_changes_nothing(&shop).await;
    shop.cluster.promote(2).await;
    a_second_primary_is_trouble(&shop).await;
}

async fn all_is_well(shop: &Shop) {
    done(&shop.url, &["migrate"]).await;
    done(&shop.url, &["stock", "import", &shop.file("first.csv", 10)]).await;
    let well = done(&shop.url, &["db", "status"]).await;
    for part in [
        ": primary on timeline 1, takes writes; commits wait for FIRST 1 (node2), 0 do now\n",
        "  followed by node2: streaming, sync (in step), ",
        ": standby, known as node2\n",
        "schema version ",
        "\norders can be taken\n",
    ] {
        assert!(well.contains(part), "{part} is not in {well}");
    }
}

/// Commands that write give up and say what to do; those that look do not wait.
async fn commits_wait_for_the_dead_standby(shop: &Shop) {
    let unknown = on(&shop.url, &["stock", "import", &shop.file("second.csv", 25)]).await;
    assert_eq!((unknown.code, unknown.out.as_str()), (Some(3), ""), "{}", unknown.err);
    assert!(unknown.err.contains("repeat the command"), "{}", unknown.err);
    let shown = done(&shop.url, &["stock", "show", "1"]).await;
    assert!(
        shown.contains("waits for its COMMIT") && shown.contains("sku 1: 10 units"),
        "{shown}"
    );
    let ill = on(&shop.url, &["db", "status"]).await;
    assert_eq!(ill.code, Some(1), "{}", ill.out);
    assert!(ill.out.contains("does not answer"), "{}", ill.out);
    let trouble = "commits wait for FIRST 1 (node2), and none of them is there (1 wait now)";
    assert!(ill.err.contains(trouble), "{}", ill.err);
    let said = fails(&shop.url, &["db", "restore"], 1).await;
    assert!(said.contains("no standby is connected"), "{said}");
}

async fn going_on_without_it(shop: &Shop) {
    let degraded = done(&shop.url, &["db", "degrade"]).await;
    assert!(
        degraded.contains("commits wait for nobody now; 1 that waited are free"),
        "{degraded}"
    );
    assert!(degraded.contains("app db restore 'FIRST 1 (node2)'"), "{degraded}");
    let again = done(&shop.url, &["db", "degrade"]).await;
    assert!(again.contains("nothing was changed"), "{again}");
    let repeated = done(&shop.url, &["stock", "import", &shop.file("second.csv", 25)]).await;
    assert!(
        repeated.contains("nothing was changed"),
        "the first one was done: {repeated}"
    );
    let said = done(&shop.url, &["stock", "adjust", "1", "+1", "--reason", "found"]).await;
    assert!(said.contains("26 units now"), "{said}");
    let alone = done(&shop.url, &["db", "status"]).await;
    assert!(alone.contains("commits wait for nobody\n"), "{alone}");
}

/// Names that nobody answers to are put back; those of the standby are not.
async fn the_way_back(shop: &Shop) {
    let followed = tokio::time::timeout(PATIENCE, async {
        while !done(&shop.url, &["db", "status"])
            .await
            .contains("followed by node2: streaming")
        {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    followed.await.expect("the standby follows again");
    for (names, part) in [
        (&["FIRST 2 (node2, node3)"][..], "commits wait for nobody again"),
        (&["FIRST x"], "invalid value"),
        (&["a\\b"], "no backslashes"),
        (&[], "postgresql.conf names no standby"),
    ] {
        let said = fails(&shop.url, &[&["db", "restore"], names].concat(), 1).await;
        assert!(said.contains(part), "{said}");
        let alone = done(&shop.url, &["db", "status"]).await;
        assert!(alone.contains("commits wait for nobody\n"), "{alone}");
    }
    let restored = done(&shop.url, &["db", "restore", "FIRST 1 (node2)"]).await;
    assert_eq!(restored, "commits wait for FIRST 1 (node2), and are answered\n");
    let well = done(&shop.url, &["db", "status"]).await;
    assert!(well.contains("streaming, sync (in step)"), "{well}");
    done(&shop.url, &["stock", "adjust", "1", "-1", "--reason", "lost"]).await;
}

async fn a_role_without_the_right_changes_nothing(shop: &Shop) {
    let admin = shop.cluster.admin(1, DATABASE).await;
    let guest = admin.batch_execute("create role guest login password 'guest'");
    guest.await.unwrap();
    let servers = shop.url.split_once('@').unwrap().1;
    let guest = format!("postgres://guest:guest@{servers}");
    for command in [["db", "degrade"], ["db", "restore"]] {
        let said = fails(&guest, &command, 1).await;
        assert!(said.contains("GRANT ALTER SYSTEM"), "{said}");
    }
    let well = done(&shop.url, &["db", "status"]).await;
    assert!(well.contains("commits wait for FIRST 1 (node2)"), "{well}");
}

/// It is named, and other commands talk to the newer one.
async fn a_second_primary_is_trouble(shop: &Shop) {
    let split = on(&shop.url, &["db", "status"]).await;
    assert_eq!(split.code, Some(1), "{}", split.out);
    let trouble = "takes writes too, on timeline 1 where";
    assert!(split.err.contains(trouble), "{}", split.err);
    let shown = done(&shop.url, &["stock", "show", "1"]).await;
    assert!(shown.starts_with("sku 1: 25 units"), "{shown}");
}

impl Shop {
    /// A stock file of one sku.
    fn file(&self, name: &str, total: u32) -> String {
        self.folder.file(name, format!("sku,total_count\n1,{total}\n"))
    }
}
