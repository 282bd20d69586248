//! A disk that is full in the middle of a package: a small one of its own, in a mount namespace that ends with the test. It
//! stops with words that say what to do, nothing half-written is called a package, and with room the same one goes on.

use super::*;

/// Exports twice to a disk that is too small at first, as a folder and as a zip, and brings both out of the namespace.
const SCRIPT: &str = r#"
disk=$1; program=$2; config=$3; out=$4; shift 4
mount -t tmpfs -o size=3m evidock "$disk" || exit 99
for to in package package.zip; do
    "$program" --config "$config" --json export --to "$disk/$to" "$@" > "$out/$to.first" 2>&1; echo $? > "$out/$to.first.code"
    ls -R "$disk" > "$out/$to.there"
    mount -o remount,size=64m "$disk" || exit 98
    "$program" --config "$config" --json export --to "$disk/$to" "$@" > "$out/$to.second" 2>&1; echo $? > "$out/$to.second.code"
    cp -a "$disk/$to" "$out/$to" || exit 97
    rm -rf "$disk/$to"
    mount -o remount,size=3m "$disk" || exit 96
done
"#;

#[test]
fn a_disk_that_fills_in_the_middle_stops_it_and_room_lets_the_same_package_go_on() {
    let mut station = Station::running("");
    take_in(&mut station, &[2_500_000, 2_000_000]);
    for n in 0..2 {
        station.json(["link", &station.clip(format!("0912{n:02}.mp4")), CASE]);
    }
    let (disk, out) = (station.path("small"), station.path("out"));
    fs::create_dir_all(&disk).unwrap();
    fs::create_dir_all(&out).unwrap();
    let mut command = Command::new("unshare");
    command.arg("--mount");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--", "sh", "-c", SCRIPT, "sh"]).arg(&disk).arg(env!("CARGO_BIN_EXE_evidock"));
    command.arg(station.path("evidock.toml")).arg(&out);
    let ran = command.args(["--case", CASE, "--reason", REASON, "--basis", BASIS]).output().unwrap();
    assert!(ran.status.success(), "{:?} {}", ran.status, text(&ran.stderr));
    let read = |name: &str| fs::read_to_string(out.join(name)).unwrap();
    for to in ["package", "package.zip"] {
        let (code, words) = (read(&format!("{to}.first.code")), read(&format!("{to}.first")));
        assert_eq!(code.trim(), "1", "{words}");
        assert!(words.contains("free space and run the same again"), "{words}");
        assert!(!read(&format!("{to}.there")).lines().any(|line| line == "package.zip" || line == "package.note"));
        assert_eq!(read(&format!("{to}.second.code")).trim(), "0", "{}", read(&format!("{to}.second")));
    }
    // Begun once each: the second run went on.
    let begun =
        "SELECT CAST(bytes AS TEXT) FROM log_entry WHERE kind = 'access.export' AND clip_id IS NULL ORDER BY seq";
    let begun: Vec<bool> = station.query(begun, &[]).iter().map(|e| e[0].contains("\"resumed\":true")).collect();
    assert_eq!(begun, [false, true, false, true]);
    let trust = station.path("state/log.key.pub");
    let unpacked = station.path("unpacked");
    let unzip = "import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2])";
    let (good, told) = run(
        Path::new("/usr/bin/python3"),
        &["-c", unzip, out.join("package.zip").to_str().unwrap(), unpacked.to_str().unwrap()],
        &out,
    );
    assert!(good, "{told}");
    for dir in [out.join("package"), unpacked] {
        let (code, report) = import_check(&dir, Some(&trust));
        assert_eq!((code, &report["whole"], &report["clips"]), (0, &true.into(), &2.into()), "{report}");
        assert!(bagit(&dir).0);
    }
    station.stop();
}
