//! NumPy's legacy `RandomState`, so that `"rng": "numpy"` draws imbalanced-learn's rows for an integer seed.
//!
//! M. Matsumoto and T. Nishimura, "Mersenne Twister", ACM TOMACS 8(1), 1998 (MT19937), with the drawing rules
//! that NumPy has frozen for `RandomState` (NEP 19). The seed of a step starts the stream anew, as a sampler of
//! imbalanced-learn does that is given an integer `random_state`.

const STATE_WORDS: usize = 624;
const SHIFT_WORDS: usize = 397;

pub(super) struct NumpyRng {
    state: [u32; STATE_WORDS],
    position: usize,
    /// Normal deviates come in pairs; the second waits here.
    spare_normal: Option<f64>,
}

impl NumpyRng {
    /// `RandomState(seed)`.
    pub(super) fn new(seed: u32) -> Self {
        let mut state = [seed; STATE_WORDS];
        for index in 1..STATE_WORDS {
            let previous = state[index - 1];
            let mixed = 1_812_433_253_u32.wrapping_mul(previous ^ (previous >> 30));
            state[index] = mixed.wrapping_add(index as u32);
        }
        Self { state, position: STATE_WORDS, spare_normal: None }
    }

    /// One element of `randint(0, bound)`: masked rejection, and no draw at all where the answer is known.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        let largest = bound.saturating_sub(1) as u64;
        if largest == 0 {
            return 0;
        }
        let mask = u64::MAX >> largest.leading_zeros();
        loop {
            // NumPy takes one word for ranges of 32 bits and two, the high one first, for larger ones.
            let word = if largest <= u64::from(u32::MAX) {
                u64::from(self.next_u32())
            } else {
                (u64::from(self.next_u32()) << 32) | u64::from(self.next_u32())
            };
            if word & mask <= largest {
                return (word & mask) as usize;
            }
        }
    }

    /// One element of `uniform()`, in `0..1`, of 53 bits.
    pub(super) fn uniform(&mut self) -> f64 {
        let high = f64::from(self.next_u32() >> 5);
        let low = f64::from(self.next_u32() >> 6);
        (high * 67_108_864.0 + low) / 9_007_199_254_740_992.0
    }

    /// One element of `randn()`: the polar method of Marsaglia.
    pub(super) fn normal(&mut self) -> f64 {
        if let Some(normal) = self.spare_normal.take() {
            return normal;
        }
        loop {
            let first = 2.0 * self.uniform() - 1.0;
            let second = 2.0 * self.uniform() - 1.0;
            let squared = first * first + second * second;
            if squared < 1.0 && squared != 0.0 {
                let factor = (-2.0 * squared.ln() / squared).sqrt();
                self.spare_normal = Some(factor * first);
                return factor * second;
            }
        }
    }

    fn next_u32(&mut self) -> u32 {
        if self.position == STATE_WORDS {
            self.twist();
        }
        let mut word = self.state[self.position];
        self.position += 1;
        word ^= word >> 11;
        word ^= (word << 7) & 0x9d2c_5680;
        word ^= (word << 15) & 0xefc6_0000;
        word ^ (word >> 18)
    }

    fn twist(&mut self) {
        for index in 0..STATE_WORDS {
            let next = self.state[(index + 1) % STATE_WORDS];
            let joined = (self.state[index] & 0x8000_0000) | (next & 0x7fff_ffff);
            let odd = if joined & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[index] = self.state[(index + SHIFT_WORDS) % STATE_WORDS] ^ (joined >> 1) ^ odd;
        }
        self.position = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::NumpyRng;

    // import numpy as np; r = np.random.RandomState
    #[test]
    fn draws_what_numpy_draws() {
        let mut rng = NumpyRng::new(42);
        // r(42).randint(0, 100, 6).tolist()
        assert_eq!([(); 6].map(|()| rng.below(100)), [51, 92, 14, 71, 60, 20]);
        let mut rng = NumpyRng::new(7);
        // r(7).randint(0, 2**40, 3).tolist()
        assert_eq!([(); 3].map(|()| rng.below(1 << 40)), [752595690692, 108744157686, 291964244179]);
        let mut rng = NumpyRng::new(4_294_967_295);
        // r(2**32 - 1).uniform(size=3).tolist()
        assert_eq!([(); 3].map(|()| rng.uniform()), [0.0976320289940138, 0.9123828453026218, 0.78903530185164]);
    }

    #[test]
    fn draws_numpys_normals_up_to_the_last_bit_of_the_logarithm() {
        let mut rng = NumpyRng::new(3);
        // r(3).randn(5).tolist()
        for expected in
            [1.7886284734303186, 0.43650985051198943, 0.09649746807200862, -1.8634927033644908, -0.27738820251439905]
        {
            assert!((rng.normal() - expected).abs() <= 4.0 * f64::EPSILON);
        }
    }

    #[test]
    fn a_known_answer_takes_no_draw() {
        let mut rng = NumpyRng::new(0);
        assert_eq!([(); 3].map(|()| rng.below(1)), [0; 3]);
        // r(0).uniform()
        assert_eq!(rng.uniform(), 0.5488135039273248);
    }

    #[test]
    fn a_stream_goes_on_past_its_first_block() {
        let mut rng = NumpyRng::new(1);
        for _ in 0..1_500 {
            rng.uniform();
        }
        // g = r(1); g.uniform(size=1500); g.uniform()
        assert_eq!(rng.uniform(), 0.14318978170876284);
    }
}
