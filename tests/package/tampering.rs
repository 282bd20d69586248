//! Tamperings, each refused by the tools that can see it. `evidock import-check` with the station's key sees all of them;
//! for the others the table says which.

use std::os::unix::fs::symlink;

use evidock::custody::key::FileSigner;
use evidock::custody::note::VerifierKey;
use evidock::custody::package::bag::{self, List};
use evidock::custody::package::check::digest_of;
use evidock::custody::package::{
    CATALOGUE, CHECK_SH, CHECKER, CHECKPOINT, FACTS, FILES, KEYS, MANIFEST, MANIFEST_512, NOTE, OPENED, PackageNote,
    README, RECORDS, TAG_MANIFEST, TAG_MANIFEST_512, UNLISTED, WITHHELD, digests, event, proof,
};

use super::support::oracle::oracle;
use super::support::station::flip;
use super::support::tsa::is_true;
use super::*;

/// A tool other than ours that must refuse it as well.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Tool {
    Bagit,
    Sha256sum,
    B3sum,
    /// Go, over the checkpoint.
    GoNote,
    /// Go, over at least one event.
    GoProof,
    /// OpenSSL, over the timestamp.
    Openssl,
}

use Tool::*;

type Tamper = fn(&Path);

fn read(dir: &Path, name: &str) -> String {
    fs::read_to_string(dir.join(name)).unwrap()
}

fn edit(dir: &Path, name: &str, from: &str, to: &str) {
    let text = read(dir, name);
    assert!(text.contains(from), "{name} has no {from}");
    fs::write(dir.join(name), text.replacen(from, to, 1)).unwrap();
}

fn clip(dir: &Path, n: usize) -> PathBuf {
    let mut files = files_below(&dir.join("data/clips"));
    files.sort();
    files[n].clone()
}

fn name_of(dir: &Path, path: &Path) -> String {
    path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned()
}

/// Every list of the package made anew, as whoever changed files would do it: all of them agree again.
fn list_again(dir: &Path) {
    let (mut payload, mut payload_512, mut blake3) = (List::new(), List::new(), List::new());
    let (mut tags, mut tags_512) = (List::new(), List::new());
    let long = |path: &Path| digests::of(&fs::read(path).unwrap(), false).sha512;
    for path in files_below(dir) {
        let name = name_of(dir, &path);
        let (b3, sha256, _) = support::station::digests(&path);
        if name.starts_with("data/") {
            payload.insert(name.clone(), sha256);
            payload_512.insert(name.clone(), long(&path));
            blake3.insert(name, b3);
        }
    }
    fs::write(dir.join(MANIFEST), bag::write(&payload)).unwrap();
    fs::write(dir.join(MANIFEST_512), bag::write(&payload_512)).unwrap();
    fs::write(dir.join("blake3sums.txt"), bag::write(&blake3)).unwrap();
    let bytes: u64 = files_below(&dir.join("data")).iter().map(|f| fs::metadata(f).unwrap().len()).sum();
    let info = read(dir, "bag-info.txt");
    let info: String = info
        .lines()
        .map(|line| match line.starts_with("Payload-Oxum") {
            true => format!("Payload-Oxum: {bytes}.{}\n", payload.len()),
            false => format!("{line}\n"),
        })
        .collect();
    fs::write(dir.join("bag-info.txt"), info).unwrap();
    for path in files_below(dir) {
        let name = name_of(dir, &path);
        if !name.starts_with("data/") && !UNLISTED.contains(&name.as_str()) {
            tags_512.insert(name.clone(), long(&path));
            tags.insert(name, support::station::digests(&path).1);
        }
    }
    fs::write(dir.join(FILES), bag::write(&tags)).unwrap();
    for name in [FILES, NOTE] {
        tags_512.insert(name.to_owned(), long(&dir.join(name)));
        tags.insert(name.to_owned(), support::station::digests(&dir.join(name)).1);
    }
    fs::write(dir.join(TAG_MANIFEST), bag::write(&tags)).unwrap();
    fs::write(dir.join(TAG_MANIFEST_512), bag::write(&tags_512)).unwrap();
}

/// Signs the package with another key and puts that in the place of the station's.
fn sign_with_another_key(dir: &Path) {
    let signer = FileSigner::from_seed("evidock/test-01", [5; 32]).unwrap();
    let key = VerifierKey::of(&signer).unwrap();
    let keys: Vec<VerifierKey> = read(dir, KEYS).lines().map(|line| line.parse().unwrap()).collect();
    fs::write(dir.join(KEYS), format!("{key}\n")).unwrap();
    list_again(dir);
    let note = PackageNote::open(read(dir, NOTE).as_bytes(), &keys).unwrap();
    let note = PackageNote { files: digest_of(&read(dir, FILES)), ..note };
    fs::write(dir.join(NOTE), note.sign(&signer).unwrap()).unwrap();
    list_again(dir);
}

/// The number of the first event of a kind.
fn first(dir: &Path, kind: &str) -> u64 {
    let of = |seq: &u64| json(&dir.join(event(*seq)))["kind"] == kind;
    events(dir).into_iter().find(of).unwrap_or_else(|| panic!("no event is {kind}"))
}

fn swap(dir: &Path, one: &Path, other: &Path) {
    let aside = dir.join("aside");
    fs::rename(one, &aside).unwrap();
    fs::rename(other, one).unwrap();
    fs::rename(&aside, other).unwrap();
}

fn remove_event(dir: &Path, seq: u64) {
    fs::remove_file(dir.join(event(seq))).unwrap();
    fs::remove_file(dir.join(proof(seq))).unwrap();
}

/// What is done, and who else must see it.
const TABLE: &[(&str, Tamper, &[Tool])] = &[
    ("a byte of a clip flipped", |d| flip(&clip(d, 0), 1000), &[Bagit, Sha256sum, B3sum]),
    (
        "a clip cut short",
        |d| fs::File::options().write(true).open(clip(d, 0)).unwrap().set_len(1000).unwrap(),
        &[Bagit, Sha256sum, B3sum],
    ),
    ("a clip removed", |d| fs::remove_file(clip(d, 0)).unwrap(), &[Bagit, Sha256sum, B3sum]),
    (
        "a clip removed and listed anew",
        |d| {
            fs::remove_file(clip(d, 0)).unwrap();
            list_again(d);
        },
        &[],
    ),
    ("two clips swapped", |d| swap(d, &clip(d, 0), &clip(d, 1)), &[Bagit, Sha256sum, B3sum]),
    (
        "two clips swapped and listed anew",
        |d| {
            swap(d, &clip(d, 0), &clip(d, 1));
            list_again(d);
        },
        &[],
    ),
    ("a clip added", |d| fs::write(d.join("data/clips/004.mp4"), "x").unwrap(), &[Bagit]),
    (
        "a clip added and listed",
        |d| {
            fs::write(d.join("data/clips/004.mp4"), "x").unwrap();
            list_again(d);
        },
        &[],
    ),
    (
        "a clip edited, manifests re-hashed",
        |d| {
            flip(&clip(d, 0), 1000);
            list_again(d);
        },
        &[],
    ),
    (
        "a clip replaced, its record and all lists with it",
        |d| {
            let file = clip(d, 0);
            let (b3, sha256, _) = support::station::digests(&file);
            flip(&file, 7);
            let (new_b3, new_sha256, _) = support::station::digests(&file);
            edit(d, RECORDS, &sha256, &new_sha256);
            edit(d, RECORDS, &b3, &new_b3);
            list_again(d);
        },
        &[],
    ),
    (
        "a clip that is a link",
        |d| {
            let file = clip(d, 0);
            fs::rename(&file, d.parent().unwrap().join("elsewhere.mp4")).unwrap();
            symlink(d.parent().unwrap().join("elsewhere.mp4"), file).unwrap();
        },
        &[],
    ),
    ("a record edited", |d| edit(d, RECORDS, "东关街28号", "西关街28号"), &[Bagit, Sha256sum, B3sum]),
    (
        "a record edited and listed anew",
        |d| {
            edit(d, RECORDS, "东关街28号", "西关街28号");
            list_again(d);
        },
        &[],
    ),
    (
        "an event edited",
        |d| edit(d, &event(first(d, "clip.sealed")), "\"recorder\":\"", "\"recorder\":\"X"),
        &[Bagit, Sha256sum, GoProof],
    ),
    (
        "an event edited and listed anew",
        |d| {
            edit(d, &event(first(d, "clip.sealed")), "\"recorder\":\"", "\"recorder\":\"X");
            list_again(d);
        },
        &[GoProof],
    ),
    ("an event dropped", |d| remove_event(d, first(d, "clip.annotated")), &[Bagit, Sha256sum]),
    (
        "an event dropped and listed anew",
        |d| {
            remove_event(d, first(d, "clip.annotated"));
            list_again(d);
        },
        &[],
    ),
    (
        "two events in each other's place",
        |d| {
            let all = events(d);
            swap(d, &d.join(event(all[1])), &d.join(event(all[2])));
            list_again(d);
        },
        &[GoProof],
    ),
    (
        "the tail of the events cut off",
        |d| {
            events(d).into_iter().rev().take(3).for_each(|seq| remove_event(d, seq));
            list_again(d);
        },
        &[],
    ),
    (
        "an event of our own making added",
        |d| {
            fs::write(d.join(event(3)), read(d, &event(first(d, "clip.sealed")))).unwrap();
            fs::write(d.join(proof(3)), read(d, &proof(first(d, "clip.sealed")))).unwrap();
            list_again(d);
        },
        &[],
    ),
    (
        "a hash of a proof changed",
        |d| {
            let name = proof(first(d, "clip.sealed"));
            let text = read(d, &name);
            let line = text.lines().nth(3).unwrap().to_owned();
            edit(d, &name, &line, &format!("{}=", "A".repeat(43)));
            list_again(d);
        },
        &[GoProof],
    ),
    (
        "a proof's index moved",
        |d| {
            let seq = first(d, "clip.sealed");
            edit(d, &proof(seq), &format!("index {seq}"), &format!("index {}", seq + 1));
            list_again(d);
        },
        &[GoProof],
    ),
    (
        "the checkpoint's root changed",
        |d| {
            let root = read(d, CHECKPOINT).lines().nth(2).unwrap().to_owned();
            edit(d, CHECKPOINT, &root, &format!("{}=", "A".repeat(43)));
            list_again(d);
        },
        &[GoNote],
    ),
    (
        "the checkpoint's size changed",
        |d| {
            let size = read(d, CHECKPOINT).lines().nth(1).unwrap().to_owned();
            edit(d, CHECKPOINT, &format!("\n{size}\n"), &format!("\n{size}0\n"));
            list_again(d);
        },
        &[GoNote],
    ),
    (
        "the checkpoint's signature taken off",
        |d| {
            let text = read(d, CHECKPOINT);
            fs::write(d.join(CHECKPOINT), text.split("\n\n").next().unwrap()).unwrap();
            list_again(d);
        },
        &[GoNote],
    ),
    (
        "the signed time of the checkpoint moved",
        |d| {
            let text = read(d, CHECKPOINT);
            let last = text.lines().nth(5).unwrap();
            let moved = last.replacen("AAAA", "AAAB", 1);
            let moved = if moved == last { last.replacen('A', "B", 1) } else { moved };
            fs::write(d.join(CHECKPOINT), text.replace(last, &moved)).unwrap();
            list_again(d);
        },
        &[],
    ),
    (
        "an older checkpoint, validly signed, put back",
        |d| {
            fs::write(d.join(CHECKPOINT), &made().older_checkpoint).unwrap();
            list_again(d);
        },
        &[],
    ),
    (
        "an older checkpoint put into every proof as well",
        |d| {
            let (old, new) = (made().older_checkpoint.clone(), read(d, CHECKPOINT));
            fs::write(d.join(CHECKPOINT), &old).unwrap();
            for file in files_below(&d.join("custody/proofs")) {
                let text = fs::read_to_string(&file).unwrap();
                fs::write(&file, text.replace(&new, &old)).unwrap();
            }
            list_again(d);
        },
        &[GoProof],
    ),
    (
        "the key swapped",
        |d| {
            let other = VerifierKey::of(&FileSigner::from_seed("evidock/test-01", [5; 32]).unwrap()).unwrap();
            fs::write(d.join(KEYS), format!("{other}\n")).unwrap();
            list_again(d);
        },
        &[GoNote],
    ),
    ("signed anew with another key", sign_with_another_key, &[GoNote]),
    ("the signature's count of clips changed", |d| edit(d, NOTE, "clips 3 ", "clips 4 "), &[Bagit, Sha256sum]),
    ("the signature removed", |d| fs::remove_file(d.join(NOTE)).unwrap(), &[Bagit, Sha256sum]),
    ("the signed list removed", |d| fs::remove_file(d.join(FILES)).unwrap(), &[Bagit, Sha256sum]),
    (
        "an opened value changed",
        |d| {
            edit(d, OPENED, "东关街28号", "西关街28号");
            list_again(d);
        },
        &[],
    ),
    (
        "the reason of the request changed",
        |d| {
            edit(d, FACTS, REASON, "例行检查");
            list_again(d);
        },
        &[],
    ),
    (
        "who asked changed",
        |d| {
            edit(d, FACTS, "\"asked_by\": \"os:", "\"asked_by\": \"os:9");
            list_again(d);
        },
        &[],
    ),
    (
        "a withheld event's hash changed",
        |d| {
            let leaf = json(&d.join(WITHHELD))[0]["leaf"].as_str().unwrap().to_owned();
            edit(d, WITHHELD, &leaf, &"ab".repeat(32));
            list_again(d);
        },
        &[],
    ),
    (
        "a withheld event hushed up",
        |d| {
            let seq = json(&d.join(WITHHELD))[0]["seq"].as_u64().unwrap();
            fs::write(d.join(WITHHELD), "[]").unwrap();
            fs::remove_file(d.join(proof(seq))).unwrap();
            list_again(d);
        },
        &[],
    ),
    (
        "a timestamp moved",
        |d| {
            let (_, reply) = stamped(d);
            let mut bytes = fs::read(&reply).unwrap();
            let at = bytes.windows(2).position(|w| w == [0x18, 0x0f]).unwrap();
            bytes[at + 2 + 3] ^= 1; // The year's last digit.
            fs::write(&reply, bytes).unwrap();
            list_again(d);
        },
        &[Openssl],
    ),
    (
        "what was stamped changed",
        |d| {
            let (data, _) = stamped(d);
            let text = fs::read_to_string(&data).unwrap();
            fs::write(&data, text.replacen("/1\n", "/2\n", 1)).unwrap();
            list_again(d);
        },
        &[Openssl],
    ),
    (
        "the way from the stamped head changed",
        |d| {
            let (data, _) = stamped(d);
            fs::write(data.with_extension("consistency"), format!("{}\n", "ab".repeat(32))).unwrap();
            list_again(d);
        },
        &[],
    ),
    (
        "the catalogue rewritten",
        |d| {
            edit(d, CATALOGUE, "现场检查过程", "现场笔录");
            list_again(d);
        },
        &[],
    ),
    ("the note rewritten", |d| edit(d, README, BASIS, "口头"), &[Bagit, Sha256sum]),
    (
        "the checking page made to say yes",
        |d| edit(d, CHECKER, "good &&= result", "result === words.same; (result"),
        &[Bagit, Sha256sum],
    ),
    (
        "a line of the manifest removed",
        |d| {
            let text = read(d, MANIFEST);
            fs::write(d.join(MANIFEST), text.lines().skip(1).map(|l| format!("{l}\n")).collect::<String>()).unwrap();
        },
        &[Bagit, Sha256sum],
    ),
    (
        "a line of the tag manifest removed",
        |d| {
            let text = read(d, TAG_MANIFEST);
            fs::write(
                d.join(TAG_MANIFEST),
                text.lines().filter(|l| !l.ends_with(CATALOGUE)).map(|l| format!("{l}\n")).collect::<String>(),
            )
            .unwrap();
            edit(d, CATALOGUE, "现场检查过程", "现场笔录");
        },
        &[],
    ),
    (
        "the list of BLAKE3 wrong",
        |d| {
            let text = read(d, "blake3sums.txt");
            let first = text[..64].to_owned();
            edit(d, "blake3sums.txt", &first, &"0".repeat(64));
        },
        &[B3sum, Bagit, Sha256sum],
    ),
    (
        "a line of the SHA-512 manifest changed",
        |d| {
            let text = read(d, MANIFEST_512);
            edit(d, MANIFEST_512, &text[..128], &"0".repeat(128));
        },
        &[Bagit, Sha256sum],
    ),
    (
        "the SHA-512 manifest removed and the rest listed anew",
        |d| {
            list_again(d);
            fs::remove_file(d.join(MANIFEST_512)).unwrap();
        },
        &[],
    ),
    ("the SHA-512 tag manifest removed", |d| fs::remove_file(d.join(TAG_MANIFEST_512)).unwrap(), &[]),
    (
        "the checking script made to say yes and listed anew",
        |d| {
            edit(d, CHECK_SH, "exit 1", "exit 0");
            list_again(d);
        },
        &[],
    ),
    ("a file beside the lists", |d| fs::write(d.join("custody/more.txt"), "x").unwrap(), &[]),
    (
        "a manifest that leads outside",
        |d| {
            let text = read(d, MANIFEST);
            fs::write(d.join(MANIFEST), format!("{text}{}  ../../../../etc/hostname\n", "0".repeat(64))).unwrap();
        },
        &[Bagit, Sha256sum],
    ),
    ("no bag any more", |d| edit(d, "bagit.txt", "1.0", "7.7"), &[Bagit, Sha256sum]),
];

/// Copies a folder.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn refuses(tool: Tool, dir: &Path) -> bool {
    let made = made();
    match tool {
        Bagit => !bagit(dir).0,
        Sha256sum => !sha256sum(dir).0,
        B3sum => !b3sum(dir).0,
        GoNote => oracle([Path::new("note"), &dir.join(KEYS), &dir.join(CHECKPOINT)]).is_err(),
        GoProof => events(dir).into_iter().any(|seq| {
            oracle([Path::new("proof"), &made.trust, &dir.join(event(seq)), &dir.join(proof(seq))]).is_err()
        }),
        Openssl => {
            let (data, reply) = stamped(dir);
            !is_true(&made.tsa, &data, &reply)
        }
    }
}

#[test]
fn each_tampering_is_refused_by_whoever_can_see_it() {
    assert!(TABLE.len() >= 30);
    let made = made();
    for (name, tamper, others) in TABLE {
        let work = tempfile::Builder::new().prefix("evidock-tampered-").tempdir().unwrap();
        let dir = work.path().join("package");
        copy(&made.dir, &dir);
        tamper(&dir);
        let (code, report) = import_check(&dir, Some(&made.trust));
        assert_eq!((code, &report["whole"]), (4, &false.into()), "{name}: {report}");
        assert!(report["problem_count"].as_u64() > Some(0) && report["origin_shown"] == false, "{name}: {report}");
        for tool in *others {
            assert!(refuses(*tool, &dir), "{name}: {tool:?} takes it");
        }
    }
    // And none of these tools refuses what nobody touched.
    for tool in [Bagit, Sha256sum, B3sum, GoNote, GoProof, Openssl] {
        assert!(!refuses(tool, &made.dir), "{tool:?}");
    }
}

/// Without the station's key, who signs everything anew with a key of his own still does not pass: the log itself says
/// whose it is. Who makes a whole log of his own does, which is why the key is to be learned elsewhere.
#[test]
fn another_key_is_seen_even_by_whoever_knows_none() {
    let made = made();
    let work = tempfile::tempdir().unwrap();
    let dir = work.path().join("package");
    copy(&made.dir, &dir);
    sign_with_another_key(&dir);
    let (code, report) = import_check(&dir, None);
    assert_eq!(code, 4, "{report}");
}
