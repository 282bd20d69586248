//! What is somebody else's stands in no answer: the real daemon with the clips, cases, parties and samples of two units,
//! asked at every route that is read as people of one of them. The routes come from the router, so that a new one is asked
//! without anybody thinking of it; where its address needs something that nothing here stands for, this fails.

#![allow(clippy::unwrap_used)] // In a test, failing is what it is for.

use std::fs;
use std::io::Read;

use evidock::web::routes::Declared;
use percent_encoding::percent_decode_str;

use super::daemon::{Station, dsj};
use super::encoded;
use super::fixtures::{self, Scene};
use super::http::Browser;

/// A case of each unit.
const OURS: &str = "赵卫罚〔2026〕12号";
const THEIRS: &str = "赵卫罚〔2026〕98号";
const THEIR_OFFICER: &str = "司徒雷";
const THEIR_PARTY: &str = "深泽县某诊所";
/// What is theirs, besides the ids of their clips.
const SECRETS: &[&str] = &[
    THEIRS,
    THEIR_OFFICER,
    THEIR_PARTY,
    "稽查二科",
    "36NCC009874",
    "36NCC009001",
    "擅自开展诊疗活动",
    "槐荫里",
    "枣林巷",
    "询问笔录乙",
    "复议期间暂不销毁",
    "未告知陈述权",
    "记录仪进水",
];
/// Asked besides the plain address: what opens more of a list.
const QUERIES: &[(&str, &[&str])] = &[
    ("/clips", &["q=槐荫里", "officer=司徒雷", "recorder=36NCC009874", "case=赵卫罚〔2026〕98号", "missing=any"]),
    (
        "/api/v1/clips",
        &["q=槐荫里", "officer=司徒雷", "recorder=36NCC009874", "case=赵卫罚〔2026〕98号", "missing=any"],
    ),
    ("/cases", &["query=98", "q=98"]),
    ("/api/v1/cases", &["query=98", "query=诊所"]),
    ("/parties", &["query=诊所"]),
    ("/api/v1/parties", &["query=诊所"]),
    ("/elsewhere", &["q=槐荫里"]),
    ("/api/v1/elsewhere", &["q=槐荫里"]),
    ("/reports", &["period=2026", "period=2026&unit=稽查二科"]),
    ("/api/v1/reports", &["period=2026", "period=2026&unit=稽查二科"]),
    ("/reports/cases", &["period=2026&of=missing", "period=2026&of=opened", "period=2026&of=opened&unit=稽查二科"]),
    ("/reports/register.csv", &["period=2026", "period=2026&unit=稽查二科"]),
    ("/reports/register.xlsx", &["period=2026"]),
    ("/api/v1/reports/register.csv", &["period=2026"]),
    ("/api/v1/reports/register.xlsx", &["period=2026"]),
    ("/sampling", &["period=2026-06"]),
    ("/api/v1/samples", &["period=2026-06"]),
];
/// Where whoever may see everything is shown something of theirs: else the same lists would say nothing to nobody.
const SHOWN: &[&str] = &[
    "/clips",
    "/api/v1/clips",
    "/triage",
    "/api/v1/triage",
    "/cases",
    "/api/v1/cases",
    "/parties",
    "/api/v1/parties",
    "/reports?period=2026",
    "/api/v1/reports?period=2026",
    "/reports/register.csv?period=2026",
    "/reports/register.xlsx?period=2026",
    "/keeping",
    "/api/v1/keeping",
    "/sampling",
    "/api/v1/samples",
    "/review",
    "/cases/{number}",
    "/api/v1/cases/{number}",
    "/api/v1/cases/{number}/coverage",
    "/api/v1/cases/{number}/reasons",
    "/api/v1/cases/{number}/review",
    "/parties/{party}",
    "/sampling/{sample}",
    "/api/v1/samples/{sample}",
    "/rooms",
    "/api/v1/rooms",
];
/// Streams that do not end; who hears what of them is a story of its own (`stories::api`).
const ENDLESS: &[&str] = &["/live", "/api/v1/changes"];

/// The station, and what its addresses are filled in with.
struct Place {
    station: Station,
    /// The clips of the other unit: in its case, in none, and its document.
    clips: [String; 3],
    sample: String,
}

impl Place {
    fn new() -> Self {
        // No camera answers there: what is recorded is wanted all the same, for somebody.
        let mut station =
            Station::running("[[stream]]\nname = \"room-1\"\nroom = \"询问室1\"\nurl = \"rtsp://127.0.0.1:1/none\"\n");
        let roster = station.path("roster.csv");
        let row = |officer: &str, recorder: &str, rest: &str| {
            format!("{officer},{recorder},2026-01-01 00:00,2026-12-31 23:59,{rest}\n")
        };
        let text = format!(
            "officer,recorder,from,to,case,place,matter,proves\n{}{}{}",
            row("欧阳明", "36NCC009910", &format!("{OURS},东关街,现场检查,现场全貌")),
            row(THEIR_OFFICER, "36NCC009874", &format!("{THEIRS},槐荫里,现场检查,现场全貌")),
            row(THEIR_OFFICER, "36NCC009001", ",枣林巷,,"),
        );
        fs::write(&roster, text).unwrap();
        station.json(["roster", "import", roster.to_str().unwrap()]);
        import(&station, "officer", "姓名,警号,单位\n欧阳明,110203,稽查一科\n司徒雷,110204,稽查二科\n");
        for (n, (bay, recorder)) in
            [("a", "36NCC009910"), ("b", "36NCC009874"), ("c", "36NCC009001")].iter().enumerate()
        {
            let bytes: Vec<u8> = (0..5_000).map(|at| (at % 249 + n * 3) as u8).collect();
            station.card(bay).file(dsj(recorder, "091200"), bytes, 60);
            station.dock(bay);
            station.until_safe(bay);
            // Who stands at a bay sees whose recorder is in it; in the evening none is.
            station.undock(bay);
        }
        station.until("all clips are settled", |s| {
            s.query("SELECT clip_id FROM clip_index WHERE officer <> '' AND care = 0", &[]).len() == 3
        });
        let register = format!(
            "案件编号,当事人,案由,承办人,承办单位\n{OURS},赵县某饭店,未公示卫生许可证,欧阳明,稽查一科\n\
             {THEIRS},{THEIR_PARTY},擅自开展诊疗活动,{THEIR_OFFICER},稽查二科\n"
        );
        import(&station, "case", &register);
        let paper = station.path("询问笔录乙.pdf");
        fs::write(&paper, b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n").unwrap();
        let filed = station.json(["case", "add-document", THEIRS, paper.to_str().unwrap()]);
        let clip = |place: &str| station.one("SELECT clip_id FROM clip_index WHERE place = ?1", &[&place]);
        let clips = [clip("槐荫里"), clip("枣林巷"), filed["clip"].as_str().unwrap().to_owned()];
        station.json(["hold", "--case", THEIRS, "--reason", "复议期间暂不销毁"]);
        station.json(["case", "note", THEIRS, &clips[0], "0:00", "未告知陈述权"]);
        import(&station, "catalogue", "记录环节,记录事项,记录方式\n送达,留置送达,全过程\n");
        station.json(["case", "no-record", THEIRS, "留置送达", "--reason", "记录仪进水"]);
        station.json(["sample", "draw", "--period", "2026-06", "--count", "2"]);
        station.json(["record", "start", "room-1", "--case", THEIRS, "--officer", THEIR_OFFICER]);
        let samples = station.json(["sample", "list"]);
        let theirs = samples.as_array().unwrap().iter().find(|s| s["unit"] == "稽查二科").unwrap();
        let sample = theirs["sample"].to_string();
        Self { station, clips, sample }
    }

    /// The address of a route, of what is the other unit's.
    fn address(&self, path: &str) -> String {
        let real = path
            .replace("{id}", &self.clips[0])
            .replace("{number}", &encoded(THEIRS))
            .replace("{case_no}", &encoded(THEIRS))
            .replace("{party}", &encoded(THEIR_PARTY))
            .replace("{sample}", &self.sample)
            .replace("{derived}", &self.clips[1])
            .replace("{package}", fixtures::PACKAGE)
            .replace("{disposal}", "1")
            .replace("{stream}", "room-1")
            .replace("{device}", "36NCC009874")
            .replace("{register}", "case")
            .replace("{import}", "1")
            .replace("{name}", "app.css")
            .replace("{piece}", "0")
            .replace("{seq}", "1");
        assert!(!real.contains('{'), "{path}: say what of the other unit stands there");
        real
    }

    /// What of theirs an answer tells that its own address did not say.
    fn told(&self, address: &str, answer: &[u8], head: &str) -> Vec<String> {
        let asked = percent_decode_str(address).decode_utf8_lossy().into_owned();
        let text = [readable(answer), percent_decode_str(head).decode_utf8_lossy().into_owned()].concat();
        let secrets = SECRETS.iter().copied().chain(self.clips.iter().map(String::as_str));
        secrets.filter(|s| !asked.contains(s) && text.contains(s)).map(str::to_owned).collect()
    }
}

fn import(station: &Station, register: &str, text: &str) {
    let file = station.path(format!("{register}.csv"));
    fs::write(&file, text).unwrap();
    station.json(["register", "import", register, file.to_str().unwrap()]);
}

/// An answer as text: its addresses decoded, and of a workbook what its sheets hold.
fn readable(answer: &[u8]) -> String {
    let plain = String::from_utf8_lossy(answer);
    let mut text = format!("{plain}{}", percent_decode_str(&plain).decode_utf8_lossy());
    if answer.starts_with(b"PK\x03\x04") {
        let files = answer.windows(4).enumerate().filter(|(_, w)| w == b"PK\x03\x04").map(|(at, _)| at);
        for at in files {
            let number = |n: usize| usize::from(u16::from_le_bytes([answer[at + n], answer[at + n + 1]]));
            let (mut inside, begin) = (Vec::new(), at + 30 + number(26) + number(28));
            // A file that is stored is in the plain text already.
            let _ = flate2::read::DeflateDecoder::new(&answer[begin..]).read_to_end(&mut inside);
            text.push_str(&String::from_utf8_lossy(&inside));
        }
    }
    text
}

/// Somebody with an account of these options, signed in.
fn somebody(station: &Station, name: &str, options: &[&str]) -> Browser {
    let words = [&["user", "add", name][..], options, &["--json"]].concat();
    let made = station.evidock(words);
    assert!(made.status.success(), "{name}: {}", String::from_utf8_lossy(&made.stderr));
    let made: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap();
    Browser::begin(&station.page(), name, made["password"].as_str().unwrap(), "a sentence of mine")
}

#[tokio::test]
async fn nothing_of_another_unit_stands_in_any_answer() {
    let declared: Vec<Declared> = evidock::web::routes(&fixtures::site(Scene::Busy).0).declared().to_vec();
    for path in SHOWN.iter().map(|s| s.split('?').next().unwrap()).chain(QUERIES.iter().map(|q| q.0)) {
        assert!(declared.iter().any(|r| r.method == "GET" && r.path == path), "{path} is no route any more");
    }
    let place = Place::new();
    let station = &place.station;
    station.json(["user", "first", "boss"]);
    let unit = |unit: &'static str| ["--unit", unit];
    let officer = [&["--role", "officer", "--officer", "欧阳明"][..], &unit("稽查一科")[..]].concat();
    let other = [&["--role", "officer", "--officer", "司徒雷"][..], &unit("稽查二科")[..]].concat();
    let head = [&["--role", "department_head"][..], &unit("稽查一科")[..]].concat();
    let reviewer = ["--role", "legal_reviewer", "--until", "2099-12-31"];
    let situ = somebody(station, "situ", &other);
    let officer = somebody(station, "ouyang", &officer);
    let head = somebody(station, "head", &head);
    let jurist = somebody(station, "jurist", &reviewer);
    let (archivist, supervisor) =
        (somebody(station, "archive", &["--role", "archivist"]), somebody(station, "watch", &["--role", "supervisor"]));
    station.json(["user", "add", "colleague", "--role", "legal_reviewer", "--until", "2099-12-31"]);
    station.json(["review", THEIRS, "--to", "colleague", "--until", "2099-12-31"]);
    station.json(["review", OURS, "--to", "jurist", "--until", "2099-12-31"]);

    // Whoever may see all of it is shown it, and the others what is theirs: nothing below is empty because all is.
    for path in SHOWN {
        let address = place.address(path);
        let answers = [&archivist, &supervisor].map(|who| who.get(&address));
        let told = answers.iter().any(|a| a.status == 200 && !place.told(&address, &a.body, "").is_empty());
        assert!(told, "{address} shows nobody what is the other unit's: {:?}", answers.map(|a| a.text()));
    }
    for who in [&officer, &head, &jurist] {
        for path in ["/clips", "/api/v1/clips", "/cases", "/api/v1/cases"] {
            assert!(readable(&who.get(path).body).contains(OURS), "{path} shows what is theirs");
        }
    }

    // A room that records theirs is in use, and nobody of ours ends that; their officer does.
    for who in [&officer, &head] {
        let told = who.get("/api/v1/rooms").json()["rooms"][0].clone();
        assert!(told["cause"] == "person" && told["yours"] == false, "that it is in use: {told}");
        assert!(who.get("/rooms").text().contains("使用中"), "on the page, too");
        assert_eq!(who.get("/rooms/room-1/still").status, 403);
        assert_eq!(who.form("/rooms/room-1/stop", &[]).status, 403);
    }
    let theirs = situ.get("/api/v1/rooms").json()["rooms"][0].clone();
    assert_eq!((&theirs["yours"], &theirs["case_no"]), (&true.into(), &THEIRS.into()), "{theirs}");

    let (mut told, mut answered) = (Vec::new(), 0);
    for route in declared.iter().filter(|r| r.method == "GET" && !ENDLESS.contains(&r.path)) {
        let plain = place.address(route.path);
        let queries = QUERIES.iter().find(|q| q.0 == route.path).map_or(&[][..], |q| q.1);
        let more = queries.iter().map(|query| {
            let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap());
            let query: Vec<String> = pairs.map(|(key, value)| format!("{key}={}", encoded(value))).collect();
            format!("{plain}?{}", query.join("&"))
        });
        for address in std::iter::once(plain.clone()).chain(more) {
            for (name, who) in [("officer", &officer), ("head", &head), ("jurist", &jurist)] {
                let answer = who.get(&address);
                // That the camera does not answer is our fault there.
                let well = answer.status < 500 || route.path == "/healthz";
                assert!(well, "{name} {address}: {}", answer.text());
                // A header without its body is an answer, too.
                let mut found = place.told(&address, &answer.body, &answer.head);
                if answer.status == 200 {
                    answered += 1;
                    let head = who.send("HEAD", &address, &[], b"");
                    assert_eq!((head.status, head.body.len()), (200, 0), "HEAD {name} {address}");
                    found.extend(place.told(&address, b"", &head.head));
                }
                if !found.is_empty() {
                    told.push(format!("{name} {address} ({}): {found:?}", answer.status));
                }
            }
        }
    }
    assert!(told.is_empty(), "told to who may not know:\n{}", told.join("\n"));
    assert!(answered > 60, "{answered} answers were looked at");
    assert_eq!(situ.form("/rooms/room-1/stop", &[]).status, 303, "whose it is ends it");
    let ended = station.query("SELECT ended FROM recording", &[]);
    assert!(ended.len() == 1 && ended[0][0] == "stopped", "{ended:?}");
}
