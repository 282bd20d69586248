//! The box: directories, file systems, space, media plug-ins, the workers' sandbox, zone and clock.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::{Access, OFlags, access};

use super::{Finding, existing};
use crate::command::output::size;
use crate::config::Settings;
use crate::domain::error::chain;
use crate::media::{MissingElement, WorkerProbe, missing_elements};
use crate::worker::sandbox::Measure;

/// What O_DIRECT wants offsets, lengths and buffers aligned to, at most, on the disks that we know.
const ALIGN: usize = 4096;

/// The state directory.
pub fn state(settings: &Settings) -> Vec<Finding> {
    let dir = &settings.station.state_dir;
    let meta = match fs::metadata(dir) {
        Ok(meta) => meta,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return vec![not_yet("state", dir)],
        Err(e) => {
            return vec![Finding::problem(
                "state",
                format!("{} cannot be looked at: {e}", dir.display()),
                "run this as root or as evidock's user",
            )];
        }
    };
    let mode = meta.mode() & 0o777;
    if !meta.is_dir() {
        let todo = "give a directory with --state or [station] state_dir";
        return vec![Finding::problem("state", format!("{} is no directory", dir.display()), todo)];
    }
    if access(dir, Access::WRITE_OK | Access::EXEC_OK).is_err() {
        return vec![Finding::warning(
            "state",
            format!("{} cannot be written by this user", dir.display()),
            "run this as root or as evidock's user, to see what the daemon sees",
        )];
    }
    if mode & 0o007 != 0 {
        return vec![Finding::warning(
            "state",
            format!("{} is open to every user of this box (mode {mode:03o})", dir.display()),
            format!("chmod o= {}", dir.display()),
        )];
    }
    vec![Finding::ok("state", format!("{} (mode {mode:03o})", dir.display()))]
}

/// A directory that the daemon will make.
fn not_yet(part: &'static str, dir: &Path) -> Finding {
    let above = existing(dir);
    if access(above, Access::WRITE_OK | Access::EXEC_OK).is_err() {
        return Finding::problem(
            part,
            format!("{} does not exist, and this user cannot make it in {}", dir.display(), above.display()),
            "run this as root or as evidock's user, or make the directory for that user",
        );
    }
    Finding::warning(part, format!("{} does not exist yet", dir.display()), "the daemon makes it at its first start")
}

/// The vault: its file system, its space, whether it can be read past the page cache.
pub fn vault(settings: &Settings) -> Vec<Finding> {
    let dir = &settings.vault.dir;
    let mut findings = Vec::new();
    if !dir.exists() {
        findings.push(not_yet("vault", dir));
    }
    let at = existing(dir);
    match rustix::fs::statfs(at) {
        Ok(fs) => findings.push(file_system(dir, fs.f_type as u64 & 0xffff_ffff)),
        Err(e) => findings.push(Finding::problem(
            "vault",
            format!("the file system of {} cannot be asked: {e}", dir.display()),
            "check the mount",
        )),
    }
    if let Ok(fs) = rustix::fs::statvfs(at) {
        let (free, total) = (fs.f_bavail * fs.f_frsize, fs.f_blocks * fs.f_frsize);
        findings.push(space(free, total, settings.vault.reserve.bytes(total)));
    }
    if dir.exists() {
        findings.push(match reads_directly(dir) {
            Ok(true) => Finding::ok("vault", "copies are read past the page cache when they are verified (O_DIRECT)"),
            Ok(false) => Finding::warning(
                "vault",
                "this file system cannot be read past the page cache (no O_DIRECT); evidock drops cached pages instead, which proves less about the disk",
                "put the vault on ext4, xfs or btrfs",
            ),
            Err(e) => Finding::warning(
                "vault",
                format!("nothing can be written into {} by this user, so direct reading was not tried: {e}", dir.display()),
                "run this as root or as evidock's user",
            ),
        });
    }
    findings
}

/// What is known of file systems by their magic number (statfs(2)).
fn file_system(dir: &Path, magic: u64) -> Finding {
    let fine = |name: &str| Finding::ok("vault", format!("{} is on {name}", dir.display()));
    let but = |name: &str, why: &str, todo: &str| {
        Finding::warning("vault", format!("{} is on {name}: {why}", dir.display()), todo)
    };
    let disk = "put the vault on a local disk with ext4, xfs or btrfs ([vault] dir)";
    match magic {
        0xef53 => fine("ext4"),
        0x5846_5342 => fine("xfs"),
        0x9123_683e => fine("btrfs"),
        0x2fc1_2fc1 => fine("zfs"),
        0xf2f5_2010 => fine("f2fs"),
        0x0102_1994 | 0x8584_58f6 => but("memory (tmpfs)", "everything in it is gone after a restart", disk),
        0x794c_7630 => but("an overlay, as in a container", "what is written may go with the container", disk),
        0x6969 | 0xff53_4d42 | 0xfe53_4d42 => {
            but("a network mount", "it is durable only as far as that server is, and stops when the network does", disk)
        }
        0x4d44 | 0x2011_bab0 => but("FAT or exFAT", "it keeps no journal and no permissions", disk),
        0x6573_5546 => {
            but("a file system in user space (FUSE)", "what a sync means there depends on its program", disk)
        }
        other => but(&format!("a file system of type {other:#x}"), "evidock was not tried on it", disk),
    }
}

fn space(free: u64, total: u64, reserve: u64) -> Finding {
    let words = format!("{} free of {}, {} are kept free", size(free), size(total), size(reserve));
    if free <= reserve {
        let todo = "free space or lower [vault] reserve_gb; until then nothing is taken in";
        Finding::problem("disk", words, todo)
    } else if free < reserve.saturating_mul(2) {
        Finding::warning("disk", words, "plan for space: intake stops at the reserve")
    } else {
        Finding::ok("disk", words)
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
    let dir = &settings.folder_source.dir;
    vec![match fs::read_dir(dir) {
        Ok(entries) => {
            let bays = entries.flatten().filter(|e| e.path().is_dir()).count();
            Finding::ok("docking folder", format!("{} can be read; {bays} recorders stand in it", dir.display()))
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => not_yet("docking folder", dir),
        Err(e) => Finding::problem(
            "docking folder",
            format!("{} cannot be read: {e}", dir.display()),
            "check that it is mounted and may be read by evidock's user",
        ),
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
            findings.push(Finding::problem(
                "media worker",
                chain(&e),
                "clips are kept and sent all the same, but nobody looks into them; see the findings about GStreamer",
            ));
            findings
        }
    })
}

/// Documents as PDF.
pub fn typeface(settings: &Settings) -> Vec<Finding> {
    match crate::runtime::typeface::find(settings.export.font.as_deref()) {
        Ok(_) => {
            vec![Finding::ok("typeface", "there is one with Chinese: evidence packages have their documents as PDF")]
        }
        Err(e) => vec![Finding::warning(
            "typeface",
            format!("evidence packages go without PDFs: {e}"),
            "their pages can be printed in any browser all the same",
        )],
    }
}

/// One finding a Debian package.
fn elements(missing: &[MissingElement]) -> Vec<Finding> {
    if missing.is_empty() {
        return vec![Finding::ok("GStreamer", "every element that evidock uses is installed")];
    }
    let mut packages: BTreeMap<&str, Vec<&MissingElement>> = BTreeMap::new();
    for element in missing {
        packages.entry(&element.package).or_default().push(element);
    }
    let mut findings = Vec::new();
    for (package, missing) in packages {
        let mut uses: Vec<&str> = missing.iter().map(|m| m.needed_for.as_str()).collect();
        uses.sort_unstable();
        uses.dedup();
        let names: Vec<&str> = missing.iter().map(|m| m.element.as_str()).collect();
        findings.push(Finding::problem(
            "GStreamer",
            format!("{} missing, needed for {}", names.join(", "), uses.join(", ")),
            format!("apt-get install {package}"),
        ));
    }
    findings
}

fn sandbox(measures: &[Measure]) -> Vec<Finding> {
    let (held, open): (Vec<_>, Vec<_>) = measures.iter().partition(|m| m.in_force);
    let names: Vec<&str> = held.iter().map(|m| m.name.as_str()).collect();
    let mut findings = vec![Finding::ok("media worker", format!("held by {}", names.join(", ")))];
    findings.extend(open.iter().map(|m| {
        Finding::warning(
            "media worker",
            format!("{} is not in force: {}", m.name, m.detail),
            "a newer kernel, or one less fenced in by a container, has it; media workers are weaker until then",
        )
    }));
    findings
}

/// The time zone database and the clock.
pub fn time(settings: &Settings) -> Vec<Finding> {
    let name = &settings.station.zone_name;
    let system = Path::new("/usr/share/zoneinfo").join(name).exists();
    let whose = if system { "this system's" } else { "evidock's own (this system has none)" };
    let mut findings = vec![Finding::ok("time zone", format!("{name}, from {whose} database"))];
    findings.push(clock(synchronized()));
    findings
}

fn clock(synchronized: Option<bool>) -> Finding {
    let todo = "apt-get install systemd-timesyncd (or chrony), and let it reach a time server";
    match synchronized {
        Some(true) => Finding::ok("clock", "synchronized"),
        Some(false) => {
            Finding::warning("clock", "not synchronized: times in records and in the log may be wrong", todo)
        }
        None => Finding::warning("clock", "whether the clock is synchronized cannot be told here", todo),
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
    use crate::command::doctor::Level;

    #[test]
    fn space_is_judged_by_the_reserve() {
        for (free, level) in [(9, Level::Problem), (10, Level::Problem), (11, Level::Warning), (20, Level::Ok)] {
            assert_eq!(space(free, 100, 10).level, level, "{free}");
        }
    }

    #[test]
    fn a_vault_in_memory_is_warned_of() {
        let dir = Path::new("/v");
        assert_eq!(file_system(dir, 0xef53).level, Level::Ok);
        for magic in [0x0102_1994, 0x6969, 0x4d44, 0x1234] {
            let finding = file_system(dir, magic);
            assert!(finding.level == Level::Warning && !finding.todo.is_empty(), "{finding:?}");
        }
        assert!(file_system(dir, 0x0102_1994).words.contains("tmpfs"));
    }

    #[test]
    fn missing_elements_are_told_by_package() {
        let missing = |element: &str, package: &str, needed_for: &str| MissingElement {
            element: element.to_owned(),
            package: package.to_owned(),
            needed_for: needed_for.to_owned(),
        };
        let found = elements(&[missing("a", "p", "MP4"), missing("b", "p", "MP4"), missing("c", "q", "AVI")]);
        let told: Vec<_> = found.iter().map(|f| (f.words.as_str(), f.todo.as_str())).collect();
        assert_eq!(
            told,
            [("a, b missing, needed for MP4", "apt-get install p"), ("c missing, needed for AVI", "apt-get install q")]
        );
        assert_eq!(elements(&[])[0].level, Level::Ok);
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
        assert_eq!(not_yet("state", &dir.path().join("a/b")).level, Level::Warning);
    }
}
