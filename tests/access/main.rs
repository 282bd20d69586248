//! Sign-in and rights by the real program: the first administrator, locks, sessions, what each role sees, that nothing is
//! served of which no entry can be stored, and that guests who are slow or many hold up nobody's recorder.

#![allow(clippy::unwrap_used)] // A test may fail by panicking; the lint's own exception ends at the test functions.

mod bounds;
mod certificates;
mod false_provider;
mod guests;
mod http;
mod lasting;
mod provider;
#[path = "../support/mod.rs"]
mod support;

use std::fs;

use http::Browser;
use support::footage;
use support::station::{Station, dsj};

const PASSWORD: &str = "a sentence of mine";
const CASE: &str = "赵卫罚〔2026〕12号";

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// The password of an account that is made or reset.
fn first(station: &Station, words: &[&str]) -> String {
    let output = station.evidock(words.iter().copied().chain(["--json"]));
    assert!(output.status.success(), "{words:?}: {}", support::station::text(&output.stderr));
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    answer["password"].as_str().unwrap().to_owned()
}

/// A station with an administrator and these accounts (name, options of `user add`), each signed in.
fn people(station: &Station, accounts: &[(&str, &[&str])]) -> Vec<Browser> {
    first(station, &["user", "first", "boss"]);
    let page = station.page();
    accounts
        .iter()
        .map(|(name, options)| {
            let words: Vec<&str> = ["user", "add", name].iter().chain(options.iter()).copied().collect();
            Browser::begin(&page, name, &first(station, &words), PASSWORD)
        })
        .collect()
}

/// Two recorders of two officers, all of it taken in and linked to one case.
fn two_officers(station: &mut Station) -> (String, String) {
    let roster = station.path("roster.csv");
    let row = |officer: &str, recorder: &str| {
        format!("{officer},{recorder},2026-01-01 00:00,2026-12-31 23:59,{CASE},东关街,现场检查,现场全貌\n")
    };
    let text = format!(
        "officer,recorder,from,to,case,place,matter,proves\n{}{}",
        row("甲", "36NCC009910"),
        row("乙", "36NCC009874")
    );
    fs::write(&roster, text).unwrap();
    station.json(["roster", "import", roster.to_str().unwrap()]);
    for (name, recorder) in [("a", "36NCC009910"), ("b", "36NCC009874")] {
        station.card(name).file(dsj(recorder, "091200"), footage(5_000, 1), 60);
        station.dock(name);
    }
    station.until("both clips are settled", |s| {
        s.query("SELECT clip_id FROM clip_index WHERE officer IN ('甲', '乙') AND care = 0 AND missing_count = 0", &[])
            .len()
            == 2
    });
    let of = |s: &Station, officer: &str| s.one("SELECT clip_id FROM clip_index WHERE officer = ?1", &[&officer]);
    (of(station, "甲"), of(station, "乙"))
}

#[test]
fn the_first_administrator_closes_the_page() {
    let station = Station::running("");
    let page = station.page();
    let mut browser = Browser::new(&page);
    let open = browser.get("/");
    assert_eq!(open.status, 200);
    assert!(open.text().contains("evidock user first"), "the page says that it is open");
    let doctor = |s: &Station| {
        let output = s.evidock(["doctor", "--json"]);
        let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let of = found["findings"].as_array().unwrap().iter().filter(|f| f["part"] == "accounts");
        of.map(|f| f["words"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join("; ")
    };
    assert!(doctor(&station).contains("may do everything"));
    let (_, words) = station.refused(1, ["user", "add", "zhang", "--role", "officer"]);
    assert!(words.contains("user first"), "{words}");

    let password = first(&station, &["user", "first", "boss"]);
    let shut = browser.get("/clips?state=proven");
    assert_eq!((shut.status, shut.header("location")), (303, Some("/signin?next=%2Fclips%3Fstate%3Dproven")));
    let api = browser.get("/api/v1/status");
    assert_eq!((api.status, api.header("www-authenticate")), (401, Some("Bearer")));
    assert_eq!(api.json()["code"], "sign_in");
    for path in ["/kiosk", "/healthz", "/api/v1/bays", "/signin"] {
        assert_eq!(browser.get(path).status, 200, "{path}");
    }
    assert_eq!(browser.get("/metrics").status, 401);
    assert!(station.refused(1, ["user", "first", "again"]).1.contains("already"));

    assert_eq!(browser.sign_in("boss", "not the password").status, 401);
    assert!(browser.cookie.is_none());
    let inside = browser.form("/signin", &[("name", " BOSS "), ("password", &password), ("next", "/accounts")]);
    assert_eq!((inside.status, inside.header("location")), (303, Some("/accounts")));
    let cookie = inside.header("set-cookie").unwrap();
    for word in ["Secure", "HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(word), "{cookie}");
    }
    browser.take_cookie(&inside);
    // Somebody else knows this password: nothing but changing it goes.
    let first_of_all = browser.get("/accounts");
    assert_eq!((first_of_all.status, first_of_all.header("location")), (303, Some("/account")));
    for (new, again) in
        [("short", "short"), ("boss has a long one", "boss has a long one"), (PASSWORD, "another sentence")]
    {
        let fields = [("present", password.as_str()), ("new", new), ("again", again)];
        assert_eq!(browser.form("/account/password", &fields).status, 422, "{new}");
    }
    let fields = [("present", password.as_str()), ("new", PASSWORD), ("again", PASSWORD)];
    assert_eq!(browser.form("/account/password", &fields).status, 303);
    assert_eq!(browser.get("/accounts").status, 200);
    // The administrator sees to accounts and sees no footage.
    assert_eq!(browser.get("/clips").status, 403);

    // Everything of it is in the log, and no name and no password is.
    let log = station.query("SELECT CAST(bytes AS TEXT) FROM log_entry", &[]);
    let all: String = log.iter().map(|row| row[0].as_str()).collect::<Vec<_>>().join("\n");
    for kind in ["account.made", "access.sign_in_refused", "access.sign_in\"", "account.changed", "access.refused"] {
        assert!(all.contains(kind), "{kind}");
    }
    assert!(!all.contains("boss") && !all.contains(PASSWORD) && !all.contains(&password));
    let refusal = log.iter().find(|row| row[0].contains("access.refused")).unwrap();
    assert!(refusal[0].contains("\"session\":\"") && refusal[0].contains("\"kind\":\"user\""), "{refusal:?}");
    let database = fs::read(station.path("state/evidock.db")).unwrap();
    let token = browser.cookie.clone().unwrap().split_once('=').unwrap().1.to_owned();
    assert!(!database.windows(token.len()).any(|w| w == token.as_bytes()), "the token itself is nowhere");

    let out = browser.form("/signout", &[]);
    assert_eq!((out.status, out.header("location")), (303, Some("/signin?done=out")));
    assert!(out.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert_eq!(browser.get("/accounts").status, 303, "a copy of the cookie is worth nothing");
    assert!(doctor(&station).contains("no security auditor"));
}

#[test]
fn whoever_guesses_is_locked_out_and_let_in_again() {
    let station = Station::running("");
    let password = first(&station, &["user", "first", "boss"]);
    let mut browser = Browser::new(&station.page());
    for _ in 0..5 {
        assert_eq!(browser.sign_in("boss", "a wrong guess").status, 401);
    }
    let nobody = browser.sign_in("nobody", "a wrong guess").text();
    let locked = browser.sign_in("boss", &password);
    assert_eq!(locked.status, 401, "the right password does not help while it is locked");
    let message = |html: &str| html.split("id=\"refusal\"").nth(1).unwrap().split("</p>").next().unwrap().to_owned();
    assert_eq!(message(&locked.text()), message(&nobody), "what is told does not tell which accounts there are");
    let list = station.json(["user", "list"]);
    assert!(list[0]["locked_until"].is_string(), "{list}");
    assert_eq!(station.json(["user", "unlock", "boss"])["was_locked"], true);
    assert_eq!(browser.sign_in("boss", &password).status, 303);
    // An address that goes on trying is held up, whatever the account.
    let mut last = 0;
    // More than it has tries, and as many more as come back while a busy machine looks at each.
    for n in 0..60 {
        last = browser.sign_in(&format!("name{n}"), "a wrong guess").status;
        if last == 429 {
            break;
        }
    }
    assert_eq!(last, 429);
    let why = station.query("SELECT CAST(bytes AS TEXT) FROM log_entry WHERE kind = 'access.sign_in_refused'", &[]);
    for word in ["\"why\":\"password\"", "\"why\":\"locked\"", "\"why\":\"no_account\"", "\"why\":\"too_many\""] {
        assert!(why.iter().any(|row| row[0].contains(word)), "{word}");
    }
}

#[test]
fn each_role_sees_what_is_theirs_and_says_why_where_that_is_asked() {
    let mut station = Station::running("");
    let (mine, others) = two_officers(&mut station);
    let accounts: &[(&str, &[&str])] = &[
        ("jia", &["--role", "officer", "--officer", "甲", "--unit", "一科"]),
        ("head", &["--role", "department_head", "--unit", "一科"]),
        ("supervisor", &["--role", "supervisor"]),
        ("reviewer", &["--role", "legal_reviewer", "--until", "2099-12-31"]),
        ("auditor", &["--role", "auditor"]),
    ];
    let mut people = people(&station, accounts).into_iter();
    let [officer, head, supervisor, reviewer, auditor] = std::array::from_fn(|_| people.next().unwrap());
    let again = ["user", "add", "jia-2", "--role", "department_head", "--officer", " 甲"];
    assert_eq!(station.json(again)["one_person"], serde_json::json!(["jia"]), "one officer is one person");
    let listed = |browser: &Browser| -> Vec<String> {
        let answer = browser.get("/api/v1/clips").json();
        let ids = answer["items"].as_array().unwrap().iter().map(|r| r["record_id"].as_str().unwrap().to_owned());
        ids.collect()
    };
    let page = |browser: &Browser, clip: &str| browser.get(&format!("/clips/{clip}")).status;
    let case = format!("/api/v1/cases/{}", encoded(CASE));

    assert_eq!(listed(&officer), [mine.as_str()]);
    assert_eq!((page(&officer, &mine), page(&officer, &others)), (200, 403));
    assert_eq!(officer.get(&format!("/clips/{mine}/media")).status, 200);
    assert_eq!(officer.get(&format!("/clips/{mine}/media?download=1")).status, 403, "saving is more than watching");
    assert_eq!(officer.get(&format!("/clips/{others}/media")).status, 403);
    let seen = officer.get(&case).json();
    assert_eq!((&seen["clips"], seen["items"].as_array().unwrap().len()), (&1.into(), 1), "of a case, their part");
    assert_eq!(officer.form(&format!("/clips/{mine}/annotate"), &[("place", "北大街")]).status, 303);
    assert_eq!(officer.form(&format!("/clips/{others}/annotate"), &[("place", "北大街")]).status, 403);

    assert_eq!(listed(&head), [mine.as_str()], "officers of the unit");
    assert_eq!((page(&head, &mine), page(&head, &others)), (200, 403));

    // A label closes to the head of department what the officer still sees.
    station.json(["annotate", &mine, "sensitivity=个人隐私"]);
    assert_eq!((page(&officer, &mine), page(&head, &mine)), (200, 403));
    assert!(listed(&head).is_empty());
    // Isolating it is the head's all the same; a form of that which is refused does not show it.
    let refused = head.form(&format!("/clips/{mine}/isolate"), &[("reason", " ")]);
    assert!(refused.status == 422 && !refused.text().contains("北大街"), "{}", refused.text());
    let refused = officer.form(&format!("/clips/{mine}/isolate"), &[("reason", " ")]);
    assert!(refused.status == 422 && refused.text().contains("北大街"), "{}", refused.text());
    assert_eq!(head.get(&case).status, 404, "a case of which they see nothing is not there");

    assert_eq!(listed(&supervisor).len(), 2);
    let asked = supervisor.get(&format!("/clips/{others}"));
    assert_eq!(asked.status, 403);
    let html = asked.text();
    assert!(html.contains("action=\"/purpose\""), "{html}");
    let about = html.split("name=\"about\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let said = [("about", about.as_str()), ("purpose", "随机抽查"), ("next", "/clips")];
    assert_eq!(supervisor.form("/purpose", &said).status, 303);
    // Said for one clip of a case, it holds for the others, in this session.
    assert_eq!((page(&supervisor, &others), page(&supervisor, &mine)), (200, 200));
    let mut elsewhere = Browser::new(&station.page());
    elsewhere.sign_in("supervisor", PASSWORD);
    assert_eq!(page(&elsewhere, &others), 403);
    let kept = station.query(
        "SELECT l.kind FROM log_secret s JOIN log_entry l USING (seq) WHERE s.field = 'purpose' AND s.value = '随机抽查'",
        &[],
    );
    assert!(kept.iter().any(|row| row[0] == "access.show"), "{kept:?}");

    assert!(listed(&reviewer).is_empty());
    assert_eq!(page(&reviewer, &others), 403);
    station.json(["review", CASE, "--to", "reviewer", "--until", "2099-12-31"]);
    assert_eq!(listed(&reviewer).len(), 2);
    assert_eq!(page(&reviewer, &others), 200);
    // The written record is the reviewer's to read with its case, and no longer.
    let paper = station.path("现场检查笔录.pdf");
    fs::write(&paper, b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n").unwrap();
    let filed = station.json(["case", "add-document", CASE, paper.to_str().unwrap()]);
    let document = filed["clip"].as_str().unwrap().to_owned();
    let review = format!("/review/{}?doc={document}", encoded(CASE));
    let read = |browser: &Browser| {
        let bytes = browser.get(&format!("/clips/{document}/media?frame=1"));
        (browser.get(&review).status, bytes.status)
    };
    let views = "SELECT CAST(bytes AS TEXT) FROM log_entry WHERE kind = 'access.view' AND clip_id = ?1";
    assert_eq!(read(&reviewer), (200, 200));
    let told = station.query(views, &[&document]);
    assert!(told.len() == 1 && told[0][0].contains("\"what\":\"read\""), "{told:?}");
    station.json(["review", CASE, "--to", "reviewer", "--end"]);
    assert_eq!(page(&reviewer, &others), 403);
    assert_eq!(read(&reviewer), (404, 403));
    assert_eq!(read(&auditor), (403, 403));
    assert_eq!(station.query(views, &[&document]).len(), 1, "nothing was shown");

    // What the supervisor saw stands in what happened to the clip, for whoever may see who looked: not for its officer.
    let number = station.one("SELECT account_id FROM account WHERE login = 'supervisor'", &[]);
    let lookers = |browser: &Browser| -> Vec<String> {
        let told = browser.get(&format!("/api/v1/clips/{mine}/events")).json();
        let entries = told["items"].as_array().unwrap().iter();
        let looks = entries.filter(|e| e["kind"].as_str().unwrap().starts_with("access."));
        looks.map(|e| e["actor"].as_str().unwrap().to_owned()).collect()
    };
    let own = station.one("SELECT account_id FROM account WHERE login = 'jia'", &[]);
    let seen = lookers(&officer);
    assert!(!seen.is_empty() && seen.iter().all(|actor| *actor == format!("user:{own}")), "{seen:?}");
    assert!(lookers(&supervisor).contains(&format!("user:{number}")));
    let look = "SELECT max(seq) FROM log_entry WHERE kind = 'access.show' AND clip_id = ?1
         AND json_extract(CAST(bytes AS TEXT), '$.actor.id') = ?2";
    let seq = station.one(look, &[&mine, &number]);
    for path in [format!("/clips/{mine}/events/{seq}"), format!("/api/v1/clips/{mine}/events/{seq}/entry")] {
        assert_eq!((officer.get(&path).status, supervisor.get(&path).status), (404, 200), "{path}");
    }
    assert!(!officer.get(&format!("/clips/{mine}")).text().contains(&format!("/events/{seq}\"")));

    assert_eq!((auditor.get("/clips").status, auditor.get("/").status), (403, 200));
    assert_eq!(auditor.get(&format!("/clips/{mine}/media")).status, 403);

    // What an administrator takes away is gone at once.
    assert_eq!(station.json(["user", "sign-out", "jia"])["ended"], 1);
    assert_eq!(page(&officer, &mine), 303);
    station.json(["user", "change", "supervisor", "--label", "督察员"]);
    station.json(["user", "disable", "supervisor"]);
    assert_eq!(page(&supervisor, &others), 303);
    // The auditor reads who that was, from the database: the log itself has no name.
    let did = auditor.get(&format!("/api/v1/log?actor=user:{number}&kind=access.")).json()["items"][0].clone();
    assert_eq!((&did["actor_name"], &did["actor_login"]), (&"督察员".into(), &"supervisor".into()), "{did}");
    assert!(auditor.get("/log?kind=account.").text().contains(&format!("account: {number} 督察员 (supervisor)")));
    assert_eq!(elsewhere.sign_in("supervisor", PASSWORD).status, 401);
    let roles = station.refused(1, ["user", "change", "auditor", "--role", "auditor,archivist"]).1;
    assert!(roles.contains("三员分立"), "{roles}");
}

#[test]
fn a_program_uses_the_api_with_what_its_token_names() {
    let mut station = Station::running("");
    let (clip, _) = two_officers(&mut station);
    first(&station, &["user", "first", "boss"]);
    let words =
        ["token", "add", "platform", "--role", "archivist", "--scope", "list_clips,show_clip,download_clip,play_clip"];
    let made = station.json(words);
    let mut program = Browser::new(&station.page());
    program.bearer = Some(made["token"].as_str().unwrap().to_owned());
    assert_eq!(program.get("/api/v1/clips").json()["items"].as_array().unwrap().len(), 2);
    let media = format!("/api/v1/clips/{clip}/media?download=1");
    let refused = program.get(&media);
    assert_eq!((refused.status, &refused.json()["code"]), (403, &"purpose".into()));
    let why = encoded("平台对接");
    let answer = program.send("GET", &media, &[("x-purpose", &why)], b"");
    assert_eq!((answer.status, answer.body.len()), (200, 5_000));
    assert_eq!(program.get("/api/v1/cases").status, 403);
    assert!(
        station.refused(1, ["token", "add", "x", "--role", "archivist", "--scope", "read_log"]).1.contains("read_log")
    );
    assert!(station.refused(1, ["token", "add", "x", "--role", "security_administrator"]).1.contains("no program"));
    station.json(["token", "end", &made["id"].to_string()]);
    // Tried again and again it stands in the log once.
    for _ in 0..3 {
        assert_eq!(program.get("/api/v1/clips").status, 401);
    }
    let away = "SELECT 1 FROM log_entry WHERE kind = 'access.sign_in_refused' AND CAST(bytes AS TEXT) LIKE '%\"why\":\"token\"%'";
    assert_eq!(station.query(away, &[]).len(), 1);
}

#[test]
fn tokens_and_the_sessions_of_others_are_seen_to_on_the_page() {
    let mut station = Station::running("");
    two_officers(&mut station);
    let boss = Browser::begin(&station.page(), "boss", &first(&station, &["user", "first", "boss"]), PASSWORD);
    let files = Browser::begin(
        &station.page(),
        "files",
        &first(&station, &["user", "add", "files", "--role", "archivist"]),
        PASSWORD,
    );
    // A token, told once.
    let fields = [("name", "大屏"), ("role", "archivist"), ("days", "30"), ("scope", "list_clips")];
    let html = boss.form("/tokens", &fields).text();
    let told = |html: &str| html.split("code big\">").nth(1).map(|rest| rest.split('<').next().unwrap().to_owned());
    let token = told(&html).expect("the token");
    assert!(told(&boss.get("/accounts").text()).is_none(), "and nowhere again");
    let mut program = Browser::new(&station.page());
    program.bearer = Some(token);
    assert_eq!((program.get("/api/v1/clips").status, program.get("/api/v1/cases").status), (200, 403));
    // Whoever may only list clips has no record of any: not by its id, and not by the list.
    let listed = program.get("/api/v1/clips").json()["items"][0].clone();
    let clip = listed["record_id"].as_str().unwrap().to_owned();
    assert_eq!(program.get(&format!("/api/v1/clips/{clip}")).status, 403);
    assert!(listed["officer"].is_string() && listed["place"] == "东关街" && listed["case_no"] == CASE, "{listed}");
    let beyond = ["origins", "copies", "sha256", "operator", "original_path", "captured_raw"];
    assert!(beyond.iter().all(|field| listed.get(*field).is_none()), "{listed}");
    assert_eq!(program.get("/api/v1/tokens").status, 403, "no token makes tokens");
    let listed = boss.get("/api/v1/tokens").json();
    let item = &listed["items"][0];
    assert!(item["name"] == "大屏" && item["scopes"][0] == "list_clips" && item["used_at"].is_string(), "{listed}");
    assert_eq!(boss.form("/tokens", &[("name", "x"), ("role", "archivist"), ("days", "9999")]).status, 422);
    let wrong = [("name", "x"), ("role", "archivist"), ("days", "9"), ("scope", "read_log")];
    assert!(boss.form("/tokens", &wrong).text().contains("list_clips"), "what the role may do is told");
    assert_eq!(files.form("/tokens", &fields).status, 403);
    assert_eq!(boss.form(&format!("/tokens/{}/end", item["token"]), &[]).status, 303);
    assert_eq!(program.get("/api/v1/clips").status, 401);
    // One session of somebody else, and not the others.
    let mut elsewhere = Browser::new(&station.page());
    assert_eq!(elsewhere.sign_in("files", PASSWORD).status, 303);
    let sessions = station.json(["user", "sessions", "files"]);
    assert_eq!(sessions.as_array().unwrap().len(), 2, "{sessions}");
    // The one that was seen last is the new one.
    let newest = sessions.as_array().unwrap().iter().max_by_key(|s| s["since"].as_str().unwrap().to_owned()).unwrap();
    let path = format!("/accounts/files/sessions/{}/end", newest["session"].as_str().unwrap());
    assert!(boss.get("/accounts").text().contains(&path));
    assert_eq!(boss.form(&path, &[]).status, 303);
    assert_eq!(station.json(["user", "sessions", "files"]).as_array().unwrap().len(), 1);
    let alive = [files.get("/clips").status, elsewhere.get("/clips").status];
    assert!(alive.contains(&200) && alive.contains(&303), "{alive:?}");
}

#[test]
fn one_time_codes_are_switched_on_asked_for_and_taken_off() {
    let station = Station::running("");
    let mut boss = Browser::begin(&station.page(), "boss", &first(&station, &["user", "first", "boss"]), PASSWORD);
    let html = boss.get("/account?codes=new").text();
    let key = html.split("secret=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let code = |offset: i64| totp(&key, offset);
    let wrong = [("password", PASSWORD), ("code", "000000")];
    assert_eq!(boss.form("/account/codes", &wrong).status, 422);
    assert_eq!(boss.form("/account/codes", &[("password", PASSWORD), ("code", &code(0))]).status, 303);
    boss.cookie = None;
    let asked = boss.sign_in("boss", PASSWORD);
    assert_eq!((asked.status, boss.cookie.is_none()), (200, true), "the password alone opens nothing");
    let html = asked.text();
    let word = html.split("name=\"pending\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let typed = |code: &str| boss.form("/signin/code", &[("pending", &word), ("code", code)]);
    assert_eq!(typed("123").status, 401);
    let used = code(0);
    let inside = typed(&used);
    assert_eq!(inside.status, 303, "{}", inside.text());
    assert_eq!(typed(&used).status, 401, "each once");
    // The telephone is lost.
    let password = first(&station, &["user", "password", "boss", "--without-codes"]);
    assert_eq!(boss.sign_in("boss", &password).status, 303);
}

/// A code of now, made by other code than the program's: Python's hmac.
fn totp(key: &str, offset: i64) -> String {
    let script = "import base64,hmac,struct,sys,time\nk=sys.argv[1];k=base64.b32decode(k+'='*(-len(k)%8))\n\
                  d=hmac.new(k,struct.pack('>q',int(time.time())//30+int(sys.argv[2])),'sha1').digest();o=d[-1]&15\n\
                  print('%06d'%((struct.unpack('>I',d[o:o+4])[0]&0x7fffffff)%10**6))";
    let output = std::process::Command::new("/usr/bin/python3").args(["-c", script, key, &offset.to_string()]).output();
    String::from_utf8(output.unwrap().stdout).unwrap().trim().to_owned()
}

#[test]
fn nothing_is_served_of_which_no_entry_can_be_stored() {
    let mut station = Station::running("");
    let (clip, _) = two_officers(&mut station);
    let people = people(&station, &[("archive", &["--role", "archivist"])]);
    let archivist = &people[0];
    let paths = [
        format!("/clips/{clip}"),
        format!("/clips/{clip}/media"),
        "/clips".to_owned(),
        format!("/cases/{}", encoded(CASE)),
        "/api/v1/clips".to_owned(),
        format!("/api/v1/clips/{clip}/media"),
    ];
    // Whatever makes an entry fail: here the database itself refuses it.
    let db = rusqlite::Connection::open(station.path("state/evidock.db")).unwrap();
    db.busy_timeout(std::time::Duration::from_secs(30)).unwrap();
    db.execute_batch(
        "CREATE TRIGGER no_more BEFORE INSERT ON log_entry BEGIN SELECT RAISE(ABORT, 'the log is full'); END",
    )
    .unwrap();
    for path in &paths {
        let answer = archivist.get(path);
        assert_eq!(answer.status, 503, "{path}");
        assert!(!answer.text().contains("东关街"), "{path}");
    }
    let mut stranger = Browser::new(&station.page());
    assert_ne!(stranger.sign_in("archive", PASSWORD).status, 303, "nobody gets in unseen either");
    db.execute_batch("DROP TRIGGER no_more").unwrap();
    for path in &paths {
        assert_eq!(archivist.get(path).status, 200, "{path}");
    }
}
