//! How far the relay looks into the outbox. What one partition does not take stays at the front;
//! when that fills what is read, the events behind it could go nowhere, though their partition takes
//! them. Then the next look goes further. It begins at the front all the same, so that order is kept,
//! and it has a bound, because all that is read is in memory.

use super::Round;

/// How far it goes at most, in rounds of the usual size.
const ROUNDS_MAX: usize = 16;

/// How many events are read next.
#[derive(Debug)]
pub(super) struct Reach {
    usual: usize,
    limit: usize,
}

impl Reach {
    pub(super) const fn new(usual: usize) -> Self {
        Self { usual, limit: usual }
    }

    pub(super) const fn limit(&self) -> usize {
        self.limit
    }

    /// What came of what was read; `None` where nothing could be read or marked.
    pub(super) fn after(&mut self, round: Option<&Round>) {
        // Where nobody takes anything there is nothing to be found behind it.
        let stuck = round.filter(|round| round.left.is_some() && (round.acknowledged > 0 || round.has_spare_lane));
        match stuck {
            None => self.limit = self.usual,
            Some(round) if round.read >= self.limit && round.acknowledged < round.read / 2 => {
                self.limit = self.limit.saturating_mul(2).min(self.usual.saturating_mul(ROUNDS_MAX));
            }
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::order::ports::PublishError;
    use domain::testing::faults::planted;

    use super::*;

    fn stuck(read: usize, acknowledged: usize, has_spare_lane: bool) -> Round {
        Round {
            read,
            acknowledged,
            left: Some(PublishError::Down(planted())),
            has_spare_lane,
        }
    }

    fn limit_after(reach: &mut Reach, round: &Round) -> usize {
        reach.after(Some(round));
        reach.limit()
    }

    #[test]
    fn a_stuck_lane_widens_it_up_to_its_bound() {
        let mut reach = Reach::new(7);
        assert_eq!(limit_after(&mut reach, &stuck(7, 0, true)), 14, "all are of one lane");
        assert_eq!(limit_after(&mut reach, &stuck(14, 2, false)), 28, "few got on");
        assert_eq!(limit_after(&mut reach, &stuck(28, 20, false)), 28, "most got on");
        assert_eq!(limit_after(&mut reach, &stuck(20, 0, true)), 28, "there is no more");
        for _ in 0..10 {
            let limit = reach.limit();
            limit_after(&mut reach, &stuck(limit, 1, true));
        }
        assert_eq!(reach.limit(), 7 * ROUNDS_MAX);
    }

    #[test]
    fn it_is_the_usual_one_again_when_all_went_out_or_nothing_can() {
        let well = Round {
            left: None,
            ..stuck(7, 7, false)
        };
        let nobody = stuck(14, 0, false);
        for round in [Some(&well), Some(&nobody), None] {
            let mut reach = Reach::new(7);
            reach.after(Some(&stuck(7, 0, true)));
            assert_eq!(reach.limit(), 14);
            reach.after(round);
            assert_eq!(reach.limit(), 7, "{round:?}");
        }
    }
}
