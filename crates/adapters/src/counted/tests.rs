//! What becomes of files, good and bad ones, in both formats.

use std::io::{self, Read};

use futures::StreamExt;

use super::*;

/// All that comes out of a file: records, problems by line, its end.
async fn all(file: impl Read + Send + 'static) -> (Vec<(u64, i64, u32)>, Vec<(u64, String)>, Result<String, String>) {
    let mut pieces = std::pin::pin!(pieces(file));
    let (mut records, mut problems) = (Vec::new(), Vec::new());
    while let Some(piece) = pieces.next().await {
        match piece {
            Piece::Records(more) => records.extend(more.iter().map(|r| (r.line, r.sku.get(), r.total))),
            Piece::Problem(line, fault) => problems.push((line, fault.to_string())),
            Piece::Broken(cause) => return (records, problems, Err(cause.to_string())),
            Piece::End(digest) => return (records, problems, Ok(digest.to_string())),
        }
    }
    panic!("a file has an end");
}

async fn text(file: &'static str) -> (Vec<(u64, i64, u32)>, Vec<(u64, String)>) {
    let (records, problems, end) = all(file.as_bytes()).await;
    end.unwrap();
    (records, problems)
}

async fn problem(file: &'static str) -> (u64, String) {
    let (_, mut problems) = text(file).await;
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems.remove(0)
}

#[tokio::test]
async fn both_formats_give_records_with_their_lines() {
    let good = vec![(2, 5, 10), (4, 6, 0)];
    assert_eq!(text("sku,total_count\n5,10\n\n6,0\n").await, (good.clone(), vec![]));
    assert_eq!(
        text("\u{feff}sku,total_count\r\n 5 , 10 \r\n\r\n6,0").await,
        (good.clone(), vec![])
    );
    let json = "[\n{\"sku\": 5, \"total_count\": 10, \"reserved\": 0},\n\n{\"sku\":\n6,\"total_count\":0}\n]\n";
    assert_eq!(text(json).await, (good, vec![]));
    assert_eq!(text(" \n[{\"sku\":1,\"total_count\":2}]").await.0, vec![(2, 1, 2)]);
}

#[tokio::test]
async fn the_digest_is_the_sha_256_of_all_bytes() {
    let (_, _, end) = all("sku,total_count\n1,1\n".as_bytes()).await;
    assert_eq!(
        end.unwrap(),
        "ff3142e1b6cb1b117864b8b7d2f4e5fa787e287176d541cdc8f43095740885ad"
    );
    let (_, _, end) = all("[{\"sku\":1,\"total_count\":1}]\n".as_bytes()).await;
    assert_eq!(
        end.unwrap(),
        "63dde4a62231277ac163b590e886a0bd5aa8f4bf7d415d4ee1e122691eedec0a"
    );
}

#[tokio::test]
async fn every_bad_line_is_told_and_the_good_ones_come_through() {
    let (records, problems) =
        text("sku,total_count\n1,1\nx,1\n2\n3,-1\n4,4294967296\n0,1\n5,5,5\n6,6.0\n9223372036854775808,1\n7,7\n").await;
    assert_eq!(records, [(2, 1, 1), (11, 7, 7)]);
    let lines: Vec<u64> = problems.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [3, 4, 5, 6, 7, 8, 9, 10]);
    assert_eq!(problems[0].1, "sku must be a positive 64-bit integer, got \"x\"");
    assert_eq!(
        problems[3].1,
        "total_count must be from 0 to 4294967295, got \"4294967296\""
    );
    let json = "[\n{\"sku\":1,\"total_count\":1},\n{\"sku\":\"x\",\"total_count\":1},\n{\"sku\":2},\n7,\n\
         {\"sku\":3,\"total_count\":1.5},\n{\"sku\":0,\"total_count\":1},\n{\"sku\":4,\"total_count\":9,\"reserved\":1},\n\
         {\"sku\":5,\"total\":1},\n{\"sku\":7,\"total_count\":7}]";
    let (records, problems) = text(json).await;
    assert_eq!(records, [(2, 1, 1), (10, 7, 7)]);
    let lines: Vec<u64> = problems.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(problems[1].1, "total_count is missing");
    assert_eq!(problems[5].1, "reserved must be 0 or left out: only orders reserve");
}

#[tokio::test]
async fn files_of_another_kind_and_empty_ones_are_one_problem() {
    assert_eq!(problem("").await, (1, "there is no record in the file".to_owned()));
    assert_eq!(problem("sku,total_count\n").await.1, "there is no record in the file");
    assert_eq!(problem("[]").await.1, "there is no record in the file");
    assert_eq!(problem("\n{}\n1\n2\n").await.0, 2);
    assert!(
        problem("total_count,sku\n1,1\n")
            .await
            .1
            .starts_with("a stock file begins with")
    );
    let (line, what) = problem("[\n{\"sku\":1,\"total_count\":1},\n{\"sku\":1,]").await;
    assert_eq!((line, what.starts_with("not JSON: ")), (3, true), "{what}");
    assert_eq!(problem("[\n{\"sku\":1,\"total_count\":1}]\n]").await.0, 3);
    assert_eq!(problem("[\n{\"sku\":1,\"total_count\":1},\n").await.0, 3);
}

#[tokio::test]
async fn lines_without_end_do_not_fill_the_memory() {
    let long = |before: &'static str, after: &'static str| {
        let endless = io::repeat(b'1').take(30_000_000);
        before.as_bytes().chain(endless).chain(after.as_bytes())
    };
    let (records, problems, end) = all(long("sku,total_count\n1,1\n2,", "\n3,3\n")).await;
    end.unwrap();
    assert_eq!(records, [(2, 1, 1), (4, 3, 3)]);
    assert_eq!(problems, [(3, "longer than 4096 bytes".to_owned())]);
    let (records, problems, end) = all(long("[{\"sku\":1,\"total_count\":1},\n{\"sku\":\"", "\"}]")).await;
    end.unwrap();
    assert_eq!(records, [(1, 1, 1)]);
    assert_eq!(problems, [(2, "a record is longer than 4096 bytes".to_owned())]);
}

struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("the disk is gone"))
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_read_to_its_end_has_none() {
    for begin in ["sku,total_count\n1,1\n", "[{\"sku\":1,\"total_count\":1},"] {
        let (_, _, end) = all(begin.as_bytes().chain(Broken)).await;
        assert!(end.unwrap_err().contains("the disk is gone"));
    }
}

/// Lines without end; whoever has the other end of the channel learns when it is closed.
struct Endless(#[allow(dead_code, reason = "its end is what counts")] tokio::sync::oneshot::Sender<()>);

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let line = b"1,1\n";
        let lines = buffer.chunks_exact_mut(line.len());
        Ok(lines.map(|chunk| chunk.copy_from_slice(line)).count() * line.len())
    }
}

#[tokio::test]
async fn nobody_reads_on_when_nobody_takes() {
    let (sender, closed) = tokio::sync::oneshot::channel();
    drop(pieces(b"sku,total_count\n".chain(Endless(sender))));
    assert!(closed.await.is_err(), "the file was closed");
}
