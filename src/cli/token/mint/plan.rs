//! Which token is of which kind, and whose: a mix that is exact and evenly spread, and the same in every run.

use super::bad::{Bad, Share, WHOLE};

/// One token to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Planned {
    /// What is to be wrong with it.
    pub(super) bad: Option<Bad>,
    /// The number of its subject, from 1.
    pub(super) subject: u64,
}

/// All tokens of a run, one after the other.
///
/// Each kind gets its share of the whole count, rounded to the nearest token. The next token is of the kind that lags
/// furthest behind its share, so that each stretch has nearly the mix of the whole.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    count: u64,
    left: u64,
    subjects: Option<u64>,
    /// Never empty: the good ones come last.
    kinds: Vec<Kind>,
}

#[derive(Clone, Debug)]
struct Kind {
    bad: Option<Bad>,
    /// How many there are in all.
    quota: u64,
    /// How many were planned.
    planned: u64,
    /// By how much it lags behind, in tokens × count.
    lag: i128,
}

impl Plan {
    /// `count` tokens, for `subjects` subjects in turn; without a number, for as many as there are tokens.
    ///
    /// # Errors
    /// Shares of more than all tokens, and one that comes to no token: says what to change.
    pub(super) fn new(count: u64, subjects: Option<u64>, shares: &[Share]) -> Result<Self, String> {
        let mut kinds = Vec::with_capacity(shares.len() + 1);
        let (mut sum, mut before) = (0_u64, 0);
        for (index, share) in shares.iter().enumerate() {
            let name = share.kind.name();
            if shares[..index].iter().any(|other| other.kind == share.kind) {
                return Err(format!("--bad {name} stands twice"));
            }
            sum += u64::from(share.millionths);
            if sum > u64::from(WHOLE) {
                return Err("--bad comes to more than 100% in all".to_owned());
            }
            // The sums are rounded, not the shares: those of 100 % come to the count.
            let so_far = rounded_share(count, sum);
            let quota = so_far - before;
            if quota == 0 && share.millionths > 0 {
                return Err(format!(
                    "--bad {name} comes to less than one token of {count}: make more, or a greater share bad"
                ));
            }
            before = so_far;
            kinds.push(Kind::new(Some(share.kind), quota));
        }
        kinds.push(Kind::new(None, count - before));
        Ok(Self {
            count,
            left: count,
            subjects,
            kinds,
        })
    }
}

impl Kind {
    fn new(bad: Option<Bad>, quota: u64) -> Self {
        Self {
            bad,
            quota,
            planned: 0,
            lag: 0,
        }
    }
}

impl Iterator for Plan {
    type Item = Planned;

    fn next(&mut self) -> Option<Planned> {
        self.left = self.left.checked_sub(1)?;
        for kind in &mut self.kinds {
            kind.lag += i128::from(kind.quota);
        }
        let next = self.kinds.iter_mut().max_by_key(|kind| kind.lag)?;
        next.lag -= i128::from(self.count);
        let subject = match self.subjects {
            // In turn within each kind: else the bad ones of every 20 tokens would all be of one subject of 20.
            Some(subjects) => next.planned % subjects + 1,
            None => self.count - self.left,
        };
        next.planned += 1;
        Some(Planned {
            bad: next.bad,
            subject,
        })
    }
}

/// `millionths` of `count`, to the nearest.
fn rounded_share(count: u64, millionths: u64) -> u64 {
    let product = u128::from(count) * u128::from(millionths);
    let rounded = (product + u128::from(WHOLE / 2)) / u128::from(WHOLE);
    // At most the count, since the millionths are at most all.
    u64::try_from(rounded).unwrap_or(count)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn share(kind: Bad, millionths: u32) -> Share {
        Share { kind, millionths }
    }

    fn of_kind(plan: &Plan, bad: Option<Bad>) -> Vec<u64> {
        let numbered = plan.clone().zip(0..);
        numbered
            .filter(|(planned, _)| planned.bad == bad)
            .map(|(_, place)| place)
            .collect()
    }

    #[test]
    fn five_percent_of_a_thousand_are_fifty_one_in_each_twenty() {
        let shares = [share(Bad::Expired, 50_000), share(Bad::Forged, 20_000)];
        let plan = Plan::new(1_000, None, &shares).unwrap();
        let expired = of_kind(&plan, Some(Bad::Expired));
        assert_eq!(expired.len(), 50);
        for (place, twenty) in expired.iter().zip(0..) {
            assert_eq!(place / 20, twenty);
        }
        assert_eq!(of_kind(&plan, Some(Bad::Forged)).len(), 20);
        assert_eq!(of_kind(&plan, None).len(), 930);
    }

    #[test]
    fn subjects_take_turns_among_the_good_and_among_the_bad() {
        let shares = [share(Bad::Expired, 500_000)];
        let plan = Plan::new(8, Some(2), &shares).unwrap();
        let subjects = |bad| -> Vec<u64> {
            let of_kind = plan.clone().filter(|planned| planned.bad == bad);
            of_kind.map(|planned| planned.subject).collect()
        };
        assert_eq!(subjects(None), [1, 2, 1, 2]);
        assert_eq!(subjects(Some(Bad::Expired)), [1, 2, 1, 2]);
    }

    #[test]
    fn without_a_number_of_subjects_each_token_has_its_own() {
        let plan = Plan::new(5, None, &[share(Bad::Expired, 400_000)]).unwrap();
        let subjects: Vec<u64> = plan.map(|planned| planned.subject).collect();
        assert_eq!(subjects, [1, 2, 3, 4, 5]);
    }

    #[test]
    fn shares_that_cannot_be_are_refused() {
        for (count, shares, hint) in [
            (
                100,
                vec![(Bad::Expired, 600_000), (Bad::Forged, 400_001)],
                "more than 100%",
            ),
            (
                100,
                vec![(Bad::Expired, 10_000), (Bad::Expired, 10_000)],
                "stands twice",
            ),
            (
                10,
                vec![(Bad::Expired, 10_000)],
                "less than one token of 10",
            ),
        ] {
            let shares: Vec<Share> = shares.into_iter().map(|(k, m)| share(k, m)).collect();
            let error = Plan::new(count, None, &shares).unwrap_err();
            assert!(error.contains(hint), "{error}");
        }
        assert!(Plan::new(10, None, &[share(Bad::Expired, 0)]).is_ok());
        assert!(Plan::new(1, None, &[share(Bad::Expired, WHOLE)]).is_ok());
    }

    proptest! {
        #[test]
        fn every_mix_is_exact_and_every_stretch_nearly_so(
            count in 1_u64..3_000,
            millionths in prop::collection::vec(0_u32..250_000, 0..4),
        ) {
            let shares: Vec<Share> = millionths
                .iter()
                .zip(Bad::ALL)
                .map(|(millionths, kind)| share(kind, *millionths))
                .collect();
            let Ok(plan) = Plan::new(count, Some(7), &shares) else {
                return Ok(());
            };
            let all: Vec<Planned> = plan.clone().collect();
            prop_assert_eq!(u64::try_from(all.len()).unwrap(), count);
            for share in shares {
                let exact = u128::from(count) * u128::from(share.millionths);
                let places = of_kind(&plan, Some(share.kind));
                let made = u128::try_from(places.len()).unwrap() * u128::from(WHOLE);
                prop_assert!(made.abs_diff(exact) < u128::from(WHOLE), "{share:?} {}", places.len());
                for (place, number) in places.iter().zip(1_u128..) {
                    // So many of this kind stand in the first `place + 1` tokens; the share of that stretch is near.
                    let due = u128::from(place + 1) * u128::try_from(places.len()).unwrap();
                    prop_assert!(due.abs_diff(number * u128::from(count)) <= 2 * u128::from(count));
                }
            }
        }
    }
}
