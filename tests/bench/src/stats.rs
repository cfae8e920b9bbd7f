//! The few statistics that a report needs.

/// The middle value; of an even number of values the mean of the two in the middle; 0 of none.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = sorted.get(middle).copied().unwrap_or_default();
    if sorted.len() % 2 == 1 {
        return upper;
    }
    let lower = middle.checked_sub(1).and_then(|place| sorted.get(place));
    (lower.copied().unwrap_or_default() + upper) / 2.0
}

/// The distance between the least and the greatest value; 0 of none.
#[must_use]
pub fn spread(values: &[f64]) -> f64 {
    let least = values.iter().copied().min_by(f64::total_cmp);
    let greatest = values.iter().copied().max_by(f64::total_cmp);
    greatest.unwrap_or_default() - least.unwrap_or_default()
}

/// The value that `percent` of all are not above (nearest rank); 0 of none. Sorts the values.
#[must_use]
pub fn percentile(values: &mut [u32], percent: usize) -> u32 {
    per_mille(values, percent * 10)
}

/// The value that `thousandths` of all are not above (nearest rank); 0 of none. Sorts the values.
#[must_use]
pub fn per_mille(values: &mut [u32], thousandths: usize) -> u32 {
    values.sort_unstable();
    let rank = (values.len() * thousandths).div_ceil(1000).max(1);
    values.get(rank - 1).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{median, per_mille, percentile, spread};

    #[test]
    fn the_middle_of_odd_and_even() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(&[]), 0.0);
    }

    #[test]
    fn the_spread_is_from_least_to_greatest() {
        assert_eq!(spread(&[2.0, 5.0, 3.0]), 3.0);
        assert_eq!(spread(&[]), 0.0);
    }

    #[test]
    fn a_percentile_is_the_nearest_rank() {
        let mut values: Vec<u32> = (1..=200).rev().collect();
        assert_eq!(percentile(&mut values, 50), 100);
        assert_eq!(percentile(&mut values, 99), 198);
        assert_eq!(per_mille(&mut values, 999), 200);
        assert_eq!(per_mille(&mut values, 5), 1);
        assert_eq!(percentile(&mut [7], 99), 7);
        assert_eq!(percentile(&mut [], 50), 0);
    }
}
