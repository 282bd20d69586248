//! The box: directories, file systems, space, media plug-ins, the workers' sandbox, zone and clock.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::{Access, OFlags, access};

use super::{at, existing};
use crate::command::output::size;
use crate::config::Settings;
use crate::domain::error::chain;
use crate::domain::office::{CheckPart, Finding, Found, Todo};
use crate::domain::words::check::{Measures, Uses};
use crate::media::{MissingElement, WorkerProbe, missing_elements};
use crate::worker::sandbox::Measure;

/// What O_DIRECT wants offsets, lengths and buffers aligned to, at most, on the disks that we know.
const ALIGN: usize = 4096;

/// The state directory.
pub fn state(settings: &Settings) -> Vec<Finding> {
    let (part, dir) = (CheckPart::State, &settings.station.state_dir);
    let meta = match fs::metadata(dir) {
        Ok(meta) => meta,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return vec![not_yet(part, dir)],
        Err(e) => {
            return vec![Finding::problem(
                part,
                Found::CannotBeLookedAt { path: at(dir), error: e.to_string() },
                Todo::RunAsEvidock {},
            )];
        }
    };
    let (bits, path) = (meta.mode() & 0o777, at(dir));
    if !meta.is_dir() {
        return vec![Finding::problem(part, Found::NoDirectory { path }, Todo::GiveStateDir {})];
    }
    if access(dir, Access::WRITE_OK | Access::EXEC_OK).is_err() {
        return vec![Finding::warning(part, Found::NotWritable { path }, Todo::RunAsEvidockToSee {})];
    }
    let mode = format!("{bits:03o}");
    if bits & 0o007 != 0 {
        let found = Found::OpenToAll { path: path.clone(), mode };
        return vec![Finding::warning(part, found, Todo::CloseDirectory { path })];
    }
    vec![Finding::ok(part, Found::Directory { path, mode })]
}

/// A directory that the daemon will make.
fn not_yet(part: CheckPart, dir: &Path) -> Finding {
    let above = existing(dir);
    if access(above, Access::WRITE_OK | Access::EXEC_OK).is_err() {
        let found = Found::CannotBeMade { path: at(dir), above: at(above) };
        return Finding::problem(part, found, Todo::RunAsEvidockOrMake {});
    }
    Finding::warning(part, Found::NotThereYet { path: at(dir) }, Todo::MadeAtFirstStart {})
}

/// The vault: its file system, its space, whether it can be read past the page cache.
pub fn vault(settings: &Settings) -> Vec<Finding> {
    let (part, dir) = (CheckPart::Vault, &settings.vault.dir);
    let mut findings = Vec::new();
    if !dir.exists() {
        findings.push(not_yet(part, dir));
    }
    let above = existing(dir);
    match rustix::fs::statfs(above) {
        Ok(fs) => findings.push(file_system(dir, fs.f_type as u64 & 0xffff_ffff)),
        Err(e) => findings.push(Finding::problem(
            part,
            Found::FileSystemUnknown { path: at(dir), error: e.to_string() },
            Todo::CheckMount {},
        )),
    }
    if let Ok(fs) = rustix::fs::statvfs(above) {
        let (free, total) = (fs.f_bavail * fs.f_frsize, fs.f_blocks * fs.f_frsize);
        findings.push(space(free, total, settings.vault.reserve.bytes(total)));
    }
    if dir.exists() {
        findings.push(match reads_directly(dir) {
            Ok(true) => Finding::ok(part, Found::ReadFromDisk {}),
            Ok(false) => Finding::warning(part, Found::ReadFromCache {}, Todo::PutOnExt4 {}),
            Err(e) => Finding::warning(
                part,
                Found::NotTriedToRead { path: at(dir), error: e.to_string() },
                Todo::RunAsEvidock {},
            ),
        });
    }
    findings
}

/// What is known of file systems by their magic number (statfs(2)).
fn file_system(dir: &Path, magic: u64) -> Finding {
    let path = at(dir);
    let fine =
        |name: &str| Finding::ok(CheckPart::Vault, Found::OnFileSystem { path: path.clone(), name: name.to_owned() });
    let but = |found: fn(String) -> Found| Finding::warning(CheckPart::Vault, found(path.clone()), Todo::PutOnDisk {});
    match magic {
        0xef53 => fine("ext4"),
        0x5846_5342 => fine("xfs"),
        0x9123_683e => fine("btrfs"),
        0x2fc1_2fc1 => fine("zfs"),
        0xf2f5_2010 => fine("f2fs"),
        0x0102_1994 | 0x8584_58f6 => but(|path| Found::OnMemory { path }),
        0x794c_7630 => but(|path| Found::OnOverlay { path }),
        0x6969 | 0xff53_4d42 | 0xfe53_4d42 => but(|path| Found::OnNetwork { path }),
        0x4d44 | 0x2011_bab0 => but(|path| Found::OnFat { path }),
        0x6573_5546 => but(|path| Found::OnFuse { path }),
        other => {
            let found = Found::OnOther { path: path.clone(), kind: format!("{other:#x}") };
            Finding::warning(CheckPart::Vault, found, Todo::PutOnDisk {})
        }
    }
}

fn space(free: u64, total: u64, reserve: u64) -> Finding {
    let part = CheckPart::Disk;
    let found = Found::Space { free: size(free), total: size(total), reserve: size(reserve) };
    if free <= reserve {
        Finding::problem(part, found, Todo::FreeSpace {})
    } else if free < reserve.saturating_mul(2) {
        Finding::warning(part, found, Todo::PlanSpace {})
    } else {
        Finding::ok(part, found)
    }
}

/// Writes a small file, reads it with O_DIRECT, removes it. An error means that it could not be written.
fn reads_directly(dir: &Path) -> io::Result<bool> {
    let path = dir.join(format!(".doctor-{}", std::process::id()));
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).and_then(|mut file| {
        file.write_all(&[0x5a; ALIGN])?;
        file.sync_all()
    });
    let read = || -> io::Result<bool> {
        let file: File = OpenOptions::new().read(true).custom_flags(OFlags::DIRECT.bits() as i32).open(&path)?;
        let mut buffer = vec![0; 2 * ALIGN];
        let start = buffer.as_ptr().align_offset(ALIGN);
        let n = file.read_at(&mut buffer[start..start + ALIGN], 0)?;
        Ok(n == ALIGN && buffer[start] == 0x5a)
    };
    let direct = read().unwrap_or(false);
    let removed = fs::remove_file(&path);
    written.and(removed).map(|()| direct)
}

/// The docking folder.
pub fn docks(settings: &Settings) -> Vec<Finding> {
    let (part, dir) = (CheckPart::Docks, &settings.folder_source.dir);
    vec![match fs::read_dir(dir) {
        Ok(entries) => {
            let bays = entries.flatten().filter(|e| e.path().is_dir()).count();
            Finding::ok(part, Found::DocksRead { path: at(dir), bays })
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => not_yet(part, dir),
        Err(e) => {
            let found = Found::DocksUnread { path: at(dir), error: e.to_string() };
            Finding::problem(part, found, Todo::CheckDocks {})
        }
    }]
}

/// Media plug-ins, and what holds the workers that use them.
pub fn media(settings: &Settings) -> anyhow::Result<Vec<Finding>> {
    // The list of plug-ins that a worker writes must belong to the daemon's user, or to nobody's.
    let state = &settings.station.state_dir;
    let ours = fs::metadata(state).is_ok_and(|m| m.uid() == rustix::process::geteuid().as_raw());
    let registry: PathBuf = if ours { state.clone() } else { std::env::temp_dir() };
    let checked =
        super::super::block_on(async { Ok(WorkerProbe::new(&registry, 1, settings.media.timeout).check().await) })?;
    Ok(match checked {
        Ok(check) => {
            let mut findings = elements(&check.missing);
            findings.extend(sandbox(&check.measures));
            findings
        }
        Err(e) => {
            let mut findings = elements(&missing_elements());
            let found = Found::MediaWorker { error: chain(&e) };
            findings.push(Finding::problem(CheckPart::MediaWorker, found, Todo::SeeGStreamer {}));
            findings
        }
    })
}

/// Documents as PDF.
pub fn typeface(settings: &Settings) -> Vec<Finding> {
    let part = CheckPart::Typeface;
    vec![match crate::runtime::typeface::find(settings.export.font.as_deref()) {
        Ok(_) => Finding::ok(part, Found::Typeface {}),
        Err(e) => Finding::warning(part, Found::NoTypeface { error: e.to_string() }, Todo::PrintThem {}),
    }]
}

/// One finding a Debian package.
fn elements(missing: &[MissingElement]) -> Vec<Finding> {
    if missing.is_empty() {
        return vec![Finding::ok(CheckPart::GStreamer, Found::Elements {})];
    }
    let mut packages: BTreeMap<&str, Vec<&MissingElement>> = BTreeMap::new();
    for element in missing {
        packages.entry(&element.package).or_default().push(element);
    }
    let mut findings = Vec::new();
    for (package, missing) in packages {
        let mut uses: Vec<String> = missing.iter().map(|m| m.needed_for.clone()).collect();
        uses.sort_unstable();
        uses.dedup();
        let names = missing.iter().map(|m| m.element.clone()).collect();
        findings.push(Finding::problem(
            CheckPart::GStreamer,
            Found::ElementsMissing { names, uses: Uses(uses) },
            Todo::Install { package: package.to_owned() },
        ));
    }
    findings
}

fn sandbox(measures: &[Measure]) -> Vec<Finding> {
    let (held, open): (Vec<_>, Vec<_>) = measures.iter().partition(|m| m.in_force);
    let part = CheckPart::MediaWorker;
    let measures = Measures(held.iter().map(|m| m.name.clone()).collect());
    let mut findings = vec![Finding::ok(part, Found::HeldBy { measures })];
    findings.extend(open.iter().map(|m| {
        let found = Found::MeasureMissing { measure: Measures(vec![m.name.clone()]), detail: m.detail.clone() };
        Finding::warning(part, found, Todo::NewerKernel {})
    }));
    findings
}

/// The time zone database and the clock.
pub fn time(settings: &Settings) -> Vec<Finding> {
    let name = settings.station.zone_name.clone();
    let system = Path::new("/usr/share/zoneinfo").join(&name).exists();
    let zone = if system { Found::ZoneOfSystem { name } } else { Found::ZoneOfEvidock { name } };
    vec![Finding::ok(CheckPart::TimeZone, zone), clock(synchronized())]
}

fn clock(synchronized: Option<bool>) -> Finding {
    let part = CheckPart::Clock;
    match synchronized {
        Some(true) => Finding::ok(part, Found::ClockWell {}),
        Some(false) => Finding::warning(part, Found::ClockLoose {}, Todo::SetClock {}),
        None => Finding::warning(part, Found::ClockUnknown {}, Todo::SetClock {}),
    }
}

/// What systemd-timesyncd left, else what systemd says of the kernel's clock, whoever sets it.
fn synchronized() -> Option<bool> {
    if Path::new("/run/systemd/timesync/synchronized").exists() {
        return Some(true);
    }
    let asked = Command::new("timedatectl")
        .args(["show", "--property=NTPSynchronized", "--value"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    match String::from_utf8_lossy(&asked.stdout).trim() {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::office::Gravity;

    #[test]
    fn space_is_judged_by_the_reserve() {
        for (free, gravity) in
            [(9, Gravity::Problem), (10, Gravity::Problem), (11, Gravity::Warning), (20, Gravity::Ok)]
        {
            assert_eq!(space(free, 100, 10).gravity, gravity, "{free}");
        }
    }

    #[test]
    fn a_vault_in_memory_is_warned_of() {
        let dir = Path::new("/v");
        assert_eq!(file_system(dir, 0xef53).gravity, Gravity::Ok);
        for magic in [0x0102_1994, 0x6969, 0x4d44, 0x1234] {
            let finding = file_system(dir, magic);
            assert!(finding.gravity == Gravity::Warning && finding.todo == Todo::PutOnDisk {}, "{finding:?}");
        }
        assert!(file_system(dir, 0x0102_1994).found.to_string().contains("tmpfs"));
    }

    #[test]
    fn missing_elements_are_told_by_package() {
        let missing = |element: &str, package: &str, needed_for: &str| MissingElement {
            element: element.to_owned(),
            package: package.to_owned(),
            needed_for: needed_for.to_owned(),
        };
        let found = elements(&[missing("a", "p", "MP4"), missing("b", "p", "MP4"), missing("c", "q", "AVI")]);
        let told: Vec<_> = found.iter().map(|f| (f.found.to_string(), f.todo.to_string())).collect();
        let told: Vec<_> = told.iter().map(|(found, todo)| (found.as_str(), todo.as_str())).collect();
        assert_eq!(
            told,
            [("a, b missing, needed for MP4", "apt-get install p"), ("c missing, needed for AVI", "apt-get install q")]
        );
        assert_eq!(elements(&[])[0].gravity, Gravity::Ok);
    }

    #[test]
    fn direct_reading_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        reads_directly(dir.path()).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        assert!(reads_directly(&dir.path().join("none")).is_err());
    }

    #[test]
    fn a_directory_that_is_not_there_yet() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(existing(&dir.path().join("a/b")), dir.path());
        assert_eq!(not_yet(CheckPart::State, &dir.path().join("a/b")).gravity, Gravity::Warning);
    }
}
