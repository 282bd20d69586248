//! Go's checksum-database packages as an oracle over our log (`tests/proofs/oracle.go`), built once for each test binary.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Where Debian's packages for Go stand.
const GOPATH: &str = "/usr/share/gocode";

/// What it said: nothing where everything holds, else why not.
pub fn oracle<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Result<(), String> {
    let output = Command::new(program()).args(args).output().unwrap();
    match output.status.code() {
        Some(0) => Ok(()),
        Some(1) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        code => panic!("the oracle ended with {code:?}: {}", String::from_utf8_lossy(&output.stderr)),
    }
}

fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
        // Built aside, since several test binaries may build it at the same time.
        let (program, built) = (dir.join("oracle"), dir.join(format!("oracle-{}", std::process::id())));
        let output = Command::new("go")
            .args(["build", "-o"])
            .arg(&built)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/proofs/oracle.go"))
            .env("GO111MODULE", "off")
            .env("GOPATH", GOPATH)
            .env("GOCACHE", dir.join("go-cache"))
            .env("CGO_ENABLED", "0")
            .output()
            .expect("go is missing: run `scripts/setup test`");
        assert!(
            output.status.success(),
            "the oracle cannot be built, run `scripts/setup test`: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        std::fs::rename(&built, &program).unwrap();
        program
    })
}
