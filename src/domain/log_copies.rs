//! The columns beside an entry of the log that repeat what its bytes say, so that it is found by clip, case or kind. No
//! tree covers them: whoever changes one without touching the bytes hides an event from pages, proofs and packages, and no
//! signature shows it. So they are compared with the bytes. Pure.

/// What the columns say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Copies {
    /// What happened, as the stored word.
    pub kind: String,
    /// Wall clock, milliseconds since the Unix epoch.
    pub wall_ms: i64,
    /// The clip.
    pub clip: Option<String>,
    /// Hex SHA-256 of the case key.
    pub case: Option<String>,
}

impl Copies {
    /// The columns, by their names in the database, that say something else than the bytes do, which say this.
    pub fn differing(&self, kind: &str, wall_ms: i64, clip: Option<&str>, case: Option<&str>) -> Vec<&'static str> {
        let all = [
            ("kind", self.kind == kind),
            ("wall_ms", self.wall_ms == wall_ms),
            ("clip_id", self.clip.as_deref() == clip),
            ("case_hash", self.case.as_deref() == case),
        ];
        all.into_iter().filter(|(_, same)| !same).map(|(column, _)| column).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_column_is_compared() {
        let copies = Copies { kind: "clip.sealed".into(), wall_ms: 7, clip: Some("a".into()), case: None };
        let none: [&str; 0] = [];
        assert_eq!(copies.differing("clip.sealed", 7, Some("a"), None), none);
        assert_eq!(copies.differing("clip.seen", 7, Some("a"), None), ["kind"]);
        assert_eq!(copies.differing("clip.sealed", 8, Some("a"), None), ["wall_ms"]);
        assert_eq!(copies.differing("clip.sealed", 7, None, None), ["clip_id"]);
        assert_eq!(copies.differing("clip.sealed", 7, Some("b"), Some("c")), ["clip_id", "case_hash"]);
    }
}
