//! A third reader of proofs and checkpoints: `aics-tlog` (PyPI), which shares no line with ours or Go's.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use evidock::custody::package::{CHECKPOINT, KEYS, event, proof};
use evidock::domain::proof::TlogProof;

use super::*;

/// Whether it takes a checkpoint under a package's keys.
pub fn takes_note(dir: &Path, note: &Path) -> bool {
    let keys = dir.join(KEYS);
    aics(&["verify-checkpoint", "--note", note.to_str().unwrap(), "--vkey-file", keys.to_str().unwrap()])
}

/// Whether it takes an event for number `seq` of a log of this size and root, by this path.
pub fn takes_event(leaf: &Path, seq: u64, head: (u64, &str), path: &[[u8; 32]]) -> bool {
    let hashes: String = path.iter().map(|hash| format!("{}\n", BASE64.encode(hash))).collect();
    let aside = tempfile::tempdir().unwrap();
    let file = aside.path().join("hashes");
    fs::write(&file, hashes).unwrap();
    let (seq, size) = (seq.to_string(), head.0.to_string());
    let args =
        ["verify-inclusion", "--leaf", leaf.to_str().unwrap(), "--index", &seq, "--size", &size, "--root", head.1];
    let all: Vec<&str> = args.into_iter().chain(["--proof", file.to_str().unwrap()]).collect();
    aics(&all)
}

fn aics(args: &[&str]) -> bool {
    run(&tools().join("python-readers/bin/aics-tlog"), args, Path::new("/")).0
}

#[test]
fn a_third_reader_takes_what_we_write_and_refuses_what_was_changed() {
    let made = made();
    let work = tempfile::tempdir().unwrap();
    let dir = work.path().join("package");
    super::tampering::copy(&made.dir, &dir);
    let note = dir.join(CHECKPOINT);
    let text = fs::read_to_string(&note).unwrap();
    assert!(takes_note(&dir, &note), "{text}");
    let lines: Vec<&str> = text.lines().collect();
    let (size, root): (u64, &str) = (lines[1].parse().unwrap(), lines[2]);
    let sealed = events(&dir).into_iter().find(|seq| json(&dir.join(event(*seq)))["kind"] == "clip.sealed").unwrap();
    let told: TlogProof = fs::read_to_string(dir.join(proof(sealed))).unwrap().parse().unwrap();
    let (leaf, path) = (dir.join(event(sealed)), told.path.clone());
    assert!(takes_event(&leaf, sealed, (size, root), &path));
    // Each of these is another way to lie.
    let changed = dir.join("changed");
    fs::write(&changed, fs::read_to_string(&leaf).unwrap().replacen("\"outcome\":\"ok\"", "\"outcome\":\"no\"", 1))
        .unwrap();
    assert!(!takes_event(&changed, sealed, (size, root), &path), "an event edited");
    assert!(!takes_event(&leaf, sealed + 1, (size, root), &path), "an event in another place");
    assert!(!takes_event(&leaf, sealed, (sealed + 1, root), &path), "a log cut short");
    assert!(!takes_event(&leaf, sealed, (size, root), &path[1..]), "a step of the way left out");
    let other = BASE64.encode([7; 32]);
    assert!(!takes_event(&leaf, sealed, (size, &other), &path), "another root");
    let forged = dir.join("forged");
    for (from, to) in [(lines[1].to_owned(), (size + 1).to_string()), (root.to_owned(), other)] {
        fs::write(&forged, text.replacen(&from, &to, 1)).unwrap();
        assert!(!takes_note(&dir, &forged), "{to}");
    }
}
