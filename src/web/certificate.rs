//! The page's own certificate, for a station that was given none. Whoever opens the page for the first time compares its
//! fingerprint with what `evidock doctor` shows on the box.

use std::io;
use std::net::IpAddr;
use std::path::Path;

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair};

use crate::runtime::durable;

/// Makes certificate and key, both into the one file `path`, so that a power cut never leaves one without the other;
/// leaves a file that is there alone. The certificate is for `names`, `localhost` and the address that is listened on.
///
/// It has no end: it is trusted by its fingerprint, and a station whose clock is wrong must be reachable, too.
pub fn make_own(path: &Path, names: &[String], listen: IpAddr) -> io::Result<()> {
    if path.try_exists()? {
        return Ok(());
    }
    let mut subjects = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    subjects.extend(names.iter().cloned());
    if !listen.is_unspecified() && !listen.is_loopback() {
        subjects.push(listen.to_string());
    }
    let (certificate, key) = signed(subjects).map_err(io::Error::other)?;
    durable::write(path, (certificate + &key).as_bytes(), 0o600)
}

/// Certificate and key, PEM.
fn signed(subjects: Vec<String>) -> Result<(String, String), rcgen::Error> {
    let mut params = CertificateParams::new(subjects)?;
    params.distinguished_name.push(DnType::CommonName, "evidock");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate()?;
    Ok((params.self_signed(&key)?.pem(), key.serialize_pem()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn it_is_made_once_and_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("page.pem");
        // Left behind by a start that was cut off.
        std::fs::write(dir.path().join("page.pem.new"), "-----BEGIN").unwrap();
        let names = ["station.lan".to_owned()];
        make_own(&path, &names, "10.0.0.7".parse().unwrap()).unwrap();
        let first = std::fs::read(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        make_own(&path, &names, "10.0.0.8".parse().unwrap()).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), first, "people have compared its fingerprint");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
