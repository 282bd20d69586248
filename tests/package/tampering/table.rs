//! The kinds of tampering: what is done, who must refuse it, and what `import-check` says of it.

use std::os::unix::fs::symlink;

use super::super::support::station::flip;
use super::*;

pub(super) type Tamper = fn(&Path);

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
pub(super) const UNSIGNED: [&str; 3] =
    ["the second signature of another package", "the second signature removed", "the SHA-512 tag manifest removed"];

/// These change nothing that a list names.
pub(super) const BESIDE: [&str; 3] = ["a clip added", "a clip that is a link", "a file beside the lists"];

/// What `import-check` says of what is told oftenest.
const SIGNED: &str = "is not the list that was signed";
const MANIFEST_SAYS: &str = "has other bytes than manifest-sha256.txt says";
const TAGS_SAY: &str = "has other bytes than tagmanifest-sha256.txt says";
const NOT_LISTED: &str = "was added, or its line removed";
const NOT_IN_LOG: &str = "does not stand in the log: its bytes or its proof were changed";
const HEAD_REFUSED: &str = "the checkpoint's signature is refused";

/// What is done; which tools must refuse it each by itself, [`ByHand`] and [`GoPackage`] beside them; and, apart from these,
/// what `import-check` says of it.
pub(super) const TABLE: &[(&str, Tamper, &[Tool], &str)] = &[
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
