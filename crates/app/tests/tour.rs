//! The tour of the README, run as it is written there (only its ports are replaced), against a
//! shop of its own. Needs bash and curl.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// What the tour promises, in the order in which it shows.
const PROMISED: [&str; 14] = [
    "HTTP/1.1 201 Created",
    r#""count":2"#,
    r#""total_price":"#,
    r#"{"count":"#,
    r#"{"order_id":1}"#,
    r#""status":"awaiting payment""#,
    "{}",
    r#""status":"payed""#,
    r#""code":9"#,
    r#"{"orderId":"3"}"#,
    r#"{"orderId":"3"}"#,
    "{}",
    r#"{"status":"ready"}"#,
    "# TYPE",
];

struct Shop(Child);

impl Drop for Shop {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Ports that were free a moment ago, below those that outgoing connections take.
fn free_ports<const N: usize>() -> [u16; N] {
    let first = 20_000 + u16::try_from(std::process::id() % 10_000).unwrap();
    let mut free = (first..32_000)
        .chain(20_000..first)
        .filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    std::array::from_fn(|_| free.next().expect("some port is free"))
}

/// The first block of shell in the section of the tour.
fn tour() -> String {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md")).unwrap();
    let section = readme
        .split("\n## A tour of five minutes\n")
        .nth(1)
        .expect("the README has a tour");
    let block = section.split("```sh\n").nth(1).expect("the tour has calls to copy");
    block.split("```").next().unwrap().to_owned()
}

fn start(ports: [u16; 5]) -> Shop {
    let names = [
        "CART__HTTP",
        "LOMS__GRPC",
        "LOMS__HTTP",
        "PRODUCTS__HTTP",
        "NOTIFIER__HTTP",
    ];
    let mut command = Command::new(env!("CARGO_BIN_EXE_app"));
    for (name, port) in names.iter().zip(ports) {
        command.env(format!("APP__{name}__PORT"), port.to_string());
    }
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("app starts");
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    // The cart is the last to listen.
    while !line.contains(r#""msg":"listening for HTTP","service":"cart""#) {
        line.clear();
        assert!(lines.read_line(&mut line).unwrap() > 0, "app ended before it listened");
    }
    std::thread::spawn(move || lines.read_to_end(&mut Vec::new()));
    Shop(child)
}

#[test]
fn the_tour_of_the_readme_works_as_written() {
    let ports = free_ports::<5>();
    let _shop = start(ports);
    let script = tour()
        .replace("localhost:8080", &format!("127.0.0.1:{}", ports[0]))
        .replace("localhost:8084", &format!("127.0.0.1:{}", ports[2]));
    assert!(script.matches("curl").count() >= 10, "the tour is gone");
    let mut bash = Command::new("timeout")
        .args([
            &Duration::from_secs(60).as_secs().to_string(),
            "bash",
            "-euo",
            "pipefail",
            "-c",
            &script,
        ])
        .stdout(Stdio::piped())
        .spawn()
        .expect("bash and timeout are there");
    let mut told = String::new();
    bash.stdout.take().unwrap().read_to_string(&mut told).unwrap();
    assert!(bash.wait().unwrap().success(), "a call of the tour failed:\n{told}");
    let mut rest = told.as_str();
    for promised in PROMISED {
        let at = rest
            .find(promised)
            .unwrap_or_else(|| panic!("{promised} is not in the rest of the tour:\n{rest}\nall:\n{told}"));
        rest = &rest[at + promised.len()..];
    }
}
