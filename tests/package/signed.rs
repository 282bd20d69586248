//! What the daemon signs: a package that was asked for, with its clips as they were sealed, and none of a clip that was
//! isolated meanwhile; a held clip is evidence like any other. And what `import-check` finds that only whoever has the
//! station's own key could have made.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;

use evidock::custody::key::FileSigner;
use evidock::custody::note::{Kind, Note, NoteSignature, VerifierKey};
use evidock::custody::package::check::digest_of;
use evidock::custody::package::{
    CATALOGUE, CHECKPOINT, FACTS, FILES, KEYS, NOTE, PackageNote, README, RECORDS, RECORDS_CSV, TRANSFER,
};
use evidock::domain::digest::to_hex;
use sha2::Digest;

use super::tampering::{copy, list_again};
use super::*;

/// One request through the daemon's socket, as any program with the right to it may make.
fn ask(station: &Station, request: &Value) -> Value {
    let mut socket = UnixStream::connect(station.path("state/evidock.sock")).unwrap();
    socket.write_all(format!("{request}\n").as_bytes()).unwrap();
    let mut line = String::new();
    BufReader::new(socket).read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap()
}

/// The lists of a package, with the request to sign them.
pub struct Lists {
    pub files: String,
    pub manifest: String,
    pub facts: String,
}

impl Lists {
    pub fn of(dir: &Path) -> Self {
        let read = |name: &str| fs::read_to_string(dir.join(name)).unwrap();
        Self {
            files: read("custody/files-sha256.txt"),
            manifest: read("manifest-sha256.txt"),
            facts: read("custody/package.json"),
        }
    }

    /// The same with other texts, listed anew as if they were true.
    pub fn with(&self, manifest: &str, facts: &str) -> Self {
        let digest = |text: &str| to_hex(&sha2::Sha256::digest(text.as_bytes()));
        let files = self
            .files
            .replace(&digest(&self.manifest), &digest(manifest))
            .replace(&digest(&self.facts), &digest(facts));
        Self { files, manifest: manifest.to_owned(), facts: facts.to_owned() }
    }

    pub fn sign(&self, station: &Station) -> Value {
        let facts: Value = serde_json::from_str(&self.facts).unwrap();
        ask(
            station,
            &serde_json::json!({
                "do": "sign_export", "package": facts["package"], "begun_seq": facts["begun_seq"], "clips": facts["clips"],
                "bytes": facts["bytes"], "files": self.files, "manifest": self.manifest, "facts": self.facts,
            }),
        )
    }

    pub fn refused(&self, station: &Station) -> String {
        let answer = self.sign(station);
        answer["refused"]["message"].as_str().unwrap_or_else(|| panic!("it is signed: {answer}")).to_owned()
    }
}

#[test]
fn only_what_was_asked_for_and_sealed_is_signed() {
    let mut station = Station::running("");
    take_in(&mut station, &[20_000, 30_000]);
    let clips: Vec<String> = (0..2).map(|n| station.clip(format!("0912{n:02}.mp4"))).collect();
    for clip in &clips {
        station.json(["link", clip, CASE]);
    }
    let dir = station.path("out");
    export(&station, &dir);
    let true_lists = Lists::of(&dir);
    let signed = true_lists.sign(&station);
    assert!(signed["done"]["note"].as_str().is_some_and(|note| note.contains("evidock/test-01/package/")), "{signed}");

    let sealed = support::station::digests(&station.in_vault(&clips[0]).unwrap()).1;
    let forged = true_lists.with(&true_lists.manifest.replace(&sealed, &"5a".repeat(32)), &true_lists.facts);
    let words = forged.refused(&station);
    assert!(words.contains("not as it was sealed"), "{words}");
    let twice = true_lists.manifest.lines().find(|line| line.contains(&sealed)).unwrap();
    let added = format!("{}{}\n", true_lists.manifest, twice.replace("data/clips/00", "data/clips/10"));
    let words = true_lists.with(&added, &true_lists.facts).refused(&station);
    assert!(words.contains("other things of itself"), "{words}");
    let other = true_lists.with(&true_lists.manifest, &true_lists.facts.replace(REASON, "别的理由"));
    let words = other.refused(&station);
    assert!(words.contains("reason or basis"), "{words}");
    let other = support::station::digests(&station.in_vault(&clips[1]).unwrap()).1;
    let swapped = true_lists.manifest.replace(&sealed, "aside").replace(&other, &sealed).replace("aside", &other);
    assert_ne!(swapped, true_lists.manifest);
    let words = true_lists.with(&swapped, &true_lists.facts).refused(&station);
    assert!(words.contains("do not stand in the order"), "{words}");
    let event = true_lists.files.lines().find(|line| line.contains("custody/events/")).unwrap();
    let (digest, name) = event.split_once("  ").unwrap();
    let files = true_lists.files.replace(event, &format!("{}  {name}", "5a".repeat(32)));
    let words = Lists { files, ..true_lists.with(&true_lists.manifest, &true_lists.facts) }.refused(&station);
    assert!(words.contains("not the one in the log"), "{digest}: {words}");
    let unlisted = Lists { manifest: added, ..true_lists.with(&true_lists.manifest, &true_lists.facts) };
    let words = unlisted.refused(&station);
    assert!(words.contains("than was sent"), "{words}");

    // Nothing of a clip that was isolated meanwhile is signed, however true its lists are.
    station.json(["isolate", &clips[1], "--reason", "疑似涉密"]);
    let words = true_lists.refused(&station);
    assert!(words.contains(clips[1].as_str()) && words.contains("isolated"), "{words}");
}

#[test]
fn a_clip_that_is_isolated_while_its_package_is_made_stops_it() {
    let mut station = Station::running("");
    take_in(&mut station, &[1_000_000, 60_000_001]);
    let clips: Vec<String> = (0..2).map(|n| station.clip(format!("0912{n:02}.mp4"))).collect();
    for clip in &clips {
        station.json(["link", clip, CASE]);
    }
    let dir = station.path("out");
    let second = dir.join("data/clips/002_20260619T091201_36NCC009910.mp4.part");
    super::export::cut(&station, &dir, &second, 8_000_000);
    // The first one is written, whole, and is not read again.
    assert!(dir.join("data/clips/001_20260619T091200_36NCC009910.mp4").exists(), "{:?}", files_below(&dir));
    station.json(["isolate", &clips[0], "--reason", "疑似涉密"]);
    let args = ["export", "--case", CASE, "--to", dir.to_str().unwrap(), "--reason", REASON, "--basis", BASIS];
    let (_, error) = station.refused(4, args);
    assert!(error.contains(&clips[0]) && error.contains("isolated"), "{error}");
    assert!(!dir.exists(), "what was written is removed: {:?}", files_below(&dir));
    // Without it the case can be exported anew.
    let anew = station.path("anew");
    let output = station.evidock([
        "export",
        "--case",
        CASE,
        "--to",
        anew.to_str().unwrap(),
        "--reason",
        REASON,
        "--basis",
        BASIS,
        "--json",
    ]);
    assert_eq!(output.status.code(), Some(6), "{}", text(&output.stderr));
    let (code, report) = import_check(&anew, Some(&station.path("state/log.key.pub")));
    assert_eq!((code, &report["clips"]), (0, &1.into()), "{report}");
}

#[test]
fn a_clip_that_is_held_is_exported_and_says_so() {
    let mut station = Station::running("");
    take_in(&mut station, &[40_000]);
    let clip = station.clip("091200.mp4");
    station.json(["link", &clip, CASE]);
    station.json(["hold", "--case", CASE, "--reason", "行政复议"]);
    let dir = station.path("out");
    let answer = export(&station, &dir);
    assert_eq!(answer["clips"], 1, "{answer}");
    let (code, report) = import_check(&dir, Some(&station.path("state/log.key.pub")));
    assert_eq!((code, &report["clips"]), (0, &1.into()), "{report}");
    let records = json(&dir.join("data/metadata/records.json"));
    assert_eq!((&records[0]["record_id"], &records[0]["legal_hold"]), (&clip.as_str().into(), &true.into()));
    let kinds = events(&dir).into_iter().map(|seq| json(&dir.join(format!("custody/events/{seq:012}.json"))));
    let held = kinds.filter(|event| event["kind"] == "clip.hold").count();
    assert!(held > 0, "its custody tells of the hold");
    assert_eq!(station.record(&clip)["legal_hold"], true, "and it is held as before");
}

/// Replaces a text in files of a package, each of which has it.
fn edit(dir: &Path, names: &[&str], from: &str, to: &str) {
    for name in names {
        let text = fs::read_to_string(dir.join(name)).unwrap();
        assert!(text.contains(from), "{name} has no {from}");
        fs::write(dir.join(name), text.replace(from, to)).unwrap();
    }
}

/// Lists everything anew and signs it with this key, as whoever has root on the station can.
pub fn sign_again(dir: &Path, signer: &FileSigner) {
    let read = |name: &str| fs::read_to_string(dir.join(name)).unwrap();
    let keys: Vec<VerifierKey> = read(KEYS).lines().map(|line| line.parse().unwrap()).collect();
    list_again(dir);
    let note = PackageNote::open(read(NOTE).as_bytes(), &keys).unwrap();
    let note = PackageNote { files: digest_of(&read(FILES)), ..note };
    fs::write(dir.join(NOTE), note.sign(signer).unwrap()).unwrap();
    list_again(dir);
}

pub fn problems(report: &Value) -> String {
    report["problems"].to_string()
}

#[test]
fn words_that_no_event_commits_to_are_refused_under_the_station_s_own_key() {
    let mut station = Station::running("");
    take_in(&mut station, &[20_000]);
    let clip = station.clip("091200.mp4");
    station.json(["link", &clip, CASE, "--proves", "现场检查过程"]);
    station.json(["annotate", &clip, "place=东关街28号", "officer=张三"]);
    let made = station.path("made");
    export(&station, &made);
    let signer = FileSigner::open_or_create(&station.path("state/log.key"), "evidock/test-01").unwrap();
    let trust = station.path("state/log.key.pub");
    let all = [RECORDS, RECORDS_CSV, CATALOGUE];
    type Line<'a> = (&'a str, &'a [&'a str], &'a str, &'a str, Option<&'a str>);
    let table: [Line<'_>; 11] = [
        ("nothing", &[], "", "", None),
        ("the place, everywhere", &all, "东关街28号", "西关街28号", Some("says of place")),
        ("the officer, everywhere", &all, "张三", "李四", Some("says of officer")),
        ("what it proves, everywhere", &all, "现场检查过程", "现场笔录", Some("says of proves")),
        ("why it was asked for", &[FACTS], REASON, "别的理由", Some("reason, basis or recipient")),
        ("on what basis", &[FACTS], BASIS, "别的依据", Some("reason, basis or recipient")),
        ("the catalogue alone", &[CATALOGUE], "东关街28号", "西关街28号", Some("2-CATALOGUE.html says other things")),
        ("the case on a page", &[README], CASE, OTHER, Some("1-README.html says other things of the package")),
        ("for whom, on a page", &[TRANSFER], "县人民法院", "某公司", Some("3-TRANSFER.html says other things")),
        (
            "the number of a clip",
            &[CATALOGUE],
            "rowspan=\"2\">1<",
            "rowspan=\"2\">2<",
            Some("does not list it as number 1"),
        ),
        ("the table alone", &[RECORDS_CSV], "现场检查过程", "现场笔录", Some("records.csv says other things")),
    ];
    for (what, names, from, to, told) in table {
        let work = tempfile::tempdir().unwrap();
        let dir = work.path().join("package");
        copy(&made, &dir);
        edit(&dir, names, from, to);
        sign_again(&dir, &signer);
        let (code, report) = import_check(&dir, Some(&trust));
        match told {
            None => assert_eq!(code, 0, "{what}: {report}"),
            Some(told) => assert!(code == 4 && problems(&report).contains(told), "{what}: {report}"),
        }
        assert!(bagit(&dir).0, "{what}: no other tool can tell");
    }
}

#[test]
fn a_key_signs_nothing_beyond_the_event_of_its_end() {
    let mut station = Station::running("");
    take_in(&mut station, &[20_000]);
    station.json(["link", &station.clip("091200.mp4"), CASE]);
    let old = FileSigner::open_or_create(&station.path("state/log.key"), "evidock/test-01").unwrap();
    station.stop();
    station.json(["log", "rotate-key", "--reason", "换人"]);
    station.start();
    let dir = station.path("out");
    export(&station, &dir);
    let (code, report) = import_check(&dir, None);
    assert_eq!(code, 0, "{report}");
    sign_again(&dir, &old);
    let (code, report) = import_check(&dir, None);
    assert!(code == 4 && problems(&report).contains("whose use had ended"), "{report}");
    // Nor a tree head, of which every proof holds the text.
    let (new, text) = (
        FileSigner::open_or_create(&station.path("state/log.key"), "evidock/test-01").unwrap(),
        fs::read_to_string(dir.join(CHECKPOINT)).unwrap(),
    );
    let mut note = Note::new(Note::parse(text.as_bytes()).unwrap().text().to_owned()).unwrap();
    note.sign(&old).unwrap();
    replace_checkpoint(&dir, &text, &note.to_string());
    sign_again(&dir, &new);
    let (code, report) = import_check(&dir, None);
    assert!(code == 4 && problems(&report).contains("no key that was in use then"), "{report}");
}

fn replace_checkpoint(dir: &Path, old: &str, new: &str) {
    fs::write(dir.join(CHECKPOINT), new).unwrap();
    for proof in files_below(&dir.join("custody/proofs")) {
        let text = fs::read_to_string(&proof).unwrap();
        assert!(text.contains(old));
        fs::write(proof, text.replace(old, new)).unwrap();
    }
}

#[test]
fn a_witness_whose_key_is_given_is_compared() {
    let mut station = Station::running("");
    take_in(&mut station, &[20_000]);
    station.json(["link", &station.clip("091200.mp4"), CASE]);
    let made = station.path("made");
    export(&station, &made);
    let ours = FileSigner::open_or_create(&station.path("state/log.key"), "evidock/test-01").unwrap();
    let witness = FileSigner::from_seed("evidock/witness-1", [9; 32]).unwrap();
    let key = VerifierKey::of(&witness).unwrap();
    fs::write(station.path("witness.pub"), format!("{key}\n")).unwrap();
    let check = |dir: &Path| {
        let args = ["import-check", dir.to_str().unwrap(), "--witness", "witness.pub", "--json"];
        let output = station.evidock(args);
        (output.status.code().unwrap(), serde_json::from_slice::<Value>(&output.stdout).unwrap())
    };
    let (code, report) = check(&made);
    assert_eq!((code, &report["witnessed"]), (0, &serde_json::json!([])), "{report}");
    assert!(report["notices"].to_string().contains("none of the witnesses"), "{report}");

    let text = fs::read_to_string(made.join(CHECKPOINT)).unwrap();
    let cosigned = |note: &mut Note| note.cosign(&witness, 1_781_834_604).unwrap();
    let forged = |note: &mut Note| {
        let id = key.for_kind(Kind::Cosignature).id();
        note.add(NoteSignature { name: "evidock/witness-1".into(), id, bytes: vec![7; 72] });
    };
    for (sign, good) in [(&cosigned as &dyn Fn(&mut Note), true), (&forged as &dyn Fn(&mut Note), false)] {
        let work = tempfile::tempdir().unwrap();
        let dir = work.path().join("package");
        copy(&made, &dir);
        let mut note = Note::parse(text.as_bytes()).unwrap();
        sign(&mut note);
        replace_checkpoint(&dir, &text, &note.to_string());
        sign_again(&dir, &ours);
        let (code, report) = check(&dir);
        if good {
            assert_eq!((code, report["witnessed"].as_array().unwrap().len()), (0, 1), "{report}");
            assert!(report["witnessed"][0].as_str().unwrap().contains("evidock/witness-1"), "{report}");
        } else {
            assert!(code == 4 && problems(&report).contains("a witness's signature"), "{report}");
        }
        // Without its key it is only named.
        let (code, report) = import_check(&dir, None);
        assert_eq!((code, report["cosigners"].as_array().unwrap().len()), (0, 1), "{report}");
    }
}
