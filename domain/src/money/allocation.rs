//! Splitting amounts so that no minor unit is lost or invented.

use crate::money::scale_half_up;
use std::cmp::Reverse;

/// Splits `total` in proportion to `weights` by largest remainder; equal remainders go by order. Neither may
/// be negative, and there must be some weight to split anything.
///
/// Where the weights are what *remains* of limits and `total` is at most their sum, no share exceeds its limit.
/// So whoever splits in several goes passes what remains: the splits of growing totals would not grow with them.
pub fn allocate(total: i64, weights: &[i64]) -> Vec<i64> {
    assert!(total >= 0 && weights.iter().all(|weight| *weight >= 0), "only what is there can be split");
    let whole: i128 = weights.iter().map(|weight| i128::from(*weight)).sum();
    if total == 0 {
        return vec![0; weights.len()];
    }
    assert!(whole > 0, "nothing can be split over nobody");
    let exact = |weight: &i64| i128::from(total) * i128::from(*weight);
    let mut shares: Vec<i64> = weights
        .iter()
        .map(|weight| i64::try_from(exact(weight) / whole).expect("a share is at most the total"))
        .collect();
    let missing = usize::try_from(total - shares.iter().sum::<i64>()).expect("shares are rounded down");
    let mut by_remainder: Vec<usize> = (0..weights.len()).collect();
    by_remainder.sort_by_key(|index| Reverse(exact(&weights[*index]) % whole));
    for index in by_remainder.into_iter().take(missing) {
        shares[index] += 1;
    }
    shares
}

/// What `units` more of `of` amount to, when `before` of them were taken out already: the rounded cumulative
/// amount less what was taken before. All units together come to exactly `total`.
pub fn next_share(total: i64, of: u32, before: u32, units: u32) -> i64 {
    let up_to = |taken: u32| scale_half_up(total, taken.into(), of.into());
    up_to(before + units) - up_to(before)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn less(limits: &[i64], shares: &[i64]) -> Vec<i64> {
        limits.iter().zip(shares).map(|(limit, share)| limit - share).collect()
    }

    #[test]
    fn s14_a_discount_goes_to_the_largest_remainder_and_ties_go_by_order() {
        assert_eq!(allocate(1000, &[3333, 3333, 3334]), [333, 333, 334]);
        assert_eq!(allocate(1000, &[1, 1, 1]), [334, 333, 333]);
        assert_eq!(allocate(0, &[0, 0]), [0, 0]);
    }

    #[test]
    fn s14_successive_captures_end_exactly_at_what_was_authorised() {
        let authorised = [3333, 3333, 3334];
        let first = allocate(5001, &authorised);
        assert_eq!(first, [1667, 1667, 1667]);
        let remaining = less(&authorised, &first);
        let second = allocate(4999, &remaining);
        assert_eq!(second, [1666, 1666, 1667]);
        assert_eq!(less(&remaining, &second), [0, 0, 0]);
    }

    #[test]
    fn s14_what_comes_later_is_split_over_what_remains_so_that_nobody_gives_anything_back() {
        let limits = [6, 6, 2];
        let first = allocate(10, &limits);
        assert_eq!((&first[..], &allocate(11, &limits)[..]), (&[4, 4, 2][..], &[5, 5, 1][..]));
        assert_eq!(allocate(1, &less(&limits, &first)), [1, 0, 0]);
    }

    #[test]
    fn s09_units_taken_out_one_by_one_come_to_the_rounded_whole() {
        assert_eq!([0, 1, 2].map(|before| next_share(377, 3, before, 1)), [126, 125, 126]);
        assert_eq!(next_share(377, 3, 1, 2), 251);
    }

    proptest! {
        #[test]
        fn s14_no_split_exceeds_its_limit_or_shrinks(
            limits in prop::collection::vec(0_i64..1_000_000, 1..8),
            asked in prop::collection::vec(0_i64..1_000_000, 1..12),
        ) {
            let mut remaining = limits.clone();
            for amount in asked {
                let amount = amount.min(remaining.iter().sum());
                let shares = allocate(amount, &remaining);
                prop_assert_eq!(shares.iter().sum::<i64>(), amount);
                prop_assert!(shares.iter().all(|share| *share >= 0));
                remaining = less(&remaining, &shares);
                prop_assert!(remaining.iter().all(|left| *left >= 0));
            }
        }

        #[test]
        fn however_units_are_taken_out_they_come_to_the_total(
            total in -1_000_000_i64..1_000_000,
            batches in prop::collection::vec(1_u32..50, 1..10),
        ) {
            let of: u32 = batches.iter().sum();
            let mut before = 0;
            let mut sum = 0;
            for units in batches {
                sum += next_share(total, of, before, units);
                before += units;
            }
            prop_assert_eq!(sum, total);
        }
    }
}
