//! The middle of samples, and how far they lie apart.

use serde::Serialize;

/// The quartiles of some samples, in the samples' unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Quartiles {
    /// A quarter of them is below.
    pub lower: f64,
    /// Half of them is below.
    pub median: f64,
    /// A quarter of them is above.
    pub upper: f64,
    /// How many samples there are.
    pub count: usize,
}

impl Quartiles {
    /// Of samples in any order; `None` of none at all.
    pub fn of(mut samples: Vec<f64>) -> Option<Self> {
        samples.sort_unstable_by(f64::total_cmp);
        let at = |quarters: usize| samples.get((samples.len().checked_sub(1)? * quarters + 2) / 4);
        Some(Self { lower: *at(1)?, median: *at(2)?, upper: *at(3)?, count: samples.len() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_do_not_depend_on_order_and_are_samples() {
        let quartiles = Quartiles::of(vec![5.0, 1.0, 4.0, 2.0, 3.0]).unwrap();

        assert_eq!(
            (quartiles.lower, quartiles.median, quartiles.upper, quartiles.count),
            (2.0, 3.0, 4.0, 5)
        );
        assert_eq!(Quartiles::of(vec![]), None);
    }
}
