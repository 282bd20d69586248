//! A form that was refused comes back with what was typed into it: nobody types a judgement, a reason or an answer twice.

#![allow(clippy::unwrap_used)] // A test may fail by panicking; the lint's own exception ends at the test functions.

use evidock::domain::command::{Reply, Request};
use evidock::domain::why::{Thing, Why};

use super::fixtures::{CASE, Scene, clip_id};
use super::{Answer, Visit, encoded};

async fn refused(visit: &Visit, path: &str, fields: &[(&str, &str)]) -> Answer {
    let why = Why::SayIt { thing: Thing::SayFound };
    *visit.asked.refuse_changes.lock().unwrap() = Some(Reply::refused("invalid", why));
    let body: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    let answer = visit.post(path, &body.join("&")).await;
    *visit.asked.refuse_changes.lock().unwrap() = None;
    answer
}

/// The tag of a field as a page has it, inside the form that is sent to `action`.
fn tags(html: &str, action: &str) -> Vec<String> {
    let begin = format!("action=\"{action}\"");
    let form = html.split(begin.as_str()).skip(1).map(|rest| rest.split("</form>").next().unwrap());
    form.flat_map(|form| form.split('<').skip(1)).map(|tag| tag.replace("&#38;", "&")).collect()
}

#[tokio::test]
async fn what_was_typed_stands_in_the_form_again() {
    let visit = Visit::to(Scene::Busy);
    let clip = format!("/clips/{}", clip_id(1));
    let case = format!("/cases/{}", encoded(CASE));
    let two = clip_id(2).to_string();
    let reason = ("reason", "当事人已申请复议");
    let forms: Vec<(String, Vec<(&str, &str)>)> = vec![
        (
            "/sampling/1/1/judge".into(),
            vec![
                ("point-0", "yes"),
                ("point-1", "no"),
                ("point-2", "na"),
                ("words", "未出示执法证"),
                ("due", "2026-07-09"),
            ],
        ),
        ("/sampling/1/3/answer".into(), vec![("words", "已补录并培训")]),
        ("/sampling/1/4/return".into(), vec![("words", "缺少照片"), ("due", "2026-07-08")]),
        ("/sampling/1/4/close".into(), vec![("words", "已整改")]),
        ("/sampling/draw".into(), vec![("period", "2026-04"), ("unit", "执法一科"), ("count", "17")]),
        (format!("{clip}/hold"), vec![reason, ("basis", "赵政复〔2026〕9号")]),
        (format!("{clip}/isolate"), vec![("reason", "可能拍到库房")]),
        (format!("{clip}/unlink"), vec![("case_no", CASE), ("reason", "不是本案")]),
        (
            format!("{clip}/link"),
            vec![
                ("case_no", "赵卫罚〔2026〕1号"),
                ("stage", "取证"),
                ("proves", "无证经营"),
                ("from", "1:30"),
                ("to", "4:05"),
            ],
        ),
        ("/keeping/holds/2".into(), vec![("step", "ask"), reason]),
        ("/keeping/disposals".into(), vec![("clip", two.as_str()), ("opinion", "同意销毁"), ("basis", "保管期满")]),
        (format!("{case}/hold"), vec![reason, ("basis", "赵政复〔2026〕8号")]),
        (format!("{case}/review"), vec![("to", "wang"), ("until", "2026-12-31"), ("step", "send")]),
        (
            format!("{case}/reasons"),
            vec![
                ("occasion", "1781865727000||现场检查"),
                ("reason", "设备没电"),
                ("basis", "故障单 7"),
                ("written", "yes"),
            ],
        ),
    ];
    for (path, fields) in &forms {
        let answer = refused(&visit, path, fields).await;
        let html = answer.text();
        assert_eq!(answer.status, 422, "{path}");
        assert!(html.contains("role=\"alert\""), "{path}: {html}");
        let tags = tags(&html, path);
        for (name, value) in fields {
            let (named, valued) = (format!("name=\"{name}\""), format!("value=\"{value}\""));
            let mut own = tags.iter().filter(|tag| tag.contains(&named));
            let back = match *name {
                "step" => true,
                // What is chosen of several is told by its mark.
                _ if name.starts_with("point-") || ["clip", "written"].contains(name) => {
                    own.any(|tag| tag.contains(&valued) && tag.contains(" checked"))
                }
                "unit" | "occasion" => tags.iter().any(|tag| tag.contains(&valued) && tag.contains(" selected")),
                _ => own.any(|tag| tag.contains(&valued) || tag.ends_with(&format!(">{value}"))),
            };
            assert!(back, "{path}: {name}={value} is lost: {tags:#?}");
        }
    }
    // And into no other form: what was answered about one clip is not said about the next.
    let html = refused(&visit, "/sampling/1/1/judge", &[("point-0", "yes"), ("words", "x9y")]).await.text();
    assert_eq!(html.matches("x9y").count(), 1, "{html}");
    // Once it stands, nothing of it comes back.
    assert!(!visit.get("/sampling/1").await.text().contains("x9y"));
}

#[tokio::test]
async fn a_place_in_a_clip_that_is_none_loses_nothing_of_a_link() {
    let visit = Visit::to(Scene::Busy);
    let path = format!("/clips/{}/link", clip_id(1));
    let body = format!("case_no={}&from=abc&to=4:05&proves={}", encoded(CASE), encoded("无证经营"));
    let answer = visit.post(&path, &body).await;
    assert_eq!(answer.status, 422);
    let tags = tags(&answer.text(), &path);
    for value in [CASE, "abc", "4:05", "无证经营"] {
        assert!(tags.iter().any(|tag| tag.contains(&format!("value=\"{value}\""))), "{value}: {tags:#?}");
    }
}

/// The value of a field of a page.
fn value(html: &str, name: &str) -> String {
    let tag = html.split(&format!("name=\"{name}\" value=\"")).nth(1).unwrap_or_else(|| panic!("{name}: {html}"));
    tag.split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_page_that_is_old_overwrites_nothing_that_was_said_since() {
    let visit = Visit::to(Scene::Busy);
    let clip = format!("/clips/{}", clip_id(7));
    let html = visit.get(&clip).await.text();
    let now = value(&html, "shown-officer");
    assert!(!now.is_empty() && now == value(&html, "officer"), "what stood there comes back with the form: {html}");
    let send = async |fields: &[(&str, &str)]| {
        visit.asked.taken();
        let body: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let answer = visit.post(&format!("{clip}/annotate"), &body.join("&")).await;
        let said = visit.asked.taken().into_iter().find_map(|asked| match asked {
            Request::Annotate { fields, .. } => Some(fields),
            _ => None,
        });
        (answer, said)
    };
    // Another officer stood on the page, and nobody typed into it: only what was typed is this person's word.
    let old = [
        ("shown-officer", "采集人丁"),
        ("officer", "采集人丁"),
        ("shown-party_ref", "某诊所"),
        ("party_ref", "某药店"),
    ];
    let (answer, said) = send(&old).await;
    assert_eq!((answer.status.as_u16(), said), (303, Some(vec![("party_ref".to_owned(), "某药店".to_owned())])));
    // They typed over it, and did not see what it says now.
    let over = [
        ("shown-officer", "采集人丁"),
        ("officer", "采集人戊"),
        ("shown-party_ref", "某诊所"),
        ("party_ref", "某药店"),
    ];
    let (answer, said) = send(&over).await;
    let html = answer.text();
    assert_eq!((answer.status.as_u16(), said), (409, None), "{html}");
    assert!(html.contains(&format!("（现为“{now}”）")), "{html}");
    assert_eq!(
        (value(&html, "officer"), value(&html, "party_ref")),
        ("采集人戊".into(), "某药店".into()),
        "nothing is typed twice"
    );
    assert_eq!(value(&html, "shown-officer"), now, "and they have seen it now");
    assert!(html.contains("/annotate\" data-typed>"), "what comes meanwhile leaves the form alone");
    let (answer, said) = send(&[("shown-officer", &now), ("officer", "采集人戊")]).await;
    assert_eq!((answer.status.as_u16(), said), (303, Some(vec![("officer".to_owned(), "采集人戊".to_owned())])));
}
