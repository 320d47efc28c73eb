//! Randomness: idempotency keys that nobody has used.

use domain::cart::ports::Keys;
use domain::types::IdempotencyKey;
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};

/// Keys of 128 random bits, from a generator that the operating system seeded once.
#[derive(Debug)]
pub struct RandomKeys(Mutex<StdRng>);

impl Default for RandomKeys {
    fn default() -> Self {
        Self(Mutex::new(StdRng::from_os_rng()))
    }
}

impl Keys for RandomKeys {
    fn fresh(&self) -> IdempotencyKey {
        let mut bits = [0; 16];
        self.0.lock().fill_bytes(&mut bits);
        let text = format!("{:032x}", u128::from_be_bytes(bits));
        IdempotencyKey::new(text).expect("32 hexadecimal digits are a valid key")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ() {
        let keys = RandomKeys::default();
        let distinct: std::collections::HashSet<_> = (0..1000).map(|_| keys.fresh()).collect();
        assert_eq!(distinct.len(), 1000);
    }
}
