//! What a disk may look like after a power cut, from a recording of the system calls of a real run.
//!
//! [`Recording::read`] takes the output of `strace -f -y -xx` and keeps, in the order of their ends, every
//! change of names and of bytes below the given directories, each of which stands for a disk of its own, and
//! every fsync. Because the calls are those of the whole process, SQLite's are among them. A call counts from
//! its end; an fsync covers what had ended before it began.
//!
//! [`Recording::crash`] builds what may stand there after a cut behind the first `at` operations. What a
//! completed fsync of a file covers of its bytes, and of a directory of its names, is there. What happens to
//! the rest is the [`Loss`]:
//!
//! - the strict reading of POSIX: a name is durable by an fsync of its directory alone, bytes by an fsync of
//!   their file alone; anything else may be lost, kept, or kept in part, in any order. A rename is one step
//!   (every file system in use keeps that promise) that is durable with the directory of its new name.
//! - [`Loss::Journal`], as ext4 and XFS do: names come and go in the order in which they were made, and any
//!   fsync on the same disk takes every earlier change of a name along; bytes do not follow the names.
//!
//! Both are needed: the strict reading has states that a journal never shows, and the journal has names
//! without their bytes in combinations that a strict disk without luck never has.
//!
//! Not modelled: memory maps (SQLite's `-shm`, which is rebuilt after a crash, is left out; nothing else here
//! is mapped for writing). A `write` without an offset is taken to go to the end of its file, as all of ours
//! do; [`Recording::differs_from`] holds the whole model against the real directory after a run.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// The calls that must be recorded. Others that change files are listed too, so that a use of them is seen
/// and stops the test instead of being missed.
pub const CALLS: &str = "open,openat,openat2,creat,write,pwrite64,writev,pwritev,pwritev2,truncate,ftruncate,fsync,fdatasync,\
sync,syncfs,sync_file_range,msync,rename,renameat,renameat2,link,linkat,unlink,unlinkat,mkdir,mkdirat,rmdir,fallocate,\
copy_file_range,sendfile,splice,symlink,symlinkat";

/// Numbers from a seed (splitmix64), the same on every machine.
#[derive(Debug, Clone)]
pub struct Dice(pub u64);

impl Dice {
    /// The next number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`, which is above 0.
    pub fn below(&mut self, n: usize) -> usize {
        (self.roll() % n as u64) as usize
    }
}

/// Fsyncs that can be left out together, to see whether the checks notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Of a clip's or a tree's bytes in the vault.
    VaultFile,
    /// Of a directory in the vault.
    VaultDir,
    /// Of SQLite's write-ahead log.
    Wal,
    /// Of an object's bytes at the destination.
    DestinationFile,
    /// Of a directory at the destination.
    DestinationDir,
    /// Of anything else.
    Other,
}

/// What becomes of operations that no fsync covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// All are lost.
    All,
    /// None is lost, as after a kill.
    Nothing,
    /// Names are kept, bytes are lost; with `zeros` the lengths are kept.
    Bytes {
        /// Lost bytes that had made a file longer read as zeros.
        zeros: bool,
    },
    /// Bytes are kept, names are lost.
    Names,
    /// Each for itself is kept or lost; writes are also torn or read as zeros.
    Some,
    /// Names up to a point in time, at least up to the last fsync on the disk; bytes as with `Some`.
    Journal,
}

impl Loss {
    /// Every kind.
    pub const KINDS: [Self; 7] = [
        Self::All,
        Self::Bytes { zeros: false },
        Self::Bytes { zeros: true },
        Self::Names,
        Self::Some,
        Self::Journal,
        Self::Nothing,
    ];
}

/// One operation. `node` is the file whose, or the directory by whose fsync it becomes durable.
#[derive(Debug, Clone)]
struct Op {
    node: usize,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    /// Names that change in one step: in which directory, the name, what it names from now on.
    Names(Vec<(usize, OsString, Option<usize>)>),
    Write {
        at: u64,
        bytes: Arc<[u8]>,
    },
    Cut(u64),
    /// Covers the operations before this index.
    Sync {
        covers: usize,
        class: Class,
    },
}

#[derive(Debug, Clone)]
struct Node {
    disk: usize,
    now: Now,
}

/// A file's length or a directory's names, as the running program sees them.
#[derive(Debug, Clone)]
enum Now {
    File(u64),
    Dir(BTreeMap<OsString, usize>),
}

/// Everything that happened to the disks. Nodes `0..disks` are the disks' roots.
#[derive(Debug, Clone)]
pub struct Recording {
    disks: usize,
    nodes: Vec<Node>,
    ops: Vec<Op>,
}

/// Contents of the disks after a cut: path below each disk's root, bytes (`None` for a directory).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State(pub Vec<BTreeMap<PathBuf, Option<Vec<u8>>>>);

impl State {
    /// Writes it below `roots`, one for each disk; they are made.
    pub fn write(&self, roots: &[PathBuf]) {
        for (files, root) in self.0.iter().zip(roots) {
            fs::create_dir_all(root).unwrap();
            for (path, bytes) in files {
                let path = root.join(path);
                match bytes {
                    None => fs::create_dir(&path).unwrap(),
                    Some(bytes) => {
                        fs::write(&path, bytes).unwrap();
                        // The program refuses a private key that others may read.
                        if path.extension().is_some_and(|e| e == "key") {
                            use std::os::unix::fs::PermissionsExt;
                            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
                        }
                    }
                }
            }
        }
    }

    /// Tells equal states apart from others.
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        for files in &self.0 {
            for (path, bytes) in files {
                hasher.update(path.as_os_str().as_bytes()).update(&[0]);
                let bytes = bytes.as_deref().unwrap_or(b"/");
                hasher.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
            }
            hasher.update(&[1]);
        }
        *hasher.finalize().as_bytes()
    }
}

impl Recording {
    /// Nothing has happened yet on so many empty disks.
    pub fn new(disks: usize) -> Self {
        let nodes = (0..disks).map(|disk| Node { disk, now: Now::Dir(BTreeMap::new()) }).collect();
        Self { disks, nodes, ops: Vec::new() }
    }

    /// Number of operations.
    pub fn len(&self) -> usize {
        self.ops.len()
    }

    /// Where fsyncs ended: a cut behind so many operations is just after one.
    pub fn syncs(&self) -> Vec<usize> {
        (0..self.ops.len()).filter(|i| matches!(self.ops[*i].what, What::Sync { .. })).map(|i| i + 1).collect()
    }

    /// Where names changed: a cut behind so many operations is just after one.
    pub fn renames(&self) -> Vec<usize> {
        (0..self.ops.len()).filter(|i| matches!(self.ops[*i].what, What::Names(_))).map(|i| i + 1).collect()
    }

    /// Where fsyncs of a class ended.
    pub fn syncs_of(&self, wanted: Class) -> Vec<usize> {
        let is_one = |i: &usize| matches!(self.ops[*i].what, What::Sync { class, .. } if class == wanted);
        (0..self.ops.len()).filter(is_one).map(|i| i + 1).collect()
    }

    /// How many fsyncs of a class there are.
    pub fn count(&self, wanted: Class) -> usize {
        self.ops.iter().filter(|op| matches!(op.what, What::Sync { class, .. } if class == wanted)).count()
    }

    /// Forgets what came after the first `at` operations, as if the program had been killed there. What was
    /// not durable then is still not durable: a later recording goes on from here.
    pub fn kill(&mut self, at: usize) {
        self.ops.truncate(at);
        for node in &mut self.nodes {
            match &mut node.now {
                Now::File(len) => *len = 0,
                Now::Dir(names) => names.clear(),
            }
        }
        for op in self.ops.clone() {
            self.live(&op);
        }
    }

    /// Builds what may be left after a cut behind the first `at` operations. Fsyncs of the class `without`
    /// count as if they had not been made.
    pub fn crash(&self, at: usize, loss: Loss, without: Option<Class>, dice: &mut Dice) -> State {
        let (mut covered, mut journal) = (vec![0; self.nodes.len()], vec![0; self.disks]);
        for op in &self.ops[..at] {
            if let What::Sync { covers, class } = op.what
                && Some(class) != without
            {
                covered[op.node] = covers.max(covered[op.node]);
                let disk = self.nodes[op.node].disk;
                journal[disk] = covers.max(journal[disk]);
            }
        }
        if loss == Loss::Journal {
            for reached in &mut journal {
                *reached += dice.below(at.saturating_sub(*reached) + 1);
            }
        }
        let mut files: HashMap<usize, Vec<u8>> = HashMap::new();
        let mut dirs: HashMap<usize, BTreeMap<&OsStr, usize>> = HashMap::new();
        for (i, op) in self.ops[..at].iter().enumerate() {
            let durable = i < covered[op.node];
            match &op.what {
                What::Sync { .. } => {}
                What::Names(steps) => {
                    let kept = durable
                        || match loss {
                            Loss::All | Loss::Names => false,
                            Loss::Nothing | Loss::Bytes { .. } => true,
                            Loss::Some => dice.below(2) == 0,
                            Loss::Journal => i < journal[self.nodes[op.node].disk],
                        };
                    for (dir, name, node) in steps.iter().filter(|_| kept) {
                        let names = dirs.entry(*dir).or_default();
                        match node {
                            Some(node) => names.insert(name, *node),
                            None => names.remove(name.as_os_str()),
                        };
                    }
                }
                What::Cut(len) => {
                    let kept = durable
                        || match loss {
                            Loss::All | Loss::Bytes { .. } => false,
                            Loss::Nothing | Loss::Names => true,
                            Loss::Some | Loss::Journal => dice.below(2) == 0,
                        };
                    if kept {
                        files.entry(op.node).or_default().resize(*len as usize, 0);
                    }
                }
                What::Write { at, bytes } => {
                    let file = files.entry(op.node).or_default();
                    let (start, end) = (*at as usize, *at as usize + bytes.len());
                    let fate = match (durable, loss) {
                        (true, _) | (_, Loss::Nothing | Loss::Names) => Fate::Kept(bytes.len()),
                        (_, Loss::All | Loss::Bytes { zeros: false }) => Fate::Lost,
                        (_, Loss::Bytes { zeros: true }) => Fate::Zeros,
                        (_, Loss::Some | Loss::Journal) => match dice.below(6) {
                            0 | 1 => Fate::Kept(bytes.len()),
                            2 | 3 => Fate::Lost,
                            4 => Fate::Zeros,
                            _ => Fate::Kept(dice.below(bytes.len().max(1))),
                        },
                    };
                    match fate {
                        Fate::Lost => {}
                        Fate::Zeros => file.resize(file.len().max(end), 0),
                        Fate::Kept(n) => {
                            file.resize(file.len().max(start + n), 0);
                            file[start..start + n].copy_from_slice(&bytes[..n]);
                        }
                    }
                }
            }
        }
        State((0..self.disks).map(|disk| self.collect(disk, &dirs, &files)).collect())
    }

    fn collect(
        &self,
        root: usize,
        dirs: &HashMap<usize, BTreeMap<&OsStr, usize>>,
        files: &HashMap<usize, Vec<u8>>,
    ) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
        let mut found = BTreeMap::new();
        let mut open = vec![(PathBuf::new(), root)];
        while let Some((path, node)) = open.pop() {
            for (name, child) in dirs.get(&node).into_iter().flatten() {
                let path = path.join(name);
                match self.nodes[*child].now {
                    Now::Dir(_) => {
                        found.insert(path.clone(), None);
                        open.push((path, *child));
                    }
                    Now::File(_) => {
                        found.insert(path, Some(files.get(child).cloned().unwrap_or_default()));
                    }
                }
            }
        }
        found
    }

    /// Where the model and the real directories differ after a whole run; empty when they agree.
    pub fn differs_from(&self, roots: &[PathBuf]) -> Vec<String> {
        let model = self.crash(self.ops.len(), Loss::Nothing, None, &mut Dice(0));
        let mut found = Vec::new();
        for (disk, root) in roots.iter().enumerate() {
            let mut real = BTreeMap::new();
            let mut open = vec![root.clone()];
            while let Some(dir) = open.pop() {
                for entry in fs::read_dir(&dir).unwrap() {
                    let path = entry.unwrap().path();
                    let below = path.strip_prefix(root).unwrap().to_owned();
                    let kind = fs::symlink_metadata(&path).unwrap().file_type();
                    if kind.is_dir() {
                        real.insert(below, None);
                        open.push(path);
                    } else if kind.is_file() && !unmodelled(&below) {
                        real.insert(below, Some(fs::read(&path).unwrap()));
                    }
                }
            }
            let paths = model.0[disk].keys().chain(real.keys()).collect::<std::collections::BTreeSet<_>>();
            for path in paths {
                match (model.0[disk].get(path), real.get(path)) {
                    (Some(a), Some(b)) if a == b => {}
                    (Some(Some(a)), Some(Some(b))) => {
                        found.push(format!("{}: other bytes ({} and {})", path.display(), a.len(), b.len()));
                    }
                    (None, _) => found.push(format!("{}: not in the model", path.display())),
                    (_, None) => found.push(format!("{}: only in the model", path.display())),
                    _ => found.push(format!("{}: a file and a directory", path.display())),
                }
            }
        }
        found
    }

    // ------------------------------------------------------------------------------------- reading

    /// Takes the calls of one run that had its disks at `roots`.
    pub fn read(&mut self, trace: &[u8], roots: &[PathBuf], classify: &dyn Fn(usize, &Path, bool) -> Class) {
        // By process: the call, its arguments so far, and how many operations had ended when it began.
        let mut begun: HashMap<&str, (&str, String, usize)> = HashMap::new();
        for line in trace.split(|b| *b == b'\n') {
            let line = std::str::from_utf8(line).expect("strace writes hexadecimal");
            let Some((process, rest)) = line.split_once(' ') else { continue };
            let rest = rest.trim_start();
            if rest.starts_with("+++") || rest.starts_with("---") {
                continue;
            }
            if let Some(resumed) = rest.strip_prefix("<... ") {
                let Some((name, mut arguments, since)) = begun.remove(process) else { continue };
                arguments.push_str(resumed.split_once("resumed>").map_or("", |(_, more)| more));
                self.call(name, &arguments, since, roots, classify);
            } else if let Some((name, arguments)) = rest.split_once('(') {
                match arguments.strip_suffix("<unfinished ...>") {
                    Some(half) => {
                        begun.insert(process, (name, half.trim_end().to_owned(), self.ops.len()));
                    }
                    None => self.call(name, arguments, self.ops.len(), roots, classify),
                }
            }
        }
    }

    fn call(
        &mut self,
        name: &str,
        text: &str,
        since: usize,
        roots: &[PathBuf],
        classify: &dyn Fn(usize, &Path, bool) -> Class,
    ) {
        let Some((arguments, outcome)) = text.rsplit_once(") ").or_else(|| text.rsplit_once(')')) else { return };
        let outcome = outcome.trim_start().trim_start_matches('=').trim_start();
        if outcome.starts_with('-') || outcome.starts_with('?') {
            return;
        }
        let arguments: Vec<&str> = arguments.split(", ").collect();
        let on_fd = || fd_path(arguments[0]).and_then(|path| locate(roots, &path));
        let named = |n: usize| locate(roots, &unhex(arguments[n]));
        let named_at = |n: usize| {
            let path = unhex(arguments[n + 1]);
            let path = if path.is_absolute() { path } else { fd_path(arguments[n]).unwrap_or_default().join(path) };
            locate(roots, &path)
        };
        match name {
            "open" | "openat" | "creat" | "openat2" => {
                let flags = if name == "openat" { arguments[2] } else { arguments.get(1).copied().unwrap_or_default() };
                let target = if name == "openat" { named_at(0) } else { named(0) };
                assert!(name != "creat" && name != "openat2" || target.is_none(), "{name} is not modelled");
                if let Some((disk, path)) = target {
                    self.opened(disk, &path, flags);
                }
            }
            "write" | "writev" => {
                if let Some(node) = on_fd().and_then(|(disk, path)| self.find(disk, &path)) {
                    let bytes: Arc<[u8]> = bytes_of(text).into();
                    let Now::File(at) = self.nodes[node].now else { return };
                    self.done(node, What::Write { at, bytes });
                }
            }
            "pwrite64" => {
                if let Some(node) = on_fd().and_then(|(disk, path)| self.find(disk, &path)) {
                    let at = arguments[3].trim().parse().unwrap();
                    self.done(node, What::Write { at, bytes: bytes_of(text).into() });
                }
            }
            "ftruncate" => {
                if let Some(node) = on_fd().and_then(|(disk, path)| self.find(disk, &path)) {
                    self.done(node, What::Cut(arguments[1].trim().parse().unwrap()));
                }
            }
            "fsync" | "fdatasync" => {
                if let Some((disk, path)) = on_fd()
                    && let Some(node) = self.find(disk, &path)
                {
                    let class = classify(disk, &path, matches!(self.nodes[node].now, Now::Dir(_)));
                    self.done(node, What::Sync { covers: since, class });
                }
            }
            "mkdir" => self.made(named(0)),
            "mkdirat" => self.made(named_at(0)),
            "rename" => self.renamed(named(0), named(1)),
            "renameat" | "renameat2" => self.renamed(named_at(0), named_at(2)),
            "link" => self.linked(named(0), named(1)),
            "linkat" => self.linked(named_at(0), named_at(2)),
            "unlink" | "rmdir" => self.removed(named(0)),
            "unlinkat" => self.removed(named_at(0)),
            _ => {
                let quoted = arguments[0].starts_with('"').then(|| unhex(arguments[0]));
                let touches = fd_path(arguments[0]).or(quoted);
                let ours = touches.is_some_and(|path| locate(roots, &path).is_some());
                assert!(!ours, "{name} on a disk of ours is not modelled: {}", &text[..text.len().min(300)]);
            }
        }
    }

    fn opened(&mut self, disk: usize, path: &Path, flags: &str) {
        match self.find(disk, path) {
            Some(node) if flags.contains("O_TRUNC") => {
                if matches!(self.nodes[node].now, Now::File(len) if len > 0) {
                    self.done(node, What::Cut(0));
                }
            }
            Some(_) => {}
            None if flags.contains("O_CREAT") && !unmodelled(path) => {
                self.nodes.push(Node { disk, now: Now::File(0) });
                self.entry(disk, path, Some(self.nodes.len() - 1));
            }
            None => {}
        }
    }

    fn made(&mut self, place: Option<(usize, PathBuf)>) {
        if let Some((disk, path)) = place {
            self.nodes.push(Node { disk, now: Now::Dir(BTreeMap::new()) });
            self.entry(disk, &path, Some(self.nodes.len() - 1));
        }
    }

    fn removed(&mut self, place: Option<(usize, PathBuf)>) {
        if let Some((disk, path)) = place
            && self.find(disk, &path).is_some()
        {
            self.entry(disk, &path, None);
        }
    }

    fn linked(&mut self, from: Option<(usize, PathBuf)>, to: Option<(usize, PathBuf)>) {
        if let (Some((disk, from)), Some((_, to))) = (from, to) {
            let node = self.find(disk, &from).expect("the file that gets a second name");
            self.entry(disk, &to, Some(node));
        }
    }

    fn renamed(&mut self, from: Option<(usize, PathBuf)>, to: Option<(usize, PathBuf)>) {
        match (from, to) {
            (Some((disk, from)), Some((_, to))) => {
                let node = self.find(disk, &from).unwrap_or_else(|| panic!("{} is renamed, unseen", from.display()));
                let (old, old_name) = self.parent(disk, &from);
                let (new, new_name) = self.parent(disk, &to);
                self.done(new, What::Names(vec![(old, old_name, None), (new, new_name, Some(node))]));
            }
            (None, None) => {}
            (from, to) => panic!("a rename across disks: {from:?} {to:?}"),
        }
    }

    fn entry(&mut self, disk: usize, path: &Path, node: Option<usize>) {
        let (dir, name) = self.parent(disk, path);
        self.done(dir, What::Names(vec![(dir, name, node)]));
    }

    fn done(&mut self, node: usize, what: What) {
        let op = Op { node, what };
        self.live(&op);
        self.ops.push(op);
    }

    /// What the running program sees from now on.
    fn live(&mut self, op: &Op) {
        match (&op.what, &mut self.nodes[op.node].now) {
            (What::Write { at, bytes }, Now::File(len)) => *len = (*len).max(at + bytes.len() as u64),
            (What::Cut(to), Now::File(len)) => *len = *to,
            (What::Names(steps), _) => {
                for (dir, name, node) in steps {
                    let Now::Dir(names) = &mut self.nodes[*dir].now else { panic!("a name in a file") };
                    match node {
                        Some(node) => names.insert(name.clone(), *node),
                        None => names.remove(name),
                    };
                }
            }
            (What::Sync { .. }, _) => {}
            (what, now) => panic!("{what:?} on {now:?}"),
        }
    }

    fn find(&self, disk: usize, path: &Path) -> Option<usize> {
        path.components().try_fold(disk, |node, part| match (&self.nodes[node].now, part) {
            (Now::Dir(names), Component::Normal(name)) => names.get(name).copied(),
            _ => None,
        })
    }

    fn parent(&self, disk: usize, path: &Path) -> (usize, OsString) {
        let dir = self.find(disk, path.parent().unwrap_or(Path::new("")));
        let dir = dir.unwrap_or_else(|| panic!("the directory of {} was never made", path.display()));
        (dir, path.file_name().expect("a name").to_owned())
    }
}

enum Fate {
    Lost,
    Zeros,
    /// So many bytes of it.
    Kept(usize),
}

/// Shared memory, and GStreamer's own list of its plugins: a cache that is made anew where it is missing or broken. Its writer
/// is a process that may be killed in the middle of a write, of which a trace tells the whole.
fn unmodelled(path: &Path) -> bool {
    let name = path.file_name().map(OsStrExt::as_bytes).unwrap_or_default();
    name.ends_with(b"-shm") || name.starts_with(b"gstreamer-registry.bin")
}

/// Which disk a path is on, and where below its root.
fn locate(roots: &[PathBuf], path: &Path) -> Option<(usize, PathBuf)> {
    let found = roots.iter().enumerate().find_map(|(n, root)| Some((n, path.strip_prefix(root).ok()?.to_owned())))?;
    (!unmodelled(&found.1)).then_some(found)
}

/// The path that `-y` shows behind a descriptor; `None` once the file has no name any more.
fn fd_path(argument: &str) -> Option<PathBuf> {
    let (_, rest) = argument.split_once('<')?;
    let (path, after) = rest.rsplit_once('>')?;
    (!after.starts_with("(deleted)") && path.starts_with("\\x2f")).then(|| PathBuf::from(OsString::from_vec(hex(path))))
}

fn unhex(argument: &str) -> PathBuf {
    PathBuf::from(OsString::from_vec(hex(argument.trim().trim_matches('"'))))
}

/// Every quoted string of a call, joined: the bytes of a write.
fn bytes_of(arguments: &str) -> Vec<u8> {
    assert!(!arguments.contains("\"..."), "strace cut a write short");
    arguments.split('"').skip(1).step_by(2).flat_map(hex).collect()
}

/// Reads `\x00\x01...`.
fn hex(text: &str) -> Vec<u8> {
    let digit = |b: u8| (b as char).to_digit(16).expect("a hexadecimal digit") as u8;
    text.as_bytes().chunks_exact(4).map(|c| digit(c[2]) << 4 | digit(c[3])).collect()
}
