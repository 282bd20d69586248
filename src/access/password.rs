//! Passwords: argon2id with the parameters that OWASP names for it (19 MiB, two passes, one lane), stored in the PHC string
//! form `$argon2id$v=19$m=19456,t=2,p=1$<salt>$<hash>` (base64 without padding), so that later parameters stand beside
//! earlier ones. Blocks for some ten milliseconds and takes 19 MiB: whoever calls bounds how many run at once.

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;

/// What is hashed with now; a stored hash with other parameters is made anew at the next sign-in.
const NOW: Cost = Cost { kib: 19 * 1024, passes: 2, lanes: 1 };
/// No stored hash asks for more, whoever wrote it.
const MOST: Cost = Cost { kib: 256 * 1024, passes: 16, lanes: 4 };

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cost {
    kib: u32,
    passes: u32,
    lanes: u32,
}

/// What comparing came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is the password.
    Right {
        /// The hash is of older parameters.
        stale: bool,
    },
    /// It is not.
    Wrong,
}

/// Hashing failed: there is no memory for it, or what is stored is no hash of ours.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// argon2 refused.
    #[error("a password could not be hashed: {0}")]
    Hash(String),
    /// The stored text.
    #[error("the stored password of an account cannot be read; set a new one with `evidock user password`")]
    Stored,
}

fn derive(password: &str, salt: &[u8], cost: Cost) -> Result<[u8; HASH_BYTES], PasswordError> {
    let failed = |e: argon2::Error| PasswordError::Hash(e.to_string());
    let params = Params::new(cost.kib, cost.passes, cost.lanes, Some(HASH_BYTES)).map_err(failed)?;
    let mut hash = [0; HASH_BYTES];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.as_bytes(), salt, &mut hash)
        .map_err(failed)?;
    Ok(hash)
}

/// Hashes a password under a new salt.
pub fn hash(password: &str) -> Result<String, PasswordError> {
    let salt = rand::random::<[u8; SALT_BYTES]>();
    let hash = derive(password, &salt, NOW)?;
    let Cost { kib, passes, lanes } = NOW;
    let (salt, hash) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(hash));
    Ok(format!("$argon2id$v=19$m={kib},t={passes},p={lanes}${salt}${hash}"))
}

/// Compares a password with a stored hash.
pub fn verify(password: &str, stored: &str) -> Result<Verdict, PasswordError> {
    let (cost, salt, wanted) = read(stored).ok_or(PasswordError::Stored)?;
    let found = derive(password, &salt, cost)?;
    // blake3's comparison takes the same time wherever two digests differ.
    Ok(match blake3::hash(&found) == blake3::hash(&wanted) {
        true => Verdict::Right { stale: cost != NOW },
        false => Verdict::Wrong,
    })
}

fn read(stored: &str) -> Option<(Cost, Vec<u8>, Vec<u8>)> {
    let mut parts = stored.strip_prefix("$argon2id$v=19$")?.split('$');
    let (costs, salt, hash) = (parts.next()?, parts.next()?, parts.next()?);
    let mut costs = costs.split(',');
    let mut number = |key: &str| costs.next()?.strip_prefix(key)?.parse::<u32>().ok();
    let cost = Cost { kib: number("m=")?, passes: number("t=")?, lanes: number("p=")? };
    let fits = cost.kib <= MOST.kib && cost.passes <= MOST.passes && cost.lanes <= MOST.lanes;
    let (salt, hash) = (STANDARD_NO_PAD.decode(salt).ok()?, STANDARD_NO_PAD.decode(hash).ok()?);
    (fits && parts.next().is_none() && hash.len() == HASH_BYTES).then_some((cost, salt, hash))
}

/// Letters and digits that nobody takes for one another.
const ALPHABET: &[u8; 31] = b"23456789abcdefghjkmnpqrstuvwxyz";

/// A password for the first sign-in: four groups of four, some 79 bits.
pub fn one_time() -> String {
    let mut text = String::new();
    while text.len() < 19 {
        // Bytes past the last whole multiple are drawn again, so that no letter is likelier than another.
        let byte = rand::random::<u8>();
        if usize::from(byte) >= 256 / ALPHABET.len() * ALPHABET.len() {
            continue;
        }
        if matches!(text.len(), 4 | 9 | 14) {
            text.push('-');
        }
        text.push(char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_again_and_another_is_not() {
        let stored = hash("蓝天白云 and more").unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert_eq!(verify("蓝天白云 and more", &stored).unwrap(), Verdict::Right { stale: false });
        assert_eq!(verify("蓝天白云 and more ", &stored).unwrap(), Verdict::Wrong);
        assert_ne!(stored, hash("蓝天白云 and more").unwrap(), "each has a salt of its own");
    }

    /// A test vector of the reference implementation (phc-winner-argon2, src/test.c); its parameters are weaker than ours, so
    /// that it would be made anew.
    #[test]
    fn what_another_implementation_made_is_read() {
        let stored = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        assert_eq!(verify("password", stored).unwrap(), Verdict::Right { stale: true });
        assert_eq!(verify("passwort", stored).unwrap(), Verdict::Wrong);
    }

    #[test]
    fn what_is_no_hash_is_refused() {
        let good = hash("correct horse").unwrap();
        for bad in [
            "",
            "plain",
            "$argon2i$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaA",
            "$argon2id$v=19$m=4294967295,t=2,p=1$c2FsdHNhbHQ$aGFzaA",
            &good[..good.len() - 3],
            &format!("{good}$x"),
        ] {
            assert!(matches!(verify("correct horse", bad), Err(PasswordError::Stored)), "{bad}");
        }
    }

    #[test]
    fn first_passwords_are_long_and_unlike() {
        let (one, other) = (one_time(), one_time());
        assert!(one.len() == 19 && one.split('-').all(|g| g.len() == 4), "{one}");
        assert_ne!(one, other);
    }
}
