//! The whole site over fixtures, without a socket: every page in every scene and language, what is logged before
//! what is served, what a change may do, and that the document says what the router does.

mod access;
mod beyond;
mod bounds;
mod counterparts;
mod custody;
#[allow(dead_code, clippy::unwrap_used)] // Other suites use the rest of it.
#[path = "../support/station.rs"]
mod daemon;
mod fixtures;
mod foreign;
mod grounds;
#[allow(dead_code, clippy::unwrap_used)]
#[path = "../access/http.rs"]
mod http;
mod keeping;
mod lasting;
mod offers;
mod office;
mod one_person;
mod pace;
mod paging;
mod people;
#[allow(clippy::unwrap_used)]
#[path = "../support/plugins.rs"]
mod plugins;
mod promises;
mod purpose;
mod reasons;
mod refused;
mod repeats;
mod scenes;
mod states;
mod told;

use std::io::Read;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use evidock::domain::command::{Reply, Request as Asked};
use evidock::domain::why::Why;
use evidock::domain::words::Lang;
use evidock::web::routes::Declared;
use evidock::web::site::Site;
use fixtures::{CASE, MEDIA_BYTES, NASTY, Scene, clip_id};
use tower::ServiceExt;

struct Answer {
    status: StatusCode,
    headers: axum::http::HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("UTF-8")
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().expect("ASCII"))
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }
}

struct Visit {
    router: Router,
    asked: Arc<fixtures::Asked>,
    site: Arc<Site>,
}

impl Visit {
    fn to(scene: Scene) -> Self {
        let (site, asked) = fixtures::site(scene);
        Self { router: evidock::web::router(site.clone()), asked, site }
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.expect("infallible");
        let (parts, body) = response.into_parts();
        // A stream of events has no end.
        let stream = parts.headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == "text/event-stream");
        let body = if stream { Body::empty() } else { body };
        let body = to_bytes(body, 64 << 20).await.expect("a body").to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    async fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[]).await
    }

    async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::get(path).header("host", "127.0.0.1:8080");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::empty()).expect("a request")).await
    }

    async fn post(&self, path: &str, form: &str) -> Answer {
        let request = Request::post(path)
            .header("host", "127.0.0.1:8080")
            .header("origin", "http://127.0.0.1:8080")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(form.to_owned()));
        self.send(request.expect("a request")).await
    }

    async fn json(&self, method: &str, path: &str, body: &str) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost")
            .header("content-type", "application/json");
        self.send(request.body(Body::from(body.to_owned())).expect("a request")).await
    }
}

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

fn every_page() -> Vec<String> {
    let clip = |n| format!("/clips/{}", clip_id(n));
    let mut pages: Vec<String> = [
        "/",
        "/kiosk",
        "/clips",
        "/clips?missing=any",
        "/clips?state=proven&officer=%E7%94%B2",
        "/triage",
        "/triage?done=accept&clip=019aa2c4-7f00-7abc-8def-000000000001&case_no=1&also=",
        "/cases",
        "/cases/999",
        "/clips?q=%E6%96%B0%E5%8D%8E%E8%B7%AF&sort=best",
        "/elsewhere?q=%E6%96%B0%E5%8D%8E%E8%B7%AF",
        "/rooms",
        "/alarms",
        "/alarms?done=known",
        "/keeping",
        "/keeping?done=asked",
        "/keeping/disposals/1",
        "/reports",
        "/reports?period=2026-Q2&unit=-&kind=-",
        "/reports/cases?of=missing",
        "/reports/cases?period=2026-Q2&of=opened",
        "/sampling",
        "/sampling/1",
        "/review",
        "/exports",
        "/nowhere",
    ]
    .map(Into::into)
    .into();
    pages.extend(office::pages());
    pages.extend((1..=10).map(clip));
    pages.push(format!("/cases/{}", encoded(CASE)));
    for more in ["filing", "filing/list?kind=transfer", "filing/list?kind=contents", "filing/report", "coverage"] {
        pages.push(format!("/cases/{}/{more}", encoded(CASE)));
    }
    let beside = format!("?clip={}&t=75&doc={}", clip_id(3), clip_id(90));
    for of in ["", "/opinion", "/sheet", &format!("?clip={}", clip_id(1)), &beside] {
        pages.push(format!("/review/{}{of}", encoded(CASE)));
    }
    pages.push(format!("/clips?case={}", encoded(NASTY)));
    // A package of each state, and where one is asked for.
    let package = |n: usize| format!("/exports/{}", fixtures::PACKAGE.replace("89ab", &format!("{:04x}", 0x89ab + n)));
    pages.extend((0..fixtures::packages().len()).map(package));
    pages.push(format!("/cases/{}/export", encoded(CASE)));
    pages
}

#[tokio::test]
async fn every_page_in_every_scene_and_language_holds_its_promises() {
    for scene in Scene::ALL {
        let visit = Visit::to(scene);
        for lang in Lang::ALL {
            for path in every_page() {
                let page = visit.get_with(&path, &[("accept-language", lang.tag())]).await;
                let html = page.text();
                let at = format!("{scene:?} {lang:?} {path}");
                assert!(page.status.is_success() || page.status == StatusCode::NOT_FOUND, "{at}: {}", page.status);
                assert!(html.contains(&format!("<html lang=\"{}\"", lang.tag())), "{at}");
                assert!(
                    !html.contains("<script>") && !html.contains(" style=") && !html.contains("' onload="),
                    "{at}: inline"
                );
                assert!(!html.contains("<style"), "{at}");
                assert!(page.header("content-security-policy").contains("default-src 'self'"), "{at}");
                assert!(!page.header("content-security-policy").contains("unsafe"), "{at}");
                assert_eq!(page.header("x-content-type-options"), "nosniff", "{at}");
                assert_eq!(page.header("cache-control"), "no-store", "{at}");
                // First paint under 120 kB in all: scripts and style are about 85 kB of it.
                assert!(html.len() < 110_000, "{at}: {} bytes", html.len());
            }
        }
    }
}

#[tokio::test]
async fn the_bay_board_names_no_one() {
    for scene in [Scene::Busy, Scene::Failing, Scene::Overloaded] {
        let html = Visit::to(scene).get("/kiosk").await.text();
        assert!(!html.contains("采集人甲") && !html.contains("DSJ-") && !html.contains("采集人0"), "{scene:?}");
        assert!(html.contains("请勿拔出") || html.contains("已暂停"), "{scene:?}");
    }
}

#[tokio::test]
async fn what_is_held_back_is_shown_with_a_word_and_what_to_do() {
    let visit = Visit::to(Scene::Held);
    let (board, station) = (visit.get("/kiosk").await.text(), visit.get("/").await.text());
    for (word, act, icon) in [
        ("未注册设备", "请联系管理员", "unknown"),
        ("设备已拒绝", "请联系管理员", "cross"),
        ("不是记录仪", "请拔出", "ban"),
        ("未开放存储", "请切换到U盘模式", "lock"),
        ("无法读取", "换一个采集位", "warn"),
    ] {
        for page in [&board, &station] {
            assert!(page.contains(word) && page.contains(act), "{word}");
            assert!(page.contains(&format!("href=\"#i-{icon}\"")), "{word}: {icon}");
        }
    }
    let english = visit.get_with("/kiosk", &[("accept-language", "en")]).await.text();
    for word in ["Unregistered device", "Call the administrator", "Not a recorder", "Take it out", "Refused device"] {
        assert!(english.contains(word), "{word}");
    }
    // The board stands where everyone sees it: what a device says of itself and why it fails are for the station page.
    for told in ["Kingston", "SERIAL", "answers no read", "Logitech"] {
        assert!(!board.contains(told), "{told}");
    }
    assert!(station.contains("Kingston DataTraveler 3.0 · USB 0951:1666") && !station.contains("SERIAL"));
    assert!(board.contains("可以取走"), "a keyboard beside a recorder does not hide that it may go");
    assert!(station.contains("7 号位：不是记录仪"), "but it is told");
}

#[tokio::test]
async fn the_api_tells_of_bays_what_everyone_may_know() {
    let visit = Visit::to(Scene::Held);
    let answer = visit.get("/api/v1/bays").await;
    assert!(visit.asked.taken().is_empty(), "nothing in it is an access");
    for told in ["采集人", "DSJ", "SERIAL", "Kingston", "answers no read"] {
        assert!(!answer.text().contains(told), "{told}");
    }
    let bays = answer.json()["bays"].as_array().cloned().unwrap();
    assert_eq!(
        bays[0],
        serde_json::json!({ "bay": "1", "state": "copying", "safe_to_remove": false, "percent": 62, "files_done": 8,
            "files": 12, "held": [] })
    );
    let unknown = serde_json::json!({ "why": "unknown", "usb_id": "0951:1666", "since": "2026-06-19T11:40:37+00:00" });
    assert_eq!(
        bays[1],
        serde_json::json!({ "bay": "2", "state": "held", "safe_to_remove": false, "percent": null, "files_done": null,
            "files": null, "held": [unknown] })
    );
    let held: Vec<_> = bays.iter().filter_map(|b| b["held"][0]["why"].as_str()).collect();
    assert_eq!(held, ["unknown", "refused", "not_storage", "no_storage", "broken", "not_storage"]);
    assert_eq!((&bays[6]["state"], &bays[6]["safe_to_remove"]), (&"safe".into(), &true.into()));
    assert_eq!((&bays[6]["files_done"], &bays[6]["files"]), (&14.into(), &14.into()));
    let document = visit.get("/api/v1/openapi.json").await.json();
    assert!(document["components"]["schemas"]["BayNow"]["properties"]["safe_to_remove"].is_object());
}

#[tokio::test]
async fn the_words_of_the_field_are_on_the_page() {
    let visit = Visit::to(Scene::Busy);
    let station = visit.get("/").await.text();
    for word in [
        "请勿拔出",
        "可以取走 · 上传中",
        "可以取走 · 3 个待标注",
        "未注册设备",
        "云端校验一致",
        "记录仪已清空",
        "上传情况",
        "需要处理",
        "已校时",
    ] {
        assert!(station.contains(word), "{word}");
    }
    let english = visit.get_with("/", &[("cookie", "a=b; lang=en"), ("accept-language", "zh-CN")]).await.text();
    assert!(english.contains("Do not remove") && english.contains("Safe to remove · 3 to annotate"));
    let clip = visit.get(&format!("/clips/{}", clip_id(7))).await.text();
    assert!(clip.contains("缺，请补充") && clip.contains("待标注"));
}

#[tokio::test]
async fn what_a_recorder_could_not_give_is_said_wherever_the_clip_is() {
    let visit = Visit::to(Scene::Failing);
    let first = format!("/clips/{}", clip_id(1));
    for (lang, words, holes) in [
        ("zh", ["读取不全", "分两次读取", "记录仪时钟快约", "晚于接入时间"], "2 处共 12.3"),
        ("en", ["Not whole", "Read in two docks", "ahead by about", "more than a day after the dock"], "2 places"),
    ] {
        let cookie = format!("lang={lang}");
        let list = visit.get_with("/clips", &[("cookie", &cookie)]).await.text();
        assert_eq!(list.matches(words[0]).count(), 1, "{lang}: one clip of the list has holes");
        let clip = visit.get_with(&first, &[("cookie", &cookie)]).await.text();
        for word in words.iter().chain([&holes]) {
            assert!(clip.contains(word), "{lang}: {word}");
        }
    }
    let whole = visit.get(&format!("/clips/{}", clip_id(2))).await.text();
    assert!(!whole.contains("读取不全") && !whole.contains("值得注意"));
}

#[tokio::test]
async fn an_access_is_logged_before_it_is_answered_or_nothing_is() {
    let visit = Visit::to(Scene::Busy);
    let clip = format!("/clips/{}", clip_id(2));
    visit.get(&clip).await;
    let asked = visit.asked.taken();
    assert!(
        matches!(&asked[..], [Asked::LogAccess { what, clip: Some(id), .. }] if what == "show" && *id == clip_id(2).to_string())
    );
    // The part that refreshes itself is the same access; opening the page again is another.
    visit.get(&format!("{clip}?part=live")).await;
    assert_eq!(visit.asked.taken().len(), 0);
    visit.get(&clip).await;
    assert_eq!(visit.asked.taken().len(), 1);
    visit.get("/clips?officer=%E7%94%B2").await;
    let asked = visit.asked.taken();
    assert!(
        matches!(&asked[0], Asked::LogAccess { what, terms: Some(t), .. } if what == "search" && t.starts_with("officer="))
    );
    visit.get(&format!("/cases/{}", encoded(CASE))).await;
    let asked = visit.asked.taken();
    assert!(
        matches!(&asked[0], Asked::LogAccess { case: Some(hash), .. } if hash.len() == 64),
        "the number itself is not in the log"
    );
    visit.get(&format!("/cases/{}", encoded(&CASE.replace('〔', "[").replace('〕', "]")))).await;
    assert_eq!(visit.asked.taken()[..], asked[..], "however it is typed, the log groups it");

    *visit.asked.refuse.lock().unwrap() = Some(Reply::refused("unavailable", Why::said("the log cannot be written")));
    let case = format!("/cases/{}", encoded(CASE));
    for path in
        [clip.as_str(), "/clips", "/cases", &case, &format!("{clip}/media"), "/api/v1/clips", &format!("/api/v1{clip}")]
    {
        let page = visit.get(path).await;
        assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert!(!page.text().contains("东关街"), "{path}");
    }
}

#[tokio::test]
async fn media_is_served_by_ranges_inside_one_logged_viewing() {
    let visit = Visit::to(Scene::Busy);
    let path = format!("/clips/{}/media", clip_id(2));
    let part = visit.get_with(&path, &[("range", "bytes=300000-599999")]).await;
    assert_eq!(part.status, StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.header("content-range"), format!("bytes 300000-599999/{MEDIA_BYTES}"));
    assert_eq!(part.header("content-length"), "300000");
    assert_eq!(part.header("cache-control"), "no-store");
    assert!(part.body.iter().enumerate().all(|(i, b)| *b == ((300_000 + i as u64) % 251) as u8), "across buffers");
    let whole = visit.get(&path).await;
    assert_eq!((whole.status, whole.body.len() as u64), (StatusCode::OK, MEDIA_BYTES));
    let stale = visit.get_with(&path, &[("range", "bytes=0-9"), ("if-range", "\"other\"")]).await;
    assert_eq!(stale.status, StatusCode::OK);
    let beyond = visit.get_with(&path, &[("range", "bytes=700000-")]).await;
    assert_eq!(beyond.status, StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(beyond.header("content-range"), format!("bytes */{MEDIA_BYTES}"));
    let asked = visit.asked.taken();
    assert!(matches!(&asked[..], [Asked::BeginView { what, .. }] if what == "play"), "one viewing: {asked:?}");
    visit.site.viewings.close_idle(evidock::runtime::clock::monotonic(), std::time::Duration::ZERO).await;
    let asked = visit.asked.taken();
    assert!(
        matches!(&asked[..], [Asked::EndView { begun_seq: 41, ranges, .. }] if *ranges == [(0, MEDIA_BYTES)]),
        "{asked:?}"
    );

    let head = Request::head(&path).header("host", "localhost").body(Body::empty()).expect("a request");
    let head = visit.send(head).await;
    assert_eq!((head.status, head.body.len(), head.header("content-length")), (StatusCode::OK, 0, "700000"));
    let asked = visit.asked.taken();
    assert!(
        matches!(&asked[..], [Asked::LogAccess { what, clip: Some(_), .. }] if what == "show"),
        "no byte, no viewing, but a look at its name and digest: {asked:?}"
    );
    let isolated = Visit::to(Scene::Failing).get(&format!("/clips/{}/media", clip_id(5))).await;
    assert_eq!(isolated.status, StatusCode::FORBIDDEN);
    assert_eq!(visit.get("/clips/../etc/passwd/media").await.status, StatusCode::NOT_FOUND);
    let saved = visit.get(&format!("{path}?download=1")).await;
    assert!(saved.header("content-disposition").starts_with("attachment;"));
    assert!(matches!(&visit.asked.taken()[..], [Asked::BeginView { what, .. }] if what == "download"));
}

#[tokio::test]
async fn a_document_stands_beside_a_clip_and_in_no_other_frame() {
    let visit = Visit::to(Scene::Busy);
    let media = |n| format!("/clips/{}/media", clip_id(n));
    let framed = visit.get_with(&format!("{}?frame=1", media(90)), &[("range", "bytes=0-3")]).await;
    assert_eq!(framed.status, StatusCode::OK, "the whole of it");
    assert!(framed.body.starts_with(b"%PDF-") && framed.header("content-disposition").starts_with("inline;"));
    assert_eq!(framed.header("content-security-policy"), "default-src 'none'; sandbox; frame-ancestors 'self'");
    assert_eq!(
        ["content-type", "x-frame-options", "x-content-type-options", "accept-ranges"].map(|h| framed.header(h)),
        ["application/pdf", "SAMEORIGIN", "nosniff", "none"]
    );
    assert!(matches!(&visit.asked.taken()[..], [Asked::BeginView { what, .. }] if what == "read"));
    let saved = format!("{}?frame=1&download=1", media(90));
    for path in
        [media(90), saved, format!("{}?frame=1", media(91)), format!("{}?frame=1", media(92)), media(2) + "?frame=1"]
    {
        let answer = visit.get(&path).await;
        assert_eq!((answer.status, answer.header("x-frame-options")), (StatusCode::OK, "DENY"), "{path}");
        assert!(!answer.header("content-security-policy").contains("frame-ancestors 'self'"), "{path}");
        let attached = answer.header("content-disposition").starts_with("attachment;");
        assert_eq!(attached, path != media(2) + "?frame=1", "{path}");
    }

    let case = format!("/review/{}", encoded(CASE));
    for (path, frames) in
        [(case.as_str(), "'self'"), (format!("{case}/opinion").as_str(), "'none'"), ("/clips", "'none'")]
    {
        let policy = visit.get(path).await.header("content-security-policy").to_owned();
        assert!(policy.contains(&format!("frame-src {frames};")), "{path}: {policy}");
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("object-src 'none'"), "{path}: {policy}");
    }

    // Its entry stands before anything of it is shown, and the clip's stands beside it.
    visit.asked.taken();
    let with = |n: i64| format!("{case}?clip={}&t=75&doc={}", clip_id(3), clip_id(n));
    let page = visit.get(&with(90)).await.text();
    let shown: Vec<_> = visit.asked.taken();
    let of = |asked: &Asked, id| matches!(asked, Asked::LogAccess { what, clip: Some(clip), .. } if what == "show" && *clip == clip_id(id).to_string());
    assert!(shown.len() == 3 && of(&shown[1], 3) && of(&shown[2], 90), "{shown:?}");
    assert!(page.contains(&format!("<iframe class=\"written noprint\" src=\"{}?frame=1\"", media(90))), "{page}");
    assert!(page.contains(&format!("src=\"{}#t=75\"", media(3))), "the place in the clip stays");
    let next = format!("?clip={}&#38;t=75&#38;doc={}", clip_id(3), clip_id(91));
    assert!(page.contains(&next), "and goes along to another document");
    let picture = format!("<img src=\"{}\"", media(91));
    let save = |n| format!("{}?download=1", media(n));
    for (n, told) in [(91, picture), (92, "请下载后查看".to_owned()), (92, save(92)), (93, "送达回证</b>".to_owned())]
    {
        let page = visit.get(&with(n)).await.text();
        assert!(!page.contains("<iframe") && page.contains(&told), "{n}: {told}");
        assert_eq!(page.contains(&save(n)), n != 93, "{n}: of what is gone there is nothing to save");
    }
    let strange = visit.get(&with(1)).await.text();
    assert!(!strange.contains("id=\"h-doc\""), "a clip is no document");

    let opinion = visit.get(&format!("{case}/opinion")).await.text();
    let (read, unread) = opinion.split_once("未查看").expect("what was not looked at");
    assert!(read.contains("已查看的文字记录") && read.contains("现场检查笔录") && !read.contains("立案审批表"));
    assert!(unread.contains("立案审批表") && unread.contains("送达回证"));

    let visit = Visit::to(Scene::Busy);
    *visit.asked.refuse.lock().unwrap() = Some(Reply::refused("unavailable", Why::said("the log cannot be written")));
    for path in [with(90), format!("{}?frame=1", media(90))] {
        let answer = visit.get(&path).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert!(!answer.text().contains("现场检查笔录"), "{path}");
    }
}

#[tokio::test]
async fn forms_change_what_they_say_and_nothing_else() {
    let visit = Visit::to(Scene::Busy);
    let clip = format!("/clips/{}", clip_id(7));
    let done = visit.post(&format!("{clip}/link"), &format!("case_no={}&stage=&proves=x", encoded(CASE))).await;
    assert_eq!((done.status, done.header("location")), (StatusCode::SEE_OTHER, format!("{clip}?done=linked").as_str()));
    let asked = visit.asked.taken();
    assert!(
        matches!(&asked[..], [Asked::Link { case_no, stage: None, proves: Some(p), .. }] if case_no == CASE && p == "x")
    );
    assert!(visit.get(&format!("{clip}?done=linked")).await.text().contains("已关联"));

    // The form carries every field; only what was changed is said by this person.
    visit.asked.taken();
    let form =
        format!("officer={}&place={}&co_officers={}", encoded("采集人甲"), encoded("北大街 3 号"), encoded("采集人乙"));
    visit.post(&format!("{clip}/annotate"), &form).await;
    let asked = visit.asked.taken();
    assert!(
        matches!(&asked[..], [Asked::Annotate { fields, .. }] if *fields == [("place".into(), "北大街 3 号".into())]),
        "{asked:?}"
    );
    let wrong = visit.post(&format!("{clip}/annotate"), "blake3=0").await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);

    // A refusal shows the clip again with the reason and what was typed.
    let refused = {
        let visit = Visit::to(Scene::Busy);
        *visit.asked.refuse.lock().unwrap() = Some(Reply::refused("invalid", Why::YearDigits { found: "19".into() }));
        visit.post(&format!("{clip}/link"), &format!("case_no={}", encoded("赵卫罚〔19〕12号"))).await
    };
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text().contains("年份“19”不是四位数字"));
    *visit.asked.refuse.lock().unwrap() =
        Some(Reply::refused("not_found", Why::NoCaseNumber { case_no: "赵卫罚〔2026〕9号".into() }));
    let missing = visit.post(&format!("{clip}/link"), &format!("case_no={}", encoded(CASE))).await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
    assert!(missing.text().contains("本站没有编号为 赵卫罚〔2026〕9号 的案件"));
}

#[tokio::test]
async fn sending_is_paused_resumed_and_put_in_order_by_forms() {
    let visit = Visit::to(Scene::Busy);
    let page = visit.get("/").await.text();
    assert!(page.contains("action=\"/sending/pause\"") && page.contains("暂停上传"));
    visit.asked.taken();
    for (action, clip) in [("/sending/pause", false), ("/sending/resume", false), ("push", true)] {
        let path = if clip { format!("/clips/{}/{action}", clip_id(7)) } else { action.to_owned() };
        let done = visit.post(&path, "destination=local-copy").await;
        assert_eq!(done.status, StatusCode::SEE_OTHER, "{path}");
    }
    let asked = visit.asked.taken();
    assert!(
        matches!(&asked[..], [
            Asked::PauseSending { destination: Some(paused), until: None },
            Asked::ResumeSending { destination: Some(resumed) },
            Asked::Push { clip: Some(_), case_no: None },
        ] if paused == "local-copy" && resumed == "local-copy"),
        "{asked:?}"
    );
    let status = visit.get("/api/v1/status").await.json();
    let first = &status["destinations"][0];
    assert_eq!((&first["paused"], &first["ceiling_bytes_per_s"]), (&false.into(), &20_000_000.into()));
}

#[tokio::test]
async fn other_sites_and_other_names_are_refused() {
    let visit = Visit::to(Scene::Busy);
    let link = format!("/clips/{}/link", clip_id(7));
    let rebound = visit.send(Request::get("/").header("host", "evil.example").body(Body::empty()).unwrap()).await;
    assert_eq!(rebound.status, StatusCode::MISDIRECTED_REQUEST);
    let forged = Request::post(&link)
        .header("host", "127.0.0.1:8080")
        .header("origin", "http://evil.example")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from("case_no=1"));
    assert_eq!(visit.send(forged.unwrap()).await.status, StatusCode::FORBIDDEN);
    assert!(visit.asked.taken().is_empty());
    let large = visit.post(&link, &format!("case_no={}", "x".repeat(100_000))).await;
    assert_eq!(large.status, StatusCode::PAYLOAD_TOO_LARGE);
    let away = visit.post("/language", "to=en&next=//evil.example").await;
    assert_eq!((away.header("location"), away.header("set-cookie").starts_with("lang=en;")), ("/", true));
}

#[tokio::test]
async fn assets_are_kept_for_a_year_under_their_digest() {
    let visit = Visit::to(Scene::Busy);
    let html = visit.get("/").await.text();
    let mut total = html.len();
    for piece in html.split("\"/assets/").skip(1) {
        let path = format!("/assets/{}", piece.split('"').next().unwrap());
        let asset = visit.get_with(&path, &[("accept-encoding", "gzip, deflate, br")]).await;
        assert_eq!((asset.status, asset.header("content-encoding")), (StatusCode::OK, "gzip"), "{path}");
        assert!(asset.header("cache-control").contains("immutable"), "{path}");
        let (mut unpacked, bare) = (Vec::new(), visit.get(&path).await);
        flate2::read::GzDecoder::new(&asset.body[..]).read_to_end(&mut unpacked).unwrap();
        assert!(
            unpacked == bare.body && bare.header("content-encoding").is_empty(),
            "{path} is the same, packed or not"
        );
        total += asset.body.len();
        let tag = asset.header("etag").to_owned();
        let bare = path.split('?').next().unwrap();
        let again = visit.get_with(bare, &[("if-none-match", &tag)]).await;
        assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0));
        assert_eq!(again.header("cache-control"), "no-cache");
    }
    assert!(total < 60_000, "the station page weighs {total} bytes in all");
}

#[tokio::test]
async fn the_api_answers_in_records_and_problems() {
    let visit = Visit::to(Scene::Busy);
    let clip = format!("/api/v1/clips/{}", clip_id(2));
    let record = visit.get(&clip).await.json();
    for field in [
        "record_id",
        "case_no",
        "cases",
        "state",
        "original_filename",
        "size_bytes",
        "blake3",
        "sha256",
        "captured_start",
        "officer",
        "place",
        "proves",
        "device_id",
        "station_id",
        "object_uri",
    ] {
        assert!(record.get(field).is_some(), "{field}");
    }
    let problem = visit.get("/api/v1/clips/nonsense").await;
    assert_eq!((problem.status, problem.header("content-type")), (StatusCode::NOT_FOUND, "application/problem+json"));
    assert_eq!(problem.json()["code"], "not_found");
    for (path, status) in [
        ("/api/v1/clips?state=gone", 422),
        ("/api/v1/clips?limit=0", 422),
        ("/api/v1/clips?after=rubbish", 422),
        ("/api/v1/nowhere", 404),
        ("/api/v1/cases/999", 404),
    ] {
        let answer = visit.get(path).await;
        assert_eq!(answer.status.as_u16(), status, "{path}");
        assert_eq!(answer.header("content-type"), "application/problem+json", "{path}");
    }
    // What an extractor refuses is told like anything else, to programs and to people.
    let refused = visit.get("/api/v1/exports/x/zip?disc=none").await;
    assert_eq!((refused.status.as_u16(), refused.header("content-type")), (422, "application/problem+json"));
    let page = visit.get("/clips?after=1&after=2").await;
    assert_eq!((page.status.as_u16(), page.text().contains("<h1")), (422, true));
    // Who only asked is not told that something was not saved.
    let asked = visit.get("/clips?state=gone").await.text();
    assert!(asked.contains(Lang::Zh.words().err_asked) && !asked.contains(Lang::Zh.words().not_saved), "{asked}");
    visit.asked.taken();
    let made = visit.json("POST", &format!("{clip}/links"), &format!("{{\"case_no\":\"{CASE}\"}}")).await;
    assert_eq!(made.status, StatusCode::CREATED);
    let gone = visit.json("DELETE", &format!("{clip}/links/{}?reason=typo", encoded(CASE)), "").await;
    assert_eq!(gone.status, StatusCode::OK);
    visit.json("PATCH", &clip, "{\"place\":\"x\",\"officer\":null}").await;
    let roster = Request::post("/api/v1/roster?name=r.csv&dry_run=true")
        .header("host", "localhost")
        .header("content-type", "text/csv")
        .body(Body::from("officer,recorder\n"));
    assert_eq!(visit.send(roster.unwrap()).await.status, StatusCode::OK);
    let asked = visit.asked.taken();
    assert!(matches!(&asked[1], Asked::Unlink { case_no, reason, .. } if case_no == CASE && reason == "typo"));
    assert!(matches!(&asked[2], Asked::Annotate { fields, .. } if fields.contains(&("officer".into(), String::new()))));
    assert!(matches!(&asked[3], Asked::ImportRoster { dry_run: true, .. }));
    for bad in ["{", "{\"case_no\":1}", "{\"case_no\":\"1\",\"x\":1}"] {
        let answer = visit.json("POST", &format!("{clip}/links"), bad).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (422, "application/problem+json"), "{bad}");
    }
    let status = visit.get("/api/v1/status").await.json();
    assert_eq!(status["flow"].as_array().map(Vec::len), Some(6));
    assert_eq!(status["bays"][1]["safe_to_remove"], true);
    assert_eq!(visit.get("/healthz").await.status, StatusCode::OK);
    assert_eq!(Visit::to(Scene::Failing).get("/healthz").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        visit.get("/metrics").await.header("content-type").split(';').next(),
        Some("application/openmetrics-text")
    );
}

#[tokio::test]
async fn the_document_describes_the_routes_that_there_are() {
    let visit = Visit::to(Scene::Busy);
    let document = visit.get("/api/v1/openapi.json").await.json();
    assert!(document["openapi"].as_str().is_some_and(|v| v.starts_with("3.1")));
    let paths = document["paths"].as_object().expect("paths");
    let declared = evidock::web::routes(&visit.site).declared().to_vec();
    for path in paths.keys() {
        assert!(declared.iter().any(|r| r.path == path), "{path} is told and not there");
    }
    for (path, methods) in paths {
        for method in methods.as_object().expect("methods").keys() {
            let real = path
                .replace("{number}", &encoded(CASE))
                .replace("{piece}", "0")
                .replace("{derived}", &clip_id(902).to_string());
            let real = access::real(&real, 2);
            let answer = visit.json(&method.to_uppercase(), &real, "{}").await;
            assert_ne!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
            // What a parameter names may not be there; the route is.
            let is_declared = |r: &Declared| r.path == path && r.method.eq_ignore_ascii_case(method);
            assert!(declared.iter().any(is_declared), "{method} {path} is told and not there");
            // A station without accounts has no tokens.
            let may_lack = path.contains('{') || path == "/api/v1/tokens";
            assert!(answer.status != StatusCode::NOT_FOUND || may_lack, "{method} {path}");
            for parameter in document["paths"][path][method]["parameters"].as_array().into_iter().flatten() {
                let named = format!("{{{}}}", parameter["name"].as_str().unwrap());
                assert_eq!(parameter["in"] == "path", path.contains(&named), "{method} {path}: {parameter}");
            }
        }
    }
    assert!(document["components"]["schemas"]["Record"]["properties"]["captured_start"].is_object());
}

#[tokio::test]
async fn what_changed_while_away_is_told_at_once() {
    use futures_util::StreamExt;
    let visit = Visit::to(Scene::Busy);
    let before = visit.site.live.id();
    visit.site.live.tell(&[evidock::web::live::Topic::Station]);
    let request = Request::get("/live?topic=station").header("host", "localhost").header("last-event-id", &before);
    let response = visit.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
    let first = response.into_body().into_data_stream().next().await.unwrap().unwrap();
    let text = String::from_utf8(first.to_vec()).unwrap();
    assert!(text.contains("event: station") && text.contains(&format!("id: {}", visit.site.live.id())), "{text}");
    assert_eq!(visit.get("/live?topic=everything").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_clip_is_verified_from_its_page_and_says_what_came_of_it() {
    let visit = Visit::to(Scene::Busy);
    let clip = format!("/clips/{}", clip_id(2));
    let page = visit.get(&clip).await.text();
    assert!(page.contains("id=\"verify\"") && page.contains("立即校验") && page.contains("本机文件"), "{page}");
    visit.asked.taken();
    let done = visit.post(&format!("{clip}/verify"), "remote=1").await;
    assert_eq!(
        (done.status, done.header("location")),
        (StatusCode::SEE_OTHER, format!("{clip}?done=verifying#verify").as_str())
    );
    let alone = visit.post(&format!("{clip}/verify"), "").await;
    assert_eq!(alone.status, StatusCode::SEE_OTHER);
    let asked = visit.asked.taken();
    assert!(
        matches!(&asked[..], [Asked::BeginVerify { remote: true, .. }, Asked::BeginVerify { remote: false, .. }]),
        "{asked:?}"
    );
    let program = visit.json("POST", &format!("/api/v1{clip}/verify"), "{\"remote\":true}").await;
    assert_eq!((program.status, &program.json()["state"]), (StatusCode::ACCEPTED, &"ended".into()));
    let told = visit.get(&format!("/api/v1{clip}/verify")).await.json();
    assert_eq!(told["result"]["copies"][1]["result"], "unreachable");
    let none = visit.get(&format!("/api/v1/clips/{}/verify", clip_id(3))).await.json();
    assert_eq!(none["state"], "none");

    let busy = Visit::to(Scene::Overloaded);
    let page = busy.get(&format!("{clip}/verify")).await.text();
    assert!(page.contains("67 % · ") && page.contains("还需") && page.contains("every 1s"), "{page}");
    assert!(!page.contains("name=\"remote\""), "it goes on already");
    let bad = Visit::to(Scene::Failing).get(&format!("{clip}/verify")).await.text();
    assert!(bad.contains("发现不一致"), "{bad}");
    // Nobody sees what is isolated, at this address either.
    let isolated = Visit::to(Scene::Failing).get(&format!("/clips/{}/verify", clip_id(5))).await;
    assert!(!isolated.status.is_success(), "{}", isolated.status);
}

#[tokio::test]
async fn every_long_action_says_how_far_it_is_and_how_long_it_takes() {
    let busy = Visit::to(Scene::Busy);
    let exports = busy.get("/exports").await.text();
    assert!(exports.contains("20 % · ") && exports.contains("还需"), "{exports}");
    let clip = busy.get(&format!("/clips/{}", clip_id(2))).await.text();
    assert!(
        clip.contains("<progress max=\"100\" value=\"25\"") && clip.contains("25 % · 还需"),
        "a derived file: {clip}"
    );
    assert!(clip.contains("live:clip from:body, every 2s"), "it is looked at while it is made");
    let derived = busy.get(&format!("/api/v1/clips/{}/derived", clip_id(2))).await.json();
    let making = derived["items"].as_array().and_then(|all| all.iter().find(|d| d["state"] == "making")).expect("one");
    assert_eq!((&making["percent"], &making["left_ms"]), (&25.into(), &95_000.into()));
    let over = Visit::to(Scene::Overloaded);
    let check = over.get("/admin/check").await.text();
    assert!(check.contains("39 % · 还需"), "{check}");
    assert_eq!(over.get("/api/v1/check").await.json()["percent"], 39);
}

#[tokio::test]
async fn a_case_says_who_looked() {
    let visit = Visit::to(Scene::Busy);
    let case = format!("/cases/{}", encoded(CASE));
    let page = visit.get(&case).await.text();
    let section =
        page.split("id=\"looks\"").nth(1).and_then(|rest| rest.split("</section>").next()).expect("who looked");
    assert_eq!(section.matches("<tr>").count(), 1 + 20, "the first twenty, and a head");
    for told in ["调阅记录", "王建国 (wang)", "复核现场检查", "下载原始文件", "全案", "全部调阅记录"]
    {
        assert!(section.contains(told), "{told}");
    }
    let all = visit.get(&format!("{case}/looks")).await.text();
    assert_eq!(all.matches("<tr>").count(), 1 + 30);
    let asked = visit.asked.taken();
    assert!(
        matches!(asked.last(), Some(Asked::LogAccess { what, case: Some(_), .. }) if what == "find"),
        "looking at who looked is a look: {asked:?}"
    );
    let told = visit.get(&format!("/api/v1{case}/looks?before=6")).await.json();
    assert_eq!(told["items"].as_array().map(Vec::len), Some(5));
    assert_eq!((&told["items"][0]["actor"], &told["next"]), (&"user:3".into(), &serde_json::Value::Null));
    assert_eq!(visit.get("/cases/none/looks").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn where_a_clip_was_recorded_is_drawn_and_told() {
    let visit = Visit::to(Scene::Busy);
    let way = visit.get(&format!("/clips/{}", clip_id(2))).await.text();
    for part in
        ["<polyline class=\"way\"", "起点", "终点", "全长约", "aria-labelledby=\"plot-told\"", "class=\"scale\""]
    {
        assert!(way.contains(part), "{part}");
    }
    let point = visit.get(&format!("/clips/{}", clip_id(3))).await.text();
    assert!(
        point.contains("id=\"plot\"") && !point.contains("<polyline class=\"way\"") && point.contains("只有一个位置")
    );
}

#[tokio::test]
async fn what_is_derived_is_logged_first_and_says_what_it_is() {
    let visit = Visit::to(Scene::Busy);
    let path = |what: &str| format!("/clips/{}/{what}", clip_id(2));
    let first = visit.get(&path("preview/0")).await;
    assert_eq!((first.status, first.header("content-type")), (StatusCode::OK, "video/webm; codecs=\"vp8\""));
    assert_eq!(first.header("evidock-derived"), "derived preview, not the evidence");
    assert_eq!((first.header("evidock-clip-ms"), first.header("cache-control")), ("14000", "no-store"));
    assert!(first.header("content-disposition").contains("derived-"), "{}", first.header("content-disposition"));
    let second = visit.get(&path("preview/1")).await;
    assert_eq!(second.header("content-type"), "video/webm; codecs=\"vp8,opus\"");
    let asked = visit.asked.taken();
    assert!(matches!(&asked[..], [Asked::BeginView { what, .. }] if what == "preview"), "one viewing: {asked:?}");
    visit.site.viewings.close_idle(evidock::runtime::clock::monotonic(), std::time::Duration::ZERO).await;
    let asked = visit.asked.taken();
    assert!(
        matches!(&asked[..], [Asked::EndView { ranges, pieces, .. }] if *ranges == [(0, 12_000)] && pieces.len() == 2),
        "what was seen, in milliseconds: {asked:?}"
    );
    for (piece, status) in [
        ("3", StatusCode::UNPROCESSABLE_ENTITY),
        ("4", StatusCode::SERVICE_UNAVAILABLE),
        ("5", StatusCode::SERVICE_UNAVAILABLE),
        ("x", StatusCode::NOT_FOUND),
        ("4294967296", StatusCode::NOT_FOUND),
    ] {
        assert_eq!(visit.get(&path(&format!("preview/{piece}"))).await.status, status, "{piece}");
    }
    // Whether a box that has no room now, or one that took too long, is to be asked again, and when.
    for (piece, seconds, says) in
        [("4", "2", "Try again"), ("5", "60", "the station may be busy, try again in a minute")]
    {
        let later = visit.get_with(&path(&format!("preview/{piece}")), &[("accept-language", "en")]).await;
        assert_eq!(later.header("retry-after"), seconds, "{piece}");
        assert!(later.text().contains(says), "{piece}: {}", later.text());
    }
    visit.asked.taken();
    let head = Request::head(path("preview/0")).header("host", "localhost").body(Body::empty()).expect("a request");
    assert_eq!(visit.send(head).await.status, StatusCode::OK);
    assert!(visit.asked.taken().is_empty(), "no byte, no viewing");
    let sheet = visit.get(&path("sheet")).await;
    assert_eq!((sheet.header("content-type"), sheet.header("evidock-derived").is_empty()), ("image/jpeg", false));
    let asked = visit.asked.taken();
    assert!(
        matches!(&asked[..], [Asked::BeginView { what, .. }, Asked::NoteDerived { what: derived, .. }] if what == "sheet" && derived == "sheet"),
        "seen, and of which clip it is: {asked:?}"
    );
    let isolated = format!("/clips/{}", clip_id(5));
    let failing = Visit::to(Scene::Failing);
    for what in ["preview/0", "sheet"] {
        assert_eq!(failing.get(&format!("{isolated}/{what}")).await.status, StatusCode::FORBIDDEN, "{what}");
    }
    // Nobody sees what is isolated; that somebody asked for it is told to the log.
    let asked = failing.asked.taken();
    assert!(matches!(&asked[..], [Asked::LogRefusal { why, .. }] if why == "isolated"), "{asked:?}");
}
