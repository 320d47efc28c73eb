//! A cluster of a test's own, ended and wiped with its handle.

use std::path::{Path, PathBuf};
use std::process::Command;

use adapters::postgres::testing::{Servers, admin};
use tokio_postgres::Config;

/// A primary (node 1) and standbys (nodes 2, 3, …).
#[derive(Debug)]
pub(super) struct Private {
    folder: PathBuf,
    standbys: usize,
}

impl Private {
    /// Starts it; takes seconds.
    pub(super) fn up(standbys: usize) -> Self {
        let folder = std::env::temp_dir().join(format!("servers-of-test-{}", std::process::id()));
        let cluster = Self { folder, standbys };
        cluster.script(&["up", "postgres"]);
        cluster
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/services.sh");
        let mut command = Command::new(script);
        command.args(arguments).env("SERVICES_DIR", &self.folder);
        command.env("SERVICES_STANDBYS", self.standbys.to_string());
        command
    }

    /// What `scripts/services.sh` says.
    pub(super) fn script(&self, arguments: &[&str]) -> String {
        let ran = tokio::task::block_in_place(|| self.command(arguments).output().expect("the script starts"));
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "services.sh {arguments:?}: {said}");
        String::from_utf8(ran.stdout).expect("text")
    }

    pub(super) fn servers(&self) -> Servers {
        Servers::told(&self.script(&["env", "postgres"]))
    }

    /// Its standbys, each as a target.
    pub(super) fn replicas(&self) -> Vec<Config> {
        let all = self.servers().standby;
        let ports = all.get_ports().iter();
        ports
            .map(|port| {
                let mut one = Config::new();
                one.host("127.0.0.1").port(*port);
                one.user(all.get_user().expect("a user"))
                    .password(all.get_password().expect("a password"));
                one
            })
            .collect()
    }

    /// Sends a signal to all processes of a node.
    pub(super) fn signal(&self, signal: &str, node: usize) {
        let told = self.script(&["env", "postgres"]);
        let begin = format!("export APP_TEST_POSTGRES_NODE{node}='");
        let line = told
            .lines()
            .find_map(|line| line.strip_prefix(&begin))
            .expect("the node");
        let pid = line.trim_end_matches('\'').split(' ').nth(1).expect("its process");
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("it runs");
        let all = std::iter::once(pid).chain(children.split_whitespace());
        // A child may be gone meanwhile.
        let sent = Command::new("kill").arg(format!("-{signal}")).args(all).output();
        sent.expect("kill is there");
    }

    /// Whom the primary waits for.
    pub(super) async fn wait_for(&self, names: &str) {
        let primary = admin(&self.servers().primary, "postgres").await;
        let set = format!("alter system set synchronous_standby_names = '{names}'");
        primary.batch_execute(&set).await.expect("the superuser may");
        primary
            .batch_execute("select pg_reload_conf()")
            .await
            .expect("the superuser may");
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        let ended = self.command(&["down", "--wipe", "postgres"]).output();
        let gone = std::fs::remove_dir_all(&self.folder);
        if !std::thread::panicking() {
            assert!(
                ended.is_ok_and(|ended| ended.status.success()),
                "the servers in {} did not end",
                self.folder.display()
            );
            gone.expect("the folder can be removed");
        }
    }
}
