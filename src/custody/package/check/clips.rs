//! The files of a package that are footage, or derived of it: each is what its record says, and what an event says of it.

use std::collections::BTreeMap;

use super::Check;
use crate::custody::package::{DERIVED, PackageNote, PackedDerived};
use crate::domain::as_sealed::AsSealed;
use crate::domain::event::{Envelope, EventKind};
use crate::domain::record::Record;

impl Check<'_> {
    /// Each clip is what its record says, and what an event says was sealed.
    pub(super) fn clips(&mut self, records: &[Record], events: &BTreeMap<u64, Envelope>, note: Option<&PackageNote>) {
        // Bytes as they were sealed, by clip: what the log knows of each.
        let mut sealed: BTreeMap<&str, Vec<AsSealed>> = BTreeMap::new();
        for envelope in events.values() {
            if let Some(clip) = &envelope.clip
                && let Some(told) = AsSealed::read(envelope)
            {
                sealed.entry(clip).or_default().push(told);
            }
        }
        let files: Vec<(String, u64, String, String, Option<String>)> = self
            .digests
            .iter()
            .filter(|(name, _)| name.starts_with("data/clips/"))
            .map(|(name, d)| (name.clone(), d.size, d.sha256.clone(), d.blake3.clone(), d.sm3.clone()))
            .collect();
        let mut left: Vec<&Record> = records.iter().collect();
        let (mut bytes, mut in_order) = (0, true);
        for (name, size, sha256, blake3, sm3) in &files {
            bytes += size;
            let is = |r: &&Record| {
                r.sha256.as_ref() == Some(sha256) && r.blake3.as_ref() == Some(blake3) && r.size_bytes == *size
            };
            let Some(at) = left.iter().position(is) else {
                self.problem(format!("{name:?} is none of the clips of which there are records"));
                continue;
            };
            // Of two that have the same bytes either is in its place.
            in_order &= at == 0;
            let record = left.remove(at);
            // Of a clip that was sealed without, the list of the package alone may have one.
            if record.sm3.is_some() && record.sm3 != *sm3 {
                self.problem(format!("{name:?} (clip {}) has another SM3 than its record says", record.record_id));
            }
            let is = |told: &AsSealed| {
                let (of_blake3, of_sha256) = (told.blake3.to_string(), told.sha256.map(|d| d.to_string()));
                of_blake3 == *blake3
                    && of_sha256.is_none_or(|d| d == *sha256)
                    && told.size_bytes == *size
                    && record.sm3 == told.sm3.map(|d| d.to_string())
            };
            let told = sealed.get(record.record_id.as_str()).map(Vec::as_slice).unwrap_or_default();
            // Who says otherwise of the same clip is a finding, even where another entry says so.
            match (told.is_empty(), told.iter().all(is)) {
                (false, true) if told.iter().any(|told| !told.restored) => self.report.clips += 1,
                (false, true) => self.report.restored += 1,
                _ => {
                    self.problem(format!("{name:?} (clip {}) is not what the log says was sealed", record.record_id));
                }
            }
        }
        if self.report.restored > 0 {
            let words = format!(
                "{} clips are what their records said when the station was restored; the entries of their sealing are not in this log",
                self.report.restored
            );
            self.report.notices.push(words);
        }
        if left.is_empty() && !in_order {
            self.problem("the files of its clips do not stand in the order of their records: some bear others' names");
        }
        for record in left {
            self.problem(format!("the clip {} has a record and no file", record.record_id));
        }
        if note.is_some_and(|note| (note.clips, note.bytes) != (files.len() as u64, bytes)) {
            self.problem("the package has another number or size of clips than was signed");
        }
    }

    /// What is derived is called so, and derived of a clip that the log knows: an event says of which, with both digests.
    pub(super) fn derived(&mut self, records: &[Record], events: &BTreeMap<u64, Envelope>) {
        let names: Vec<String> = self.digests.keys().filter(|n| n.starts_with("data/derived/")).cloned().collect();
        if names.is_empty() && !self.digests.contains_key(DERIVED) {
            return;
        }
        let told: Vec<PackedDerived> = self.json(DERIVED).unwrap_or_default();
        for name in &names {
            if !told.iter().any(|derived| derived.path == *name) {
                self.problem(format!("{DERIVED} does not say of what {name:?} is derived"));
            }
        }
        for derived in &told {
            let found = self.digests.get(&derived.path).map(|d| (d.sha256.clone(), d.blake3.clone(), d.size));
            if found != Some((derived.sha256.clone(), derived.blake3.clone(), derived.size_bytes)) {
                self.problem(format!("{:?} is not the file that {DERIVED} tells of", derived.path));
                continue;
            }
            let of = |r: &&Record| {
                r.record_id == derived.clip
                    && r.sha256.as_ref() == Some(&derived.parent_sha256)
                    && r.blake3.as_ref() == Some(&derived.parent_blake3)
            };
            let made = events.values().any(|e| {
                let says = |key: &str, value: &str| e.body.get(key).and_then(|v| v.as_str()) == Some(value);
                EventKind::parse(&e.kind) == Some(EventKind::DerivedMade)
                    && e.clip.as_deref() == Some(&derived.clip)
                    && says("sha256", &derived.sha256)
                    && says("parent_sha256", &derived.parent_sha256)
                    && says("kind", &derived.kind)
                    && says("method", &derived.method)
            });
            if !records.iter().any(|r| of(&r)) || !made {
                self.problem(format!("no event says that {:?} was derived of a clip of this package", derived.path));
            } else {
                self.report.derived += 1;
            }
        }
    }
}
