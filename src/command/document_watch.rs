//! `[documents] dir`: files that appear in a folder are filed by themselves, as soon as they stand still.
//!
//! The case is that of the folder in which a file lies, else the number with which its name begins. What was filed goes to
//! `filed/`, what was refused to `refused/` with the reason beside it; what could not be stored now stays and is tried again.
//! A crash in between files nothing twice: a case that has the same bytes already is told so.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::desk::Desk;
use crate::domain::case_number::{NumberRule, NumberWarning};
use crate::domain::command::{Ask, Caller, FileDocument, Incoming, Reply};
use crate::domain::document::DocumentKind;
use crate::domain::event::Actor;
use crate::domain::why::Why;
use crate::runtime::health::{Health, Part};
use crate::runtime::supervise::{OnFailure, Phase, Supervisor, TaskContext, TaskSpec};
use crate::runtime::task;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A file is taken once so many looks in a row saw it the same.
const STILL_LOOKS: u32 = 3;
/// What could not be stored is tried again after so many looks.
const AGAIN_LOOKS: u32 = 30;
/// Files that one look takes note of.
const MOST: usize = 1_000;
const CHUNK_BYTES: usize = 256 << 10;
/// No number is longer, characters.
const NUMBER_CHARS: usize = 60;
const FILED: &str = "filed";
const REFUSED: &str = "refused";

/// A file as far as a look tells, to see that it changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    len: u64,
    modified_ns: i128,
}

/// What the looks remember of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    stamp: Stamp,
    looks: u32,
    /// Looks for which it is left alone.
    rests: u32,
}

/// What the looks remember from each other.
#[derive(Debug, Default)]
struct Watch {
    known: BTreeMap<PathBuf, Known>,
}

impl Watch {
    /// Files that stand still, after a look.
    fn look(&mut self, seen: &BTreeMap<PathBuf, Stamp>) -> Vec<(PathBuf, Stamp)> {
        self.known.retain(|path, _| seen.contains_key(path));
        let mut still = Vec::new();
        for (path, stamp) in seen {
            let known = self.known.entry(path.clone()).or_insert(Known { stamp: *stamp, looks: 0, rests: 0 });
            if known.stamp != *stamp {
                *known = Known { stamp: *stamp, looks: 0, rests: 0 };
            }
            known.looks = known.looks.saturating_add(1);
            known.rests = known.rests.saturating_sub(1);
            if known.looks >= STILL_LOOKS && known.rests == 0 {
                still.push((path.clone(), *stamp));
            }
        }
        still
    }

    fn rest(&mut self, path: &Path, looks: u32) {
        if let Some(known) = self.known.get_mut(path) {
            known.rests = looks;
        }
    }
}

/// Starts the watch, where a folder is configured.
pub fn start(supervisor: &mut Supervisor, dir: Option<PathBuf>, desk: &Arc<Desk>, health: &Health) {
    let Some(dir) = dir else { return };
    let (desk, part) = (Arc::clone(desk), health.part("documents"));
    supervisor.start(TaskSpec::new("documents", Phase::Sources, OnFailure::RESTART), move |context| {
        let (dir, desk, part) = (dir.clone(), Arc::clone(&desk), part.clone());
        async move {
            run(&dir, &desk, &part, context).await;
            Ok(())
        }
    });
}

async fn run(dir: &Path, desk: &Desk, part: &Part, context: TaskContext) {
    let mut watch = Watch::default();
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = context.cancel.cancelled() => return,
            _ = looks.tick() => {}
        }
        context.heart.beat();
        let at = dir.to_owned();
        let seen = match task::blocking("documents-look", move || look_at(&at)).await {
            Ok(Ok(seen)) => seen,
            Ok(Err(e)) => {
                part.failed(
                    "documents_unreadable",
                    format!("{} cannot be used: {e}; no document is filed from there", dir.display()),
                    "make the folder, and let evidock's user read and write it",
                );
                continue;
            }
            Err(_) => continue,
        };
        match seen.refused {
            0 => part.ok(),
            n => part.degraded(
                "documents_refused",
                format!("{n} documents were refused; the reason stands beside each in {}", dir.join(REFUSED).display()),
                "correct them and put them into the folder again, or remove them",
            ),
        }
        for (path, stamp) in watch.look(&seen.files) {
            if context.cancel.is_cancelled() {
                return;
            }
            context.heart.beat();
            match file(dir, &path, stamp, desk).await {
                Outcome::Filed => {}
                Outcome::Later => watch.rest(&path, AGAIN_LOOKS),
                // It was filed or judged, and cannot be moved: not again before it changes.
                Outcome::Stuck(why) => {
                    watch.rest(&path, u32::MAX);
                    tracing::error!(file = %path.display(), why, "a document was judged and cannot be moved away");
                }
            }
        }
    }
}

enum Outcome {
    Filed,
    Later,
    Stuck(String),
}

async fn file(dir: &Path, path: &Path, stamp: Stamp, desk: &Desk) -> Outcome {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let folder = path.strip_prefix(dir).ok().and_then(Path::parent).and_then(|p| p.to_str()).unwrap_or_default();
    let reply = match place(&name, folder, &desk.rule, desk.this_year()) {
        None => Reply::refused("invalid", Why::DocumentNumber {}),
        Some((case_no, title)) => {
            let document = FileDocument {
                case_no,
                kind: kind_of(&name).as_str().to_owned(),
                name: name.clone(),
                title: Some(title),
                matter: None,
                stage: None,
                size_bytes: stamp.len,
            };
            let at = path.to_owned();
            let opened = task::blocking("document-open", move || open(&at, stamp)).await;
            let bytes = match opened {
                Ok(Ok(file)) => stream(file),
                // It changed since, or went away: the next look sees it as it is now.
                _ => return Outcome::Later,
            };
            let caller = Caller::new(Actor::daemon(), "daemon", "the documents folder");
            desk.file(&caller, document, bytes).await
        }
    };
    let (to, reason) = match reply {
        Reply::Done(_) => (FILED, None),
        Reply::Refused { code, message, .. } if matches!(code.as_str(), "invalid" | "too_large" | "conflict") => {
            (REFUSED, Some(message))
        }
        Reply::Refused { message, .. } => {
            tracing::warn!(message, "a document could not be filed now; it is tried again");
            return Outcome::Later;
        }
    };
    let (dir, path) = (dir.to_owned(), path.to_owned());
    let moved = task::blocking("document-move", move || move_to(&dir, &path, to, reason.as_deref())).await;
    match moved {
        Ok(Ok(())) => Outcome::Filed,
        Ok(Err(e)) => Outcome::Stuck(e.to_string()),
        Err(_) => Outcome::Later,
    }
}

/// The case of a file and what it is called there: by its folder, else by how its name begins.
fn place(name: &str, folder: &str, rule: &NumberRule, year: i16) -> Option<(String, String)> {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    if !folder.is_empty() {
        return rule.parse(folder, year).ok().map(|_| (folder.to_owned(), stem.to_owned()));
    }
    let ends: Vec<usize> = stem.char_indices().map(|(at, c)| at + c.len_utf8()).take(NUMBER_CHARS).collect();
    ends.into_iter().rev().find_map(|end| {
        let (number, rest) = stem.split_at(end);
        let cut = rest.starts_with(|c: char| c.is_ascii_digit());
        let parsed = rule.parse(number, year).ok()?;
        if cut || parsed.warnings().contains(&NumberWarning::JoinedDigits) {
            return None;
        }
        let title = rest.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '_' | '-' | '—' | '、' | '.'));
        Some((number.to_owned(), if title.is_empty() { stem.to_owned() } else { title.to_owned() }))
    })
}

/// What a document is, by what people call such files.
pub(super) fn kind_of(name: &str) -> DocumentKind {
    use DocumentKind::{Approval, Decision, Evidence, Notice, Other, Record, Service};
    [
        ("送达", Service),
        ("决定书", Decision),
        ("告知书", Notice),
        ("通知书", Notice),
        ("审批", Approval),
        ("笔录", Record),
        ("证据", Evidence),
        ("照片", Evidence),
    ]
    .into_iter()
    .find(|(word, _)| name.contains(word))
    .map_or(Other, |(_, kind)| kind)
}

struct Seen {
    files: BTreeMap<PathBuf, Stamp>,
    refused: usize,
}

fn look_at(dir: &Path) -> std::io::Result<Seen> {
    for name in [FILED, REFUSED] {
        std::fs::create_dir_all(dir.join(name))?;
    }
    let mut seen = Seen { files: BTreeMap::new(), refused: 0 };
    let mut folders = Vec::new();
    gather(dir, &mut seen.files, Some(&mut folders))?;
    for folder in folders {
        if folder.file_name().is_some_and(|name| name == FILED || name == REFUSED) {
            continue;
        }
        // A folder that went away in between is no trouble.
        let _ = gather(&folder, &mut seen.files, None);
    }
    let mut refused = BTreeMap::new();
    gather(&dir.join(REFUSED), &mut refused, None)?;
    let names: BTreeSet<&PathBuf> = refused.keys().collect();
    seen.refused = refused.keys().filter(|path| !is_reason(path, &names)).count();
    Ok(seen)
}

/// Whether a file is the reason that stands beside another one.
fn is_reason(path: &Path, names: &BTreeSet<&PathBuf>) -> bool {
    path.extension().is_some_and(|e| e == "reason") && names.contains(&path.with_extension(""))
}

/// Regular files of a folder, symbolic links and what office programs and copies in progress leave about left out.
fn gather(
    dir: &Path,
    files: &mut BTreeMap<PathBuf, Stamp>,
    mut folders: Option<&mut Vec<PathBuf>>,
) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        let passing =
            [".part", ".tmp", ".crdownload", ".filepart"].iter().any(|end| name.to_lowercase().ends_with(end));
        if name.starts_with('.') || name.starts_with("~$") || passing || files.len() >= MOST {
            continue;
        }
        match entry.metadata() {
            Ok(m) if m.is_file() => {
                files.insert(path, stamp(&m));
            }
            Ok(m) if m.is_dir() => {
                if let Some(folders) = folders.as_deref_mut() {
                    folders.push(path);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn stamp(m: &std::fs::Metadata) -> Stamp {
    Stamp {
        inode: m.ino(),
        len: m.len(),
        modified_ns: i128::from(m.mtime()) * 1_000_000_000 + i128::from(m.mtime_nsec()),
    }
}

fn open(path: &Path, seen: Stamp) -> std::io::Result<std::fs::File> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let file = std::fs::OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(path)?;
    let now = file.metadata()?;
    if !now.is_file() || stamp(&now) != seen {
        return Err(std::io::Error::other("it changed meanwhile"));
    }
    Ok(file)
}

/// The bytes of a file, read on threads that may wait.
fn stream(file: std::fs::File) -> Incoming {
    Box::pin(futures_util::stream::try_unfold(file, |mut file| async move {
        let read = task::blocking("document-read", move || {
            let mut chunk = vec![0; CHUNK_BYTES];
            let n = file.read(&mut chunk)?;
            chunk.truncate(n);
            Ok::<_, std::io::Error>((Bytes::from(chunk), file))
        });
        let (chunk, file) = read.await.map_err(|_| std::io::Error::other("the daemon is stopping"))??;
        Ok((!chunk.is_empty()).then_some((chunk, file)))
    }))
}

/// Moves a judged file away, under a name that is free; a refused one with the reason beside it, which stands there first.
fn move_to(dir: &Path, path: &Path, to: &str, reason: Option<&str>) -> std::io::Result<()> {
    let below = path.strip_prefix(dir).unwrap_or(path);
    let flat: Vec<String> = below.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    let name = flat.join("_");
    let (stem, ending) = name.rsplit_once('.').map_or((name.as_str(), ""), |(stem, ending)| (stem, ending));
    let free = (1..10_000).map(|n| match (n, ending) {
        (1, _) => dir.join(to).join(&name),
        (n, "") => dir.join(to).join(format!("{stem} ({n})")),
        (n, ending) => dir.join(to).join(format!("{stem} ({n}).{ending}")),
    });
    let target = free
        .into_iter()
        .find(|target| !target.exists())
        .ok_or_else(|| std::io::Error::other("too many files of one name"))?;
    if let Some(reason) = reason {
        let mut beside = target.clone().into_os_string();
        beside.push(".reason");
        std::fs::write(beside, format!("{reason}\n"))?;
    }
    std::fs::rename(path, target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_placed_by_folder_or_by_how_they_are_named() {
        let rule = NumberRule::builtin();
        let placed = |name: &str, folder: &str| place(name, folder, &rule, 2026);
        for (name, folder, number, title) in [
            ("决定书.pdf", "赵卫罚[2026]12号", "赵卫罚[2026]12号", "决定书"),
            ("赵卫罚〔2026〕12号_决定书.pdf", "", "赵卫罚〔2026〕12号", "决定书"),
            ("赵卫罚（2026）12号现场笔录.docx", "", "赵卫罚（2026）12号", "现场笔录"),
            ("赵卫罚〔2026〕123.pdf", "", "赵卫罚〔2026〕123", "赵卫罚〔2026〕123"),
            ("赵卫罚〔2026〕12 2页.pdf", "", "赵卫罚〔2026〕12", "2页"),
        ] {
            let (found, called) = placed(name, folder).unwrap_or_else(|| panic!("{name}"));
            assert_eq!((found.trim(), called.as_str()), (number, title), "{name}");
        }
        for (name, folder) in [("决定书.pdf", ""), ("决定书.pdf", "杂项"), ("2026.pdf", ""), ("", "")] {
            assert_eq!(placed(name, folder), None, "{folder}/{name}");
        }
        assert_eq!(kind_of("送达回证.pdf"), DocumentKind::Service);
        assert_eq!(kind_of("现场检查笔录.pdf"), DocumentKind::Record);
    }

    #[test]
    fn a_file_is_taken_once_it_stands_still() {
        let at = |len| BTreeMap::from([(PathBuf::from("a"), Stamp { inode: 1, len, modified_ns: 0 })]);
        let mut watch = Watch::default();
        let mut taken = |len| watch.look(&at(len)).len();
        let seen: Vec<usize> = [1, 2, 2, 2, 2, 3, 3, 3].into_iter().map(&mut taken).collect();
        assert_eq!(seen, [0, 0, 0, 1, 1, 0, 0, 1]);
        watch.rest(Path::new("a"), 2);
        assert_eq!((watch.look(&at(3)).len(), watch.look(&at(3)).len()), (0, 1));
        assert!(watch.look(&BTreeMap::new()).is_empty() && watch.known.is_empty());
    }

    #[test]
    fn what_was_judged_is_moved_under_a_free_name_and_links_are_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let case = dir.path().join("case");
        std::fs::create_dir(&case).unwrap();
        look_at(dir.path()).unwrap();
        for n in 0..2 {
            std::fs::write(case.join("b.pdf"), "x").unwrap();
            move_to(dir.path(), &case.join("b.pdf"), REFUSED, Some("why")).unwrap();
            assert_eq!(look_at(dir.path()).unwrap().refused, n + 1);
        }
        assert!(dir.path().join("refused/case_b (2).pdf.reason").exists());
        std::os::unix::fs::symlink("/etc/passwd", dir.path().join("link.pdf")).unwrap();
        std::fs::write(dir.path().join("~$x.docx"), "x").unwrap();
        std::fs::write(dir.path().join("x.pdf.part"), "x").unwrap();
        assert!(look_at(dir.path()).unwrap().files.is_empty());
    }
}
