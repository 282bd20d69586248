//! What an entry of the log says a clip's bytes are. The row of a clip is what daily work goes by; whoever can change a
//! file can change its row, too, so that comparing goes by the log.

use super::digest::{Blake3, Sha256};
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
        Some(Self {
            restored,
            blake3: text("blake3")?.parse().ok()?,
            sha256,
            size_bytes: entry.body.get("size_bytes")?.as_u64()?,
        })
    }

    /// Whether it says so of these bytes.
    pub fn is(&self, blake3: Blake3, sha256: Sha256, size_bytes: u64) -> bool {
        self.blake3 == blake3 && self.sha256.is_none_or(|told| told == sha256) && self.size_bytes == size_bytes
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
        let told = AsSealed { restored: false, blake3: Blake3([1; 32]), sha256: Some(Sha256([2; 32])), size_bytes: 3 };
        let body = json!({ "blake3": one, "sha256": two, "size_bytes": 3 });
        assert_eq!(AsSealed::read(&entry("clip.sealed", body.clone())), Some(told));
        assert!(told.is(Blake3([1; 32]), Sha256([2; 32]), 3) && !told.is(Blake3([1; 32]), Sha256([3; 32]), 3));
        let body_of_old = json!({ "blake3": one, "size_bytes": 3 });
        let restored = AsSealed { restored: true, sha256: None, ..told };
        assert_eq!(AsSealed::read(&entry("clip.restored", body_of_old)), Some(restored));
        assert!(restored.is(Blake3([1; 32]), Sha256([9; 32]), 3) && !restored.is(Blake3([1; 32]), Sha256([9; 32]), 4));
        assert_eq!(AsSealed::read(&entry("clip.restored", json!({ "local": "evicted" }))), None);
        assert_eq!(AsSealed::read(&entry("derived.made", body)), None);
        let odd = json!({ "blake3": one, "sha256": "x", "size_bytes": 3 });
        assert_eq!(AsSealed::read(&entry("clip.sealed", odd)), None);
    }
}
