//! Tamperings, each refused by the tools that can see it. `evidock import-check` with the station's key sees all of them, and
//! so does a reader of our own in another language over the same form ([`Tool::is_ours`]): neither counts as somebody else's
//! word. The table says which programs that are not ours refuse what by themselves. Tools that compare lists see what somebody
//! forgot to list anew; those with a key or a proof ([`Tool::is_cryptographic`]) see what was listed anew; and both together,
//! as the documents say to do it by hand ([`Tool::ByHand`]), see whatever a signature can cover.

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;

use evidock::custody::key::FileSigner;
use evidock::custody::note::VerifierKey;
use evidock::custody::package::bag::{self, List};
use evidock::custody::package::check::digest_of;
use evidock::custody::package::{
    CATALOGUE, CHECK_SH, CHECKER, CHECKPOINT, FACTS, FILES, KEYS, MANIFEST, MANIFEST_512, NOTE, NOTE_SM2, OPENED,
    PackageNote, README, RECORDS, TAG_MANIFEST, TAG_MANIFEST_512, UNLISTED, WITHHELD, digests, event, proof,
};
use evidock::domain::proof::TlogProof;

use super::support::oracle::oracle;
use super::support::station::flip;
use super::support::tsa::is_true;
use super::*;

/// A tool other than ours that must refuse it as well.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Tool {
    Bagit,
    Sha256sum,
    B3sum,
    /// Go, over the checkpoint.
    GoNote,
    /// Go, over at least one event.
    GoProof,
    /// Our own reader in Go, over the package's signature and all that it covers. Only its signature is read by others' code.
    GoPackage,
    /// What the documents say to do without any program of ours: Go's note over the package's signature, with the key that
    /// was learned elsewhere, the signed digest compared with that of the list, and `sha256sum -c` over that and the payload's.
    ByHand,
    /// OpenSSL, over the timestamp.
    Openssl,
    /// OpenSSL, over the second signature.
    OpensslSm2,
    /// Go, over the way from a checkpoint that somebody kept to that of the package.
    GoAnchor,
    /// aics-tlog, over the checkpoint.
    AicsNote,
    /// aics-tlog, over what says that clips were sealed.
    AicsProof,
}

impl Tool {
    const ALL: [Self; 12] = [
        Bagit, Sha256sum, B3sum, GoNote, GoProof, GoPackage, ByHand, Openssl, OpensslSm2, GoAnchor, AicsNote, AicsProof,
    ];

    /// Whether it is our own code over our own form, which agrees with itself.
    fn is_ours(self) -> bool {
        self == GoPackage
    }

    /// Whether it refuses by a signature or a proof, which whoever changes files cannot make anew, and not by a list.
    fn is_cryptographic(self) -> bool {
        !matches!(self, Bagit | Sha256sum | B3sum)
    }
}

use Tool::*;

type Tamper = fn(&Path);

pub fn read(dir: &Path, name: &str) -> String {
    fs::read_to_string(dir.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
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
pub fn list_again(dir: &Path) {
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
    for name in [FILES, NOTE, NOTE_SM2].into_iter().filter(|name| dir.join(name).exists()) {
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
    let keys = keys(dir);
    fs::write(dir.join(KEYS), format!("{key}\n")).unwrap();
    sign_again(dir, &keys, &signer);
}

pub fn keys(dir: &Path) -> Vec<VerifierKey> {
    read(dir, KEYS).lines().map(|line| line.parse().unwrap()).collect()
}

/// Lists everything anew, and signs that.
pub fn sign_again(dir: &Path, keys: &[VerifierKey], signer: &FileSigner) {
    list_again(dir);
    let note = PackageNote::open(read(dir, NOTE).as_bytes(), keys).unwrap();
    let note = PackageNote { files: digest_of(&read(dir, FILES)), ..note };
    fs::write(dir.join(NOTE), note.sign(signer).unwrap()).unwrap();
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

/// Of these the one thing that the station's signature cannot cover is touched: BagIt's own lists, which say nothing more than
/// those that it covers, and the second signature.
const UNSIGNED: [&str; 3] =
    ["the second signature of another package", "the second signature removed", "the SHA-512 tag manifest removed"];

/// These change nothing that a list names.
const BESIDE: [&str; 3] = ["a clip added", "a clip that is a link", "a file beside the lists"];

/// What `import-check` says of what is told oftenest.
const SIGNED: &str = "is not the list that was signed";
const MANIFEST_SAYS: &str = "has other bytes than manifest-sha256.txt says";
const TAGS_SAY: &str = "has other bytes than tagmanifest-sha256.txt says";
const NOT_LISTED: &str = "was added, or its line removed";
const NOT_IN_LOG: &str = "does not stand in the log: its bytes or its proof were changed";
const HEAD_REFUSED: &str = "the checkpoint's signature is refused";

/// What is done; which tools must refuse it each by itself, [`ByHand`] and [`GoPackage`] beside them; and, apart from these,
/// what `import-check` says of it.
const TABLE: &[(&str, Tamper, &[Tool], &str)] = &[
    ("a byte of a clip flipped", |d| flip(&clip(d, 0), 1000), &[Bagit, Sha256sum, B3sum], MANIFEST_SAYS),
    (
        "a clip cut short",
        |d| fs::File::options().write(true).open(clip(d, 0)).unwrap().set_len(1000).unwrap(),
        &[Bagit, Sha256sum, B3sum],
        MANIFEST_SAYS,
    ),
    (
        "a clip removed",
        |d| fs::remove_file(clip(d, 0)).unwrap(),
        &[Bagit, Sha256sum, B3sum],
        "is missing; manifest-sha256.txt lists it",
    ),
    (
        "a clip removed and listed anew",
        |d| {
            fs::remove_file(clip(d, 0)).unwrap();
            list_again(d);
        },
        &[],
        "has a record and no file",
    ),
    ("two clips swapped", |d| swap(d, &clip(d, 0), &clip(d, 1)), &[Bagit, Sha256sum, B3sum], MANIFEST_SAYS),
    (
        "two clips swapped and listed anew",
        |d| {
            swap(d, &clip(d, 0), &clip(d, 1));
            list_again(d);
        },
        &[],
        SIGNED,
    ),
    ("a clip added", |d| fs::write(d.join("data/clips/004.mp4"), "x").unwrap(), &[Bagit], NOT_LISTED),
    (
        "a clip added and listed",
        |d| {
            fs::write(d.join("data/clips/004.mp4"), "x").unwrap();
            list_again(d);
        },
        &[],
        "is none of the clips of which there are records",
    ),
    (
        "a clip edited, manifests re-hashed",
        |d| {
            flip(&clip(d, 0), 1000);
            list_again(d);
        },
        &[],
        "is none of the clips of which there are records",
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
        "is not what the log says was sealed",
    ),
    (
        "a clip that is a link",
        |d| {
            let file = clip(d, 0);
            fs::rename(&file, d.parent().unwrap().join("elsewhere.mp4")).unwrap();
            symlink(d.parent().unwrap().join("elsewhere.mp4"), file).unwrap();
        },
        &[],
        "is neither a file nor a folder",
    ),
    ("a record edited", |d| edit(d, RECORDS, "东关街28号", "西关街28号"), &[Bagit, Sha256sum, B3sum], MANIFEST_SAYS),
    (
        "a record edited and listed anew",
        |d| {
            edit(d, RECORDS, "东关街28号", "西关街28号");
            list_again(d);
        },
        &[],
        SIGNED,
    ),
    (
        "an event edited",
        |d| edit(d, &event(first(d, "clip.sealed")), "\"recorder\":\"", "\"recorder\":\"X"),
        &[Bagit, Sha256sum, GoProof],
        NOT_IN_LOG,
    ),
    (
        "an event edited and listed anew",
        |d| {
            edit(d, &event(first(d, "clip.sealed")), "\"recorder\":\"", "\"recorder\":\"X");
            list_again(d);
        },
        &[GoProof, AicsProof],
        NOT_IN_LOG,
    ),
    (
        "an event dropped",
        |d| remove_event(d, first(d, "clip.annotated")),
        &[Bagit, Sha256sum],
        "is missing; tagmanifest-sha256.txt lists it",
    ),
    (
        "an event dropped and listed anew",
        |d| {
            remove_event(d, first(d, "clip.annotated"));
            list_again(d);
        },
        &[],
        SIGNED,
    ),
    (
        "two events in each other's place",
        |d| {
            let all = events(d);
            swap(d, &d.join(event(all[1])), &d.join(event(all[2])));
            list_again(d);
        },
        &[GoProof],
        NOT_IN_LOG,
    ),
    (
        "the tail of the events cut off",
        |d| {
            events(d).into_iter().rev().take(3).for_each(|seq| remove_event(d, seq));
            list_again(d);
        },
        &[],
        SIGNED,
    ),
    (
        "an event of our own making added",
        |d| {
            let sealed = first(d, "clip.sealed");
            fs::write(d.join(event(3)), read(d, &event(sealed))).unwrap();
            fs::write(d.join(proof(3)), read(d, &proof(sealed))).unwrap();
            list_again(d);
        },
        &[],
        "the proof of event 3 is of number",
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
        &[GoProof, AicsProof],
        NOT_IN_LOG,
    ),
    (
        "a proof's index moved",
        |d| {
            let seq = first(d, "clip.sealed");
            edit(d, &proof(seq), &format!("index {seq}"), &format!("index {}", seq + 1));
            list_again(d);
        },
        &[GoProof, AicsProof],
        "is of number",
    ),
    (
        "the checkpoint's root changed",
        |d| {
            let root = read(d, CHECKPOINT).lines().nth(2).unwrap().to_owned();
            edit(d, CHECKPOINT, &root, &format!("{}=", "A".repeat(43)));
            list_again(d);
        },
        &[GoNote, AicsNote],
        HEAD_REFUSED,
    ),
    (
        "the checkpoint's size changed",
        |d| {
            let size = read(d, CHECKPOINT).lines().nth(1).unwrap().to_owned();
            edit(d, CHECKPOINT, &format!("\n{size}\n"), &format!("\n{size}0\n"));
            list_again(d);
        },
        &[GoNote, AicsNote],
        HEAD_REFUSED,
    ),
    (
        "the checkpoint's signature taken off",
        |d| {
            let text = read(d, CHECKPOINT);
            fs::write(d.join(CHECKPOINT), text.split("\n\n").next().unwrap()).unwrap();
            list_again(d);
        },
        &[GoNote, AicsNote],
        HEAD_REFUSED,
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
        SIGNED,
    ),
    (
        "an older checkpoint, validly signed, put back",
        |d| {
            fs::write(d.join(CHECKPOINT), &made().older_checkpoint).unwrap();
            list_again(d);
        },
        &[GoAnchor],
        "leads to another checkpoint",
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
        &[GoProof, AicsProof, GoAnchor],
        NOT_IN_LOG,
    ),
    (
        "the key swapped",
        |d| {
            let other = VerifierKey::of(&FileSigner::from_seed("evidock/test-01", [5; 32]).unwrap()).unwrap();
            fs::write(d.join(KEYS), format!("{other}\n")).unwrap();
            list_again(d);
        },
        &[GoNote, AicsNote],
        SIGNED,
    ),
    ("signed anew with another key", sign_with_another_key, &[GoNote], "the package's signature is refused"),
    (
        "the signature's count of clips changed",
        |d| edit(d, NOTE, "clips 3 ", "clips 4 "),
        &[Bagit, Sha256sum],
        "the package's signature is refused",
    ),
    (
        "the signature removed",
        |d| fs::remove_file(d.join(NOTE)).unwrap(),
        &[Bagit, Sha256sum],
        "there is no custody/package.note",
    ),
    ("the signed list removed", |d| fs::remove_file(d.join(FILES)).unwrap(), &[Bagit, Sha256sum], SIGNED),
    (
        "an opened value changed",
        |d| {
            edit(d, OPENED, "东关街28号", "西关街28号");
            list_again(d);
        },
        &[],
        "is not what event",
    ),
    (
        "the reason of the request changed",
        |d| {
            edit(d, FACTS, REASON, "例行检查");
            list_again(d);
        },
        &[],
        "reason, basis or recipient are not those that event",
    ),
    (
        "who asked changed",
        |d| {
            edit(d, FACTS, "\"asked_by\": \"os:", "\"asked_by\": \"os:9");
            list_again(d);
        },
        &[],
        "as its request, which is none of this package",
    ),
    (
        "a withheld event's hash changed",
        |d| {
            let leaf = json(&d.join(WITHHELD))[0]["leaf"].as_str().unwrap().to_owned();
            edit(d, WITHHELD, &leaf, &"ab".repeat(32));
            list_again(d);
        },
        &[],
        NOT_IN_LOG,
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
        SIGNED,
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
        SIGNED,
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
        "is of something else",
    ),
    (
        "the way from the stamped head changed",
        |d| {
            let (data, _) = stamped(d);
            fs::write(data.with_extension("consistency"), format!("{}\n", "ab".repeat(32))).unwrap();
            list_again(d);
        },
        &[],
        "is not the beginning of this log",
    ),
    (
        "the catalogue rewritten",
        |d| {
            edit(d, CATALOGUE, "现场检查过程", "现场笔录");
            list_again(d);
        },
        &[],
        SIGNED,
    ),
    (
        "the second signature of another package",
        |d| {
            let path = d.join("custody/package.sm2");
            let mut bytes = fs::read(&path).unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            fs::write(&path, bytes).unwrap();
            list_again(d);
        },
        &[OpensslSm2],
        "or no SM2 signature over",
    ),
    (
        "the second signature removed",
        |d| {
            fs::remove_file(d.join("custody/package.sm2")).unwrap();
            list_again(d);
        },
        &[],
        "or no SM2 signature over",
    ),
    (
        "a printed document changed",
        |d| {
            let path = d.join("2-CATALOGUE.pdf");
            let mut bytes = fs::read(&path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(&path, bytes).unwrap();
            list_again(d);
        },
        &[],
        SIGNED,
    ),
    ("the note rewritten", |d| edit(d, README, BASIS, "口头"), &[Bagit, Sha256sum], TAGS_SAY),
    (
        "the checking page made to say yes",
        |d| edit(d, CHECKER, "good &&= result", "result === words.same; (result"),
        &[Bagit, Sha256sum],
        TAGS_SAY,
    ),
    (
        "a line of the manifest removed",
        |d| {
            let text = read(d, MANIFEST);
            fs::write(d.join(MANIFEST), text.lines().skip(1).map(|l| format!("{l}\n")).collect::<String>()).unwrap();
        },
        &[Bagit, Sha256sum],
        NOT_LISTED,
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
        NOT_LISTED,
    ),
    (
        "the list of BLAKE3 wrong",
        |d| {
            let text = read(d, "blake3sums.txt");
            let first = text[..64].to_owned();
            edit(d, "blake3sums.txt", &first, &"0".repeat(64));
        },
        &[B3sum, Bagit, Sha256sum],
        "has other bytes than blake3sums.txt says",
    ),
    (
        "a line of the SHA-512 manifest changed",
        |d| {
            let text = read(d, MANIFEST_512);
            edit(d, MANIFEST_512, &text[..128], &"0".repeat(128));
        },
        &[Bagit, Sha256sum],
        "has other bytes than manifest-sha512.txt says",
    ),
    (
        "the SHA-512 manifest removed and the rest listed anew",
        |d| {
            list_again(d);
            fs::remove_file(d.join(MANIFEST_512)).unwrap();
        },
        &[],
        "manifest-sha512.txt cannot be read",
    ),
    (
        "the SHA-512 tag manifest removed",
        |d| fs::remove_file(d.join(TAG_MANIFEST_512)).unwrap(),
        &[],
        "tagmanifest-sha512.txt cannot be read",
    ),
    (
        "the checking script made to say yes and listed anew",
        |d| {
            edit(d, CHECK_SH, "exit 1", "exit 0");
            list_again(d);
        },
        &[],
        SIGNED,
    ),
    ("a file beside the lists", |d| fs::write(d.join("custody/more.txt"), "x").unwrap(), &[], NOT_LISTED),
    (
        "a manifest that leads outside",
        |d| {
            let text = read(d, MANIFEST);
            fs::write(d.join(MANIFEST), format!("{text}{}  ../../../../etc/hostname\n", "0".repeat(64))).unwrap();
        },
        &[Bagit, Sha256sum],
        TAGS_SAY,
    ),
    ("no bag any more", |d| edit(d, "bagit.txt", "1.0", "7.7"), &[Bagit, Sha256sum], "does not declare BagIt 1.0"),
    (
        "a clip under another name",
        |d| fs::rename(clip(d, 0), d.join("data/clips/000.mp4")).unwrap(),
        &[Bagit, Sha256sum, B3sum],
        "is missing; manifest-sha256.txt lists it",
    ),
    (
        "the records removed",
        |d| fs::remove_file(d.join(RECORDS)).unwrap(),
        &[Bagit, Sha256sum, B3sum],
        "is missing; manifest-sha256.txt lists it",
    ),
    (
        "two proofs in each other's place, and listed anew",
        |d| {
            let sealed = first(d, "clip.sealed");
            let other = *events(d).iter().find(|seq| **seq > sealed).unwrap();
            swap(d, &d.join(proof(sealed)), &d.join(proof(other)));
            list_again(d);
        },
        &[GoProof, AicsProof],
        "is of number",
    ),
    (
        "a proof under a head that nobody signed, and listed anew",
        |d| {
            let name = proof(first(d, "clip.sealed"));
            let root = read(d, CHECKPOINT).lines().nth(2).unwrap().to_owned();
            edit(d, &name, &root, &format!("{}=", "A".repeat(43)));
            list_again(d);
        },
        &[GoProof],
        "leads to another checkpoint",
    ),
    (
        "a step of a proof left out, and listed anew",
        |d| {
            let name = proof(first(d, "clip.sealed"));
            let line = read(d, &name).lines().nth(3).unwrap().to_owned();
            edit(d, &name, &format!("{line}\n"), "");
            list_again(d);
        },
        &[GoProof, AicsProof],
        NOT_IN_LOG,
    ),
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

/// Whether Go finds that the package's head goes on from the one that somebody kept.
pub fn goes_on(dir: &Path, way: &[String]) -> bool {
    let (anchor, (size, root)) = (&made().anchor, head_of(&read(dir, CHECKPOINT)));
    let heads = [format!("{}:{}", anchor.0, anchor.1), format!("{size}:{root}")];
    oracle(["consistency".to_owned()].into_iter().chain(heads).chain(way.iter().cloned())).is_ok()
}

/// Signature, signed list, what it lists: each step by a program that is not ours, and each as docs/custody.md has it.
fn by_hand(dir: &Path) -> bool {
    let note = dir.join(NOTE);
    let opens = note.exists() && oracle([Path::new("opens"), &made().trust, &note]).is_ok();
    let sum = |name: &str| run(Path::new("sha256sum"), &[name], dir).1.split_whitespace().next().map(str::to_owned);
    let check = |name: &str| run(Path::new("sha256sum"), &["--strict", "--quiet", "-c", name], dir).0;
    let text = fs::read_to_string(&note).unwrap_or_default();
    let signed = text.lines().find_map(|line| line.strip_prefix("files ")).map(str::to_owned);
    opens && signed.is_some() && sum(FILES) == signed && check(FILES) && check(MANIFEST)
}

pub fn refuses(tool: Tool, dir: &Path) -> bool {
    let made = made();
    match tool {
        Bagit => !bagit(dir).0,
        Sha256sum => !sha256sum(dir).0,
        B3sum => !b3sum(dir).0,
        GoNote => oracle([Path::new("note"), &dir.join(KEYS), &dir.join(CHECKPOINT)]).is_err(),
        GoProof => events(dir).into_iter().any(|seq| {
            oracle([Path::new("proof"), &made.trust, &dir.join(event(seq)), &dir.join(proof(seq))]).is_err()
        }),
        GoPackage => oracle([Path::new("package"), &made.trust, dir]).is_err(),
        ByHand => !by_hand(dir),
        Openssl => {
            let (data, reply) = stamped(dir);
            !is_true(&made.tsa, &data, &reply)
        }
        OpensslSm2 => {
            let id = "distid:1234567812345678";
            let args = ["dgst", "-sm3", "-verify", "custody/sm2-key.pem", "-sigopt", id, "-signature"];
            let args: Vec<&str> = args.into_iter().chain(["custody/package.sm2", "custody/package.note"]).collect();
            !run(Path::new("openssl"), &args, dir).0
        }
        GoAnchor => !goes_on(dir, &made.way),
        AicsNote => !aics::takes_note(dir, &dir.join(CHECKPOINT)),
        AicsProof => {
            let (size, root) = head_of(&read(dir, CHECKPOINT));
            let sealed = |seq: &u64| json(&dir.join(event(*seq)))["kind"] == "clip.sealed";
            events(dir).into_iter().filter(sealed).any(|seq| {
                let told: TlogProof = read(dir, &proof(seq)).parse().unwrap();
                !aics::takes_event(&dir.join(event(seq)), told.index, (size, &root), &told.path)
            })
        }
    }
}

#[test]
fn each_tampering_is_refused_by_whoever_can_see_it() {
    let made = made();
    // None of these tools refuses what nobody touched.
    for tool in Tool::ALL {
        assert!(!refuses(tool, &made.dir), "{tool:?}");
    }
    assert_eq!(import_check(&made.dir, Some(&made.trust)).0, 0);
    let (mut by_one, mut by_others, mut by_proof, mut used) =
        (BTreeSet::new(), BTreeSet::new(), BTreeSet::new(), Vec::new());
    for (name, tamper, others, said) in TABLE {
        let work = tempfile::Builder::new().prefix("evidock-tampered-").tempdir().unwrap();
        let dir = work.path().join("package");
        copy(&made.dir, &dir);
        tamper(&dir);
        let signed = !UNSIGNED.contains(name);
        // What stands beside the lists no list knows of, and a link leads `sha256sum` to the same bytes.
        let listed = signed && !BESIDE.contains(name);
        let signed = [signed.then_some(GoPackage), listed.then_some(ByHand)].into_iter().flatten();
        let others: Vec<Tool> = others.iter().copied().chain(signed).collect();
        for tool in &others {
            assert!(refuses(*tool, &dir), "{name}: {tool:?} takes it");
        }
        let not_ours = || others.iter().filter(|tool| !tool.is_ours());
        if not_ours().next().is_some() {
            by_others.insert(*name);
        }
        if not_ours().any(|tool| *tool != ByHand) {
            by_one.insert(*name);
        }
        if not_ours().any(|tool| tool.is_cryptographic()) {
            by_proof.insert(*name);
        }
        used.extend(others);
        // Beside them, and not counted: ours.
        let (code, report) = import_check(&dir, Some(&made.trust));
        assert_eq!((code, &report["whole"]), (4, &false.into()), "{name}: {report}");
        assert!(report["problem_count"].as_u64() > Some(0) && report["origin_shown"] == false, "{name}: {report}");
        assert!(report["problems"].to_string().contains(said), "{name}: {report}");
    }
    // Kinds have a name each; at least thirty of them, whichever way they are counted: by a program that is not ours alone, by
    // such programs one after the other, and by a signature or a proof that these read. Our own readers count nowhere.
    let names: BTreeSet<&str> = TABLE.iter().map(|(name, ..)| *name).collect();
    assert_eq!(names.len(), TABLE.len());
    let counts = [by_one.len(), by_others.len(), by_proof.len()];
    assert!(counts.iter().all(|n| *n >= 30), "{counts:?}");
    for tool in Tool::ALL {
        assert!(used.contains(&tool), "{tool:?} refuses nothing");
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
