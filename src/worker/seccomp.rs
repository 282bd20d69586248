//! The system calls that a worker is denied. Owns the list and its translation; a denied call answers `EPERM`, so
//! that a library that only wanted to try goes on. What is left is memory, threads, reading, and the open socket.
//!
//! The list names what is forbidden rather than what is allowed: the libraries of a media framework change their
//! calls with every release, and a station must not lose its media facts to an update. Landlock and the resource
//! limits stand beside it.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};

/// Calls of `x86_64` that are denied under their x32 numbers too (bit 30 set), which share the audit architecture.
#[cfg(target_arch = "x86_64")]
const X32_BIT: i64 = 0x4000_0000;

/// What a worker without network is denied besides: no new socket of any family, nothing done with one that is open but
/// talk to the daemon.
const NETWORK: &[libc::c_long] =
    &[libc::SYS_socket, libc::SYS_connect, libc::SYS_bind, libc::SYS_sendto, libc::SYS_sendmmsg];

/// Denied with any arguments.
const DENIED: &[libc::c_long] = &[
    // Nobody is let in.
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_execve,
    libc::SYS_execveat,
    // Changes to the file system.
    libc::SYS_mkdirat,
    libc::SYS_mknodat,
    libc::SYS_unlinkat,
    libc::SYS_renameat2,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_truncate,
    libc::SYS_ftruncate,
    libc::SYS_fallocate,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_utimensat,
    libc::SYS_setxattr,
    libc::SYS_fsetxattr,
    libc::SYS_lsetxattr,
    libc::SYS_removexattr,
    libc::SYS_fremovexattr,
    libc::SYS_lremovexattr,
    // The machine.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsmount,
    libc::SYS_fsconfig,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    libc::SYS_sethostname,
    libc::SYS_syslog,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_open_by_handle_at,
    libc::SYS_personality,
    // Limits once set stay.
    libc::SYS_setrlimit,
];

/// Older forms that only `x86_64` still has.
#[cfg(target_arch = "x86_64")]
const DENIED_HERE: &[libc::c_long] = &[
    libc::SYS_fork,
    libc::SYS_vfork,
    libc::SYS_mkdir,
    libc::SYS_rmdir,
    libc::SYS_mknod,
    libc::SYS_unlink,
    libc::SYS_rename,
    libc::SYS_renameat,
    libc::SYS_link,
    libc::SYS_symlink,
    libc::SYS_creat,
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_futimesat,
    libc::SYS_kexec_file_load,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
];

/// Older forms that `aarch64` still has.
#[cfg(target_arch = "aarch64")]
const DENIED_HERE: &[libc::c_long] = &[libc::SYS_renameat, libc::SYS_kexec_file_load];

/// Elsewhere the common list is the whole.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const DENIED_HERE: &[libc::c_long] = &[];

/// Forbids the list to this thread and those that it starts. Needs `no_new_privs`.
pub fn forbid() -> Result<String, seccompiler::Error> {
    let count = apply(rules(false)?)?;
    Ok(format!("{count} calls denied: sockets, programs, other processes, file changes, mounts"))
}

/// The same, but connections and datagrams of the internet are left, with what finding an address needs (the resolver's
/// Unix socket, the kernel's list of interfaces).
pub fn forbid_but_network() -> Result<String, seccompiler::Error> {
    let count = apply(rules(true)?)?;
    Ok(format!("{count} calls denied: listening, raw sockets, programs, other processes, file changes, mounts"))
}

fn apply(denied: BTreeMap<i64, Vec<SeccompRule>>) -> Result<usize, seccompiler::Error> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    // Their arguments are behind pointers, where a filter cannot look: `ENOSYS` makes libraries take the older form.
    let unknown = BTreeMap::from([(libc::SYS_clone3, vec![]), (libc::SYS_openat2, vec![])]);
    let count = denied.len();
    for (rules, errno) in [(unknown, libc::ENOSYS), (denied, libc::EPERM)] {
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(errno.unsigned_abs()), arch)?;
        let program: BpfProgram = filter.try_into()?;
        seccompiler::apply_filter(&program)?;
    }
    Ok(count)
}

fn rules(network: bool) -> Result<BTreeMap<i64, Vec<SeccompRule>>, seccompiler::BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        DENIED.iter().chain(DENIED_HERE).map(|call| (*call, vec![])).collect();
    if network {
        let families = [libc::AF_INET, libc::AF_INET6, libc::AF_UNIX, libc::AF_NETLINK];
        let other = |family: &libc::c_int| {
            SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, u64::from(family.unsigned_abs()))
        };
        let others = families.iter().map(other).collect::<Result<_, _>>()?;
        rules.insert(libc::SYS_socket, vec![SeccompRule::new(others)?]);
    } else {
        rules.extend(NETWORK.iter().map(|call| (*call, vec![])));
    }

    // Opening is for reading: either write mode, creating and truncating are denied, Landlock or not.
    let writing = |argument| -> Result<Vec<SeccompRule>, seccompiler::BackendError> {
        [
            (libc::O_ACCMODE, libc::O_WRONLY),
            (libc::O_ACCMODE, libc::O_RDWR),
            (libc::O_CREAT, libc::O_CREAT),
            (libc::O_TRUNC, libc::O_TRUNC),
        ]
        .into_iter()
        .map(|(mask, value)| masked(argument, mask, value))
        .collect()
    };
    rules.insert(libc::SYS_openat, writing(2)?);
    #[cfg(target_arch = "x86_64")]
    rules.insert(libc::SYS_open, writing(1)?);
    // Threads, never processes.
    rules.insert(libc::SYS_clone, vec![masked(0, libc::CLONE_THREAD, 0)?]);
    // Signals to itself only (`abort`, and the end together with the daemon).
    let own = rustix::process::getpid().as_raw_nonzero().get().unsigned_abs();
    for call in [libc::SYS_kill, libc::SYS_tgkill, libc::SYS_rt_sigqueueinfo] {
        let other = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, own.into())?;
        rules.insert(call, vec![SeccompRule::new(vec![other])?]);
    }
    rules.insert(libc::SYS_tkill, vec![]);
    // Reading a limit is harmless; setting one is not. `prlimit64(pid, resource, new, old)`.
    let sets = SeccompCondition::new(2, SeccompCmpArgLen::Qword, SeccompCmpOp::Ne, 0)?;
    rules.insert(libc::SYS_prlimit64, vec![SeccompRule::new(vec![sets])?]);
    // Memory is written or executed, never both.
    let both = libc::PROT_WRITE | libc::PROT_EXEC;
    rules.insert(libc::SYS_mmap, vec![masked(2, both, both)?]);
    rules.insert(libc::SYS_mprotect, vec![masked(2, both, both)?]);

    #[cfg(target_arch = "x86_64")]
    {
        let again: Vec<_> = rules.iter().map(|(call, chain)| (call | X32_BIT, chain.clone())).collect();
        rules.extend(again);
        // Calls that have numbers of their own in x32 (512 to 547: among them execve, ptrace, sendmsg).
        rules.extend((512..=547).map(|call| (call | X32_BIT, vec![])));
    }
    Ok(rules)
}

fn masked(argument: u8, mask: i32, value: i32) -> Result<SeccompRule, seccompiler::BackendError> {
    let compare = SeccompCmpOp::MaskedEq(u64::from(mask.unsigned_abs()));
    let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, compare, u64::from(value.unsigned_abs()))?;
    SeccompRule::new(vec![condition])
}
