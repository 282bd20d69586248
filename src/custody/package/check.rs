//! Verification of a package, on a machine that has nothing else: that every file is what the one signature says, that
//! every clip is what an entry of the log says was sealed, and that these entries stand in a log that its key signed.
//!
//! Whose key it is, a package cannot tell. With keys that were learned elsewhere the origin is shown as well; without,
//! the keys in the package are taken, and the report says so.

mod anchor;
mod by_people;
mod carried;
mod clips;
mod keys;
mod missing;
mod reading;
mod second;
mod told;
mod whole;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use sha2::Digest;

use super::bag::{self, DECLARATION, List};
use super::{
    BAG_INFO, BAGIT, BLAKE3, CATALOGUE, CHECK_BAT, CHECK_PS1, CHECK_SH, CHECKER, CHECKPOINT, FACTS, FILES, Facts,
    Folder, KEYS, MANIFEST, MANIFEST_512, NOTE, OPENED, OpenedValue, PackageNote, README, RECORDS, RECORDS_CSV, SM3,
    TAG_MANIFEST, TAG_MANIFEST_512, TRANSFER, UNLISTED, WITHHELD, WithheldEvent, event, proof, timestamp,
};
use crate::custody::checkpoint::{self, Checkpoint, Opened};
use crate::custody::note::VerifierKey;
use crate::custody::sm2::Sm2Key;
use crate::custody::timestamp as rfc3161;
use crate::domain::digest::{Sha256, from_hex};
use crate::domain::event::{Envelope, MAX_EVENT_BYTES, commitment};
use crate::domain::merkle::{Hash, leaf_hash, verify_consistency};
use crate::domain::proof::TlogProof;
use crate::domain::record::Record;
pub use anchor::Anchor;
use keys::SignedHead;
use reading::Digests;
use told::Clear;
pub use whole::{Stretch, together};

/// Lists and records of a very large case; what is longer was not written by us.
const MOST: u64 = 256 << 20;
/// Notes, keys, proofs.
const MOST_SMALL: u64 = 1 << 20;
/// Problems that are told; all are counted.
const TOLD: usize = 200;

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Nothing is wrong with it.
    pub whole: bool,
    /// The signature is one of the keys that were given, and not only of the package's own.
    pub origin_shown: bool,
    /// The package's id.
    pub package: Option<String>,
    /// The case.
    pub case_no: Option<String>,
    /// Who made it.
    pub station: Option<String>,
    /// The key that signed it.
    pub key: Option<String>,
    /// Which of the clips that were asked for it holds; `None` where the request does not say with which it was asked for.
    pub stretch: Option<Stretch>,
    /// Clips that are what was sealed.
    pub clips: u64,
    /// Clips that are what a record said when the station was restored; what was sealed is not in this log.
    pub restored: u64,
    /// Derived files, each of a clip of the package; never evidence.
    pub derived: u64,
    /// Events whose proof holds.
    pub events: u64,
    /// Entries below the checkpoint.
    pub checkpoint_size: Option<u64>,
    /// Entries below the checkpoint that was given, where the package is of one history with it.
    pub anchor_size: Option<u64>,
    /// A second signature (SM2) of package and checkpoint, by the key that the package holds and its first signature covers.
    pub sm2: bool,
    /// The second signature is by one of the SM2 keys that were given.
    pub sm2_origin_shown: bool,
    /// Witnesses whose keys were given and who signed the checkpoint, with the time that each swears.
    pub witnessed: Vec<String>,
    /// That key, where the log names it for the checkpoint.
    pub sm2_key: Option<String>,
    /// Others who signed the checkpoint; whose keys are not known here is only named.
    pub cosigners: Vec<String>,
    /// Times that an authority swears the log had such a head at; to be verified with `openssl ts -verify`.
    pub timestamps: Vec<String>,
    /// What must not be.
    pub problems: Vec<String>,
    /// How many there are, also beyond those that are told.
    pub problem_count: u64,
    /// What should be known.
    pub notices: Vec<String>,
}

/// Keys, and a checkpoint, that were learned elsewhere than from the package; none of a kind: nobody gave one.
#[derive(Debug, Clone, Copy, Default)]
pub struct Given<'a> {
    /// The station's.
    pub station: &'a [VerifierKey],
    /// Its SM2 keys. What they are called does not count.
    pub sm2: &'a [Sm2Key],
    /// Those of witnesses.
    pub witnesses: &'a [VerifierKey],
    /// A checkpoint that was kept.
    pub anchor: Option<Anchor<'a>>,
}

/// Checks the package in `folder`; `look` is told of the bytes that were read.
pub fn check(folder: &Folder, given: Given<'_>, look: &mut dyn FnMut(u64)) -> Report {
    let (report, digests) = (Report::default(), BTreeMap::new());
    let (leaves, withheld) = (BTreeMap::new(), BTreeMap::new());
    let mut check = Check { folder, given, look, report, digests, head: None, leaves, withheld };
    check.all();
    let mut report = check.report;
    report.whole = report.problem_count == 0;
    report.anchor_size = report.anchor_size.filter(|_| report.whole);
    report.origin_shown &= report.whole;
    report.sm2_origin_shown &= report.whole;
    if given.station.is_empty() {
        report.notices.push(
            "no key was given (--trust): this shows that the package is whole and agrees with itself, and not who made it"
                .to_owned(),
        );
    }
    report
}

struct Check<'a> {
    folder: &'a Folder,
    given: Given<'a>,
    look: &'a mut dyn FnMut(u64),
    report: Report,
    digests: BTreeMap<String, Digests>,
    /// The checkpoint, once it was opened.
    head: Option<SignedHead>,
    /// Leaf hashes of the events in clear whose proofs hold.
    leaves: BTreeMap<u64, Hash>,
    /// Likewise of those of which nothing else is told.
    withheld: BTreeMap<u64, Hash>,
}

impl Check<'_> {
    fn problem(&mut self, what: impl Into<String>) {
        self.report.problem_count += 1;
        if self.report.problems.len() < TOLD {
            self.report.problems.push(what.into());
        }
    }

    fn all(&mut self) {
        let files = match self.folder.files() {
            Ok((files, odd)) => {
                for name in odd {
                    self.problem(format!("{name:?} is neither a file nor a folder"));
                }
                files
            }
            Err(e) => return self.problem(format!("the folder cannot be read: {e}")),
        };
        if !files.iter().any(|name| name == NOTE) {
            return self.problem(format!(
                "there is no {NOTE}: this is no evidence package of evidock, or its signature was removed"
            ));
        }
        // Where there is a list of them; else of what a record or the log names one of.
        let listed = files.iter().any(|name| name == SM3);
        let named = listed || self.names_sm3();
        for name in &files {
            match self.hash(name, listed || (named && name.starts_with("data/clips/"))) {
                Ok(digests) => {
                    self.digests.insert(name.clone(), digests);
                }
                Err(e) => self.problem(format!("{name:?} cannot be read: {e}")),
            }
        }
        let keys = self.keys();
        let note = self.note(&keys);
        self.lists();
        if let Some(note) = &note {
            self.signed_list(note);
        }
        let facts: Option<Facts> = self.json(FACTS);
        let records: Vec<Record> = self.json(RECORDS).unwrap_or_default();
        if let (Some(facts), Some(note)) = (&facts, &note) {
            self.facts(facts, note);
        }
        let events = self.events(&keys);
        let head = self.head.take();
        self.keys_in_log(&events, &keys, head.as_ref());
        let clear = self.opened(&events);
        self.second(&events);
        if let Some(facts) = &facts {
            self.request(facts, &events);
            self.reasons(facts, &events, &clear);
            self.whole(facts, &records, &events, &clear);
        }
        self.clips(&records, &events, note.as_ref());
        self.derived(&records, &events);
        self.told(facts.as_ref(), &records, &events, &clear);
        self.carried(&records, &events, &clear);
        self.reasons_for_missing(&events, &clear);
        self.read_by_people(facts.as_ref(), &records);
    }

    /// The keys under which things may be signed: those that were given, else the package's own.
    fn keys(&mut self) -> Vec<VerifierKey> {
        let mut own = Vec::new();
        for line in self.text(KEYS, MOST_SMALL).unwrap_or_default().lines() {
            match line.parse::<VerifierKey>() {
                Ok(key) => own.push(key),
                Err(e) => self.problem(format!("{KEYS} has a line that is no key: {e}")),
            }
        }
        if self.given.station.is_empty() { own } else { self.given.station.to_vec() }
    }

    fn note(&mut self, keys: &[VerifierKey]) -> Option<PackageNote> {
        let text = self.text(NOTE, MOST_SMALL)?;
        match PackageNote::open(text.as_bytes(), keys) {
            Ok(note) => {
                self.report.package = Some(note.package.clone());
                self.report.station = Some(note.station.to_string());
                let signer =
                    keys.iter().find(|key| PackageNote::open(text.as_bytes(), std::slice::from_ref(*key)).is_ok());
                self.report.key = signer.map(ToString::to_string);
                let wanted = checkpoint::key_name(&note.station);
                if signer.is_some_and(|key| key.name() != wanted) {
                    self.problem(format!("the package of {} is signed by another station's key", note.station));
                }
                self.report.origin_shown = !self.given.station.is_empty();
                Some(note)
            }
            Err(e) => {
                self.problem(format!("the package's signature is refused: {e}"));
                None
            }
        }
    }

    /// BagIt's lists: everything is listed, everything listed is there and the same.
    fn lists(&mut self) {
        if self.text(BAGIT, MOST_SMALL).is_some_and(|text| text != DECLARATION) {
            self.problem(format!("{BAGIT} does not declare BagIt 1.0"));
        }
        let payload = |name: &str| name.starts_with("data/");
        for (list, of_payload, long) in [
            (MANIFEST, true, false),
            (MANIFEST_512, true, true),
            (TAG_MANIFEST, false, false),
            (TAG_MANIFEST_512, false, true),
        ] {
            let Some(listed) = self.list_of(list, if long { bag::read_512 } else { bag::read }) else { continue };
            self.compare(list, &listed, |digests| if long { &digests.sha512 } else { &digests.sha256 });
            let all: Vec<String> = self.digests.keys().cloned().collect();
            for name in all {
                let is_list = [TAG_MANIFEST, TAG_MANIFEST_512].contains(&name.as_str());
                if payload(&name) == of_payload && !is_list && !listed.contains_key(&name) {
                    self.problem(format!(
                        "{name:?} is in the package and not in {list}: it was added, or its line removed"
                    ));
                }
            }
            for name in listed.keys().filter(|name| payload(name) != of_payload) {
                self.problem(format!("{list} lists {name:?}, which belongs in the other manifest"));
            }
        }
        if let Some(listed) = self.list(BLAKE3) {
            self.compare(BLAKE3, &listed, |digests| &digests.blake3);
        }
        if self.digests.contains_key(SM3)
            && let Some(listed) = self.list(SM3)
        {
            // Each was computed, since the list is there.
            self.compare(SM3, &listed, |digests| digests.sm3.as_ref().unwrap_or(&digests.sha256));
        }
        let pages = [README, CATALOGUE, TRANSFER, CHECKER, CHECK_BAT, CHECK_PS1, CHECK_SH, BAG_INFO, RECORDS_CSV];
        for name in pages {
            if !self.digests.contains_key(name) {
                self.problem(format!("{name} is missing"));
            }
        }
    }

    fn list(&mut self, name: &str) -> Option<List> {
        self.list_of(name, bag::read)
    }

    fn list_of(&mut self, name: &str, read: fn(&str) -> Result<List, String>) -> Option<List> {
        let text = self.text(name, MOST)?;
        match read(&text) {
            Ok(list) => Some(list),
            Err(why) => {
                self.problem(format!("{name}: {why}"));
                None
            }
        }
    }

    fn compare(&mut self, list: &str, listed: &List, of: impl Fn(&Digests) -> &String) {
        for (name, digest) in listed {
            match self.digests.get(name) {
                None => self.problem(format!("{name:?} is missing; {list} lists it")),
                Some(found) if of(found) != digest => {
                    self.problem(format!("{name:?} has other bytes than {list} says"));
                }
                Some(_) => {}
            }
        }
    }

    /// The list that the signature is about: every file but those few that cannot be in it.
    fn signed_list(&mut self, note: &PackageNote) {
        let found = self.digests.get(FILES).map(|d| d.sha256.clone());
        if found.as_deref() != Some(&note.files.to_string()) {
            self.problem(format!("{FILES} is not the list that was signed: files were changed and listed anew"));
        }
        let Some(listed) = self.list(FILES) else { return };
        self.compare(FILES, &listed, |digests| &digests.sha256);
        let all: Vec<String> = self.digests.keys().cloned().collect();
        for name in all {
            let outside = name.starts_with("data/") || UNLISTED.contains(&name.as_str());
            if !outside && !listed.contains_key(&name) {
                self.problem(format!("{name:?} was not part of what was signed"));
            }
        }
        if !listed.contains_key(MANIFEST) {
            self.problem(format!("{FILES} does not list {MANIFEST}, so that no signature covers the clips"));
        }
    }

    fn facts(&mut self, facts: &Facts, note: &PackageNote) {
        self.report.case_no = Some(facts.case_no.clone());
        if facts.package != note.package
            || facts.station != note.station.as_str()
            || facts.case_hash != note.case.to_string()
        {
            self.problem(format!("{FACTS} tells of another package, station or case than was signed"));
        }
        if (facts.clips, facts.bytes) != (note.clips, note.bytes) {
            self.problem(format!("{FACTS} counts {} clips, the signature {}", facts.clips, note.clips));
        }
    }

    /// Every event with its proof; those that hold, by position.
    fn events(&mut self, keys: &[VerifierKey]) -> BTreeMap<u64, Envelope> {
        let mut events = BTreeMap::new();
        let Some(note) = self.text(CHECKPOINT, MOST_SMALL) else { return events };
        let head = match checkpoint::open(note.as_bytes(), keys) {
            Ok(opened) => {
                self.head(&opened, &note, keys);
                opened.checkpoint
            }
            Err(e) => {
                self.problem(format!("the checkpoint's signature is refused: {e}"));
                return events;
            }
        };
        let names: Vec<String> = self.digests.keys().cloned().collect();
        let mut proofs: BTreeSet<u64> =
            names.iter().filter_map(|n| number(n, "custody/proofs/", ".tlog-proof")).collect();
        for seq in names.iter().filter_map(|n| number(n, "custody/events/", ".json")) {
            proofs.remove(&seq);
            let Ok(bytes) = self.folder.read(&event(seq), MAX_EVENT_BYTES as u64) else {
                self.problem(format!("event {seq} is longer than an event can be, or is not called as ours are"));
                continue;
            };
            let leaf = leaf_hash(&bytes);
            if !self.proven(seq, &leaf, &note, &head) {
                continue;
            }
            self.leaves.insert(seq, leaf);
            match serde_json::from_slice::<Envelope>(&bytes) {
                Ok(envelope) if envelope.seq == seq => {
                    self.report.events += 1;
                    events.insert(seq, envelope);
                }
                Ok(envelope) => {
                    self.problem(format!("the event in place {seq} says that it is number {}", envelope.seq))
                }
                Err(e) => self.problem(format!("event {seq} cannot be read: {e}")),
            }
        }
        for withheld in self.json::<Vec<WithheldEvent>>(WITHHELD).unwrap_or_default() {
            proofs.remove(&withheld.seq);
            match from_hex(&withheld.leaf).and_then(|leaf| Hash::try_from(leaf).ok()) {
                Some(leaf) => {
                    if self.proven(withheld.seq, &leaf, &note, &head) {
                        self.withheld.insert(withheld.seq, leaf);
                    }
                }
                None => self.problem(format!("the leaf hash of the withheld event {} is none", withheld.seq)),
            }
        }
        for seq in proofs {
            self.problem(format!("there is a proof of event {seq}, and no event"));
        }
        self.timestamps(&head);
        events
    }

    fn head(&mut self, opened: &Opened, note: &str, keys: &[VerifierKey]) {
        self.report.checkpoint_size = Some(opened.checkpoint.size);
        self.head = SignedHead::of(opened, keys);
        self.cosigners(note, keys);
        self.anchored(&opened.checkpoint, keys);
        match checkpoint::parse_origin(&opened.checkpoint.origin) {
            Some((station, _)) if Some(station.as_str()) == self.report.station.as_deref() => {}
            _ => self.problem(format!("the checkpoint is of another log: {}", opened.checkpoint.origin)),
        }
    }

    /// Whether the proof of an entry leads to the package's checkpoint.
    fn proven(&mut self, seq: u64, leaf: &Hash, note: &str, head: &Checkpoint) -> bool {
        let Some(text) = self.text(&proof(seq), MOST_SMALL) else { return false };
        let held = match text.parse::<TlogProof>() {
            Ok(proof) if proof.index != seq => Err(format!("the proof of event {seq} is of number {}", proof.index)),
            Ok(proof) if proof.checkpoint != note => {
                Err(format!("the proof of event {seq} leads to another checkpoint"))
            }
            Ok(proof) if !proof.leads(leaf, head.size, &head.root) => {
                Err(format!("event {seq} does not stand in the log: its bytes or its proof were changed"))
            }
            Ok(_) => Ok(()),
            Err(e) => Err(format!("the proof of event {seq}: {e}")),
        };
        held.map_err(|what| self.problem(what)).is_ok()
    }

    fn timestamps(&mut self, head: &Checkpoint) {
        let names: Vec<String> = self.digests.keys().cloned().collect();
        for size in names.iter().filter_map(|n| number(n, "custody/timestamps/", ".tsr")) {
            let Some(text) = self.text(&timestamp(size, "txt"), MOST_SMALL) else { continue };
            let Ok(reply) = self.folder.read(&timestamp(size, "tsr"), rfc3161::MAX_REPLY_BYTES as u64) else {
                self.problem(format!("the timestamp on {size} entries is longer than one can be"));
                continue;
            };
            let stamped = match rfc3161::read(&reply) {
                Ok(stamp) if stamp.is_of(text.as_bytes()) => stamp,
                Ok(_) => {
                    self.problem(format!("the timestamp on {size} entries is of something else"));
                    continue;
                }
                Err(e) => {
                    self.problem(format!("the timestamp on {size} entries: {e}"));
                    continue;
                }
            };
            let way = self.text(&timestamp(size, "consistency"), MOST_SMALL).unwrap_or_default();
            let way: Option<Vec<Hash>> = way.lines().map(|line| from_hex(line)?.try_into().ok()).collect();
            let leads = Checkpoint::parse(&text)
                .ok()
                .filter(|old| old.origin == head.origin)
                .zip(way)
                .is_some_and(|(old, way)| verify_consistency(old.size, &old.root, head.size, &head.root, &way));
            if leads {
                self.report.timestamps.push(stamped.at.rfc3339());
            } else {
                self.problem(format!("the head of {size} entries that was stamped is not the beginning of this log"));
            }
        }
    }

    /// Values in clear are those that the events commit to; gives those that are.
    fn opened(&mut self, events: &BTreeMap<u64, Envelope>) -> Clear {
        let mut clear = Clear::new();
        for opened in self.json::<Vec<OpenedValue>>(OPENED).unwrap_or_default() {
            let key: Option<[u8; 32]> = from_hex(&opened.key).and_then(|key| key.try_into().ok());
            let event = events.get(&opened.seq);
            let committed = event.and_then(|e| match opened.field.as_str() {
                "purpose" => e.purpose.as_ref(),
                field => e.body.get(field),
            });
            let hash = committed.and_then(|value| value.get("h")).and_then(|h| h.as_str());
            let holds = key.is_some_and(|key| hash == Some(&commitment(&key, &opened.value)));
            if holds {
                clear.insert((opened.seq, opened.field), opened.value);
            } else {
                self.problem(format!("the value of {:?} is not what event {} commits to", opened.field, opened.seq));
            }
        }
        clear
    }
}

/// The number in a name of ours, in its one spelling.
pub(super) fn number(name: &str, before: &str, behind: &str) -> Option<u64> {
    let digits = name.strip_prefix(before)?.strip_suffix(behind)?;
    let number: u64 = digits.parse().ok()?;
    (format!("{number:012}") == digits).then_some(number)
}

/// SHA-256 of a list as it is signed.
pub fn digest_of(text: &str) -> Sha256 {
    Sha256(sha2::Sha256::digest(text.as_bytes()).into())
}

#[cfg(test)]
mod tests {
    use super::super::{COVERAGE, DERIVED, NOTE_SM2, SM2_KEY};
    use super::*;

    #[test]
    fn only_names_of_ours_have_numbers() {
        assert_eq!(number(&event(7), "custody/events/", ".json"), Some(7));
        for odd in ["custody/events/7.json", "custody/events/+00000000007.json", "custody/events/x.json"] {
            assert_eq!(number(odd, "custody/events/", ".json"), None, "{odd}");
        }
    }

    /// Pipes that nobody writes to, under every name that is read: each is told, and nobody waits.
    #[test]
    fn a_folder_of_pipes_ends() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["data/metadata", "custody/events"] {
            std::fs::create_dir_all(dir.path().join(name)).unwrap();
        }
        std::fs::write(dir.path().join(NOTE), "x").unwrap();
        let names = [
            RECORDS,
            FACTS,
            KEYS,
            CHECKPOINT,
            WITHHELD,
            OPENED,
            FILES,
            MANIFEST,
            BAGIT,
            CATALOGUE,
            RECORDS_CSV,
            NOTE_SM2,
            SM2_KEY,
            SM3,
            COVERAGE,
            DERIVED,
        ];
        for name in names {
            rustix::fs::mkfifoat(rustix::fs::CWD, dir.path().join(name), rustix::fs::Mode::RWXU).unwrap();
        }
        let (told, hear) = std::sync::mpsc::channel();
        let folder = Folder::at(dir.path());
        std::thread::spawn(move || drop(told.send(check(&folder, Given::default(), &mut |_| {}))));
        let report = hear.recv_timeout(std::time::Duration::from_secs(60)).expect("it waits for a pipe");
        for name in names {
            let odd = format!("{name:?} is neither a file nor a folder");
            assert!(report.problems.contains(&odd), "{name}: {report:?}");
        }
    }

    #[test]
    fn an_empty_folder_is_no_package() {
        let dir = tempfile::tempdir().unwrap();
        let report = check(&Folder::at(dir.path()), Given::default(), &mut |_| {});
        assert!(!report.whole && report.problems[0].contains("no evidence package"), "{report:?}");
        let report = check(&Folder::at(&dir.path().join("gone")), Given::default(), &mut |_| {});
        assert!(!report.whole && report.problems[0].contains("cannot be read"), "{report:?}");
    }
}
