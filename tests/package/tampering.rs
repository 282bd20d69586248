//! Tamperings, each refused by the tools that can see it. `evidock import-check` with the station's key sees all of them, and
//! so does a reader of our own in another language over the same form ([`Tool::is_ours`]): neither counts as somebody else's
//! word. The table says which programs that are not ours refuse what by themselves. Tools that compare lists see what somebody
//! forgot to list anew; those with a key or a proof ([`Tool::is_cryptographic`]) see what was listed anew; and both together,
//! as the documents say to do it by hand ([`Tool::ByHand`]), see whatever a signature can cover.

mod table;

use std::collections::BTreeSet;

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
use table::{BESIDE, TABLE, UNSIGNED};

pub fn read(dir: &Path, name: &str) -> String {
    fs::read_to_string(dir.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
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
