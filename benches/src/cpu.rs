//! CPU time of processes, user and system, all threads, from `/proc/PID/stat`. A server that forks, as
//! Postgres does, is read with its children: what those used that have ended is in its own line.

use std::path::Path;

use crate::error::LoadError;

/// Clock ticks a second in `/proc/PID/stat`; Linux has shown 100 to programs on every machine for decades.
const TICKS_PER_SECOND: f64 = 100.0;

/// Whose CPU time is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Process {
    /// One process.
    Alone(u32),
    /// A process and its children, dead ones included.
    Family(u32),
}

/// What one line of `/proc` says, in ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Line {
    parent: u32,
    own: u64,
    of_dead_children: u64,
}

/// CPU time so far, in seconds.
///
/// # Errors
/// [`LoadError`] where there is no such process.
pub(crate) fn seconds(process: Process) -> Result<f64, LoadError> {
    let ticks = match process {
        Process::Alone(pid) => line(pid)?.own,
        Process::Family(pid) => {
            let root = line(pid)?;
            let children: u64 = all().filter(|line| line.parent == pid).map(|line| line.own).sum();
            root.own + root.of_dead_children + children
        }
    };
    Ok(ticks as f64 / TICKS_PER_SECOND)
}

fn line(pid: u32) -> Result<Line, LoadError> {
    let path = Path::new("/proc").join(pid.to_string()).join("stat");
    let text = std::fs::read_to_string(&path).map_err(|source| LoadError::File { path, source })?;
    parse(&text).ok_or_else(|| LoadError::Target(format!("cannot read the CPU time of process {pid}")))
}

/// All processes; one that ends meanwhile is passed over.
fn all() -> impl Iterator<Item = Line> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        line(pid).ok()
    })
}

/// The second field is a name in parentheses that may hold blanks; the fourth is the parent, and the
/// 14th to 17th are utime, stime, cutime, cstime.
fn parse(stat: &str) -> Option<Line> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = after_name.split_whitespace().take(15).collect();
    let ticks = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some(Line {
        parent: fields.get(1)?.parse().ok()?,
        own: ticks(11)? + ticks(12)?,
        of_dead_children: ticks(13)? + ticks(14)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_read_behind_a_name_with_blanks() {
        let stat = "42 (a (b) c) S 7 42 42 0 -1 4194560 100 0 0 0 250 50 30 4 20 0 8 0 100";
        let expected = Line {
            parent: 7,
            own: 300,
            of_dead_children: 34,
        };
        assert_eq!(parse(stat), Some(expected));
        assert_eq!(parse("42 (a"), None);
        assert!(seconds(Process::Alone(std::process::id())).is_ok());
        assert!(seconds(Process::Alone(u32::MAX)).is_err());
    }

    #[test]
    fn a_family_counts_the_children_that_have_ended() {
        let own = || seconds(Process::Family(std::process::id())).expect("it is there");
        let before = own();
        let done = std::process::Command::new("sh")
            .args(["-c", "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done"])
            .status();
        assert!(done.is_ok_and(|status| status.success()));
        assert!(own() > before);
    }
}
