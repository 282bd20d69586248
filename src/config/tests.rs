//! Tests of the configuration as a whole: the commented file against the code, and values that cannot be used.

use super::written::{KEYS, Shape};
use super::*;

fn around() -> Surroundings {
    Surroundings::default()
}

/// The commented file with its commented-out keys (`#key = ...`, `#[[section]]`) switched on; prose
/// comments have a space behind their `#`.
fn switched_on() -> String {
    let on = |line: &str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|c: char| c == '[' || c.is_ascii_lowercase()) => rest.to_owned(),
        _ => line.to_owned(),
    };
    DEFAULT_FILE.lines().map(on).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_commented_file_says_the_defaults_that_the_code_has() {
    let file = Path::new("/etc/evidock/evidock.toml");
    let commented = read(DEFAULT_FILE, Some(file), &around()).unwrap();
    assert_eq!(commented, read("", Some(file), &around()).unwrap());
}

#[test]
fn the_commented_file_has_every_key_and_no_other() {
    let text = switched_on();
    let table: toml::Table = text.parse().unwrap();
    fn compare(table: &toml::Table, keys: &[(&str, Shape)], path: &str) {
        for (key, shape) in keys {
            let here = format!("{path}{key}");
            // Of a repeated section each example may show other keys.
            let value = table.get(*key).unwrap_or_else(|| panic!("{here} is not in config/evidock.toml"));
            match (shape, value) {
                (Shape::Section(keys), toml::Value::Table(inner)) => compare(inner, keys, &format!("{here}.")),
                (Shape::Repeated(keys), toml::Value::Array(items)) => {
                    let mut union = toml::Table::new();
                    for item in items {
                        union.extend(item.as_table().unwrap().clone());
                    }
                    compare(&union, keys, &format!("{here}."));
                }
                _ => {}
            }
        }
    }
    compare(&table, KEYS, "");
    // Nothing but known keys, and its examples can be used as they stand.
    let settings = read(&text, Some(Path::new("/etc/evidock/evidock.toml")), &around()).unwrap();
    assert_eq!(settings.destinations.len(), 10);
    assert_eq!(settings.casework.number_shapes.len(), 2);
}

#[test]
fn what_show_prints_resolves_to_the_same_settings() {
    let file = Path::new("/etc/evidock/evidock.toml");
    for text in [DEFAULT_FILE.to_owned(), switched_on()] {
        let settings = read(&text, Some(file), &around()).unwrap();
        let shown = toml::to_string(&settings.to_written()).unwrap();
        assert_eq!(read(&shown, Some(file), &around()).unwrap(), settings, "{shown}");
    }
}

#[test]
fn paths_are_relative_to_their_file_and_the_rest_to_the_state_directory() {
    let text = "[station]\nstate_dir = 'state'\n[vault]\ndir = '../vault/./x'\n";
    let s = read(text, Some(Path::new("/etc/evidock/a.toml")), &around()).unwrap();
    assert_eq!(s.station.state_dir, Path::new("/etc/evidock/state"));
    assert_eq!(s.vault.dir, Path::new("/etc/vault/x"));
    assert_eq!(s.folder_source.dir, Path::new("/etc/evidock/state/docks"));
    assert_eq!(s.control_socket, Path::new("/etc/evidock/state/evidock.sock"));
    let DestinationKind::Folder(folder) = &s.destinations[0].kind else { panic!("a folder") };
    assert_eq!(folder.dir, Path::new("/etc/evidock/state/cloud"));
}

#[test]
fn the_state_directory_comes_from_the_first_who_names_it() {
    let all = Surroundings {
        state_dir: Some("/typed".into()),
        systemd_state_dir: Some("/systemd".into()),
        credentials_dir: None,
    };
    let unit = Surroundings { state_dir: None, ..all.clone() };
    let written = "[station]\nstate_dir = '/written'\n";
    let table = [
        (written, &all, "/typed"),
        (written, &unit, "/written"),
        ("", &unit, "/systemd"),
        ("", &Surroundings::default(), DEFAULT_STATE_DIR),
    ];
    for (text, around, expected) in table {
        assert_eq!(read(text, None, around).unwrap().station.state_dir, Path::new(expected), "{text}");
    }
}

#[test]
fn credentials_are_found_inside_and_outside_of_the_unit() {
    let text = "[[destination]]\nname = 'a'\nkind = 's3'\nendpoint = 'https://s3.example.org/'\nbucket = 'abc'\n\
                access_key_credential = 'access'\nsecret_key_file = 'secret'\n";
    let inside = Surroundings { credentials_dir: Some("/run/credentials/x".into()), ..Surroundings::default() };
    for (around, dir) in [(inside, "/run/credentials/x"), (around(), "/run/credentials/evidock.service")] {
        let s = read(text, Some(Path::new("/etc/evidock/a.toml")), &around).unwrap();
        let DestinationKind::S3(s3) = &s.destinations[0].kind else { panic!("an s3 store") };
        assert_eq!(s3.access_key.path(), Path::new(dir).join("access"));
        assert_eq!(s3.secret_key.path(), Path::new("/etc/evidock/secret"));
        assert_eq!(s3.endpoint, "https://s3.example.org");
    }
}

/// One line a case, so that a changed message shows as a changed line.
fn refusals(cases: &[&str]) -> String {
    let mut out = String::new();
    for text in cases {
        let error = read(text, Some(Path::new("/e.toml")), &around()).unwrap_err();
        out.push_str(&format!("{error}\n"));
    }
    out
}

#[test]
fn values_that_cannot_be_used_are_told() {
    let shape = |pattern: &str, display: &str, example: &str| {
        format!(
            "[[casework.number_shape]]\nname = 'a'\npattern = '{pattern}'\ndisplay = '{display}'\nkey = '{display}'\nexample = '{example}'\n"
        )
    };
    let s3 = "[[destination]]\nname = 'a'\nkind = 's3'\n";
    let sftp = "[[destination]]\nname = 'a'\nkind = 'sftp'\n";
    let ftp = "[[destination]]\nname = 'a'\nkind = 'ftp'\n";
    let webdav = "[[destination]]\nname = 'a'\nkind = 'webdav'\n";
    let tus = "[[destination]]\nname = 'a'\nkind = 'tus'\n";
    let azure = "[[destination]]\nname = 'a'\nkind = 'azure'\n";
    let cases = [
        "[station]\nid = 'Zhao 1'",
        "[station]\nzone = 'Asia/Shangai'",
        "[station]\nlanguage = 'zh'",
        "[vault]\nreserve_gb = 0",
        "[source.folder]\npoll_ms = 1",
        "[upload]\nretry_min_s = 60\nretry_max_s = 30",
        "[log]\nlevel = 'verbose'",
        "[web]\nlisten = 'localhost:8480'",
        "[web]\ntls_certificate = 'cert.pem'",
        "[web]\ntls_key = 'key.pem'",
        "[casework]\ndefault_sensitivity = 'secret'",
        "[[casework.number_shape]]\nname = 'a'",
        &shape("(?<n>\\d+", "{n}", "1"),
        &shape("(?<n>\\d+)", "{m}", "1"),
        &shape("(?<n>\\d+)", "{n}", "one"),
        &shape("(?<serial>\\d+)", "{serial}", "0"),
        &format!("{}kind = 'cases'", shape("(?<n>\\d+)", "{n}", "1")),
        &format!("{0}{0}", shape("(?<n>\\d+)", "{n}", "1")),
        &format!("[casework]\nnumber_rule_version = 1\n{}", shape("(?<n>\\d+)", "{n}", "1")),
        "[[destination]]\nkind = 'folder'",
        "[[destination]]\nname = 'a'",
        "[[destination]]\nname = 'a'\nkind = 'scp'",
        "[[destination]]\nname = 'a'\nkind = 'folder'",
        "[[destination]]\nname = 'a'\nkind = 'folder'\ndir = '/mnt/a'\nbucket = 'b'",
        "[[destination]]\nname = 'a'\nkind = 'folder'\ndir = '/mnt/a'\n[[destination]]\nname = 'a'\nkind = 'folder'\ndir = '/mnt/b'",
        "[[destination]]\nname = 'a'\nkind = 'folder'\ndir = '/mnt/a'\nmax_sensitivity = 'suspected_state'",
        "[[destination]]\nname = 'a'\nkind = 'folder'\ndir = '/var/lib/evidock/vault/a'",
        "[feedback]\nhook = []",
        "[feedback]\nhook = ['on-evidock']",
        "[feedback]\nhook_queue = 0",
        "[[feedback.lamp]]\nled = 'a'",
        "[[feedback.lamp]]\nbay = '1'",
        "[[feedback.lamp]]\nbay = '1'\nled = '../a'",
        "[[feedback.lamp]]\nbay = '1'\nled = 'a'\nsafe = 'b'",
        "[[feedback.lamp]]\nbay = '1'\nled = 'a'\n[[feedback.lamp]]\nbay = '2'\nsafe = 'a'",
        "[control]\nsocket = '/a/very/long/path/that/no/unix/socket/could/ever/have/because/the/kernel/keeps/only/one/hundred/and/eight/bytes/for/it'",
        s3,
        &format!("{s3}endpoint = 'https://user:pass@s3.example.org'\nbucket = 'abc'"),
        &format!("{s3}endpoint = 'https://s3.example.org'\nbucket = 'A_B'"),
        &format!("{s3}endpoint = 'https://s3.example.org'\nbucket = 'abc'"),
        &format!(
            "{s3}endpoint = 'https://s3.example.org'\nbucket = 'abc'\naccess_key_file = 'a'\naccess_key_credential = 'a'"
        ),
        &format!("{s3}endpoint = 'https://s3.example.org'\nbucket = 'abc'\naccess_key_credential = '../a'"),
        &format!("{s3}dir = '/mnt/a'"),
        sftp,
        &format!("{sftp}private_key_file = 'key'"),
        &format!("{sftp}private_key_file = 'key'\nhost = 'root:hunter2@h'"),
        &format!("{sftp}private_key_file = 'key'\nhost = 'h'"),
        &format!("{sftp}private_key_file = 'key'\nhost = 'h'\nuser = 'u'\nhost_key = '12:34'"),
        &format!("{sftp}private_key_file = 'key'\nhost = 'h'\nport = 0"),
        &format!("{sftp}tls = 'off'"),
        ftp,
        &format!("{ftp}host = 'h'\nuser = 'u'\ntls = 'none'"),
        &format!("{ftp}host = 'h'\nuser = 'u'\ntls = 'off'\nca_file = 'ca.pem'"),
        &format!("{ftp}host_key = 'SHA256:x'"),
        webdav,
        &format!("{webdav}endpoint = 'https://h/path'"),
        &format!("{webdav}endpoint = 'https://h'\nuser = 'u'"),
        &format!("{webdav}endpoint = 'https://h'\nuser = 'a:b'\npassword_file = 'p'"),
        &format!("{webdav}bucket = 'b'"),
        &format!("{s3}container = 'abc'"),
        &format!("{s3}endpoint = 'https://s3.example.org'\nproxy = 'http://user:pass@proxy:3128'"),
        &format!("{s3}endpoint = 'https://s3.example.org'\nclient_certificate = 'a.pem'"),
        &format!("{s3}endpoint = 'https://s3.example.org'\nclient_key_file = 'a.pem'"),
        tus,
        &format!("{tus}endpoint = 'upload.example.org/files'"),
        &format!("{tus}endpoint = 'https://upload.example.org/files'\nuser = 'a'"),
        &format!("{tus}endpoint = 'https://upload.example.org/files'\nuser = 'a:b'\npassword_file = 'p'"),
        &format!("{tus}endpoint = 'https://upload.example.org/files'\nlock = 'off'"),
        azure,
        &format!("{azure}endpoint = 'https://a.blob.core.windows.net'"),
        &format!("{azure}endpoint = 'https://a.blob.core.windows.net'\ncontainer = 'a--b'"),
        &format!("{azure}endpoint = 'https://a.blob.core.windows.net'\ncontainer = 'abc'"),
    ];
    insta::assert_snapshot!(refusals(&cases));
}

#[test]
fn backups_that_cannot_be_made_are_told() {
    let secret = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";
    for (text, told) in [
        ("[backup]\nrecipient = 'age1x'".to_owned(), "recipient must be a public age key"),
        (format!("[backup]\nrecipient = '{secret}'"), "whose secret half stays off this box"),
        ("[backup]\ndestinations = []".to_owned(), "destinations is empty"),
        ("[backup]\ndestinations = ['claud']".to_owned(), "destinations must be one of local-cloud"),
        ("[backup]\nevery_hours = 0".to_owned(), "every_hours must be 1 to 720"),
        ("[backup]\nkeep_daily = 0".to_owned(), "keep_daily must be 1 to 366"),
    ] {
        let refused = refusals(&[text.as_str()]);
        assert!(refused.contains(told) && !refused.contains(secret), "{text}: {refused}");
    }
}

#[test]
fn shapes_of_ones_own_are_read_before_the_built_in_ones() {
    let s = read(&switched_on(), None, &around()).unwrap();
    let rule = s.casework.number_rule().unwrap();
    let number = rule.parse("130133－2024－0012", 2026).unwrap();
    assert_eq!((number.display(), number.key()), ("130133-2024-0012", "130133-2024-12"));
    assert_eq!(number.rule_version(), 2);
    assert!(rule.parse("赵卫罚[2019]12号", 2026).is_ok());
}

#[test]
fn files_that_must_exist_are_listed() {
    let s = read(&switched_on(), Some(Path::new("/etc/evidock/evidock.toml")), &around()).unwrap();
    let keys: Vec<String> = s.needed_files().into_iter().map(|(key, _)| key).collect();
    assert!(keys.contains(&"[web] tls_key".to_owned()), "{keys:?}");
    assert!(keys.iter().any(|k| k.ends_with("secret key")), "{keys:?}");
}

#[test]
fn bays_and_recorders_on_usb_that_cannot_be_used_are_told() {
    let cases = [
        "[source.usb]\nmode = 'yes'",
        "[source.usb]\nread = 'fat'",
        "[source.usb]\nkernel = true",
        "[[source.usb.bay]]\nname = '3'",
        "[[source.usb.bay]]\nport = '1-4'",
        "[[source.usb.bay]]\nname = ''\nport = '1-4'",
        "[[source.usb.bay]]\nname = '3'\nport = 'usb1'",
        "[[source.usb.bay]]\nname = '3'\nport = '1-4'\n[[source.usb.bay]]\nname = '4'\nport = '1-4'",
        "[[source.usb.bays]]\nname = '3'",
        "[[source.usb.allow]]",
        "[[source.usb.allow]]\nvendor = '781'",
        "[[source.usb.allow]]\nproduct = '5581'",
        "[[source.usb.allow]]\nserial = 'DSJ[*'",
        "[[source.usb.allow]]\nserial = ''",
        "[[source.usb.allow]]\nvender = '0781'",
    ];
    insta::assert_snapshot!(refusals(&cases));
}

#[test]
fn recorders_in_the_network_that_cannot_be_used_are_told() {
    let one = "[[network_recorder]]\nname = 'a'\nurl = 'http://192.0.2.9/onvif/device_service'\n";
    let cases = [
        "[[network_recorder]]\nurl = 'http://192.0.2.9/'",
        "[[network_recorder]]\nname = 'A'",
        "[[network_recorder]]\nname = 'a'",
        "[[network_recorder]]\nname = 'a'\nurl = 'http://u:p@192.0.2.9/'",
        &format!("{one}{one}"),
        &format!("{one}bay = 'x'\n[[network_recorder]]\nname = 'b'\nbay = 'x'\nurl = 'rtsp://192.0.2.9/r'"),
        &format!("[[stream]]\nname = 'a'\nurl = 'rtsp://192.0.2.7/'\n{one}"),
        &format!("{one}user = 'u'"),
        &format!("{one}ca_file = 'x'"),
        &format!("{one}pull = 'daily'"),
        &format!("{one}pull = 'schedule'"),
        &format!("{one}schedule = ['daily 17:00-18:00']"),
        &format!("{one}every_s = 0"),
        "[discovery]\nnetworks = ['192.0.2.0']",
        "[discovery]\nevery_minutes = 0",
    ];
    insta::assert_snapshot!(refusals(&cases));
}

#[test]
fn recorders_on_usb_resolve() {
    let usb = read(&switched_on(), None, &around()).unwrap().usb_source;
    assert_eq!((usb.mode, usb.read, usb.kernel_mount), (UsbMode::Auto, UsbRead::Reader, false));
    assert_eq!(usb.bays.len(), 1);
    assert_eq!((usb.bays[0].name.as_str(), usb.bays[0].port.as_str()), ("3号口", "1-4.2"));
    assert_eq!((usb.allow[0].vendor_id, usb.allow[0].product_id), (Some(0x0781), Some(0x5581)));
    // One socket, two ports.
    let both = "[[source.usb.bay]]\nname = '3'\nport = '1-4'\n[[source.usb.bay]]\nname = '3'\nport = '2-4'\n";
    assert_eq!(read(both, None, &around()).unwrap().usb_source.bays.len(), 2);
}
