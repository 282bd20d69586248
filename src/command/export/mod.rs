//! `evidock export`: the evidence package of a case, as a folder or a zip (`custody::package` says what stands in it).
//!
//! Asked for and logged before its first byte (invariant 10): without a running daemon nothing is exported. What the
//! package will say is fixed then and kept beside it, so that an interrupted run goes on to the same package; clips come
//! from wherever they stand, each stretch verified, and are compared with what was sealed once more as they were written.

mod documents;
mod gather;
mod sink;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::exit::Exit;
use super::find::{case_number, store};
use super::output::{Output, Progress};
use super::run::policy;
use super::{Ended, ask, block_on, destinations};
use crate::cli::Export;
use crate::config::Settings;
use crate::custody::package::{Facts, PackedClip};
use crate::deliver::footage::Reach;
use crate::domain::command::Request;
use crate::domain::digest::to_hex;
use crate::domain::error::{Retry, Retryable, chain};
use crate::domain::ids::ClipId;
use crate::domain::ports::{ClipBytes, Footage, FootageError};
use crate::domain::record::Record;
use crate::domain::words::Lang;
use crate::runtime::task;
use crate::store::Store;
use crate::vault::Vault;
use gather::Custody;
use sink::Sink;

/// Stretches of a clip between whoever reads and whoever writes: some 4 MiB.
const BETWEEN: usize = 16;

/// What a package will say, fixed when it was asked for.
#[derive(Serialize, Deserialize)]
struct Plan {
    /// Version of this form.
    v: u32,
    facts: Facts,
    /// `zh-CN` or `en`.
    lang: String,
    clips: Vec<PackedClip>,
    records: Vec<Record>,
    custody: Custody,
}

/// Carries the verb out.
pub fn export(export: &Export, settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    let number = case_number(settings, &export.case_no)?;
    let store = store(settings)?;
    let is_zip = export.to.extension().is_some_and(|e| e.eq_ignore_ascii_case("zip"));
    let (mut notes, plan_path) = (PlanFile::open(&export.to, is_zip)?, plan_path(&export.to, is_zip));
    let plan = match notes.read()? {
        Some(plan) => {
            let hash = crate::domain::layout::case_hash(number.key());
            if plan.facts.case_hash != hash {
                return Err(Ended::with(
                    Exit::Usage,
                    format!(
                        "{} holds an unfinished package of {}; finish that one, or give another --to",
                        export.to.display(),
                        plan.facts.case_no
                    ),
                ));
            }
            let request = Request::BeginExport {
                case_no: export.case_no.clone(),
                reason: export.reason.clone(),
                basis: export.basis.clone(),
                recipient: export.recipient.clone(),
                resumes: Some(plan.facts.package.clone()),
            };
            ask::request(settings, &request)?;
            output.note(&format!("going on with the package that was begun at {}", plan.facts.asked_at));
            plan
        }
        None => {
            // A package is for others: neither this terminal's language nor that of programs is theirs.
            let lang = match output.asked().or(settings.station.language.fixed()) {
                Some(Lang::En) => "en",
                Some(Lang::Zh) | None => "zh-CN",
            };
            let plan = gather::plan(export, settings, &store, lang)?;
            notes.write(&plan)?;
            plan
        }
    };
    if plan.clips.is_empty() {
        notes.remove(&plan_path);
        return Err(Ended::with(Exit::NotFound, output.words(settings.station.language).no_clip_of(number.display())));
    }
    let (sink, there) = Sink::open(&export.to, is_zip, &plan.facts, settings, &plan.clips)?;
    let sink = clips(settings, &store, &plan, sink, there, output)?;
    let lang = if plan.lang == "en" { Lang::En } else { Lang::Zh };
    let made = documents::finish(sink, &plan, lang, settings, &export.to)?;
    notes.remove(&plan_path);
    let (clips, bytes) = (plan.facts.clips, plan.facts.bytes);
    let complete = plan.facts.isolated + plan.facts.unsealed == 0;
    if output.is_json() {
        output.json(&json!({
            "package": plan.facts.package, "case_no": plan.facts.case_no, "to": export.to, "clips": clips, "bytes": bytes,
            "events": plan.custody.events.len(), "withheld": plan.custody.withheld.len(), "checkpoint_size": plan.custody.size,
            "manifest_sha256": made.manifest.to_string(), "files_sha256": made.files.to_string(),
            "isolated": plan.facts.isolated, "unsealed": plan.facts.unsealed,
        }))?;
    } else {
        let w = output.words(settings.station.language);
        output.line(&w.package_made(&export.to.display().to_string(), clips, bytes))?;
        output.line(&format!("{}: {}", w.pk_digest, made.manifest))?;
        if let Some(without) = w.package_without(plan.facts.isolated, plan.facts.unsealed) {
            output.note(&without);
        }
    }
    Ok(if complete { Exit::Ok } else { Exit::Incomplete })
}

/// Writes every clip that is not there yet.
fn clips(
    settings: &Settings,
    store: &Store,
    plan: &Plan,
    sink: Sink,
    there: usize,
    output: &Output,
) -> anyhow::Result<Sink> {
    let mut remotes = Vec::new();
    for written in &settings.destinations {
        let name = written.name.to_string();
        let used = store.read_blocking(|r| r.stored_at(&name))?;
        // One that cannot be used is no reason to give up what stands elsewhere.
        match destinations::make(settings, written, used, Some(Arc::new(store.clone()))) {
            Ok(dest) => remotes.push(dest),
            Err(e) => output.note(&format!("{name} cannot be read from: {e:#}")),
        }
    }
    let vault = Vault::at(&settings.vault.dir);
    let reach = Reach { store: store.clone(), vault, station: settings.station.id.clone(), remotes };
    block_on(async {
        let mut sink = sink;
        let mut progress = output.progress("export", plan.facts.bytes);
        for (n, clip) in plan.clips.iter().enumerate() {
            if n < there || sink.has(clip)? {
                progress.advance(clip.size_bytes);
                continue;
            }
            let id: ClipId = clip.clip.parse()?;
            let bytes = reach.open(id).await.map_err(|e| footage_failed(clip, &e))?;
            sink = one(sink, bytes, clip, &mut progress).await?;
        }
        Ok(sink)
    })
}

/// Writes one clip. Where it goes on from an earlier run and the whole is not what was sealed, it begins anew, once.
async fn one(
    mut sink: Sink,
    bytes: Arc<dyn ClipBytes>,
    clip: &PackedClip,
    progress: &mut Progress,
) -> anyhow::Result<Sink> {
    if bytes.size_bytes() != clip.size_bytes {
        anyhow::bail!("the clip {} has another length than when the package was begun", clip.clip);
    }
    let mut from = sink.begun(clip);
    loop {
        progress.advance(from);
        let (to_writer, writer_gets) = tokio::sync::mpsc::channel(BETWEEN);
        let (wanted, path) = (clip.clone(), clip.path.clone());
        let writing = task::blocking("export", move || {
            let written = sink.write(&wanted, from, writer_gets);
            (sink, written)
        });
        let reading = async {
            let mut stream = Arc::clone(&bytes).read(from..clip.size_bytes);
            while let Some(chunk) = stream.next().await {
                let chunk = chunk?;
                progress.advance(chunk.len() as u64);
                // The writer has ended: why is its to say.
                if to_writer.send(chunk).await.is_err() {
                    break;
                }
            }
            drop(to_writer);
            Ok::<_, FootageError>(())
        };
        let (read, wrote) = tokio::join!(reading, writing);
        let (back, written) = wrote.context("the program is stopping")?;
        sink = back;
        read.map_err(|e| footage_failed(clip, &e))?;
        let digest = written.with_context(|| {
            format!("writing {path}: free space and run the same again, it goes on where it stopped")
        })?;
        if to_hex(&digest) == clip.sha256 {
            return Ok(sink);
        }
        sink.discard(clip)?;
        if from == 0 {
            anyhow::bail!("{path} has other bytes on this disk than were written to it; check the disk");
        }
        from = 0;
    }
}

fn footage_failed(clip: &PackedClip, e: &FootageError) -> anyhow::Error {
    let exit = if e.retry() == Retry::Transient { Exit::Failure } else { Exit::Mismatch };
    Ended::with(exit, format!("the clip {} cannot be exported: {}; the package is not finished", clip.clip, chain(e)))
}

fn plan_path(to: &Path, is_zip: bool) -> PathBuf {
    if is_zip { sink::beside(to, "plan") } else { to.join(".evidock-export.json") }
}

/// What is kept beside an unfinished package; while it is held nobody else works on the same one.
struct PlanFile(File);

impl PlanFile {
    fn open(to: &Path, is_zip: bool) -> anyhow::Result<Self> {
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
    fn read(&self) -> anyhow::Result<Option<Plan>> {
        let bytes = io::read_to_string(&self.0)?;
        Ok(serde_json::from_str::<Plan>(&bytes).ok().filter(|plan| plan.v == 1))
    }

    fn write(&mut self, plan: &Plan) -> anyhow::Result<()> {
        use std::io::Seek;
        self.0.set_len(0)?;
        self.0.rewind()?;
        self.0.write_all(&serde_json::to_vec(plan)?)?;
        self.0.sync_all().context("the plan of the package cannot be written; free space and try again")
    }

    fn remove(self, path: &Path) {
        // The package is what counts; a plan that is left behind is removed by hand.
        let _ = fs::remove_file(path);
    }
}
