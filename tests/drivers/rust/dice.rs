//! Chance.

/// A source of numbers that look random; see Knuth's MMIX.
pub struct Dice(pub u64);

impl Dice {
    /// One of the first `n` numbers.
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % n
    }
}
