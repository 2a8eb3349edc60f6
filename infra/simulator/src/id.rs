//! Ids like Stripe's: a prefix, then random letters and digits.

use rand::RngCore;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Generates an id, `pi_` and 24 letters and digits for the prefix `pi`.
pub(crate) fn new(prefix: &str) -> String {
    let mut id = String::with_capacity(prefix.len() + 25);
    id.push_str(prefix);
    id.push('_');
    let mut rng = rand::rng();
    for _ in 0..3 {
        let mut random = rng.next_u64();
        for _ in 0..8 {
            let digit = usize::try_from(random % 62).unwrap_or_default();
            id.push(char::from(ALPHABET[digit]));
            random /= 62;
        }
    }
    id
}
