//! Counts lines of events without keeping them: a million lines as values would fill the memory of the
//! test. The ids of trades are dense, so a bit an event is enough.

/// What was seen of trades, whichever process wrote it.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    seen: Vec<u64>,
    /// Events that were seen.
    pub(crate) unique: usize,
    /// Lines of events that were seen before.
    pub(crate) repeats: usize,
    /// First lines of events before the first line of the one before, of the same order. Means something
    /// where the lines of a partition have one order: members one after the other.
    pub(crate) overtaken: usize,
}

impl Tally {
    /// Takes a line into account; `false` if it is none of an event.
    pub(crate) fn take(&mut self, line: &str) -> bool {
        if !line.contains(r#""msg":"order event""#) {
            return false;
        }
        let id = line
            .split_once(r#""event_id":""#)
            .and_then(|(_, rest)| rest.split_once('"'));
        let id: usize = id.unwrap().0.parse().unwrap();
        if self.seen.len() <= id / 64 {
            self.seen.resize(id / 64 + 1, 0);
        }
        if self.has(id) {
            self.repeats += 1;
        } else {
            self.unique += 1;
            self.overtaken += usize::from(!id.is_multiple_of(3) && !self.has(id - 1));
            self.seen[id / 64] |= 1 << (id % 64);
        }
        true
    }

    fn has(&self, id: usize) -> bool {
        self.seen.get(id / 64).is_some_and(|bits| bits >> (id % 64) & 1 == 1)
    }

    /// That all three events of each of these orders were seen, and none else.
    pub(crate) fn assert_complete(&self, orders: std::ops::Range<usize>) {
        assert_eq!(self.trouble(orders), None);
    }

    fn trouble(&self, orders: std::ops::Range<usize>) -> Option<String> {
        let missing: Vec<usize> = (orders.start * 3..orders.end * 3).filter(|id| !self.has(*id)).collect();
        let first: Vec<_> = missing.iter().take(20).collect();
        if !missing.is_empty() {
            return Some(format!("{} events never came: {first:?}", missing.len()));
        }
        let surplus = self.unique - orders.len() * 3;
        (surplus > 0).then(|| format!("{surplus} events of nobody"))
    }
}

#[test]
fn repeats_gaps_and_overtaking_are_told() {
    let line = |id: usize| format!(r#"{{"msg":"order event","order_id":{},"event_id":"{id}"}}"#, id / 3);
    let mut tally = Tally::default();
    for id in [3, 4, 4, 5, 6, 8, 7] {
        assert!(tally.take(&line(id)));
    }
    assert!(!tally.take(r#"{"msg":"an event waits"}"#));
    assert_eq!((tally.unique, tally.repeats, tally.overtaken), (6, 1, 1));
    tally.assert_complete(1..3);
    assert_eq!(tally.trouble(1..4).unwrap(), "3 events never came: [9, 10, 11]");
    assert_eq!(tally.trouble(1..2).unwrap(), "3 events of nobody");
}
