//! What a station can tell of a package by its lists, before it signs: its clips are those that were asked for, as they
//! were sealed, its events are all that belong in it and stand so in the log, it opens what is to be opened, and it says who
//! asked, why and on what basis. Whoever writes a package may be anybody with the right to the daemon's socket; what they
//! wrote besides is compared by whoever checks it.

use std::collections::{BTreeMap, BTreeSet};

use super::bag;
use super::check::{digest_of, number};
use super::{FACTS, Facts, MANIFEST, OPENED, WITHHELD};
use crate::domain::digest::Sha256;

/// What of the lists counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// SHA-256 of the list that is signed.
    pub files: Sha256,
    /// SHA-256 of each clip's file, in the order of their names.
    pub clips: Vec<Sha256>,
    /// SHA-256 of the bytes of each event in clear, by its position.
    pub events: BTreeMap<u64, Sha256>,
    /// Positions of the entries of which there is a proof: those in clear, and those of which the leaf hash alone is told.
    pub proofs: BTreeSet<u64>,
    /// SHA-256 of what tells of the latter.
    pub withheld: Option<Sha256>,
    /// SHA-256 of the values that are opened.
    pub opened: Option<Sha256>,
    /// `custody/package.json`.
    pub facts: Facts,
}

impl Listed {
    /// Reads them: the list of files, the payload's manifest and the facts, of which the list has the digests. The
    /// refusal says what is wrong.
    pub fn read(files: &str, manifest: &str, facts: &str) -> Result<Self, String> {
        let list = bag::read(files).map_err(|why| format!("the list of files: {why}"))?;
        for (name, text) in [(MANIFEST, manifest), (FACTS, facts)] {
            if list.get(name) != Some(&digest_of(text).to_string()) {
                return Err(format!("the list of files names another {name} than was sent"));
            }
        }
        let payload = bag::read(manifest).map_err(|why| format!("{MANIFEST}: {why}"))?;
        let digest = |hex: &str| hex.parse::<Sha256>().map_err(|e| e.to_string());
        let clips = payload.iter().filter(|(name, _)| name.starts_with("data/clips/")).map(|(_, hex)| digest(hex));
        let clips = clips.collect::<Result<_, _>>()?;
        let mut events = BTreeMap::new();
        for (name, hex) in list.iter().filter(|(name, _)| name.starts_with("custody/events/")) {
            let seq = number(name, "custody/events/", ".json");
            events.insert(seq.ok_or_else(|| format!("{name:?} is not called as events are"))?, digest(hex)?);
        }
        let mut proofs = BTreeSet::new();
        for name in list.keys().filter(|name| name.starts_with("custody/proofs/")) {
            let seq = number(name, "custody/proofs/", ".tlog-proof");
            proofs.insert(seq.ok_or_else(|| format!("{name:?} is not called as proofs are"))?);
        }
        let of = |name: &str| list.get(name).map(|hex| digest(hex)).transpose();
        let (withheld, opened) = (of(WITHHELD)?, of(OPENED)?);
        let facts = serde_json::from_str(facts).map_err(|e| format!("{FACTS} is not of its form: {e}"))?;
        Ok(Self { files: digest_of(files), clips, events, proofs, withheld, opened, facts })
    }

    /// Clips in it.
    pub fn clip_count(&self) -> u64 {
        self.clips.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_that_do_not_belong_together_are_refused() {
        let facts = serde_json::json!({
            "v": 1, "package": "p", "station": "zhao-01", "agency": null, "case_no": "x", "case_hash": "00", "aliases": [],
            "reason": "r", "basis": "b", "recipient": null, "asked_by": "os:0", "asked_at": "", "begun_seq": 3, "clips": 2,
            "bytes": 5, "isolated": 0, "unsealed": 0, "made_with": "x",
        })
        .to_string();
        let (one, two) = ("01".repeat(32), "02".repeat(32));
        let manifest =
            format!("{two}  data/clips/002.mp4\n{one}  data/clips/001.mp4\n{two}  data/metadata/records.json\n");
        let list = |event: &str| {
            format!(
                "{}  {MANIFEST}\n{}  {FACTS}\n{two}  custody/events/{event}.json\n{one}  custody/proofs/{event}.tlog-proof\n{one}  {OPENED}\n",
                digest_of(&manifest),
                digest_of(&facts)
            )
        };
        let files = list("000000000007");
        let read = Listed::read(&files, &manifest, &facts).unwrap();
        assert_eq!(read.files, digest_of(&files));
        assert_eq!((read.proofs, read.withheld, read.opened), ([7].into(), None, Some(Sha256([1; 32]))));
        assert_eq!((read.clips, read.events), (vec![Sha256([1; 32]), Sha256([2; 32])], [(7, Sha256([2; 32]))].into()));
        for (files, manifest, facts) in [
            (list("7"), manifest.clone(), facts.clone()),
            (files.clone(), format!("{manifest}{two}  data/clips/003.mp4\n"), facts.clone()),
            (files.clone(), manifest.clone(), facts.replace("\"r\"", "\"s\"")),
            (String::new(), manifest.clone(), facts.clone()),
        ] {
            assert!(Listed::read(&files, &manifest, &facts).is_err(), "{files}");
        }
    }
}
