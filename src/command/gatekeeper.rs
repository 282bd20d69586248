//! `evidock gatekeeper`: the service that holds the rights over USB devices, so that the daemon needs none. What it
//! does and refuses stands in [`crate::source::usb::hands`]; here is how it is started and whom it serves.
//!
//! It reads the daemon's configuration file for itself (bays, makes of recorders) and nothing else of the daemon's.
//! Started through its socket by systemd, it ends when nobody has asked for a minute; the next caller starts it anew,
//! with the configuration of that moment.

use std::os::fd::AsFd;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;

use super::exit::Exit;
use crate::cli::{Gatekeeper, GatekeeperAct};
use crate::config::Settings;
use crate::source::usb::hands::direct::Direct;
use crate::source::usb::hands::nodes::DevNodes;
use crate::source::usb::hands::serve::serve;
use crate::source::usb::sysfs::{DiskName, Sysfs};

/// Without callers for so long, a gatekeeper that systemd can start again ends.
const QUIET: Duration = Duration::from_secs(60);

/// Carries the verb out.
pub fn gatekeeper(verb: &Gatekeeper, settings: &Settings) -> anyhow::Result<Exit> {
    super::begin_logging(settings)?;
    let hands = |owner| Direct::new(Sysfs::of_this_box(), DevNodes, &settings.usb_source, &verb.notes, owner);
    if let Some(GatekeeperAct::Protect { disk }) = &verb.act {
        let disk = DiskName::new(disk).with_context(|| format!("{disk:?} is no disk of USB mass storage"))?;
        if hands(0).protect(&disk)? {
            tracing::info!(disk = disk.as_str(), "refuses writes");
        }
        return Ok(Exit::Ok);
    }
    let passwd = std::fs::read_to_string("/etc/passwd").context("the list of users cannot be read")?;
    let user = find_user(&passwd, &verb.user).with_context(|| {
        format!("there is no user {:?}; make it (systemd-sysusers) or name the daemon's user with --user", verb.user)
    })?;
    std::fs::create_dir_all(&verb.notes)
        .with_context(|| format!("{} cannot be made; run this as root", verb.notes.display()))?;
    let (listener, quiet) = match &verb.listen {
        Some(path) => (bind(path, user)?, None),
        None => {
            let socket = std::io::stdin().as_fd().try_clone_to_owned()?;
            rustix::net::sockopt::socket_acceptconn(&socket).ok().filter(|listens| *listens).context(
                "standard input is no listening socket; start evidock-gatekeeper.socket, or give --listen SOCKET",
            )?;
            (UnixListener::from(socket), Some(QUIET))
        }
    };
    tracing::info!(user = verb.user, bays = settings.usb_source.bays.len(), "ready");
    serve(&listener, Arc::new(hands(user.uid)), |uid| uid == user.uid || uid == 0, quiet)
        .context("the gatekeeper's socket failed")?;
    Ok(Exit::Ok)
}

/// Binds the socket, for root and the daemon's group only.
fn bind(path: &Path, user: User) -> anyhow::Result<UnixListener> {
    let at = || format!("the socket {} cannot be opened", path.display());
    if path.exists() {
        std::fs::remove_file(path).with_context(at)?;
    }
    let listener = UnixListener::bind(path).with_context(at)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660)).with_context(at)?;
    chown(path, None, Some(user.gid)).with_context(at)?;
    Ok(listener)
}

/// Numbers of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct User {
    uid: u32,
    gid: u32,
}

/// Finds a user in the text of `/etc/passwd` (passwd(5)). The daemon's user is a local one (sysusers.d), so nothing
/// else that could know users is asked, and no library of it runs with our rights.
fn find_user(passwd: &str, name: &str) -> Option<User> {
    passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        match fields.as_slice() {
            [found, _, uid, gid, ..] if *found == name => Some(User { uid: uid.parse().ok()?, gid: gid.parse().ok()? }),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_their_whole_name() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\nevidock2:x:7:7::/:/\nevidock:x:991:990:station:/var/lib/evidock:/usr/sbin/nologin\nbroken:x:y:z\n";
        assert_eq!(find_user(passwd, "evidock"), Some(User { uid: 991, gid: 990 }));
        assert_eq!(find_user(passwd, "root"), Some(User { uid: 0, gid: 0 }));
        for none in ["evi", "", "broken", "x"] {
            assert_eq!(find_user(passwd, none), None, "{none}");
        }
    }

    #[test]
    fn its_own_socket_is_for_root_and_the_daemons_group() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gatekeeper.sock");
        let me = User { uid: rustix::process::geteuid().as_raw(), gid: rustix::process::getegid().as_raw() };
        bind(&path, me).unwrap();
        // A socket that an earlier run left behind is replaced.
        bind(&path, me).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
    }
}
