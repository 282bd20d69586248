//! A station for tests that drive the real program: its own directory and configuration, the daemon as a child,
//! recorders that are docked and pulled, and looks at what came of it. Nothing here sleeps for a time: what must
//! become so is waited for, and what does not within its deadline fails with the daemon's log.
//!
//! ```text
//! <dir>/evidock.toml, access-key, secret-key, daemon.log
//! <dir>/state/           database, vault, docks: all of it the daemon's
//! <dir>/cards/<name>/    recorders that are not docked
//! ```

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, SystemTime};

use evidock::runtime::clock::monotonic;
use rusqlite::types::ValueRef;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::Value;

use super::plugins;

/// A debug build on a busy machine of two cores; whatever works takes a fraction of it.
pub const PATIENCE: Duration = Duration::from_secs(180);
const LOOK: Duration = Duration::from_millis(20);

/// What every station of a test has; looks and pauses are short so that tests are.
const BASE: &str = r#"
[station]
id = "test-01"
agency = "测试机关"
state_dir = "state"

[vault]
reserve_gb = 1
checkpoint_mb = 4

[source.folder]
poll_ms = 50
still_after_ms = 150
erase = false

[upload]
retry_min_s = 1
retry_max_s = 2

[web]
listen = "127.0.0.1:0"
"#;

/// A station. Its daemon is killed and its directory removed when it is dropped.
pub struct Station {
    dir: tempfile::TempDir,
    daemon: Option<Child>,
    wrapper: Vec<OsString>,
    patience: Duration,
}

impl Station {
    /// A station with `more` appended to its configuration; the daemon is not started.
    pub fn new(more: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("evidock-station-").tempdir().unwrap();
        let station = Self { dir, daemon: None, wrapper: Vec::new(), patience: PATIENCE };
        station.configure(more);
        fs::create_dir_all(station.path("cards")).unwrap();
        station
    }

    /// The same with the daemon running.
    pub fn running(more: &str) -> Self {
        let mut station = Self::new(more);
        station.start();
        station
    }

    /// Writes the configuration anew: the base and `more`; a line of `more` that begins with `=` replaces the line
    /// of the base with the same key, as `=poll_ms = 500`; `=poll_ms` alone removes it. One that begins with `+[section]`
    /// adds a setting to a section of the base, as `+[vault] evict = "age"`.
    pub fn configure(&self, more: &str) {
        let mut text = BASE.to_owned();
        let mut rest = String::new();
        for line in more.lines() {
            if let Some((section, setting)) = line.strip_prefix('+').and_then(|l| l.split_once(' ')) {
                assert!(text.contains(&format!("\n{section}\n")), "a section of the base: {section}");
                text = text.replace(&format!("\n{section}\n"), &format!("\n{section}\n{setting}\n"));
                continue;
            }
            match line.strip_prefix('=') {
                Some(setting) => {
                    let key = setting.split(' ').next().unwrap();
                    let old = text.lines().find(|l| l.split(' ').next() == Some(key)).expect("a key of the base");
                    let new = if setting == key { String::new() } else { format!("{setting}\n") };
                    text = text.replace(&format!("\n{old}\n"), &format!("\n{new}"));
                }
                None => rest.push_str(&format!("{line}\n")),
            }
        }
        fs::write(self.path("evidock.toml"), text + &rest).unwrap();
    }

    /// Runs the daemon under another program from the next start on (`unshare`, `setpriv`); it must replace itself.
    pub fn wrap<S: AsRef<OsStr>>(&mut self, words: &[S]) {
        self.wrapper = words.iter().map(|w| w.as_ref().to_owned()).collect();
    }

    /// Waits longer from now on: there is more to do.
    pub fn be_patient(&mut self) {
        self.patience = 20 * PATIENCE;
    }

    /// A path below the station's directory.
    pub fn path(&self, below: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join(below)
    }

    // ---------------------------------------------------------------------------------------------
    // The daemon

    /// Starts the daemon and waits until it answers.
    pub fn start(&mut self) {
        self.know_plugins();
        self.launch();
        self.until("the daemon answers", |s| {
            if let Some(status) = s.daemon.as_mut().and_then(|d| d.try_wait().unwrap()) {
                s.fail(&format!("the daemon ended at its start: {status}"));
            }
            s.evidock(["status", "--json"]).status.success()
        });
    }

    /// Starts the daemon without waiting for anything.
    pub fn launch(&mut self) {
        assert!(self.daemon.is_none(), "one daemon at a time");
        let log = OpenOptions::new().create(true).append(true).open(self.path("daemon.log")).unwrap();
        // The kernel ends the daemon when the test's thread ends, however it does.
        let mut words: Vec<OsString> = ["setpriv", "--pdeathsig", "KILL", "--"].map(OsString::from).to_vec();
        words.extend(self.wrapper.iter().cloned());
        words.push(env!("CARGO_BIN_EXE_evidock").into());
        let daemon = Command::new(&words[0])
            .args(&words[1..])
            .arg("--config")
            .arg(self.path("evidock.toml"))
            .arg("run")
            .current_dir(self.dir.path())
            .env_remove("EVIDOCK_STATE")
            .env_remove("NOTIFY_SOCKET")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .process_group(0)
            .spawn()
            .expect("setpriv (util-linux) and the program run");
        self.daemon = Some(daemon);
    }

    /// As [`plugins::known`], where the state directory is the one of the base.
    fn know_plugins(&self) {
        let text = fs::read_to_string(self.path("evidock.toml")).unwrap_or_default();
        if text.lines().any(|l| l == "state_dir = \"state\"") {
            plugins::known(&self.path("state"));
        }
    }

    /// The daemon's process id.
    pub fn pid(&self) -> u32 {
        self.daemon.as_ref().expect("a running daemon").id()
    }

    /// Waits for a daemon that ends by itself.
    pub fn ended(&mut self) -> ExitStatus {
        let mut daemon = self.daemon.take().expect("a daemon");
        let deadline = monotonic() + self.patience;
        loop {
            if let Some(status) = daemon.try_wait().unwrap() {
                return status;
            }
            if monotonic() > deadline {
                self.daemon = Some(daemon);
                self.fail("the daemon does not end");
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Stops the daemon as a service manager does, and wants it to end well.
    pub fn stop(&mut self) {
        self.signal(Signal::TERM);
        let status = self.ended();
        if !status.success() {
            self.fail(&format!("stopping ended with {status}"));
        }
    }

    /// Kills the daemon as a power cut for processes does.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.ended();
    }

    /// Sends the daemon a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.pid() as i32).unwrap(), signal).unwrap();
    }

    /// Everything the daemon wrote so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.path("daemon.log")).unwrap_or_default()).into_owned()
    }

    // ---------------------------------------------------------------------------------------------
    // The command line

    /// Runs a verb with the station's configuration.
    pub fn evidock<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Output {
        Command::new(env!("CARGO_BIN_EXE_evidock"))
            .arg("--config")
            .arg(self.path("evidock.toml"))
            .args(args)
            .current_dir(self.dir.path())
            .env_remove("EVIDOCK_STATE")
            .stdin(Stdio::null())
            .output()
            .expect("the program runs")
    }

    /// Runs a verb that must succeed, and gives its JSON.
    pub fn json<const N: usize>(&self, args: [&str; N]) -> Value {
        let output = self.evidock(args.iter().copied().chain(["--json"]));
        if !output.status.success() {
            self.fail(&format!("{args:?} ended with {}: {}", output.status, text(&output.stderr)));
        }
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Runs a verb that must end with `code`; gives its JSON where there is some, and its standard error.
    pub fn refused<const N: usize>(&self, code: i32, args: [&str; N]) -> (Value, String) {
        let output = self.evidock(args.iter().copied().chain(["--json"]));
        let error = text(&output.stderr);
        if output.status.code() != Some(code) {
            self.fail(&format!("{args:?} ended with {}, not {code}: {error}", output.status));
        }
        (serde_json::from_slice(&output.stdout).unwrap_or(Value::Null), error)
    }

    /// `status --json`.
    pub fn status(&self) -> Value {
        self.json(["status"])
    }

    /// The records of a case; none is an answer, too.
    pub fn find(&self, case_no: &str) -> Vec<Value> {
        let output = self.evidock(["find", "--case", case_no, "--json"]);
        match output.status.code() {
            Some(0) | Some(3) => serde_json::from_slice(&output.stdout).unwrap(),
            code => self.fail(&format!("find {case_no} ended with {code:?}: {}", text(&output.stderr))),
        }
    }

    // ---------------------------------------------------------------------------------------------
    // Recorders

    /// A new recorder that is not docked yet.
    pub fn card(&self, name: impl AsRef<OsStr>) -> Card {
        let root = self.path("cards").join(name.as_ref());
        fs::create_dir_all(&root).unwrap();
        Card { root }
    }

    /// A recorder with real footage, as `scripts/make-recorder` makes it.
    pub fn sample(&self, profile: &str, name: &str, more: &[&str]) -> Card {
        let root = self.path("cards").join(name);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/make-recorder");
        let output = Command::new(script).arg(profile).arg(&root).args(more).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        Card { root }
    }

    /// Docks a recorder: from one moment to the next it is there, whole.
    pub fn dock(&self, name: impl AsRef<OsStr>) {
        let docks = self.path("state/docks");
        fs::create_dir_all(&docks).unwrap();
        fs::rename(self.path("cards").join(name.as_ref()), docks.join(name.as_ref())).unwrap();
    }

    /// Pulls it, and waits until the daemon knows.
    pub fn undock(&mut self, name: &str) {
        self.pull(name);
        self.until("the bay is empty", |s| {
            s.query("SELECT dock_id FROM dock WHERE closed_ms IS NULL AND bay = ?1", &[&name]).is_empty()
        });
    }

    /// Pulls it without waiting.
    pub fn pull(&self, name: &str) {
        fs::rename(self.path("state/docks").join(name), self.path("cards").join(name)).unwrap();
    }

    /// The page's address, without a slash at its end, as the daemon's log tells it.
    pub fn page(&self) -> String {
        let log = self.log();
        // Of several starts the last.
        let from = log.rfind("page=").expect("the daemon tells its page's address") + "page=".len();
        let rest = log[from..].trim_start_matches('"');
        rest[..rest.find(['"', ' ']).unwrap()].trim_end_matches('/').to_owned()
    }

    /// A docked recorder.
    pub fn docked(&self, name: &str) -> Card {
        Card { root: self.path("state/docks").join(name) }
    }

    /// Whether the page says of a bay 可以取走.
    pub fn is_safe(&self, bay: &str) -> bool {
        let status = self.status();
        let docked = status["docked"].as_array().unwrap().iter().find(|d| d["bay"] == bay);
        docked.is_some_and(|d| d["safe_to_remove"] == true)
    }

    // ---------------------------------------------------------------------------------------------
    // Waiting and looking

    /// Waits until `is_so`; after [`PATIENCE`] fails with `what` and the daemon's log.
    pub fn until(&mut self, what: &str, mut is_so: impl FnMut(&mut Self) -> bool) {
        let deadline = monotonic() + self.patience;
        while !is_so(self) {
            if monotonic() > deadline {
                self.fail(&format!("waited in vain: {what}"));
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Waits until a recorder may be taken out.
    pub fn until_safe(&mut self, bay: &str) {
        self.until(&format!("{bay} may be taken out"), |s| s.is_safe(bay));
    }

    /// Waits until exactly `clips` clips are proven at every required destination, no other one is sealed, and every
    /// small object is stored. A file that cannot be read, or whose copy is in quarantine, remains a copy under way.
    pub fn until_proven(&mut self, clips: u64) {
        self.until(&format!("{clips} clips are proven"), |s| {
            // A clip's newest record follows its proof, and waits in the outbox before it is stored: asked in this order.
            let stale = s.query("SELECT clip_id FROM clip WHERE record_stale = 1 AND local <> 'copying'", &[]).len();
            let status = s.status();
            let count = |stage: &str| status["stages"][stage]["count"].as_u64().unwrap();
            let open = count("sealed") + count("sending");
            open == 0 && count("proven") == clips && stale == 0 && status["outbox"] == 0
        });
    }

    /// A look into the database, read-only; every value as text, NULL empty, a blob as the text of its bytes.
    pub fn query(&self, sql: &str, values: &[&dyn rusqlite::ToSql]) -> Vec<Vec<String>> {
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
        let db = rusqlite::Connection::open_with_flags(self.path("state/evidock.db"), flags).unwrap();
        db.busy_timeout(Duration::from_secs(10)).unwrap();
        let mut statement = db.prepare(sql).unwrap();
        let columns = statement.column_count();
        let rows = statement.query_map(values, |row| {
            (0..columns)
                .map(|i| {
                    Ok(match row.get_ref(i)? {
                        ValueRef::Null => String::new(),
                        ValueRef::Integer(n) => n.to_string(),
                        ValueRef::Real(x) => x.to_string(),
                        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => text(bytes),
                    })
                })
                .collect::<Result<Vec<String>, _>>()
        });
        rows.unwrap().map(Result::unwrap).collect()
    }

    /// The first column of the only row.
    pub fn one(&self, sql: &str, values: &[&dyn rusqlite::ToSql]) -> String {
        let rows = self.query(sql, values);
        if rows.len() != 1 {
            self.fail(&format!("{} rows, not one: {sql}: {rows:?}", rows.len()));
        }
        rows[0][0].clone()
    }

    /// Ids of the clips whose path on the recorder ends with `name`, oldest first.
    pub fn clips(&self, name: impl AsRef<[u8]>) -> Vec<String> {
        let name = name.as_ref();
        let sql = "SELECT clip_id FROM clip WHERE substr(path, -?2) = ?1 ORDER BY clip_id";
        self.query(sql, &[&name, &(name.len() as i64)]).into_iter().map(|mut row| row.remove(0)).collect()
    }

    /// The id of the only clip whose path ends so.
    pub fn clip(&self, name: impl AsRef<[u8]>) -> String {
        let clips = self.clips(&name);
        if clips.len() != 1 {
            self.fail(&format!("{} clips end with {}", clips.len(), text(name.as_ref())));
        }
        clips[0].clone()
    }

    /// The record of a clip.
    pub fn record(&self, clip: &str) -> Value {
        self.json(["show", clip])
    }

    /// The file in the vault whose name is `name`, wherever the day has put it.
    pub fn in_vault(&self, name: &str) -> Option<PathBuf> {
        files_below(&self.path("state/vault/clips")).into_iter().find(|f| f.file_name() == Some(OsStr::new(name)))
    }

    /// Masters in the vault.
    pub fn masters(&self) -> Vec<PathBuf> {
        let files = files_below(&self.path("state/vault/clips"));
        files.into_iter().filter(|f| f.extension().is_none()).collect()
    }

    /// Every sealed clip's file stands in the vault with the length and digests that are recorded, and no other
    /// master stands there.
    pub fn assert_vault_is_whole(&self) {
        let rows = self.query(
            "SELECT clip_id, size_bytes, lower(hex(blake3)), lower(hex(sha256)) FROM clip WHERE local = 'sealed'",
            &[],
        );
        for row in &rows {
            let file = self.in_vault(&row[0]).unwrap_or_else(|| self.fail(&format!("{} has no file", row[0])));
            let (blake3, sha256, size) = digests(&file);
            assert_eq!((&size.to_string(), &blake3, &sha256), (&row[1], &row[2], &row[3]), "{}", row[0]);
        }
        assert_eq!(self.masters().len(), rows.len(), "every file in the vault is a sealed clip");
    }

    /// Fails the test with `words` and what the daemon said last.
    pub fn fail(&self, words: &str) -> ! {
        let log = self.log();
        let tail: Vec<&str> = log.lines().rev().take(40).collect();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
        panic!("{words}\n--- the daemon's last lines\n{}\n---", tail.join("\n"));
    }
}

impl Drop for Station {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            // Its workers are in its group.
            let _ = kill_process_group(Pid::from_raw(daemon.id() as i32).unwrap(), Signal::KILL);
            let _ = daemon.wait();
        }
    }
}

/// A recorder's directory, docked or not.
pub struct Card {
    root: PathBuf,
}

impl Card {
    /// A path on the recorder.
    pub fn path(&self, below: impl AsRef<OsStr>) -> PathBuf {
        self.root.join(below.as_ref())
    }

    /// Writes a file and dates it `age_s` seconds before a fixed day of June 2026.
    pub fn file(&self, path: impl AsRef<[u8]>, bytes: impl AsRef<[u8]>, age_s: u64) -> &Self {
        let file = self.path(OsStr::from_bytes(path.as_ref()));
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, bytes).unwrap();
        date(&file, age_s);
        self
    }

    /// Makes a file of `len` bytes that takes no room; every 64 MiB begin with their own number.
    pub fn sparse(&self, path: &str, len: u64) -> &Self {
        use std::os::unix::fs::FileExt;
        let file = self.path(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let open = File::create(&file).unwrap();
        open.set_len(len).unwrap();
        for at in (0..len.saturating_sub(8)).step_by(64 << 20) {
            open.write_all_at(&(at + 1).to_le_bytes(), at).unwrap();
        }
        date(&file, 0);
        self
    }
}

/// A name as recorders of the profile `dsj` give it; `time` as `091200`.
pub fn dsj(device: &str, time: &str) -> String {
    format!("DCIM/VIDEO/2026-06-19/DSJ_{device}_110203_20260619_{time}.mp4")
}

/// Sets a file's time.
pub fn date(file: &Path, age_s: u64) {
    // 2026-06-19 10:00 in Shanghai.
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_781_834_400 - age_s);
    File::options().write(true).open(file).unwrap().set_modified(at).unwrap();
}

/// BLAKE3, SHA-256 and length of a file, made by other code than the program's.
pub fn digests(file: &Path) -> (String, String, u64) {
    use sha2::Digest;
    use std::io::Read;
    let mut open = File::open(file).unwrap();
    let (mut blake3, mut sha256, mut size, mut buf) = (blake3::Hasher::new(), sha2::Sha256::new(), 0, vec![0; 1 << 20]);
    loop {
        let n = open.read(&mut buf).unwrap();
        if n == 0 {
            break;
        }
        blake3.update(&buf[..n]);
        sha256.update(&buf[..n]);
        size += n as u64;
    }
    let sha256 = evidock::domain::digest::to_hex(&sha256.finalize());
    (blake3.finalize().to_hex().to_string(), sha256, size)
}

/// Flips a bit of the byte at `at`.
pub fn flip(file: &Path, at: u64) {
    use std::os::unix::fs::FileExt;
    let open = File::options().read(true).write(true).open(file).unwrap();
    let mut byte = [0];
    open.read_exact_at(&mut byte, at).unwrap();
    open.write_all_at(&[byte[0] ^ 1], at).unwrap();
}

/// Every file below a directory.
pub fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().unwrap().is_dir() {
            files.extend(files_below(&entry.path()));
        } else {
            files.push(entry.path());
        }
    }
    files
}

/// Settings of an S3 destination, whose key files are written beside the configuration.
pub fn s3(station: &Station, name: &str, endpoint: &str, bucket: &str, keys: (&str, &str)) -> String {
    fs::write(station.path(format!("{name}-access")), keys.0).unwrap();
    fs::write(station.path(format!("{name}-secret")), keys.1).unwrap();
    format!(
        "[[destination]]\nname = \"{name}\"\nkind = \"s3\"\nendpoint = \"{endpoint}\"\nbucket = \"{bucket}\"\n\
         access_key_file = \"{name}-access\"\nsecret_key_file = \"{name}-secret\"\n"
    )
}

/// Settings of a folder destination below the station's directory.
pub fn folder(name: &str, dir: &str) -> String {
    format!("[[destination]]\nname = \"{name}\"\nkind = \"folder\"\ndir = \"{dir}\"\n")
}

/// Bytes as text for people.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
