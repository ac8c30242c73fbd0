//! Chance, all of it from one seed. Only raw words are taken from the generator and cut to size here, so that a new
//! version of its crate cannot change what a seed means.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What a sequence of chance decides: each has its own, so that more faults do not mean other wishes.
#[derive(Clone, Copy, Debug)]
pub enum Of {
    /// What there is to begin with.
    Founding = 1,
    /// What people want, and when.
    Wishes = 2,
    /// What goes wrong.
    Faults = 3,
}

/// A sequence of chance.
pub struct Dice(ChaCha8Rng);

impl Dice {
    /// The sequence of a seed for one purpose.
    pub fn new(seed: u64, of: Of) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let mut generator = ChaCha8Rng::from_seed(bytes);
        generator.set_stream(of as u64);
        Dice(generator)
    }

    /// A number below `end`, which is more than nothing.
    pub fn below(&mut self, end: u64) -> u64 {
        let scaled = u128::from(self.0.next_u64()) * u128::from(end);
        u64::try_from(scaled >> 64).expect("it is below the end")
    }

    /// A number from `from` up to and with `to`.
    pub fn between(&mut self, from: i64, to: i64) -> i64 {
        let drawn = self.below(to.abs_diff(from) + 1);
        from + i64::try_from(drawn).expect("nobody asks for numbers that far apart")
    }

    /// Whether what happens `per_mille` times in a thousand happens now.
    pub fn falls(&mut self, per_mille: u16) -> bool {
        self.below(1_000) < u64::from(per_mille)
    }

    /// One of them; `None` where there is none.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        if of.is_empty() { None } else { of.get(self.below(of.len() as u64) as usize) }
    }

    /// One of them, each as often as its weight says.
    pub fn weighed<T: Copy>(&mut self, of: &[(u16, T)]) -> T {
        let all = of.iter().map(|(weight, _)| u64::from(*weight)).sum();
        let mut drawn = self.below(all);
        for (weight, one) in of {
            match drawn.checked_sub(u64::from(*weight)) {
                None => return *one,
                Some(left) => drawn = left,
            }
        }
        unreachable!("the weights add up to what was drawn from")
    }
}
