//! How far the quick arithmetic may be from the exact distances: what may be skipped without being measured.
//!
//! Write t for the true scaled distance of two rows. Everything is bounded from the safe side:
//!
//! - An exact distance D is a sum in f64, so that `|D − t²/s²| ≤ (d + 2) ε D` plus what underflowed ([`Bound::distance`]).
//! - A projection on the axes lengthens by `stretch` at most, and its rounding moves a point by `drift` of its norm
//!   ([`Bound::gap_limit`]).
//! - Within a block, w is the query and x a row, both less the block's centre and rounded to f32, which moves each by
//!   u of its norm, with u = 2⁻²⁴. The score `w·x − |x|²/2` is a chain of d + 1 fused multiply-adds, whose error is at
//!   most `(d + 3) u (|w| r + r²/2)` with r the largest |x| of the block (N. J. Higham, "Accuracy and Stability of
//!   Numerical Algorithms", 2nd ed., section 3.1). Since `|w − x|² = |w|² − 2 score`, a limit of the distance is a bar
//!   for the score ([`Bound::bar`]).
//!
//! Where a norm is not finite or a sum has overflowed, the bounds are infinite and skip nothing.

use super::Reach;

/// Unit roundoff of f32.
const UNIT_F32: f64 = 1.0 / (1_u64 << 24) as f64;
/// What an f32 that underflows loses at most, flushed to zero or not.
const LEAST_F32: f64 = f32::MIN_POSITIVE as f64 * 2.0;
/// The most that `w` may be for products with it to be finite.
pub(super) const MOST_F32: f64 = 1e15;

pub(super) struct Bound {
    pub(super) reach: Reach,
    pub(super) columns: f64,
    /// Of [`super::space::Space`].
    pub(super) scale: f64,
    pub(super) stretch: f64,
    pub(super) drift: f64,
    /// The largest norm of a placed row.
    pub(super) spread: f64,
}

/// A query beside a block.
#[derive(Clone, Copy)]
pub(super) struct Beside {
    /// Of the query less the block's centre.
    pub(super) squared_norm: f64,
    pub(super) norm: f64,
    /// The largest norm of a row of the block, less the centre.
    pub(super) radius: f64,
    /// How far the rounding of placed points may move the two.
    pub(super) slack: f64,
}

impl Bound {
    /// How far rounding to f64 moves a query of the given norm and a row, both placed, at most.
    pub(super) fn slack(&self, norm: f64) -> f64 {
        4.0 * f64::EPSILON * (norm + self.spread)
    }

    /// What a squared gap along the axes must pass for the box to hold nothing within the distance.
    pub(super) fn gap_limit(&self, distance: f64, norm: f64) -> f64 {
        match self.reach {
            Reach::Farthest => f64::INFINITY,
            Reach::Nearest => {
                let gap = self.stretch * (distance + self.slack(norm)) + self.drift * (norm + self.spread);
                // Nothing is skipped for a gap that is no number: no drift of an infinite spread.
                if gap.is_nan() { f64::INFINITY } else { gap * gap * (1.0 + 1e-12) }
            }
        }
    }

    /// For the farthest: whether the ball around the block's centre may hold a row beyond the distance.
    pub(super) fn ball_reaches(&self, distance: f64, beside: Beside) -> bool {
        let missing = distance - (beside.norm + beside.radius) * (1.0 + 1e-6) - beside.slack;
        missing <= 0.0 || missing.is_nan()
    }

    /// What a score must be at least for the row to be one within the distance, or for the farthest, for which scores
    /// are negated, beyond it.
    pub(super) fn bar(&self, distance: f64, beside: Beside) -> f32 {
        let Beside { squared_norm, norm, radius, slack } = beside;
        let moved = 1.01 * UNIT_F32 * (norm + radius) + slack + self.columns * LEAST_F32;
        let error = 1.01 * (self.columns + 3.0) * UNIT_F32 * radius * (norm + 0.5 * radius)
            + (self.columns + 4.0) * LEAST_F32
            + (self.columns + 32.0) * f64::EPSILON * squared_norm;
        let bar = match self.reach {
            Reach::Nearest => {
                let most = distance + moved;
                0.5 * (squared_norm - most * most * (1.0 + 1e-12)) - error
            }
            Reach::Farthest => {
                let least = (distance - moved).max(0.0);
                0.5 * (least * least * (1.0 - 1e-12) - squared_norm) - error
            }
        };
        if bar.is_nan() { f32::NEG_INFINITY } else { (bar as f32).next_down() }
    }

    /// The scaled distance that belongs to a limit of keys: for the nearest from above, for the farthest from below.
    pub(super) fn distance(&self, limit: f64) -> f64 {
        // A square that underflows loses less than the least number there is.
        let (rounding, lost) = ((self.columns + 4.0) * f64::EPSILON, self.columns * 4.0 * f64::from_bits(1));
        match self.reach {
            Reach::Nearest => (limit * (1.0 + rounding) + lost).sqrt() * self.scale * (1.0 + 1e-14),
            Reach::Farthest => {
                // A distance that overflowed is at least about the largest number, and others may tie with it.
                let squared = (-limit).min(f64::MAX) * (1.0 - rounding) - lost;
                squared.max(0.0).sqrt() * self.scale * (1.0 - 1e-14)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Beside, Bound, Reach};

    fn bound(reach: Reach) -> Bound {
        Bound { reach, columns: 3.0, scale: 1.0, stretch: 1.0, drift: 1e-15, spread: 1.0 }
    }

    const BESIDE: Beside = Beside { squared_norm: 1.0, norm: 1.0, radius: 0.5, slack: 1e-15 };

    #[test]
    fn a_limit_is_passed_by_what_lies_at_it_and_not_by_what_is_clearly_beyond() {
        // |w|² − 2 score = 0.25 and 1.69.
        let (near, far) = (bound(Reach::Nearest), bound(Reach::Farthest));
        let bar = near.bar(near.distance(0.25), BESIDE);
        assert!(0.375 >= bar && 0.3749 < bar);
        let bar = far.bar(far.distance(-1.69), BESIDE);
        assert!(0.345 >= bar && 0.3449 < bar);
        let gap = near.gap_limit(near.distance(0.25), 1.0);
        assert!((0.25..0.250_001).contains(&gap));
        assert!(far.ball_reaches(far.distance(-2.25), BESIDE));
        assert!(!far.ball_reaches(far.distance(-2.2501), BESIDE));
    }

    #[test]
    fn a_list_that_is_not_full_lets_everything_in() {
        let (near, far) = (bound(Reach::Nearest), bound(Reach::Farthest));
        assert_eq!(near.bar(near.distance(f64::INFINITY), BESIDE), f32::NEG_INFINITY);
        assert!(far.bar(far.distance(f64::INFINITY), BESIDE) <= -0.5);
    }

    #[test]
    fn what_cannot_be_bounded_is_never_skipped() {
        let wild = Beside { squared_norm: f64::INFINITY, norm: f64::INFINITY, slack: f64::INFINITY, ..BESIDE };
        for reach in [Reach::Nearest, Reach::Farthest] {
            assert_eq!(bound(reach).bar(1.0, wild), f32::NEG_INFINITY);
            assert!(bound(reach).ball_reaches(1.0, wild));
            assert_eq!(bound(reach).gap_limit(1.0, f64::INFINITY), f64::INFINITY);
        }
        // Without axes there is no drift.
        let bare = Bound { drift: 0.0, spread: f64::INFINITY, ..bound(Reach::Nearest) };
        assert_eq!(bare.gap_limit(1.0, 1.0), f64::INFINITY);
        // The least distance that f64 can tell apart from others is not taken for an exact one.
        let near = bound(Reach::Nearest);
        assert!(near.gap_limit(near.distance(0.0), 0.0) > 0.0);
        // Distances that overflowed may tie.
        let far = bound(Reach::Farthest);
        assert!(far.distance(f64::NEG_INFINITY) < f64::MAX.sqrt());
    }
}
