//! One-time codes by time (TOTP, RFC 6238 over RFC 4226): SHA-1, six digits, thirty seconds, as every authenticator knows
//! them. A code holds for its own step and the ones beside it, and once.

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

/// Length of a step.
const STEP_S: i64 = 30;
/// RFC 4226, section 4, R6 recommends 160 bits.
pub const SECRET_BYTES: usize = 20;

/// A new secret.
pub fn secret() -> [u8; SECRET_BYTES] {
    rand::random()
}

/// The step of a moment, milliseconds since the Unix epoch.
fn step(now_ms: i64) -> i64 {
    now_ms.div_euclid(1000 * STEP_S)
}

/// The code of a step (RFC 4226, section 5.3).
pub(super) fn code(secret: &[u8], step: i64) -> Option<u32> {
    let mut mac = Hmac::<Sha1>::new_from_slice(secret).ok()?;
    mac.update(&step.to_be_bytes());
    let digest = mac.finalize().into_bytes();
    let at = usize::from(digest.last()? & 0xf);
    let cut: [u8; 4] = digest.get(at..at + 4)?.try_into().ok()?;
    Some((u32::from_be_bytes(cut) & 0x7fff_ffff) % 1_000_000)
}

/// The step to which a typed code belongs, if it holds at `now_ms` and was not used: `used` is the last step of which one was.
pub fn check(secret: &[u8], typed: &str, now_ms: i64, used: i64) -> Option<i64> {
    let digits: String = typed.chars().filter(|c| !c.is_whitespace()).collect();
    let right_form = digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_digit());
    let typed: u32 = digits.parse().ok().filter(|_| right_form)?;
    let now = step(now_ms);
    (now - 1..=now + 1).find(|step| *step > used && code(secret, *step) == Some(typed))
}

/// The secret as people type it: base32 (RFC 4648) in groups of four.
pub fn written(secret: &[u8]) -> String {
    let plain = base32(secret);
    let groups: Vec<&str> = (0..plain.len()).step_by(4).map(|at| &plain[at..(at + 4).min(plain.len())]).collect();
    groups.join(" ")
}

/// The address that authenticators read (key URI format).
pub fn address(secret: &[u8], station: &str, login: &str) -> String {
    let text = |t: &str| percent_encoding::utf8_percent_encode(t, percent_encoding::NON_ALPHANUMERIC).to_string();
    format!("otpauth://totp/{}:{}?secret={}&issuer={}", text(station), text(login), base32(secret), text(station))
}

fn base32(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut text = String::new();
    let (mut held, mut bits) = (0_u32, 0);
    for byte in bytes {
        held = held << 8 | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(char::from(LETTERS[(held >> bits & 31) as usize]));
        }
    }
    if bits > 0 {
        text.push(char::from(LETTERS[(held << (5 - bits) & 31) as usize]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B (the last six digits of its eight).
    #[test]
    fn codes_are_those_of_the_standard() {
        let secret = b"12345678901234567890";
        for (seconds, wanted) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(check(secret, wanted, seconds * 1000, 0), Some(step(seconds * 1000)), "{seconds}");
        }
    }

    #[test]
    fn a_code_holds_a_step_to_either_side_and_once() {
        let (secret, now) = (secret(), 1_781_834_604_000);
        let typed = |n: i64| format!("{:06}", code(&secret, step(now) + n).unwrap());
        for n in -1..=1 {
            assert_eq!(check(&secret, &typed(n), now, 0), Some(step(now) + n));
            assert_eq!(check(&secret, &typed(n), now, step(now) + n), None, "used");
        }
        assert_eq!(check(&secret, &typed(2), now, 0), None);
        let spaced = format!("{} {}", &typed(0)[..3], &typed(0)[3..]);
        assert!(check(&secret, &spaced, now, 0).is_some());
        for bad in ["", "12345", "1234567", "abcdef", "+12345", "１２３４５６"] {
            assert_eq!(check(&secret, bad, now, 0), None, "{bad}");
        }
    }

    /// RFC 4648, section 10.
    #[test]
    fn base32_is_that_of_the_standard() {
        for (plain, wanted) in [("", ""), ("f", "MY"), ("fo", "MZXQ"), ("foo", "MZXW6"), ("foobar", "MZXW6YTBOI")] {
            assert_eq!(base32(plain.as_bytes()), wanted);
        }
        assert_eq!(written(b"foobar"), "MZXW 6YTB OI");
        assert!(address(b"foobar", "采集站", "a@b").starts_with("otpauth://totp/%E9%87%87"));
    }
}
