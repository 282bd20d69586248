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
use crate::custody::package::{Disc, Facts, PackedClip, bag, discs};
use crate::domain::record::Record;
use crate::domain::words::Lang;

/// Version of the form of a plan.
const VERSION: u32 = 2;
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
        .map(|c| discs::on_disc(c.size_bytes) + LINES_BYTES + of_events(&whole.custody, Some(&c.clip)))
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
        packages.push(Package { facts, clips, records, custody });
    }
    // Numbers of files begin anew on each disc, so that its catalogue counts what lies on it.
    for package in &mut packages {
        let of = package.clips.len();
        for (n, (clip, record)) in package.clips.iter_mut().zip(&package.records).enumerate() {
            let start = record.captured_start.as_deref();
            clip.path = bag::clip_name(n + 1, of, start, &record.device_id, &record.original_filename);
        }
    }
    Ok(packages)
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
