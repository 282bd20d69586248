//! Tables for the shipped profiles, and complaints about profiles as people will read them.

use super::*;
use crate::domain::recorder::SourcePath;
use crate::source::binding::Bound;
use proptest::prelude::*;
use std::sync::LazyLock;

fn profiles() -> &'static Profiles {
    static PROFILES: LazyLock<Profiles> = LazyLock::new(|| Profiles::embedded().unwrap());
    &PROFILES
}

fn entry(path: impl Into<Vec<u8>>) -> ShelfEntry {
    let modified_ms = Some(1_781_834_604_000); // 2026-06-19T10:03:24+08:00
    ShelfEntry { path: SourcePath::new(path), size_bytes: 1, modified_raw: "1781834604.000000000".into(), modified_ms }
}

fn listing(paths: &[&str]) -> Listing {
    Listing { files: paths.iter().map(|p| entry(*p)).collect(), unreadable: vec![] }
}

fn identity(label: &str) -> ShelfIdentity {
    ShelfIdentity { bay: "bay-1".into(), volume_label: Some(label.into()), kind: "folder", ..Default::default() }
}

/// Role, capture time, officer, device, marked, continues.
type Row<'a> = (Role, Option<&'a str>, Option<&'a str>, Option<&'a str>, bool, bool);

#[test]
fn names_are_read_as_each_shipped_profile_has_them() {
    use Role::*;
    let day = "DCIM/VIDEO/2026-06-19";
    let at = Some("2026-06-19T10:03:24+08:00");
    let dsj = Some("36NCC009910");
    let table: Vec<(&str, String, Row)> = vec![
        (
            "dsj",
            format!("{day}/DSJ_36NCC009910_110203_20260619_100324.mp4"),
            (Clip, at, Some("110203"), dsj, false, false),
        ),
        (
            "dsj",
            format!("{day}/DSJ_36NCC009910_000000_20260619_100324_SOS_enc.mp4"),
            (Clip, at, None, dsj, true, false),
        ),
        (
            "dsj",
            format!("{day}/dcam_36NCC009910_110203_20260619_100324_IMP.MP4"),
            (Clip, at, Some("110203"), dsj, true, false),
        ),
        (
            "dsj",
            format!("{day}/DSJ_36NCC009910_110203_20261319_100324.mp4"),
            (Clip, None, Some("110203"), dsj, false, false),
        ),
        (
            "dsj",
            format!("{day}/DSJ_36NCC009910_110203_20260619_100324.mp4.tmp"),
            (Other, None, None, None, false, false),
        ),
        ("dsj", "LOG/20260619.txt".into(), (Log, None, None, None, false, false)),
        ("dsj", "System Volume Information/IndexerVolumeGuid".into(), (NotEvidence, None, None, None, false, false)),
        ("flat", "DCIM/100MEDIA/FILE0001.MP4".into(), (Clip, None, None, None, false, false)),
        ("flat", "MISC/110203_20260619.xml".into(), (Sidecar, None, Some("110203"), None, false, false)),
        ("flat", "MISC/log-20260619.txt".into(), (Log, None, None, None, false, false)),
        ("files-data", "files/data/20260619100324_0001.mp4".into(), (Clip, at, None, None, false, false)),
        ("files-data", "files/data/a/0001.flv".into(), (Clip, None, None, None, false, false)),
        ("json-vtt", "v/X.mp4".into(), (Clip, None, None, None, false, false)),
        ("json-vtt", "v/X.vtt".into(), (Sidecar, None, None, None, false, false)),
        (
            "dated-avi",
            "Jun.19.2026/CAR_7_Jun.19.2026_10.03.24.avi".into(),
            (Clip, at, None, Some("CAR_7"), false, false),
        ),
        (
            "dated-avi",
            "Jun.19.2026/CAR_7_Jun.19.2026_10.03.24+.avi".into(),
            (Clip, at, None, Some("CAR_7"), false, true),
        ),
        (
            "dated-avi",
            "Jun.19.2026/CAR_7_Jun.19.2026_10.03.24#+.AVI".into(),
            (Clip, at, None, Some("CAR_7"), true, true),
        ),
        ("generic", "x/VID_20260619_100324.mp4".into(), (Clip, at, None, None, false, false)),
        ("generic", "x/120260619_1003240.mp4".into(), (Clip, None, None, None, false, false)),
        ("generic", "x/现场.mp4".into(), (Clip, None, None, None, false, false)),
        ("generic", "x/unknown.bin".into(), (Other, None, None, None, false, false)),
        ("generic", "$RECYCLE.BIN".into(), (NotEvidence, None, None, None, false, false)),
    ];
    for (profile, path, (role, captured, officer, device, marked, continues)) in table {
        let all = profiles();
        let r = all.get(profile).unwrap().read(&entry(path.as_str()));
        assert_eq!(r.role, role, "{path}");
        assert_eq!(r.captured.map(|t| t.rfc3339()).as_deref(), captured, "{path}");
        assert_eq!((r.officer.as_deref(), r.device.as_deref()), (officer, device), "{path}");
        assert_eq!((r.importance == Importance::Marked, r.continues), (marked, continues), "{path}");
    }
}

#[test]
fn a_reading_becomes_facts_with_their_origins() {
    let all = profiles();
    let r = all.get("dsj").unwrap().read(&entry("DSJ_36NCC009910_110203_20260619_100324.mp4"));
    assert_eq!(
        r.facts(),
        [
            (Field::CapturedStart, "2026-06-19T10:03:24+08:00".to_owned(), Origin::FileName),
            (Field::CapturedRaw, "20260619_100324".into(), Origin::FileName),
            (Field::CapturedEnd, "2026-06-19T10:03:24+08:00".into(), Origin::FileTime),
            (Field::Officer, "110203".into(), Origin::FileName),
        ]
    );
}

#[test]
fn the_host_s_zone_plays_no_part_and_gaps_in_a_zone_have_an_answer() {
    let text = "name='x'\ndescription=''\nzone='Europe/Berlin'\n[[file]]\nrole='clip'\npath='(?<t>[0-9]{14}).mp4'\n\
                time={from='{t}',format='%Y%m%d%H%M%S'}";
    let profile = written::parse("x.toml", text).unwrap();
    for (name, at) in [
        ("20260329023000.mp4", "2026-03-29T03:30:00+02:00"), // skipped in spring
        ("20261025023000.mp4", "2026-10-25T02:30:00+02:00"), // twice in autumn: the first
        ("20260119023000.mp4", "2026-01-19T02:30:00+01:00"),
    ] {
        assert_eq!(profile.read(&entry(name)).captured.unwrap().rfc3339(), at);
    }
}

#[test]
fn the_profile_is_chosen_by_what_is_on_the_recorder() {
    let dsj = "DCIM/VIDEO/2026-06-19/DSJ_36NCC009910_000000_20260619_100324.mp4";
    let table: [(&[&str], &str); 9] = [
        (&[dsj, "LOG/a.txt"], "dsj"),
        (&[dsj, "x.bin", "y.bin", "z.bin"], "dsj"),
        (&["DCIM/100MEDIA/FILE0001.MP4", "MISC/log-20260619.txt"], "flat"),
        (&["files/data/1.mp4", "System Volume Information/a", "System Volume Information/b"], "files-data"),
        (&["a/X.mp4", "a/X.json", "a/x.VTT"], "json-vtt"),
        (&["a/X.mp4", "a/X.json"], "generic"),
        (&["Jun.19.2026/U7_Jun.19.2026_10.03.24.avi"], "dated-avi"),
        (&["a/X.mp4"], "generic"),
        (&[], "generic"),
    ];
    for (paths, name) in table {
        assert_eq!(profiles().choose(&listing(paths), &identity("x")).name(), name, "{paths:?}");
    }
}

#[test]
fn a_recorder_s_id_comes_from_where_the_profile_says() {
    let all = profiles();
    let (dsj, flat) = (all.get("dsj").unwrap(), all.get("flat").unwrap());
    let clip = |device: &str, n: u32| format!("DSJ_{device}_000000_20260619_10032{n}.mp4");
    let (a, a2, b) = (clip("36NCC009910", 1), clip("36NCC009910", 2), clip("77XYZ000001", 3));
    let bound = Binding::Bound(Bound { recorder_serial: "S-1".into(), ..Default::default() });
    let tampered = Binding::Tampered { why: String::new() };
    let serial = ShelfIdentity { serial: Some("USB123".into()), ..identity("NO NAME") };
    let hostile = ShelfIdentity { bay: "\n\u{7}".into(), ..Default::default() };
    let none = Binding::None;
    let (empty, one, two) = (Listing::default(), listing(&[&a]), listing(&[&a, &b, &a2]));
    let table: Vec<(&str, &Profile, &Listing, ShelfIdentity, &Binding, &str, &str)> = vec![
        ("a binding outranks all", dsj, &one, identity("0001234"), &bound, "S-1", "binding"),
        ("a tampered one does not", dsj, &one, identity("x"), &tampered, "36NCC009910", "file_names"),
        ("a stray clip", dsj, &two, identity("x"), &none, "36NCC009910", "file_names_majority"),
        ("emptied", dsj, &empty, identity("36NCC009910"), &none, "36NCC009910", "volume_label"),
        ("bus serial", flat, &one, serial, &none, "USB123", "serial"),
        ("a date is no device", flat, &one, identity("20260619"), &none, "bay-1", "bay"),
        ("nothing usable", flat, &one, hostile, &none, "unnamed", "bay"),
    ];
    for (what, profile, listing, identity, binding, id, how) in table {
        let (found, found_how) = profile.recorder_id(listing, &identity, binding);
        assert_eq!((found.as_str(), found_how), (id, how), "{what}");
    }
}

#[test]
fn complaints_name_the_line_and_what_was_meant() {
    let good = "name = 'x'\ndescription = ''\nzone = 'Asia/Shanghai'\n";
    let file = |rest: &str| format!("{good}[[file]]\nrole = 'clip'\npath = '(?<d>[0-9]{{8}}).mp4'\n{rest}");
    let table = [
        (format!("{good}zoen = 1\n"), "x.toml:4: unknown key or word `zoen`; did you mean `zone`?"),
        (file("companion = []\n"), "x.toml:7: unknown key or word `companion`; did you mean `companions`?"),
        (file("").replace("'clip'", "'clips'"), "x.toml:5: unknown key or word `clips`; did you mean `clip`?"),
        (
            good.replace("Shanghai", "Beijing"),
            "x.toml:3: \"Asia/Beijing\" is no IANA time zone; write e.g. Asia/Shanghai",
        ),
        (good.replace("'x'", "'X y'"), "x.toml:1: \"X y\" is no profile name: 1 to 32 of a-z, 0-9, '-'"),
        (
            file("time = { from = '{date}', format = '%Y%m%d' }\n"),
            "x.toml:7: `path` has no group named \"date\"; it has d",
        ),
        (
            file("time = { from = '{d}', format = '%Y%m%d' }\n"),
            "x.toml:7: \"%Y%m%d\" does not tell year, month, day, hour (of 24), minute and second; write e.g. %Y%m%d_%H%M%S",
        ),
        (file("").replace(".mp4'", ".mp4('"), "x.toml:6: this pattern cannot be used: unclosed group"),
        (
            file("json = { captured_start = 'a' }\n"),
            "x.toml:5: `of`, `json`, `text` and `xml` belong to the role \"sidecar\"",
        ),
        (
            file("of = 'same_name'\njson = { captured_begin = 'a' }\n").replace("'clip'", "'sidecar'"),
            "x.toml:8: `captured_begin` is no field of a record; did you mean `captured_end`?",
        ),
        (
            format!("{good}volume_labels = ['[A-Z]+']\n"),
            "x.toml:4: a volume label's pattern needs the group (?<device>...)",
        ),
        ("description = ''\nzone = 'UTC'\n".into(), "x.toml:1: missing field `name`"),
    ];
    for (text, complaint) in table {
        assert_eq!(written::parse("x.toml", &text).unwrap_err().to_string(), complaint);
    }
}

#[test]
fn a_directory_adds_and_replaces_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let write = |file: &str, text: &str| std::fs::write(dir.path().join(file), text).unwrap();
    write("ours.toml", "name='dsj'\ndescription='ours'\nzone='UTC'\n");
    write("more.toml", "name='more'\ndescription='new'\nzone='UTC'\n");
    write("notes.txt", "not a profile");
    let all = Profiles::load_dir(dir.path()).unwrap();
    assert_eq!(all.get("dsj").unwrap().description(), "ours");
    assert_eq!(all.iter().count(), profiles().iter().count() + 1);
    write("again.toml", "name='more'\ndescription=''\nzone='UTC'\n");
    assert!(Profiles::load_dir(dir.path()).unwrap_err().to_string().contains("named \"more\" too"));
    let missing = Profiles::load_dir(&dir.path().join("nowhere")).unwrap_err().to_string();
    assert!(missing.contains("nowhere cannot be read; correct [source.folder] profiles_dir"), "{missing}");
}

proptest! {
    #[test]
    fn no_name_makes_reading_fail(path in proptest::collection::vec(any::<u8>(), 0..300), ms in proptest::option::of(any::<i64>())) {
        let e = ShelfEntry { modified_ms: ms, ..entry(path) };
        for profile in profiles().iter() {
            for value in profile.read(&e).captures.values() {
                prop_assert!(!value.chars().any(char::is_control));
            }
        }
    }
}

#[test]
fn local_times_are_read_in_the_profiles_zone_whatever_the_hosts() {
    let profiles = Profiles::embedded().unwrap();
    let local = |raw: &str| {
        let mut listing = listing(&["DCIM/VIDEO/2026-06-19/DSJ_36NCC009910_110203_20260619_100324.mp4"]);
        listing.files[0].modified_raw = raw.to_owned();
        listing.files[0].modified_ms = None;
        let profile = profiles.choose(&listing, &identity("x"));
        profile.localise(&mut listing);
        listing.files[0].modified_ms
    };
    let at = UtcMs::parse_rfc3339("2026-06-19T10:03:24.50+08:00").unwrap().0;
    assert_eq!(local("local 2026-06-19T10:03:24.50"), Some(at));
    for raw in ["local 1980-00-00T00:00:00", "local ", "local 2026-06-19T25:00:00", "2026-06-19T10:03:24"] {
        assert_eq!(local(raw), None, "{raw}");
    }
}
