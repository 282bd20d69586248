//! What an entry of the log says a clip's bytes are. The row of a clip is what daily work goes by; whoever can change a
//! file can change its row, too, so that comparing goes by the log.

use super::digest::{Blake3, Sha256, Sm3};
use super::event::{Envelope, EventKind};

/// A clip's digests as an entry of the log names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AsSealed {
    /// Taken over from a record when the station was restored; else named as it was sealed, from what was read of its
    /// recorder.
    pub restored: bool,
    /// BLAKE3 of the whole.
    pub blake3: Blake3,
    /// SHA-256 of the whole; `None` in restores by earlier versions.
    pub sha256: Option<Sha256>,
    /// SM3 of the whole; `None` of clips that were sealed without.
    pub sm3: Option<Sm3>,
    /// Length in bytes.
    pub size_bytes: u64,
}

impl AsSealed {
    /// Reads it off an entry; `None` of one that names no digests of a clip's own.
    pub fn read(entry: &Envelope) -> Option<Self> {
        let restored = match EventKind::parse(&entry.kind)? {
            EventKind::Sealed => false,
            EventKind::ClipRestored => true,
            _ => return None,
        };
        let text = |name: &str| entry.body.get(name).and_then(|value| value.as_str());
        let sha256 = match text("sha256") {
            Some(hex) => Some(hex.parse().ok()?),
            None => None,
        };
        let sm3 = match text("sm3") {
            Some(hex) => Some(hex.parse().ok()?),
            None => None,
        };
        Some(Self {
            restored,
            blake3: text("blake3")?.parse().ok()?,
            sha256,
            sm3,
            size_bytes: entry.body.get("size_bytes")?.as_u64()?,
        })
    }

    /// Whether it says so of these bytes. An SM3 that the log does not know is as wrong as another one.
    pub fn is(&self, blake3: Blake3, sha256: Sha256, sm3: Option<Sm3>, size_bytes: u64) -> bool {
        let same = self.blake3 == blake3 && self.sha256.is_none_or(|told| told == sha256);
        same && self.sm3 == sm3 && self.size_bytes == size_bytes
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::event::Actor;

    fn entry(kind: &str, body: serde_json::Value) -> Envelope {
        let serde_json::Value::Object(body) = body else { panic!("a body is an object") };
        Envelope {
            v: 1,
            epoch: 1,
            seq: 7,
            wall_ms: 0,
            boot: "b".into(),
            mono_ms: 0,
            kind: kind.into(),
            actor: Actor::daemon(),
            via: "daemon".into(),
            from: None,
            session: None,
            clip: None,
            case: None,
            purpose: None,
            outcome: "ok".into(),
            body,
        }
    }

    #[test]
    fn sealings_and_restores_name_a_clip_s_digests_and_nothing_else_does() {
        let (one, two) = ("01".repeat(32), "02".repeat(32));
        let (blake3, sha256) = (Blake3([1; 32]), Some(Sha256([2; 32])));
        let told = AsSealed { restored: false, blake3, sha256, sm3: None, size_bytes: 3 };
        let body = json!({ "blake3": one, "sha256": two, "size_bytes": 3 });
        assert_eq!(AsSealed::read(&entry("clip.sealed", body.clone())), Some(told));
        assert!(told.is(blake3, Sha256([2; 32]), None, 3) && !told.is(blake3, Sha256([3; 32]), None, 3));
        assert!(!told.is(blake3, Sha256([2; 32]), Some(Sm3([4; 32])), 3), "one that was added later");
        let four = "04".repeat(32);
        let with_sm3 = json!({ "blake3": one, "sha256": two, "sm3": four, "size_bytes": 3 });
        let with_sm3 = AsSealed::read(&entry("clip.sealed", with_sm3)).unwrap();
        assert_eq!(with_sm3, AsSealed { sm3: Some(Sm3([4; 32])), ..told });
        assert!(with_sm3.is(blake3, Sha256([2; 32]), Some(Sm3([4; 32])), 3));
        for other in [None, Some(Sm3([5; 32]))] {
            assert!(!with_sm3.is(blake3, Sha256([2; 32]), other, 3), "{other:?}");
        }
        let body_of_old = json!({ "blake3": one, "size_bytes": 3 });
        let restored = AsSealed { restored: true, sha256: None, ..told };
        assert_eq!(AsSealed::read(&entry("clip.restored", body_of_old)), Some(restored));
        assert!(restored.is(blake3, Sha256([9; 32]), None, 3) && !restored.is(blake3, Sha256([9; 32]), None, 4));
        assert_eq!(AsSealed::read(&entry("clip.restored", json!({ "local": "evicted" }))), None);
        assert_eq!(AsSealed::read(&entry("derived.made", body)), None);
        let odd = json!({ "blake3": one, "sha256": "x", "size_bytes": 3 });
        assert_eq!(AsSealed::read(&entry("clip.sealed", odd)), None);
    }
}
