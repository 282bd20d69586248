//! Each kind of alarm from its cause to its end: a full disk, a clock that is not synchronised, a recorder that was not brought
//! back, a copy that is not what was sealed, a log that has fallen silent. The real daemon raises it; it stands on the page and
//! in the list, the webhook and the mail server are told, and told again when the cause is gone. (A destination that goes away
//! is in `alarms`.)

#![allow(clippy::unwrap_used)] // In a test, failing is what it is for.

use crate::support;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use support::footage;
use support::receivers::{Receiver, Told};
use support::station::{Station, dsj, files_below, flip, folder};

/// A station and those who are told of its alarms.
struct Watched {
    station: Station,
    hook: Receiver,
    mail: Receiver,
}

impl Watched {
    fn new(more: &str) -> Self {
        support::install_tls();
        let (hook, mail) = (Receiver::webhook(), Receiver::mail());
        let station = Station::new("");
        let told = format!(
            "{more}[alarm]\ntell_after_s = 0\nover_after_s = 0\n[outbox]\nretry_min_s = 1\nretry_max_s = 1\n\
             [[alarm.webhook]]\nname = \"duty\"\nurl = \"http://127.0.0.1:{}/alarm\"\nsecret_file = \"{}\"\n{}",
            hook.port(),
            hook.path("secret").display(),
            crate::alarms::mailing(&mail)
        );
        station.configure(&told);
        Self { station, hook, mail }
    }

    fn about(&self, code: &str) -> Vec<Told> {
        self.hook.taken().into_iter().filter(|t| t.code() == code).collect()
    }

    fn letters(&self, code: &str) -> usize {
        let line = format!("code: {code}");
        self.mail.mails().iter().filter(|m| m.lines().any(|l| l.trim_end() == line)).count()
    }

    fn page(&self) -> String {
        let page = self.station.page();
        let output = std::process::Command::new("curl")
            .args(["-sS", "--max-time", "30", "-H", "accept-language: en", &format!("{page}/alarms")])
            .output()
            .unwrap();
        support::station::text(&output.stdout)
    }

    fn stands(&self, code: &str) -> Option<Value> {
        let listed = self.station.json(["alarm", "list"]);
        listed["standing"].as_array().unwrap().iter().find(|a| a["code"] == code).cloned()
    }

    /// Waits until an alarm was told to everybody, and gives what the webhook took.
    fn until_raised(&mut self, code: &str, about: &str) -> Told {
        assert!(self.about(code).is_empty(), "{code} stood before its cause: {:?}", self.about(code));
        let (hook, mail) = (&self.hook, &self.mail);
        let line = format!("code: {code}");
        self.station.until(&format!("{code} is told to the webhook and by e-mail"), |_| {
            hook.taken().iter().any(|t| t.code() == code)
                && mail.mails().iter().any(|m| m.lines().any(|l| l.trim_end() == line))
        });
        let told = self.about(code).remove(0);
        assert_eq!((told.kind(), told.holds), ("alarm.raised", true), "{:?}", told.body);
        let data = &told.body["data"];
        assert_eq!(data["about"], about, "{data}");
        for lang in ["zh-CN", "en"] {
            for part in ["title", "action"] {
                assert!(data[part][lang].as_str().is_some_and(|words| !words.is_empty()), "{part} {lang}: {data}");
            }
        }
        let listed = self.stands(code).unwrap_or_else(|| panic!("{code} is not in the list"));
        assert_eq!(listed["id"], data["alarm"]);
        assert!(self.page().contains(&acknowledge(data)), "{code} is not on the page");
        told
    }

    /// Waits until everybody was told that it is over.
    fn until_over(&mut self, raised: &Told) {
        let code = raised.code().to_owned();
        let (hook, mail) = (&self.hook, &self.mail);
        let line = format!("code: {code}");
        self.station.until(&format!("{code} is told over, to the webhook and by e-mail"), |_| {
            hook.taken().iter().any(|t| t.code() == code && t.kind() == "alarm.ended")
                && mail.mails().iter().filter(|m| m.lines().any(|l| l.trim_end() == line)).count() >= 2
        });
        let kinds: Vec<String> = self.about(&code).iter().map(|t| t.kind().to_owned()).collect();
        assert_eq!(kinds, ["alarm.raised", "alarm.ended"], "{code}: each once");
        assert_eq!(self.letters(&code), 2, "{code}: a letter for each");
        assert!(self.stands(&code).is_none(), "{code} stands no more");
        assert!(!self.page().contains(&acknowledge(&raised.body["data"])), "{code} left the page");
        let over = self.station.json(["alarm", "list"]);
        assert!(over["over"].as_array().unwrap().iter().any(|a| a["code"] == code.as_str()), "{over}");
    }
}

/// What the page shows of an alarm that stands and that nobody has acknowledged.
fn acknowledge(data: &Value) -> String {
    format!("action=\"/alarms/{}/acknowledge\"", data["alarm"])
}

/// The daemon has its vault on a disk of 100 MB and a directory of its own where systemd tells of the clock; both end with it.
fn in_a_room_of_its_own(station: &mut Station) {
    let vault = station.path("state/vault");
    fs::create_dir_all(&vault).unwrap();
    let mut words = vec!["unshare", "--mount"];
    if !rustix::process::geteuid().is_root() {
        words.extend(["--user", "--map-root-user"]);
    }
    let mount = "mount -t tmpfs -o size=100m evidock \"$0\" && mount -t tmpfs evidock /run \
                 && mkdir -p /run/systemd/timesync && : > /run/systemd/timesync/synchronized && exec \"$@\"";
    let vault = vault.display().to_string();
    words.extend(["--", "sh", "-c", mount, &vault]);
    station.wrap(&words);
}

/// A path as the daemon sees it.
fn inside(station: &Station, path: &Path) -> PathBuf {
    PathBuf::from(format!("/proc/{}/root{}", station.pid(), path.display()))
}

#[test]
fn a_full_disk_and_a_clock_without_its_source_are_told_and_told_over() {
    let mut watched = Watched::new("=reserve_gb\n");
    in_a_room_of_its_own(&mut watched.station);
    watched.station.start();

    // The reserve is 5 % of 100 MB; somebody else fills the disk up to 2 MB.
    let vault = inside(&watched.station, &watched.station.path("state/vault"));
    let stat = rustix::fs::statvfs(&vault).unwrap();
    let free = stat.f_bavail * stat.f_frsize;
    fs::write(vault.join("filler"), vec![1; (free - (2 << 20)) as usize]).unwrap();
    let full = watched.until_raised("disk_full", "");
    assert_eq!(full.body["data"]["severity"], "bad");
    fs::remove_file(vault.join("filler")).unwrap();
    watched.until_over(&full);

    let synchronized = inside(&watched.station, Path::new("/run/systemd/timesync/synchronized"));
    fs::remove_file(&synchronized).unwrap();
    let clock = watched.until_raised("clock", "");
    assert_eq!(clock.body["data"]["severity"], "warn");
    fs::write(&synchronized, "").unwrap();
    watched.until_over(&clock);
}

#[test]
fn a_recorder_that_is_not_brought_back_is_told_and_told_over() {
    let mut watched = Watched::new("");
    watched.station.start();
    let now = jiff::Timestamp::now();
    // Not before it is issued, however busy the machine is.
    let due = now.checked_add(jiff::SignedDuration::from_secs(15)).unwrap().to_string();
    watched.station.json(["desk", "issue", "36NCC009910", "张三", "--due", &due]);
    let overdue = watched.until_raised("overdue", "36NCC009910");
    assert_eq!(overdue.body["data"]["severity"], "warn");
    assert!(!overdue.body.to_string().contains("张三"), "who has it is not for everybody");
    watched.station.json(["desk", "return", "36NCC009910"]);
    watched.until_over(&overdue);
}

#[test]
fn a_copy_that_fails_its_verification_is_told_and_told_over() {
    let far = tempfile::tempdir().unwrap();
    let mut watched = Watched::new(&folder("far", far.path().to_str().unwrap()));
    watched.station.start();
    watched.station.card("a").file(dsj("36NCC009910", "091200"), footage(300_000, 1), 60);
    watched.station.dock("a");
    watched.station.until_proven(1);
    let clip = watched.station.clip("091200.mp4");
    // Nothing is sent again meanwhile: what was found stands until somebody lets footage go on.
    watched.station.json(["pause", "far"]);
    let ending = format!("{clip}/master");
    let copy = files_below(far.path()).into_iter().find(|f| f.to_str().unwrap().ends_with(&ending)).unwrap();
    flip(&copy, 150_000);
    let verified = watched.station.evidock(["verify", clip.as_str(), "--remote", "--json"]);
    assert!(!verified.status.success(), "a changed copy passes for the same");
    let mismatch = watched.until_raised("mismatch", "far");
    assert_eq!(mismatch.body["data"]["severity"], "bad");
    watched.station.json(["resume", "far"]);
    watched.station.until_proven(1);
    watched.until_over(&mismatch);
    assert_eq!(fs::read(&copy).unwrap(), footage(300_000, 1), "it was sent again");
}

#[test]
fn a_log_that_fell_silent_is_told_and_told_over() {
    // Signed once an hour, or when somebody asks: nothing mends it meanwhile.
    let mut watched = Watched::new("[custody]\ncheckpoint_interval_s = 3600\n");
    watched.station.start();
    watched.station.json(["checkpoint"]);
    // As if nothing had been signed for twenty minutes; the daemon goes on meanwhile, and knows nothing of it.
    let database = watched.station.path("state/evidock.db");
    let silenced = || {
        let db = rusqlite::Connection::open(&database).unwrap();
        db.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
        db.execute_batch("DROP TRIGGER checkpoint_stays").unwrap();
        assert!(db.execute("UPDATE checkpoint SET made_ms = made_ms - 1200000", []).unwrap() > 0);
    };
    silenced();
    let silent = watched.until_raised("log_not_anchored", "");
    assert_eq!(silent.body["data"]["severity"], "bad");
    // Something new to sign, and a signature.
    watched.station.json(["desk", "issue", "36NCC009910", "张三"]);
    watched.station.json(["checkpoint"]);
    watched.until_over(&silent);
}
