//! A real server as a process of its own, with its data in a directory of its own.
//!
//! A small shell stands between: it starts and kills the server when told, and when our end of its pipe closes,
//! however this process ended, it kills the server and removes the data.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, OnceLock};

const GUARD: &str = r#"
dir=$1; shift; pid=
# A server may be several processes: its group, and children that have left it for sessions of their own.
kids() { for kid in $(cat "/proc/$1/task/$1/children"); do kids "$kid"; echo "$kid"; done; }
end() { kids=$(kids "$pid"); kill -9 -- "-$pid" || kill -9 "$pid"; [ -z "$kids" ] || kill -9 $kids; wait "$pid"; } 2>/dev/null
while read -r word; do
  case $word in
    start) setsid "$@" </dev/null >>"$dir/log" 2>&1 & pid=$!; echo started ;;
    kill) end; pid=; echo killed ;;
  esac
done
[ -z "$pid" ] || end
rm -rf "$dir"
"#;

/// A server. Ends, with its data, when it is dropped or when the process ends in whatever way.
pub struct Guarded {
    dir: PathBuf,
    command: Mutex<Option<Command>>,
    guard: OnceLock<Mutex<Guard>>,
}

struct Guard {
    child: Child,
    // Taken on drop: closing it is what tells the guard to clean up.
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Guarded {
    /// A place for a server's data; nothing runs yet.
    pub fn new(name: &str) -> Self {
        let dir = tempfile::Builder::new().prefix(&format!("evidock-{name}-")).tempdir().unwrap().keep();
        Self { dir, command: Mutex::new(None), guard: OnceLock::new() }
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The program that is started, to which arguments and environment are added.
    pub fn command(&mut self, program: &Path) -> &mut Command {
        assert!(program.exists(), "{} is missing: run `scripts/setup test`, or `full`", program.display());
        let mut command = Command::new("sh");
        command.args(["-c", GUARD, "guard"]).arg(&self.dir).arg(program);
        // Ctrl-C at the terminal must not reach the guard before it can clean up.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        self.command.get_mut().unwrap().insert(command)
    }

    /// The same for a program that needs no rights: where the tests run as root it runs as nobody, who then owns the
    /// server's directory, with what was put there so far; a copy of the program stands in it, since nobody may not be let
    /// into the clone.
    pub fn unprivileged(&mut self, program: &Path) -> &mut Command {
        assert!(program.exists(), "{} is missing: run `scripts/setup test`", program.display());
        let copy = self.dir.join(program.file_name().unwrap());
        std::fs::copy(program, &copy).unwrap();
        if !rustix::process::getuid().is_root() {
            return self.command(&copy);
        }
        give_away(&self.dir);
        let command = self.command(Path::new("/usr/bin/setpriv"));
        command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]).arg(copy)
    }

    /// Starts it, or starts it again after [`Guarded::kill`].
    pub fn start(&self) {
        self.order("start", "started");
    }

    /// Kills it with SIGKILL; its data stays.
    pub fn kill(&self) {
        self.order("kill", "killed");
    }

    /// The last lines of what it wrote, newest first.
    pub fn last_words(&self) -> String {
        let log = std::fs::read_to_string(self.dir.join("log")).unwrap_or_default();
        let tail: Vec<&str> = log.lines().rev().take(20).collect();
        format!("its last lines, newest first:\n{}", tail.join("\n"))
    }

    fn order(&self, order: &str, answer: &str) {
        let guard = self.guard.get_or_init(|| {
            let mut command = self.command.lock().unwrap().take().expect("a command");
            let mut child = command.spawn().expect("a shell");
            let orders = child.stdin.take();
            let answers = BufReader::new(child.stdout.take().unwrap());
            Mutex::new(Guard { child, orders, answers })
        });
        let mut guard = guard.lock().unwrap();
        writeln!(guard.orders.as_mut().unwrap(), "{order}").unwrap();
        let mut line = String::new();
        guard.answers.read_line(&mut line).unwrap();
        assert_eq!(line.trim(), answer);
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.orders.take());
        let _ = self.child.wait();
    }
}

/// Gives a directory with all that is in it to nobody.
fn give_away(path: &Path) {
    // Debian's base-passwd: nobody and nogroup.
    std::os::unix::fs::lchown(path, Some(65534), Some(65534)).unwrap();
    if path.is_dir() && !path.is_symlink() {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
        for entry in std::fs::read_dir(path).unwrap() {
            give_away(&entry.unwrap().path());
        }
    }
}

/// Where the tools of the tests stand.
pub fn tools() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools")
}

/// Ports that nobody has, below those that the kernel gives to whoever asks for any: what another test opens meanwhile
/// cannot land on them. A counter that all test processes share gives each only once a round.
pub fn free_ports<const N: usize>() -> [u16; N] {
    const FIRST: u32 = 12_000;
    const ROUND: u32 = 20_000;
    let path = std::env::temp_dir().join("evidock-test-ports");
    let mut counter = File::options().read(true).write(true).create(true).truncate(false).open(path).unwrap();
    counter.lock().unwrap();
    let mut said = String::new();
    counter.read_to_string(&mut said).unwrap();
    let mut next = said.trim().parse().unwrap_or(std::process::id());
    let ports = [(); N].map(|()| {
        loop {
            next = next.wrapping_add(1);
            let port = u16::try_from(FIRST + next % ROUND).unwrap();
            if TcpListener::bind(("127.0.0.1", port)).is_ok() {
                return port;
            }
        }
    });
    counter.rewind().unwrap();
    counter.set_len(0).unwrap();
    write!(counter, "{next}").unwrap();
    ports
}
