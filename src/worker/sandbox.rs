//! What a worker gives up before its first job. Applied by the child to itself, after the libraries that it needs
//! are loaded and before any hostile byte is read. Each measure tells whether the kernel agreed, so that
//! `doctor` can say what protects this box; a measure that is missing weakens a worker and never stops it.

use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, LandlockStatus, NetPort, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetStatus, Scope,
};
use rustix::process::{Resource, Rlimit, setrlimit};
use rustix::thread::{CapabilitySet, CapabilitySets};
use serde::{Deserialize, Serialize};

use super::seccomp;

/// One protection and whether it is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measure {
    /// Stable word: `one_thread`, `first_to_go`, `no_new_privs`, `limits`, `capabilities`, `landlock`, `system_calls`.
    pub name: String,
    /// The kernel agreed.
    pub in_force: bool,
    /// In words for people.
    pub detail: String,
}

/// How much a worker may use.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Address space in bytes (not resident memory): what a hostile header can make a parser ask for.
    pub address_space_bytes: u64,
    /// Processor seconds over the worker's life.
    pub cpu_seconds: u64,
    /// Open descriptors.
    pub open_files: u64,
}

/// What programs need of the system once their libraries are loaded: plug-ins and tables loaded late, and the number
/// of processors. All of it is readable by everyone anyway; nothing in it is footage.
pub const SYSTEM_READ_PATHS: &[&str] = &[
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/lib",
    "/lib64",
    "/etc/ld.so.cache",
    "/proc/cpuinfo",
    "/sys/devices/system/cpu",
    "/dev/null",
    "/dev/urandom",
];

/// Locks the calling process down. Call it while there is only one thread: some measures bind the calling thread
/// and the threads that it starts later.
pub fn lock_down(limits: &Limits, read_paths: &[&str]) -> Vec<Measure> {
    give_up(limits, read_paths, Writes::None)
}

/// The same for a worker that writes to descriptors which the daemon hands it, open for that: it still can open
/// nothing for writing by itself.
pub fn lock_down_but_write(limits: &Limits, read_paths: &[&str]) -> Vec<Measure> {
    give_up(limits, read_paths, Writes::ToWhatIsHanded)
}

/// The same for a worker that talks to the network: it may open connections to one TCP port and ask for names, and send
/// and receive datagrams; it listens to nobody and opens no file for writing. What it does cannot be done again, so it
/// keeps its priority.
pub fn lock_down_with_network(limits: &Limits, read_paths: &[&str], tcp_port: u16) -> Vec<Measure> {
    vec![
        one_thread(),
        measure(
            "no_new_privs",
            rustix::thread::set_no_new_privs(true).map(|()| "no program can gain rights".to_owned()),
        ),
        measure("limits", limit(limits, Writes::None)),
        measure("capabilities", drop_capabilities()),
        landlock(read_paths, &[tcp_port, DNS_PORT]),
        measure("system_calls", seccomp::forbid_but_network()),
    ]
}

/// Name servers answer here, where a datagram is too short (RFC 7766).
const DNS_PORT: u16 = 53;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writes {
    None,
    ToWhatIsHanded,
}

fn give_up(limits: &Limits, read_paths: &[&str], writes: Writes) -> Vec<Measure> {
    vec![
        one_thread(),
        measure("first_to_go", yield_to_others()),
        measure(
            "no_new_privs",
            rustix::thread::set_no_new_privs(true).map(|()| "no program can gain rights".to_owned()),
        ),
        measure("limits", limit(limits, writes)),
        measure("capabilities", drop_capabilities()),
        landlock(read_paths, &[]),
        measure("system_calls", seccomp::forbid()),
    ]
}

fn measure<E: std::fmt::Display>(name: &str, result: Result<String, E>) -> Measure {
    let (in_force, detail) = match result {
        Ok(detail) => (true, detail),
        Err(error) => (false, error.to_string()),
    };
    Measure { name: name.to_owned(), in_force, detail }
}

fn one_thread() -> Measure {
    let result = std::fs::read_dir("/proc/self/task").map(Iterator::count);
    let (in_force, detail) = match result {
        Ok(1) => (true, "nothing ran beside the lock-down".to_owned()),
        Ok(n) => (false, format!("{} threads started before the lock-down keep their file rights", n - 1)),
        Err(error) => (false, error.to_string()),
    };
    Measure { name: "one_thread".to_owned(), in_force, detail }
}

/// Where memory or processors are short, a picture waits or fails before a copy does.
fn yield_to_others() -> std::io::Result<String> {
    rustix::process::setpriority_process(None, 10)?;
    std::fs::write("/proc/self/oom_score_adj", "500")?;
    Ok("lower priority; ended first when memory is short".to_owned())
}

fn limit(limits: &Limits, writes: Writes) -> Result<String, rustix::io::Errno> {
    let set = |resource, value| setrlimit(resource, Rlimit { current: Some(value), maximum: Some(value) });
    set(Resource::As, limits.address_space_bytes)?;
    set(Resource::Cpu, limits.cpu_seconds)?;
    set(Resource::Nofile, limits.open_files)?;
    // No core (it would hold footage), no file of any size.
    set(Resource::Core, 0)?;
    if writes == Writes::None {
        set(Resource::Fsize, 0)?;
    }
    Ok(format!(
        "{} MiB of address space, {} s of processor, {} descriptors, {}, no core",
        limits.address_space_bytes >> 20,
        limits.cpu_seconds,
        limits.open_files,
        if writes == Writes::None { "no file writes" } else { "writes to what is handed over" }
    ))
}

fn drop_capabilities() -> Result<String, rustix::io::Errno> {
    let none = CapabilitySet::empty();
    rustix::thread::set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?;
    Ok("none".to_owned())
}

fn landlock(read_paths: &[&str], tcp_ports: &[u16]) -> Measure {
    let restrict = || -> Result<_, landlock::RulesetError> {
        let read = AccessFs::ReadFile | AccessFs::ReadDir;
        // ABI 6 (Linux 6.12) is the newest that adds something here; older kernels give what they have.
        let mut rules = Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(ABI::V6))?
            .handle_access(AccessNet::from_all(ABI::V6))?
            .scope(Scope::from_all(ABI::V6))?
            .create()?;
        for path in read_paths {
            // A path that this system does not have needs no rule.
            let Ok(fd) = PathFd::new(path) else { continue };
            let access = if Path::new(path).is_dir() { read } else { AccessFs::ReadFile.into() };
            rules = rules.add_rule(PathBeneath::new(fd, access))?;
        }
        for port in tcp_ports {
            rules = rules.add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?;
        }
        rules.restrict_self()
    };
    let (in_force, detail) = match restrict() {
        Ok(status) => {
            let kernel = match status.landlock {
                LandlockStatus::Available { effective_abi, .. } => format!("Landlock {effective_abi:?}"),
                other => format!("{other:?}"),
            };
            match status.ruleset {
                RulesetStatus::FullyEnforced => (true, format!("files, TCP, signals fenced ({kernel})")),
                RulesetStatus::PartiallyEnforced => (true, format!("files fenced, an older kernel's part ({kernel})")),
                RulesetStatus::NotEnforced => (
                    false,
                    "this kernel has no Landlock: a worker could read what the daemon's user may read".to_owned(),
                ),
            }
        }
        Err(error) => (false, error.to_string()),
    };
    Measure { name: "landlock".to_owned(), in_force, detail }
}
