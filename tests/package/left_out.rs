//! That nothing can be left out of a package: not by whoever writes one and asks the daemon to sign it, nor by whoever has the
//! station's own key, as long as the log stays what it is.

use evidock::custody::key::FileSigner;
use evidock::custody::package::{FACTS, OPENED, RECORDS, WITHHELD, event, proof};

use super::signed::{Lists, problems, sign_again};
use super::tampering::copy;
use super::*;

/// A case of two clips: of the first a place was said and then another one, the second is another case's, too.
fn corrected() -> (Station, PathBuf) {
    let mut station = Station::running("");
    take_in(&mut station, &[20_000, 30_000]);
    let clips: Vec<String> = (0..2).map(|n| station.clip(format!("0912{n:02}.mp4"))).collect();
    for clip in &clips {
        station.json(["link", clip, CASE]);
    }
    station.json(["link", &clips[1], OTHER]);
    station.json(["annotate", &clips[0], "place=东关街28号"]);
    station.json(["annotate", &clips[0], "place=西关街28号"]);
    station.json(["hold", "--case", CASE, "--reason", "行政复议"]);
    let dir = station.path("made");
    export(&station, &dir);
    (station, dir)
}

/// Numbers of the events in clear of a kind, of a clip or of any.
fn of_kind(dir: &Path, kind: &str, clip: Option<&str>) -> Vec<u64> {
    let is = |seq: &u64| {
        let event = json(&dir.join(event(*seq)));
        event["kind"] == kind && clip.is_none_or(|clip| event["clip"] == clip)
    };
    events(dir).into_iter().filter(is).collect()
}

/// The number of an event that is withheld.
fn withheld(dir: &Path) -> u64 {
    json(&dir.join(WITHHELD))[0]["seq"].as_u64().unwrap()
}

/// Each of the two clips under the other one's name.
fn swap_clips(dir: &Path) {
    let mut files = files_below(&dir.join("data/clips"));
    files.sort();
    let [one, other] = &files[..] else { panic!("{files:?}") };
    let aside = dir.join("aside");
    for (from, to) in [(one, &aside), (other, one), (&aside, other)] {
        fs::rename(from, to).unwrap();
    }
}

/// The same lists without these files.
fn without(lists: &Lists, names: &[String]) -> Lists {
    let kept = lists.files.lines().filter(|line| !names.iter().any(|name| line.ends_with(name)));
    Lists { files: kept.map(|line| format!("{line}\n")).collect(), ..lists.with(&lists.manifest, &lists.facts) }
}

/// The same lists with another digest of a file.
fn other(lists: &Lists, name: &str) -> Lists {
    let line = |line: &str| match line.ends_with(name) {
        true => format!("{}  {name}\n", "5a".repeat(32)),
        false => format!("{line}\n"),
    };
    Lists { files: lists.files.lines().map(line).collect(), ..lists.with(&lists.manifest, &lists.facts) }
}

#[test]
fn the_daemon_signs_nothing_of_which_something_was_left_out() {
    let (station, dir) = corrected();
    let clips: Vec<String> = (0..2).map(|n| station.clip(format!("0912{n:02}.mp4"))).collect();
    let whole = Lists::of(&dir);
    assert!(whole.sign(&station)["done"]["note"].is_string());
    let said = *of_kind(&dir, "clip.annotated", Some(&clips[0])).last().unwrap();
    let held = of_kind(&dir, "clip.hold", None)[0];
    let hidden = withheld(&dir);
    for (what, lists, told) in [
        ("the newest place", without(&whole, &[event(said), proof(said)]), "were left out"),
        ("the same, as if it were another case's", without(&whole, &[event(said)]), "were left out"),
        ("a hold", without(&whole, &[event(held), proof(held)]), "were left out"),
        ("that another case has it, too", without(&whole, &[proof(hidden)]), "events of other cases"),
        ("what is withheld", other(&whole, WITHHELD), "custody/withheld.json tells"),
        ("what is opened", other(&whole, OPENED), "custody/opened.json tells"),
        ("the proof of an event", without(&whole, &[proof(said)]), "has no proof"),
        (
            "how many are isolated",
            whole.with(&whole.manifest, &whole.facts.replace("\"isolated\": 0", "\"isolated\": 1")),
            "that are isolated",
        ),
    ] {
        let words = lists.refused(&station);
        assert!(words.contains(told), "{what}: {words}");
    }
    // A number of the case that it has not, and a time at which nobody asked.
    let facts: Value = serde_json::from_str(&whole.facts).unwrap();
    let with = |key: &str, value: Value| {
        let mut facts = facts.clone();
        facts[key] = value;
        whole.with(&whole.manifest, &serde_json::to_string_pretty(&facts).unwrap())
    };
    for (key, value, told) in [
        ("aliases", serde_json::json!(["赵卫罚〔2026〕13号"]), "names another case"),
        ("asked_at", "2026-06-19T09:12:00+08:00".into(), "was not asked for at"),
        ("agency", "别的机关".into(), "other things of itself"),
        ("disc", serde_json::json!({ "n": 1, "of": 2 }), "nobody asked for this package"),
    ] {
        let words = with(key, value).refused(&station);
        assert!(words.contains(told), "{key}: {words}");
    }

    // A clip with everything that tells of it.
    let of_second: Vec<String> = events(&dir)
        .into_iter()
        .filter(|seq| json(&dir.join(event(*seq)))["clip"] == clips[1].as_str())
        .flat_map(|seq| [event(seq), proof(seq)])
        .collect();
    let manifest: String =
        whole.manifest.lines().filter(|line| !line.contains("data/clips/002")).map(|l| format!("{l}\n")).collect();
    let mut fewer = facts;
    (fewer["clips"], fewer["bytes"]) = (1.into(), 20_000.into());
    let fewer = without(&whole, &of_second).with(&manifest, &serde_json::to_string_pretty(&fewer).unwrap());
    let words = fewer.refused(&station);
    assert!(words.contains("clips 1 to 1 of the 2 that were asked for"), "{words}");
}

#[test]
fn whoever_has_the_station_s_key_leaves_nothing_out_either() {
    let (station, made) = corrected();
    let signer = FileSigner::open_or_create(&station.path("state/log.key"), "evidock/test-01").unwrap();
    let trust = station.path("state/log.key.pub");
    let remove = |dir: &Path, seq: u64| {
        for name in [event(seq), proof(seq)] {
            fs::remove_file(dir.join(name)).unwrap();
        }
    };
    // Values of an event that is gone are dropped with it, or they would show it.
    let close = |dir: &Path, seq: u64| {
        let mut opened = json(&dir.join(OPENED));
        opened.as_array_mut().unwrap().retain(|value| value["seq"] != seq);
        fs::write(dir.join(OPENED), serde_json::to_vec_pretty(&opened).unwrap()).unwrap();
    };
    type Change<'a> = Box<dyn Fn(&Path) + 'a>;
    let table: [(&str, Change<'_>, Option<&str>); 9] = [
        ("nothing", Box::new(|_: &Path| {}), None),
        (
            "the newest place, and the older one told instead",
            Box::new(|dir: &Path| {
                let said = *of_kind(dir, "clip.annotated", None).last().unwrap();
                remove(dir, said);
                close(dir, said);
                for name in [RECORDS, "data/metadata/records.csv", "2-CATALOGUE.html"] {
                    let text = fs::read_to_string(dir.join(name)).unwrap();
                    fs::write(dir.join(name), text.replace("西关街28号", "东关街28号")).unwrap();
                }
            }),
            Some("were left out"),
        ),
        (
            "a hold",
            Box::new(|dir: &Path| {
                let held = of_kind(dir, "clip.hold", None)[0];
                remove(dir, held);
                close(dir, held);
            }),
            Some("were left out"),
        ),
        (
            "that another case has a clip, too",
            Box::new(|dir: &Path| {
                fs::remove_file(dir.join(proof(withheld(dir)))).unwrap();
                fs::write(dir.join(WITHHELD), "[]").unwrap();
            }),
            Some("events of other cases"),
        ),
        (
            "a clip",
            Box::new(|dir: &Path| {
                let seq = *of_kind(dir, "access.export", None).last().unwrap();
                let clip = json(&dir.join(event(seq)))["clip"].as_str().unwrap().to_owned();
                for seq in events(dir).into_iter().filter(|seq| json(&dir.join(event(*seq)))["clip"] == clip.as_str()) {
                    remove(dir, seq);
                    close(dir, seq);
                }
            }),
            Some("clips 1 to 1 of the 2 that were asked for"),
        ),
        ("which file is which clip", Box::new(swap_clips), Some("do not stand in the order of their records")),
        (
            "the same, and the records with them",
            Box::new(|dir: &Path| {
                swap_clips(dir);
                let mut records = json(&dir.join(RECORDS));
                records.as_array_mut().unwrap().swap(0, 1);
                fs::write(dir.join(RECORDS), serde_json::to_vec_pretty(&records).unwrap()).unwrap();
            }),
            Some("not in the order of the clips that it was asked for with"),
        ),
        (
            "how many are isolated",
            Box::new(|dir: &Path| {
                let text = fs::read_to_string(dir.join(FACTS)).unwrap();
                fs::write(dir.join(FACTS), text.replace("\"isolated\": 0", "\"isolated\": 1")).unwrap();
            }),
            Some("that are isolated"),
        ),
        (
            "another number",
            Box::new(|dir: &Path| {
                let mut facts = json(&dir.join(FACTS));
                facts["aliases"] = serde_json::json!(["赵卫罚〔2026〕13号"]);
                fs::write(dir.join(FACTS), serde_json::to_vec_pretty(&facts).unwrap()).unwrap();
            }),
            Some("the numbers of the case"),
        ),
    ];
    for (what, change, told) in table {
        let work = tempfile::tempdir().unwrap();
        let dir = work.path().join("package");
        copy(&made, &dir);
        change(&dir);
        sign_again(&dir, &signer);
        let (code, report) = import_check(&dir, Some(&trust));
        match told {
            None => assert_eq!(code, 0, "{what}: {report}"),
            Some(told) => assert!(code == 4 && problems(&report).contains(told), "{what}: {report}"),
        }
    }
}

#[test]
fn what_a_record_says_of_its_clip_is_what_the_clip_s_events_carry() {
    let (station, made) = corrected();
    let signer = FileSigner::open_or_create(&station.path("state/log.key"), "evidock/test-01").unwrap();
    let trust = station.path("state/log.key.pub");
    for (field, value) in [
        ("device_id", Value::from("36NCC009911")),
        ("ingested_at", "2026-06-19T09:12:00+08:00".into()),
        ("original_filename", "36NCC009910_20260619101200.mp4".into()),
        ("original_path", "DCIM/x.mp4".into()),
        ("sealed_log_index", 3.into()),
        ("supersedes", "019aa2c4-7f00-7abc-8def-0123456789ab".into()),
    ] {
        let work = tempfile::tempdir().unwrap();
        let dir = work.path().join("package");
        copy(&made, &dir);
        let mut records = json(&dir.join(RECORDS));
        assert_ne!(records[0][field], value);
        records[0][field] = value;
        fs::write(dir.join(RECORDS), serde_json::to_vec_pretty(&records).unwrap()).unwrap();
        sign_again(&dir, &signer);
        let (code, report) = import_check(&dir, Some(&trust));
        assert!(
            code == 4 && problems(&report).contains(&format!("says of {field} something else")),
            "{field}: {report}"
        );
    }
}
