//! Choices that a seed makes.

/// Marsaglia's xorshift: the same seed makes the same choices, if not the same moments.
pub struct Random(u64);

impl Random {
    /// Never 0, of which nothing would come.
    pub fn new(seed: u64, stream: u64) -> Self {
        Self((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (stream + 1).wrapping_mul(0xbf58_476d_1ce4_e5b9) | 1)
    }

    /// Less than the limit.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}
