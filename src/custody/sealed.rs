//! How a key is kept that the service manager hands over as a credential (systemd.exec(5), `LoadCredentialEncrypted=`): told
//! by what its encrypted file says of itself, so that the log does not repeat what somebody merely hoped. With
//! `--with-key=auto` systemd-creds falls back silently where there is no TPM; what came of it stands in the file.
//!
//! ```text
//! base64 of: 16 bytes id of the kind of key, then its parameters     (systemd, src/shared/creds-util.h)
//! ```

use std::io::Read;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

/// Kinds of encryption, each with the word that the log has for it. Where a TPM and the host's secret are both needed, the
/// TPM is what ties it to this box.
const KINDS: [([u8; 16], &str); 9] = [
    (id(0x5a1c6a86df9d4096b1d5a65e0862f19a), "host"),
    (id(0x55b9ed1d38594d43a8319d2ebb332ac6), "host"),
    (id(0x0c7cc07b117645919c4b0bea08bc20fe), "tpm2"),
    (id(0xfaf7eb9341e3412ca1a436f95a29362f), "tpm2"),
    (id(0x93a894094874449090caf2fc93cab553), "tpm2+host"),
    (id(0xef4ac13679a9480ea7db68897f9f165d), "tpm2+host"),
    (id(0xaf4950a849134eb1a73846304ff30c05), "tpm2+host"),
    (id(0xadbc4ca3efb64201ba881b6f2e4095ea), "tpm2+host"),
    // A key of length zero: it hides nothing.
    (id(0x058469daf6f54324800549da0f8ea2fb), "none"),
];

/// What it is called where the encrypted file cannot be looked at: the service manager hands it over, and how it is kept
/// at rest is not known here.
pub const UNKNOWN: &str = "credential";

const fn id(of: u128) -> [u8; 16] {
    of.to_be_bytes()
}

/// How the credential is kept whose encrypted file stands here.
pub fn protection(sealed: &Path) -> &'static str {
    let mut head = Vec::new();
    // Lines have 80 characters or so; the id takes the first 22.
    let read = std::fs::File::open(sealed).and_then(|file| file.take(256).read_to_end(&mut head));
    if read.is_err() {
        return UNKNOWN;
    }
    let encoded: Vec<u8> = head.into_iter().filter(|b| !b.is_ascii_whitespace()).take(24).collect();
    let bytes = BASE64.decode(&encoded).unwrap_or_default();
    let kind = bytes.get(..16).and_then(|found| KINDS.iter().find(|(id, _)| id == found));
    kind.map_or(UNKNOWN, |(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_systemd_creds_wrote_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sealed");
        // The beginning of what systemd 252 wrote with --with-key=host, lines and all.
        std::fs::write(&path, "Whxqht+dQJax1aZeCGLxmiAAAAABAAAADAAAABAAAADp1TNo+Rml2tjQ7rEA\nAAAAHfyS\n").unwrap();
        assert_eq!(protection(&path), "host");
        for (id, word) in KINDS {
            std::fs::write(&path, BASE64.encode([&id[..], &[0x20, 0, 0, 0, 1, 0, 0, 0]].concat())).unwrap();
            assert_eq!(protection(&path), word);
        }
        for odd in ["", "not base64 at all, but long enough to be read", "AAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
            std::fs::write(&path, odd).unwrap();
            assert_eq!(protection(&path), UNKNOWN);
        }
        assert_eq!(protection(&dir.path().join("none")), UNKNOWN);
    }
}
