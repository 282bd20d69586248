//! Documents as PDF, read by poppler, which is not ours; and the second signature, verified by openssl.

use evidock::custody::package::event;

use super::*;

/// What poppler says of a file.
fn poppler(program: &str, args: &[&str], file: &Path) -> String {
    let mut command = Command::new(program);
    command.args(args).arg(file);
    if program == "pdftotext" {
        command.arg("-");
    }
    let output = command.output().unwrap_or_else(|e| panic!("{program} ({e}): run `scripts/setup test`"));
    assert!(output.status.success() && output.stderr.is_empty(), "{program}: {}", text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn chinese_comes_out_of_the_printed_documents() {
    let made = made();
    for (name, told) in [
        ("1-README.pdf", &["说明文件", CASE, REASON, BASIS, "bagit.py --validate"][..]),
        ("2-CATALOGUE.pdf", &["证据目录", CASE, "现场检查过程", "东关街28号", "张三", "已入库（校验一致）"]),
        ("3-TRANSFER.pdf", &["移交登记表", CASE, "县人民法院", "测试机关"]),
    ] {
        let file = made.dir.join(name);
        let page = poppler("pdftotext", &["-layout"], &file);
        // A long value may be broken between two lines: white space says nothing.
        let flat: String = page.chars().filter(|c| !c.is_whitespace()).collect();
        for words in told {
            let words: String = words.chars().filter(|c| !c.is_whitespace()).collect();
            assert!(flat.contains(&words), "{name} does not tell {words}: {page}");
        }
        let fonts = poppler("pdffonts", &[], &file);
        let rows: Vec<Vec<&str>> = fonts.lines().skip(2).map(|l| l.split_whitespace().collect()).collect();
        assert!(!rows.is_empty(), "{fonts}");
        for row in rows {
            // name type encoding emb sub uni object
            let [emb, sub, uni] = [row[row.len() - 5], row[row.len() - 4], row[row.len() - 3]];
            assert_eq!([emb, sub, uni], ["yes"; 3], "{fonts}");
        }
        let info = poppler("pdfinfo", &[], &file);
        let fact = |key: &str| info.lines().find_map(|l| l.strip_prefix(key)).unwrap_or_default().trim().to_owned();
        let pages: usize = fact("Pages:").parse().unwrap();
        assert!(flat.contains(&format!("{pages}/{pages}")), "{name}: the last page has its number");
        assert!(fact("Page size:").contains("A4"), "{info}");
        assert_eq!([fact("JavaScript:"), fact("Form:"), fact("Encrypted:")], ["no", "none", "no"], "{info}");
    }
}

#[test]
fn the_second_signature_is_what_openssl_takes() {
    let made = made();
    let verified = |note: &Path| {
        Command::new("openssl")
            .args(["dgst", "-sm3", "-verify", "custody/sm2-key.pem", "-sigopt", "distid:1234567812345678"])
            .args(["-signature", "custody/package.sm2"])
            .arg(note)
            .current_dir(&made.dir)
            .output()
            .unwrap()
    };
    let good = verified(Path::new("custody/package.note"));
    assert!(good.status.success(), "{}{}", text(&good.stdout), text(&good.stderr));
    assert!(!verified(Path::new("custody/checkpoint")).status.success());
    // Below the checkpoint as well, where Go's reader passes it over (`every_tool_accepts_what_we_write` asks it).
    let checkpoint = fs::read_to_string(made.dir.join("custody/checkpoint")).unwrap();
    assert_eq!(checkpoint.lines().filter(|line| line.starts_with('—')).count(), 3, "{checkpoint}");
    let (code, report) = import_check(&made.dir, Some(&made.trust));
    assert_eq!((code, &report["sm2"]), (0, &true.into()), "{report}");
    let key = report["sm2_key"].as_str().expect("the log in it names the key").to_owned();
    let named = events(&made.dir).into_iter().map(|seq| json(&made.dir.join(event(seq))));
    let named = named.into_iter().find(|e| e["kind"] == "log.sm2_key").unwrap();
    assert_eq!(named["body"]["key"], key.as_str());
}

/// What `import-check` says of the SM2 keys in a file: its exit code, what it reported, and what it said on standard error.
fn with_sm2_key(package: &Path, keys: &Path) -> (i32, serde_json::Value, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_evidock"))
        .args(["import-check", "--json"])
        .arg(package)
        .arg("--trust-sm2")
        .arg(keys)
        .env_clear()
        .output()
        .unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code().unwrap(), report, text(&output.stderr))
}

#[test]
fn an_sm2_key_that_was_learned_elsewhere_is_compared() {
    let made = made();
    let work = tempfile::Builder::new().prefix("evidock-sm2-").tempdir().unwrap();
    let (own, other, both) = (work.path().join("own"), work.path().join("other"), work.path().join("both"));
    fs::copy(made.dir.join("custody/sm2-key.pem"), &own).unwrap();
    // Without a key to compare with, nobody says whose it is.
    let (code, report) = import_check(&made.dir, Some(&made.trust));
    assert_eq!((code, &report["sm2_origin_shown"]), (0, &false.into()), "{report}");
    let (code, report, _) = with_sm2_key(&made.dir, &own);
    assert_eq!(
        (code, &report["sm2_origin_shown"], &report["origin_shown"]),
        (0, &true.into(), &false.into()),
        "{report}"
    );
    // In the log's own spelling, too, as `log.sm2.retired` has it.
    fs::write(&both, format!("{}\n", report["sm2_key"].as_str().unwrap())).unwrap();
    assert_eq!(with_sm2_key(&made.dir, &both).1["sm2_origin_shown"], true);

    // A key that openssl made: nobody's here.
    let key = work.path().join("key");
    let (made_key, told) =
        run(Path::new("openssl"), &["genpkey", "-algorithm", "SM2", "-out", key.to_str().unwrap()], work.path());
    assert!(made_key, "{told}");
    let args = ["pkey", "-in", key.to_str().unwrap(), "-pubout", "-out", other.to_str().unwrap()];
    let (public, told) = run(Path::new("openssl"), &args, work.path());
    assert!(public, "{told}");
    let (code, report, _) = with_sm2_key(&made.dir, &other);
    assert_eq!((code, &report["sm2_origin_shown"]), (4, &false.into()), "{report}");
    assert!(report["problems"].to_string().contains("none of the SM2 keys that were given"), "{report}");
    fs::write(&both, fs::read_to_string(&other).unwrap() + &fs::read_to_string(&own).unwrap()).unwrap();
    assert_eq!(with_sm2_key(&made.dir, &both).0, 0, "one of several is enough");

    // What is no key is no answer.
    let pem = fs::read_to_string(&own).unwrap();
    for text in ["", "evidock/test-01", &pem[..pem.len() / 2], pem.replace("MFk", "MFj").as_str()] {
        fs::write(&other, text).unwrap();
        let (code, report, error) = with_sm2_key(&made.dir, &other);
        assert!(code == 1 && report.is_null() && error.contains("other"), "{code} {text:?}: {error}");
    }

    // Whoever takes the second signature out of a package cannot have it pass for one that never had it.
    let mut station = Station::running("");
    take_in(&mut station, &[20_000]);
    station.json(["link", &station.clip("091200.mp4"), CASE]);
    let plain = station.path("plain");
    export(&station, &plain);
    let (code, report, _) = with_sm2_key(&plain, &own);
    assert!(code == 4 && report["problems"].to_string().contains("no second signature"), "{report}");
}

/// Whoever takes the line away that the log asks for, in the checkpoint and in each proof alike, is told so; and so is who
/// takes the key away as well.
#[test]
fn a_checkpoint_without_the_line_that_the_log_asks_for_is_refused() {
    let made = made();
    let work = tempfile::Builder::new().prefix("evidock-stripped-").tempdir().unwrap();
    let dir = work.path().join("package");
    super::tampering::copy(&made.dir, &dir);
    let checkpoint = fs::read_to_string(dir.join("custody/checkpoint")).unwrap();
    let line = checkpoint.trim_end().rsplit_once('\n').unwrap().1;
    for path in files_below(&dir.join("custody/proofs")).into_iter().chain([dir.join("custody/checkpoint")]) {
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(line), "{}", path.display());
        fs::write(&path, text.replacen(&format!("{line}\n"), "", 1)).unwrap();
    }
    let problems = |dir: &Path| {
        // All lists agree again: what is told is about signatures alone.
        super::tampering::list_again(dir);
        let (code, report) = import_check(dir, Some(&made.trust));
        assert_eq!((code, &report["sm2"]), (4, &false.into()), "{report}");
        report["problems"].to_string()
    };
    let told = problems(&dir);
    assert!(told.contains("no SM2 signature of the key in"), "{told}");
    assert!(!told.contains("leads to another checkpoint"), "the proofs hold: {told}");
    for name in ["custody/sm2-key.pem", "custody/package.sm2"] {
        fs::remove_file(dir.join(name)).unwrap();
    }
    let told = problems(&dir);
    assert!(told.contains("sm2-key.pem is missing, or no SM2 key"), "{told}");
}
