//! Spreading keys out: a number that depends on the key alone, so that doing it again comes to the same.

/// A well-mixed number that is the key's own, the same in every run and on every machine.
pub fn hash(key: &[u8]) -> u64 {
    let sum =
        key.iter().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
    mix(sum)
}

/// Mixes all bits of `seed` into all bits of the result.
pub fn mix(seed: u64) -> u64 {
    let mut mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A share of `room`, from 0 up to but never `room` itself, that is the key's own.
pub fn share(key: &[u8], room: u64) -> u64 {
    let share = (u128::from(hash(key)) * u128::from(room)) >> 64;
    u64::try_from(share).unwrap_or(room)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_stable_and_even() {
        assert_eq!(share(b"session:1", 1000), share(b"session:1", 1000));
        assert_eq!(share(b"session:1", 0), 0);
        let shares: Vec<u64> = (0..10_000).map(|n| share(format!("session:{n}").as_bytes(), 1000)).collect();
        let low = shares.iter().filter(|share| **share < 500).count();
        assert!(shares.iter().all(|share| *share < 1000));
        assert!((4_800..5_200).contains(&low), "{low} of 10 000 in the lower half");
    }
}
