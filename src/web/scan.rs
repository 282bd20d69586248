//! A text as a picture to scan (QR code, ISO/IEC 18004), as the path of an inline SVG: no script, no style and no picture from
//! elsewhere, so that the page's policy allows it as it is.

use qrcodegen::{QrCode, QrCodeEcc};

/// Light modules around it (ISO/IEC 18004, 9.1).
const QUIET: i32 = 4;

/// A picture to scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    /// Modules on each side, the quiet ones included: the view box.
    pub size: i32,
    /// The dark ones, as an SVG path.
    pub path: String,
}

impl Scan {
    /// Of a text; `None` where it is longer than such pictures hold.
    pub fn of(text: &str) -> Option<Self> {
        let code = QrCode::encode_text(text, QrCodeEcc::Medium).ok()?;
        let mut path = String::new();
        for y in 0..code.size() {
            let mut x = 0;
            while x < code.size() {
                let run = (x..code.size()).take_while(|x| code.get_module(*x, y)).count() as i32;
                if run > 0 {
                    path.push_str(&format!("M{} {}h{run}v1h-{run}z", x + QUIET, y + QUIET));
                }
                x += run.max(1);
            }
        }
        Some(Self { size: code.size() + 2 * QUIET, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_the_code_s_modules_and_no_others() {
        let text = "otpauth://totp/%E7%AB%99:zhang?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=%E7%AB%99";
        let scan = Scan::of(text).unwrap();
        let code = QrCode::encode_text(text, QrCodeEcc::Medium).unwrap();
        let mut dark = std::collections::BTreeSet::new();
        for piece in scan.path.split('M').filter(|p| !p.is_empty()) {
            let (at, run) = piece.split_once('h').unwrap();
            let (x, y) = at.split_once(' ').unwrap();
            let run: i32 = run.split('v').next().unwrap().parse().unwrap();
            let (x, y): (i32, i32) = (x.parse().unwrap(), y.parse().unwrap());
            dark.extend((x..x + run).map(|x| (x - QUIET, y - QUIET)));
        }
        for y in -QUIET..code.size() + QUIET {
            for x in -QUIET..code.size() + QUIET {
                assert_eq!(dark.contains(&(x, y)), code.get_module(x, y), "{x} {y}");
            }
        }
        assert_eq!(scan.size, code.size() + 8);
        assert_eq!(Scan::of(&"x".repeat(5_000)), None);
    }
}
