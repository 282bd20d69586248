//! What a package will say, fixed when it was asked for and kept beside it while it is made, so that whoever goes on
//! writes the same; and how a case is divided among discs.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::super::Ended;
use super::super::exit::Exit;
use super::super::output::size;
use super::gather::Custody;
use super::sink;
use crate::custody::package::{Disc, Facts, PackedClip, PackedDerived, bag, discs};
use crate::domain::coverage::CaseCoverage;
use crate::domain::document::ending;
use crate::domain::record::Record;
use crate::domain::words::Lang;

/// Version of the form of a plan. Those of before were begun without a count of what belongs in them.
const VERSION: u32 = 3;
/// Bytes on every disc beside its clips and events: pages, lists, keys, a timestamp.
const AROUND_BYTES: u64 = 4_000_000;
/// Bytes that a clip takes in the pages, lists and records of its disc.
const LINES_BYTES: u64 = 8_000;

/// What a request comes to: one package, or one for each disc.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Plan {
    v: u32,
    /// `zh-CN` or `en`.
    pub lang: String,
    /// With SM3 beside the other digests.
    pub sm3: bool,
    /// In their order; at least one.
    pub discs: Vec<Package>,
}

/// What one package will say.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Package {
    pub facts: Facts,
    pub clips: Vec<PackedClip>,
    pub records: Vec<Record>,
    pub custody: Custody,
    /// Files that were derived of its clips, where they were asked for.
    #[serde(default)]
    pub derived: Vec<PackedDerived>,
    /// The whole case against the catalogue, on every disc; `None` in plans of before.
    #[serde(default)]
    pub coverage: Option<CaseCoverage>,
}

impl Plan {
    /// Of a whole case; `disc_bytes` divides it.
    pub fn new(whole: Package, lang: Lang, sm3: bool, disc_bytes: Option<u64>) -> anyhow::Result<Self> {
        let discs = match disc_bytes {
            Some(room) => divided(whole, room)?,
            None => vec![whole],
        };
        Ok(Self { v: VERSION, lang: lang.tag().to_owned(), sm3, discs })
    }

    pub fn lang(&self) -> Lang {
        Lang::parse(&self.lang).unwrap_or_default()
    }

    /// Id of the request.
    pub fn request(&self) -> &str {
        self.discs.first().map_or("", |disc| disc.facts.request())
    }

    /// Clips and their bytes, of all discs.
    pub fn content(&self) -> (u64, u64) {
        self.discs.iter().fold((0, 0), |(clips, bytes), d| (clips + d.facts.clips, bytes + d.facts.bytes))
    }

    /// Bytes of derived files, of all discs.
    pub fn derived_bytes(&self) -> u64 {
        self.discs.iter().flat_map(|disc| &disc.derived).map(|d| d.size_bytes).sum()
    }

    /// Reads what [`PlanFile::write`] or a job wrote; `None` of the beginning of one, or of another version.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice::<Self>(bytes).ok().filter(|plan| plan.v == VERSION && !plan.discs.is_empty())
    }
}

fn divided(whole: Package, room: u64) -> anyhow::Result<Vec<Package>> {
    let of_events = |custody: &Custody, clip: Option<&str>| -> u64 {
        let its = |seq: &u64| custody.clip_of.get(seq).map(String::as_str) == clip;
        let events = custody.events.iter().filter(|(seq, _)| its(seq)).map(|(_, text)| text.len());
        let proofs = custody.proofs.iter().filter(|(seq, _)| its(seq)).map(|(_, text)| text.len());
        // Each of these files stands in four lists by its name.
        events.chain(proofs).map(|len| discs::on_disc(len as u64) + 600).sum()
    };
    let common = AROUND_BYTES + of_events(&whole.custody, None);
    let sizes: Vec<u64> = whole
        .clips
        .iter()
        .map(|c| {
            let derived = whole.derived.iter().filter(|d| d.clip == c.clip).map(|d| discs::on_disc(d.size_bytes));
            discs::on_disc(c.size_bytes) + LINES_BYTES + of_events(&whole.custody, Some(&c.clip)) + derived.sum::<u64>()
        })
        .collect();
    let ranges = discs::divide(&sizes, common, room).map_err(|discs::TooLong(n)| {
        let clip = &whole.clips[n];
        let words = format!(
            "{} ({}) does not fit on a disc of {}, and a clip is never cut in two; take larger discs, or none",
            clip.path.rsplit('/').next().unwrap_or_default(),
            size(clip.size_bytes),
            size(room)
        );
        Ended::with(Exit::Usage, words)
    })?;
    let of = ranges.len() as u32;
    let mut packages = Vec::new();
    for (n, range) in ranges.into_iter().enumerate() {
        let (clips, records) = (whole.clips[range.clone()].to_vec(), whole.records[range].to_vec());
        let disc = Disc { n: n as u32 + 1, of };
        let facts = Facts {
            package: disc.id(&whole.facts.package),
            clips: clips.len() as u64,
            bytes: clips.iter().map(|c| c.size_bytes).sum(),
            disc: Some(disc),
            ..whole.facts.clone()
        };
        let ids: BTreeSet<&str> = clips.iter().map(|c| c.clip.as_str()).collect();
        let custody = whole.custody.of_clips(&ids);
        let derived = whole.derived.iter().filter(|d| ids.contains(d.clip.as_str())).cloned().collect();
        let coverage = whole.coverage.clone();
        packages.push(Package { facts, clips, records, custody, derived, coverage });
    }
    // Numbers of files begin anew on each disc, so that its catalogue counts what lies on it.
    for package in &mut packages {
        let of = package.clips.len();
        for (n, (clip, record)) in package.clips.iter_mut().zip(&package.records).enumerate() {
            clip.path = file_name(n + 1, of, record);
        }
    }
    Ok(packages)
}

/// Where a clip stands in its package: the one place that names its file.
pub(super) fn file_name(n: usize, of: usize, record: &Record) -> String {
    match &record.document {
        // Its name may end in anything; what it is, its bytes have said.
        Some(document) => bag::clip_name(n, of, None, "document", &format!(".{}", ending(&document.media_type))),
        None => bag::clip_name(n, of, record.captured_start.as_deref(), &record.device_id, &record.original_filename),
    }
}

/// Where the plan of a package stands: inside a folder, beside a zip.
pub(super) fn plan_path(to: &Path, is_zip: bool) -> PathBuf {
    if is_zip { sink::beside(to, "plan") } else { to.join(".evidock-export.json") }
}

/// Where the package of a disc goes: of one alone to `to` itself, of several to folders in it or to zips beside it.
pub(super) fn place(to: &Path, is_zip: bool, disc: Option<Disc>) -> PathBuf {
    match (disc, is_zip) {
        (None, _) => to.to_owned(),
        (Some(disc), false) => to.join(format!("disc-{}", disc.n)),
        (Some(disc), true) => to.with_extension(format!("disc-{}.zip", disc.n)),
    }
}

/// What is kept beside an unfinished package; while it is held nobody else works on the same one.
pub(super) struct PlanFile(File);

impl PlanFile {
    pub fn open(to: &Path, is_zip: bool) -> anyhow::Result<Self> {
        let path = plan_path(to, is_zip);
        let begun = path.exists();
        if is_zip && to.exists() {
            return Err(Ended::with(Exit::Usage, format!("{} is there already; give another --to", to.display())));
        }
        if !is_zip {
            fs::create_dir_all(to).with_context(|| format!("{} cannot be made; give another --to", to.display()))?;
            if !begun && fs::read_dir(to)?.next().is_some() {
                return Err(Ended::with(
                    Exit::Usage,
                    format!("{} is not empty and holds no unfinished package; give another --to", to.display()),
                ));
            }
        }
        let file = File::options().create(true).truncate(false).read(true).write(true).open(&path);
        let file = file.with_context(|| format!("{} cannot be written; give another --to", path.display()))?;
        match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self(file)),
            Err(_) => Err(Ended::with(
                Exit::Failure,
                format!("another evidock exports to {} now; wait for it, or give another --to", to.display()),
            )),
        }
    }

    /// The plan of an earlier run; `None` where there is none, or only the beginning of one.
    pub fn read(&self) -> anyhow::Result<Option<Plan>> {
        Ok(Plan::read(io::read_to_string(&self.0)?.as_bytes()))
    }

    pub fn write(&mut self, plan: &Plan) -> anyhow::Result<()> {
        self.0.set_len(0)?;
        self.0.rewind()?;
        self.0.write_all(&serde_json::to_vec(plan)?)?;
        self.0.sync_all().context("the plan of the package cannot be written; free space and try again")
    }

    pub fn remove(self, path: &Path) {
        // The package is what counts; a plan that is left behind is removed by hand.
        let _ = fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::domain::record::PublishedDocument;

    fn whole(records: Vec<Record>) -> Package {
        let of = records.len();
        let clips: Vec<PackedClip> = records
            .iter()
            .enumerate()
            .map(|(n, record)| PackedClip {
                clip: record.record_id.clone(),
                path: file_name(n + 1, of, record),
                size_bytes: 60_000_000,
                sha256: "00".repeat(32),
                blake3: "11".repeat(32),
                sm3: None,
            })
            .collect();
        let facts = Facts {
            v: 1,
            package: "p".into(),
            station: "test-01".into(),
            agency: None,
            case_no: "x".into(),
            case_hash: "22".repeat(32),
            aliases: Vec::new(),
            reason: "r".into(),
            basis: "b".into(),
            recipient: None,
            asked_by: "os:0".into(),
            asked_at: "2026-06-19T09:12:00+08:00".into(),
            begun_seq: 0,
            clips: of as u64,
            bytes: 60_000_000 * of as u64,
            isolated: 0,
            unsealed: 0,
            disposed: 0,
            disc: None,
            made_with: "x".into(),
        };
        let custody = Custody {
            size: 1,
            checkpoint: String::new(),
            keys: String::new(),
            sm2: None,
            events: BTreeMap::new(),
            withheld: Vec::new(),
            proofs: BTreeMap::new(),
            clip_of: BTreeMap::new(),
            opened: Vec::new(),
            timestamp: None,
        };
        Package { facts, clips, records, custody, derived: Vec::new(), coverage: None }
    }

    #[test]
    fn a_document_keeps_its_safe_name_on_every_disc() {
        let clip = |id: &str| Record {
            record_id: id.into(),
            device_id: "36NCC009910".into(),
            original_filename: "a.MP4".into(),
            captured_start: Some("2026-06-19T09:12:00+08:00".into()),
            ..Record::default()
        };
        // What it calls itself says nothing of what it is.
        let document = |id: &str, media_type: &str| Record {
            original_filename: "x.exe".into(),
            document: Some(PublishedDocument { kind: "record".into(), media_type: media_type.into() }),
            ..clip(id)
        };
        let records = || vec![clip("1"), document("2", "application/pdf"), document("3", "image/png")];
        let plan = |room| Plan::new(whole(records()), Lang::En, false, room).unwrap();
        let names = |plan: &Plan| -> Vec<String> {
            plan.discs.iter().flat_map(|disc| &disc.clips).map(|clip| clip.path.clone()).collect()
        };
        let one = plan(None);
        assert_eq!(one.discs.len(), 1);
        assert_eq!(
            names(&one),
            [
                "data/clips/001_20260619T091200_36NCC009910.mp4",
                "data/clips/002_document.pdf",
                "data/clips/003_document.png"
            ]
        );
        let three = plan(Some(discs::LEAST_BYTES));
        assert_eq!(three.discs.len(), 3);
        assert_eq!(
            names(&three),
            [
                "data/clips/001_20260619T091200_36NCC009910.mp4",
                "data/clips/001_document.pdf",
                "data/clips/001_document.png"
            ]
        );
    }
}
