//! In which language the page and the command line speak, with the real program; what programs read never changes.

#![allow(clippy::unwrap_used)] // In a test, failing is what it is for.

use crate::support;

use std::process::{Command, Stdio};

use support::station::{Station, dsj, text};

/// What a verb prints for people, with these variables of a terminal and no other.
fn printed(station: &Station, variables: &[(&str, &str)], args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_evidock"))
        .arg("--config")
        .arg(station.path("evidock.toml"))
        .args(args)
        .env_clear()
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    text(&output.stdout) + &text(&output.stderr)
}

fn page(station: &mut Station, accept: &str) -> String {
    let log = station.log();
    let url = log.rsplit("page=\"").next().unwrap().split('"').next().unwrap().to_owned();
    let host = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let mut stream = std::net::TcpStream::connect(&host).unwrap();
    use std::io::{Read, Write};
    write!(stream, "GET / HTTP/1.1\r\nHost: {host}\r\nAccept-Language: {accept}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    text(&answer)
}

#[test]
fn people_are_answered_in_their_language_and_programs_in_theirs() {
    let mut station = Station::running("");
    station.card("1").file(dsj("36NCC009910", "090211"), "footage", 60);
    station.dock("1");
    station.until_safe("1");
    station.until_proven(1);
    let clip = station.clip(dsj("36NCC009910", "090211"));
    station.json(["link", &clip, "赵卫罚〔2026〕12号", "--stage", "调查"]);
    station.until_proven(1);
    // The last revision that the daemon makes by itself.
    station.until("its media were looked at", |s| !s.record(&clip)["media_health"].is_null());
    let chinese = [("LANG", "zh_CN.UTF-8")];
    let find = ["find", "--case", "赵卫罚〔2026〕12号"];
    let show = ["show", clip.as_str()];
    for (args, zh, en) in [
        (
            &["status"][..],
            &["运行中", "阶段", "云端校验一致", "可以取走", "上传目标"][..],
            &["running", "stage", "safe to remove"][..],
        ),
        (&find, &["资料编号", "采集时间", "云端校验一致"], &["record", "captured", "Proven"]),
        (&show, &["采集时间 captured_start", "整份读回后比对", "环节"], &["captured_start", "read back whole"]),
    ] {
        for (variables, asked) in [(&chinese[..], None), (&[], Some("zh-CN")), (&[("LANG", "en_US.UTF-8")], Some("zh"))]
        {
            let args = [args, &asked.map_or(vec![], |lang| vec!["--lang", lang])].concat();
            let said = printed(&station, variables, &args);
            for word in zh {
                assert!(said.contains(word), "{args:?}: {word}\n{said}");
            }
        }
        for (variables, asked) in [(&[][..], None), (&chinese, Some("en")), (&[("LC_ALL", "C"), chinese[0]], None)] {
            let args = [args, &asked.map_or(vec![], |lang| vec!["--lang", lang])].concat();
            let said = printed(&station, variables, &args);
            assert!(en.iter().all(|word| said.contains(word)), "{args:?}\n{said}");
        }
        let json = |station: &Station, variables: &[(&str, &str)], lang: &str| {
            let said = printed(station, variables, &[args, &["--json", "--lang", lang]].concat());
            // What is free on the disk changes by itself.
            said.lines().filter(|line| !line.contains("\"free_bytes\"")).map(str::to_owned).collect::<Vec<_>>()
        };
        // Between the two the daemon may have gone on, as with another checkpoint: then they are asked again.
        station.until("what programs read does not change", |s| json(s, &chinese, "zh-CN") == json(s, &[], "en"));
    }
    assert!(page(&mut station, "en").contains("lang=\"en\"") && page(&mut station, "zh").contains("lang=\"zh-CN\""));

    station.stop();
    std::fs::remove_file(station.path("daemon.log")).unwrap();
    let text = std::fs::read_to_string(station.path("evidock.toml")).unwrap();
    let text = text.replace("[station]\n", "[station]\nlanguage = \"zh-CN\"\n");
    std::fs::write(station.path("evidock.toml"), text).unwrap();
    station.start();
    assert!(page(&mut station, "en").contains("lang=\"zh-CN\""), "the station's language before the browser's");
    assert!(printed(&station, &[("LANG", "en_US.UTF-8")], &["status"]).contains("运行中"));
    assert!(printed(&station, &[], &["--lang", "en", "status"]).contains("running"));
}
