//! What the thread of the library and its owner both know: which partitions are ours, what of them is
//! out, how far it was handled, and how far that was committed. Pure, but for the lock around it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use domain::notify::ports::Position;
use parking_lot::{Condvar, Mutex, MutexGuard};

/// An assignment of a partition.
#[derive(Debug, Default)]
struct Partition {
    /// What was delivered and not handled: offset and bytes.
    out: VecDeque<(i64, usize)>,
    /// All of these bytes.
    bytes: usize,
    /// Behind the last one handled.
    handled: Option<i64>,
    /// What the last commit says that was not waited for, unless it is known to have failed.
    sent: Option<i64>,
    /// What the broker is known to keep.
    committed: Option<i64>,
}

/// The most bytes of a partition that are out: they are few, unless somebody sends what is no event.
const HELD_MAX_BYTES: usize = 8 * 1024 * 1024;

impl Partition {
    fn is_full(&self, held_max: usize) -> bool {
        self.out.len() >= held_max || self.bytes >= HELD_MAX_BYTES
    }

    fn has_room(&self, held_max: usize) -> bool {
        self.out.len() <= held_max / 2 && self.bytes <= HELD_MAX_BYTES / 2
    }
}

/// The state.
#[derive(Debug, Default)]
pub(super) struct State {
    partitions: BTreeMap<i32, Partition>,
    /// What the library was told to pause and not to go on with. It remembers that of a partition also
    /// while that is somebody else's, so it has no end with an assignment.
    paused: BTreeSet<i32>,
    /// Revoked, and still being handled.
    unreleased: BTreeSet<i32>,
    /// Nothing more is to be taken in.
    pub(super) closing: bool,
    /// The group is to be left now.
    pub(super) leaving: bool,
    /// Whether a broker was heard lately.
    pub(super) broker_answers: bool,
}

impl State {
    /// Partitions have become ours.
    pub(super) fn assign(&mut self, partitions: &[i32]) {
        for number in partitions {
            self.unreleased.remove(number);
            self.partitions.insert(*number, Partition::default());
        }
    }

    /// Partitions are to go, once they are released.
    pub(super) fn revoke(&mut self, partitions: &[i32]) {
        self.unreleased.extend(partitions);
    }

    /// Those who handled these do not any more.
    pub(super) fn release(&mut self, partitions: &[i32]) {
        for number in partitions {
            self.unreleased.remove(number);
        }
    }

    /// Partitions are not ours any more.
    pub(super) fn forget(&mut self, partitions: &[i32]) {
        for number in partitions {
            self.unreleased.remove(number);
            self.partitions.remove(number);
        }
    }

    /// The consumer of the library has ended: nothing is ours, and another one knows of no pauses.
    pub(super) fn begin_anew(&mut self) {
        self.partitions.clear();
        self.paused.clear();
        self.unreleased.clear();
    }

    /// The partitions that are ours.
    pub(super) fn ours(&self) -> Vec<i32> {
        self.partitions.keys().copied().collect()
    }

    /// A delivery of so many bytes goes out; `false` where its partition is not ours.
    pub(super) fn deliver(&mut self, position: Position, bytes: usize) -> bool {
        let Some(partition) = self.partitions.get_mut(&position.partition) else {
            return false;
        };
        partition.out.push_back((position.offset, bytes));
        partition.bytes += bytes;
        true
    }

    /// Everything up to these was handled. What is said late, about an assignment that is over, finds
    /// nothing that is out and changes nothing.
    pub(super) fn note(&mut self, handled: &[Position]) {
        for position in handled {
            let Some(partition) = self.partitions.get_mut(&position.partition) else {
                continue;
            };
            while let Some((_, bytes)) = partition.out.pop_front_if(|(offset, _)| *offset <= position.offset) {
                partition.bytes -= bytes;
                partition.handled = Some(position.offset + 1);
            }
        }
    }

    /// What a commit has to say that is not waited for: what none said before.
    pub(super) fn to_send(&self) -> Vec<(i32, i64)> {
        self.positions(|partition| partition.handled != partition.sent)
    }

    /// What of these partitions, or of all, the broker is not known to keep.
    pub(super) fn to_commit(&self, among: Option<&[i32]>) -> Vec<(i32, i64)> {
        let mut positions = self.positions(|partition| partition.handled != partition.committed);
        positions.retain(|(number, _)| among.is_none_or(|among| among.contains(number)));
        positions
    }

    fn positions(&self, which: impl Fn(&Partition) -> bool) -> Vec<(i32, i64)> {
        let partitions = self.partitions.iter().filter(|(_, partition)| which(partition));
        partitions
            .filter_map(|(number, partition)| Some((*number, partition.handled?)))
            .collect()
    }

    /// A commit is on its way.
    pub(super) fn sent(&mut self, positions: &[(i32, i64)]) {
        for (number, behind) in positions {
            if let Some(partition) = self.partitions.get_mut(number) {
                partition.sent = Some(*behind);
            }
        }
    }

    /// The broker keeps this. What was sent and is not kept by now has to be sent again: the library
    /// does not tell that it failed.
    pub(super) fn committed(&mut self, number: i32, behind: i64) {
        if let Some(partition) = self.partitions.get_mut(&number) {
            partition.committed = Some(behind);
            partition.sent = Some(behind);
        }
    }

    /// Which partitions are to pause, because `held_max` of their deliveries are out, or as many bytes as
    /// may be, and which may go on, because only half as many are. Both are taken as done.
    pub(super) fn balance(&mut self, held_max: usize) -> (Vec<i32>, Vec<i32>) {
        let (mut pause, mut resume) = (Vec::new(), Vec::new());
        for (number, partition) in &self.partitions {
            let paused = self.paused.contains(number);
            if !paused && (partition.is_full(held_max) || self.closing) {
                pause.push(*number);
            } else if paused && partition.has_room(held_max) && !self.closing {
                resume.push(*number);
            }
        }
        self.paused.extend(&pause);
        self.paused.retain(|number| !resume.contains(number));
        (pause, resume)
    }

    /// What [`State::balance`] took as done was not done: it is asked for again.
    pub(super) fn not_balanced(&mut self, not_paused: &[i32], not_resumed: &[i32]) {
        self.paused.retain(|number| !not_paused.contains(number));
        self.paused.extend(not_resumed);
    }

    /// Whether a partition would have to pause now.
    fn is_full(&self, held_max: usize) -> bool {
        let mut partitions = self.partitions.iter();
        partitions.any(|(number, partition)| !self.paused.contains(number) && partition.is_full(held_max))
    }

    /// How far a partition is behind its end.
    pub(super) fn lag(&self, number: i32, end: i64, committed: i64) -> Option<i64> {
        let partition = self.partitions.get(&number)?;
        let oldest = partition.out.front().map(|(offset, _)| *offset).or(partition.handled);
        let at = oldest.unwrap_or(committed);
        (at >= 0 && end >= 0).then(|| (end - at).max(0))
    }

    fn is_released(&self, partitions: &[i32]) -> bool {
        partitions.iter().all(|number| !self.unreleased.contains(number))
    }
}

/// The state, for two.
#[derive(Debug, Default)]
pub(super) struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Changes the state, and wakes who waits for that.
    pub(super) fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock());
        self.changed.notify_all();
    }

    /// Waits until partitions are released, or nobody is there to do it.
    pub(super) fn wait_released(&self, partitions: &[i32], within: Duration) {
        let mut state = self.state.lock();
        let held = |state: &mut State| !state.is_released(partitions) && !state.closing && !state.leaving;
        self.changed.wait_while_for(&mut state, held, within);
    }

    /// Waits a moment for room where a partition would have to pause: the library throws away what it
    /// has fetched of one that pauses.
    pub(super) fn wait_for_room(&self, held_max: usize, within: Duration) {
        let mut state = self.state.lock();
        let full = |state: &mut State| state.is_full(held_max) && !state.closing && !state.leaving;
        self.changed.wait_while_for(&mut state, full, within);
    }

    /// Waits a moment, or until something changes; whether the group is to be left.
    pub(super) fn pause(&self, moment: Duration) -> bool {
        let mut state = self.state.lock();
        self.changed.wait_while_for(&mut state, |state| !state.leaving, moment);
        state.leaving
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(partition: i32, offset: i64) -> Position {
        Position { partition, offset }
    }

    #[test]
    fn commits_follow_what_was_handled_and_are_said_until_the_broker_keeps_them() {
        let mut state = State::default();
        state.assign(&[0, 1]);
        for offset in [5, 6, 9] {
            assert!(state.deliver(at(0, offset), 1));
        }
        assert!(!state.deliver(at(2, 0), 1), "not ours");
        assert_eq!(state.to_commit(None), []);
        state.note(&[at(0, 6)]);
        assert_eq!((state.to_send(), state.to_commit(None)), (vec![(0, 7)], vec![(0, 7)]));
        assert_eq!(state.to_commit(Some(&[1])), []);
        state.sent(&[(0, 7)]);
        assert_eq!(
            (state.to_send(), state.to_commit(None)),
            (vec![], vec![(0, 7)]),
            "on its way"
        );
        state.committed(0, 5);
        assert_eq!(
            (state.to_send(), state.to_commit(None)),
            (vec![(0, 7)], vec![(0, 7)]),
            "it failed"
        );
        state.committed(0, 7);
        assert_eq!((state.to_send(), state.to_commit(None)), (vec![], vec![]));
        state.note(&[at(0, 9)]);
        assert_eq!(state.to_commit(None), [(0, 10)]);
    }

    #[test]
    fn what_is_said_late_does_not_move_a_newer_assignment() {
        let mut state = State::default();
        state.assign(&[0]);
        state.deliver(at(0, 5), 1);
        state.forget(&[0]);
        state.note(&[at(0, 5)]);
        assert_eq!(state.to_commit(None), []);
        // Another member came as far as 20 meanwhile.
        state.assign(&[0]);
        state.deliver(at(0, 20), 1);
        state.note(&[at(0, 5)]);
        assert_eq!(state.to_commit(None), []);
    }

    #[test]
    fn a_partition_pauses_when_too_much_is_out_and_goes_on_at_half_of_it() {
        let mut state = State::default();
        state.assign(&[0, 1]);
        for offset in 0..4 {
            state.deliver(at(0, offset), 1);
        }
        assert_eq!(state.balance(4), (vec![0], vec![]));
        assert_eq!(state.balance(4), (vec![], vec![]));
        state.note(&[at(0, 0)]);
        assert_eq!(state.balance(4), (vec![], vec![]));
        state.note(&[at(0, 1)]);
        assert_eq!(state.balance(4), (vec![], vec![0]));
        state.closing = true;
        assert_eq!(
            state.balance(4),
            (vec![0, 1], vec![]),
            "at the end nothing more comes in"
        );
    }

    #[test]
    fn a_partition_that_was_paused_when_it_went_goes_on_when_it_comes_back() {
        let mut state = State::default();
        state.assign(&[0]);
        state.deliver(at(0, 0), 1);
        assert_eq!(state.balance(1), (vec![0], vec![]));
        state.forget(&[0]);
        assert_eq!(state.balance(1), (vec![], vec![]), "it is somebody else's");
        state.assign(&[0]);
        assert_eq!(state.balance(1), (vec![], vec![0]));
        assert_eq!(state.balance(1), (vec![], vec![]));
        // Another consumer of the library has paused nothing.
        state.deliver(at(0, 0), 1);
        assert_eq!(state.balance(1), (vec![0], vec![]));
        state.begin_anew();
        state.assign(&[0]);
        assert_eq!(state.balance(1), (vec![], vec![]));
    }

    #[test]
    fn what_could_not_be_paused_or_go_on_is_asked_for_again() {
        let mut state = State::default();
        state.assign(&[0]);
        state.deliver(at(0, 0), 1);
        assert_eq!(state.balance(1), (vec![0], vec![]));
        state.not_balanced(&[0], &[]);
        assert_eq!(state.balance(1), (vec![0], vec![]));
        state.note(&[at(0, 0)]);
        assert_eq!(state.balance(1), (vec![], vec![0]));
        state.not_balanced(&[], &[0]);
        assert_eq!(state.balance(1), (vec![], vec![0]));
    }

    #[test]
    fn a_partition_pauses_when_too_many_bytes_are_out_however_few_deliveries_they_are() {
        let mut state = State::default();
        state.assign(&[0]);
        state.deliver(at(0, 0), HELD_MAX_BYTES - 1);
        assert_eq!(state.balance(100), (vec![], vec![]));
        state.deliver(at(0, 1), 1);
        assert_eq!(state.balance(100), (vec![0], vec![]));
        state.note(&[at(0, 0)]);
        assert_eq!(state.balance(100), (vec![], vec![0]));
        state.note(&[at(0, 1)]);
        assert_eq!(state.to_commit(None), [(0, 2)]);
    }

    #[test]
    fn the_lag_counts_from_the_oldest_that_was_not_handled() {
        let mut state = State::default();
        state.assign(&[0]);
        assert_eq!(state.lag(0, 10, 4), Some(6));
        state.deliver(at(0, 4), 1);
        state.deliver(at(0, 5), 1);
        assert_eq!(state.lag(0, 10, 4), Some(6));
        state.note(&[at(0, 4)]);
        assert_eq!(state.lag(0, 10, 4), Some(5));
        state.note(&[at(0, 5)]);
        assert_eq!(state.lag(0, 10, 4), Some(4));
        assert_eq!(state.lag(1, 10, 4), None);
        assert_eq!(state.lag(0, -1001, 4), None, "the end is not known yet");
    }

    #[test]
    fn a_revoked_partition_is_waited_for() {
        let shared = Shared::default();
        shared.lock().assign(&[0, 1]);
        shared.lock().revoke(&[0, 1]);
        shared.change(|state| state.release(&[0]));
        assert!(!shared.lock().is_released(&[0, 1]));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| shared.wait_released(&[0, 1], Duration::from_secs(60)));
            shared.change(|state| state.release(&[1]));
            waiting.join().unwrap();
        });
        shared.wait_released(&[0], Duration::from_secs(60));
    }
}
