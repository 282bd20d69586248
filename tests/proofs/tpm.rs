//! The log's key sealed to a TPM: one made of software (swtpm, from Debian), with the `systemd-creds` that a station has. What
//! the service manager does at each start is done here by hand, with the same program.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};
use std::time::Duration;

use evidock::runtime::clock::monotonic;

use super::support::guarded::{Guarded, free_ports, tools};
use super::support::station::text;
use super::*;

const NAME: &str = "evidock-log-key";

/// A TPM. Nothing of it is left when it is dropped.
struct Tpm {
    _server: Guarded,
    port: u16,
}

/// Where the libraries stand by which systemd speaks to a TPM.
fn libraries() -> std::path::PathBuf {
    tools().join(format!("servers/usr/lib/{}-linux-gnu", std::env::consts::ARCH))
}

impl Tpm {
    /// A new one, which has never sealed anything.
    fn new() -> Self {
        // Its library asks for orders at the port after the one for commands.
        let [port, orders] = std::iter::repeat_with(free_ports::<2>).find(|[one, next]| *next == one + 1).unwrap();
        let mut server = Guarded::new("tpm");
        let state = server.dir().join("state");
        fs::create_dir(&state).unwrap();
        let libs = libraries();
        server
            .command(&tools().join("servers/usr/bin/swtpm"))
            .args(["socket", "--tpm2", "--flags", "not-need-init,startup-clear", "--tpmstate"])
            .arg(format!("dir={}", state.display()))
            .arg("--server")
            .arg(format!("type=tcp,port={port},bindaddr=127.0.0.1"))
            .arg("--ctrl")
            .arg(format!("type=tcp,port={orders},bindaddr=127.0.0.1"))
            .env("LD_LIBRARY_PATH", format!("{}:{}/swtpm", libs.display(), libs.display()));
        server.start();
        Self { _server: server, port }
    }

    /// `systemd-creds` with it.
    fn creds(&self, verb: &str, more: &[&str], from: &Path, to: &Path) -> Output {
        Command::new("systemd-creds")
            .arg(verb)
            .args(more)
            .arg(format!("--tpm2-device=swtpm:host=127.0.0.1,port={}", self.port))
            .arg(format!("--name={NAME}"))
            .args([from, to])
            .env("LD_LIBRARY_PATH", libraries())
            .output()
            .unwrap_or_else(|e| panic!("systemd-creds cannot be started ({e}): run `scripts/setup test`"))
    }

    /// Seals a file to it.
    fn seal(&self, from: &Path, to: &Path) {
        let begun = monotonic();
        loop {
            let output = self.creds("encrypt", &["--with-key=tpm2"], from, to);
            if output.status.success() {
                return;
            }
            // It may still be starting.
            assert!(begun.elapsed() < Duration::from_secs(60), "{}", text(&output.stderr));
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// What was sealed to it; else why it gives nothing.
    fn unseal(&self, from: &Path, to: &Path) -> Result<(), String> {
        let output = self.creds("decrypt", &[], from, to);
        if output.status.success() { Ok(()) } else { Err(text(&output.stderr)) }
    }
}

#[test]
fn a_key_that_is_sealed_to_a_tpm_signs_and_the_log_says_so() {
    let mut station = Station::running(QUICK);
    until_covered(&mut station);
    station.stop();
    let (key, credentials, sealed) =
        (station.path("state/log.key"), station.path("credentials"), station.path("evidock-log-key"));
    let (public, plain) = (key_of(&station), fs::read(&key).unwrap());
    let tpm = Tpm::new();
    tpm.seal(&key, &sealed);
    assert!(!fs::read(&sealed).unwrap().windows(plain.len()).any(|part| part == plain));
    fs::remove_file(&key).unwrap();

    // Another TPM has nothing of it: the file alone, copied off the box, is of no use.
    fs::create_dir(&credentials).unwrap();
    let (other, aside) = (Tpm::new(), station.path("aside"));
    // It works, too.
    other.seal(&station.path("evidock.toml"), &aside);
    let elsewhere = other.unseal(&sealed, &credentials.join(NAME));
    assert!(elsewhere.is_err() && !credentials.join(NAME).exists(), "{elsewhere:?}");

    tpm.unseal(&sealed, &credentials.join(NAME)).unwrap();
    assert_eq!(fs::read(credentials.join(NAME)).unwrap(), plain);
    fs::set_permissions(credentials.join(NAME), fs::Permissions::from_mode(0o400)).unwrap();
    station.configure(&format!("{QUICK}key_credential = \"{NAME}\"\nkey_sealed_file = \"{}\"\n", sealed.display()));
    station.wrap(&["env", &format!("CREDENTIALS_DIRECTORY={}", credentials.display())]);
    station.start();
    until_covered(&mut station);
    let told = station.one("SELECT CAST(bytes AS TEXT) FROM log_entry WHERE kind = 'log.key_protection'", &[]);
    assert!(told.contains("\"protection\":\"tpm2\"") && told.contains(&public.to_string()), "{told}");
    assert_eq!(station.json(["log", "verify"])["intact"], true);
    station.stop();
}
