//! Keeping over fixtures: what the pages of holds, isolation, disposal and filing show to whom, and what their forms ask.

use axum::http::StatusCode;
use evidock::domain::command::Request as Asked;
use evidock::domain::disposal::DisposalAsk;
use evidock::domain::filing::FilingAsk;
use evidock::domain::why::Why;
use evidock::domain::words::Lang;

use super::fixtures::{CASE, LARGE, Scene, clip_id};
use super::{Visit, encoded};

#[tokio::test]
async fn nothing_of_what_is_isolated_is_shown_but_that_it_is() {
    let visit = Visit::to(Scene::Failing);
    let clip = format!("/clips/{}", clip_id(5));
    let page = visit.get_with(&clip, &[("accept-language", "en")]).await;
    let html = page.text();
    assert_eq!(page.status, StatusCode::OK);
    assert!(
        html.contains("Suspected classified") && html.contains("nothing was deleted") && html.contains("Call"),
        "{html}"
    );
    for told in ["军事", "采集人", "东关街", "DSJ", "<video", "download", "h-custody"] {
        assert!(!html.contains(told), "{told}");
    }
    let problem = visit.get(&format!("/api/v1{clip}")).await;
    assert_eq!((problem.status, &problem.json()["code"]), (StatusCode::FORBIDDEN, &"isolated".into()));
    let keeping = visit.get("/keeping").await.text();
    assert!(keeping.contains(&clip_id(6).to_string()) && !keeping.contains("军事"), "ids alone");
    // Whom to call, where somebody is named.
    let named = Visit::to(Scene::Busy).get("/keeping").await.text();
    assert!(named.contains("保密办 0311-80001234"));
}

#[tokio::test]
async fn forms_ask_for_what_they_say_with_their_reason() {
    let visit = Visit::to(Scene::Busy);
    let id = clip_id(1).to_string();
    let case = format!("/cases/{}", encoded(CASE));
    let hold = |clip: Option<String>, case_no: Option<String>| Asked::Hold {
        clip,
        case_no,
        reason: "复议".into(),
        basis: Some("7号".into()),
    };
    let unhold = |reason: Option<&str>, confirm, refuse| Asked::Unhold {
        hold: 2,
        reason: reason.map(Into::into),
        confirm,
        refuse,
    };
    let table = [
        (format!("/clips/{id}/hold"), "reason=复议&basis=7号", hold(Some(id.clone()), None)),
        (format!("{case}/hold"), "reason=复议&basis=7号", hold(None, Some(CASE.into()))),
        ("/keeping/holds/2".into(), "step=ask&reason=终结", unhold(Some("终结"), false, false)),
        ("/keeping/holds/2".into(), "step=confirm", unhold(None, true, false)),
        ("/keeping/holds/2".into(), "step=refuse&reason=x", unhold(None, false, true)),
        (format!("/clips/{id}/isolate"), "reason=涉密", Asked::Isolate { clip: id.clone(), reason: "涉密".into() }),
        (
            format!("/clips/{id}/lift"),
            "step=confirm",
            Asked::Lift { clip: id.clone(), reason: None, confirm: true, refuse: false },
        ),
        (
            "/keeping/disposals".into(),
            "clip=a&clip=b&opinion=o&basis=p",
            Asked::Disposal {
                ask: DisposalAsk::Propose {
                    clips: vec!["a".into(), "b".into()],
                    opinion: "o".into(),
                    basis: "p".into(),
                },
            },
        ),
        (
            "/keeping/disposals/1".into(),
            "step=confirm",
            Asked::Disposal { ask: DisposalAsk::Decide { disposal: 1, yes: true } },
        ),
        (format!("{case}/close"), "x=1", Asked::Filing { ask: FilingAsk::Close { case_no: CASE.into() } }),
        (format!("{case}/compare"), "x=1", Asked::Filing { ask: FilingAsk::Compare { case_no: CASE.into() } }),
        (
            format!("{case}/file"),
            "opinion=好",
            Asked::Filing { ask: FilingAsk::File { case_no: CASE.into(), opinion: "好".into() } },
        ),
        (
            format!("{case}/reopen"),
            "step=refuse",
            Asked::Filing { ask: FilingAsk::DecideReopen { case_no: CASE.into(), yes: false } },
        ),
    ];
    for (path, form, wanted) in table {
        let answer = visit.post(&path, form).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{path} {form}: {}", answer.text());
        assert_eq!(visit.asked.taken(), [wanted], "{path} {form}");
    }
    for (path, form) in
        [("/keeping/holds/2", "step=take"), ("/keeping/holds/x", "step=ask"), ("/keeping/disposals/x", "step=confirm")]
    {
        let answer = visit.post(path, form).await;
        assert!(answer.status.is_client_error() && visit.asked.taken().is_empty(), "{path} {form}: {}", answer.status);
    }
}

#[tokio::test]
async fn a_clip_of_several_cases_shows_which_part_is_of_this_one() {
    let visit = Visit::to(Scene::Busy);
    for path in [format!("/cases/{}", encoded(CASE)), format!("/review/{}", encoded(CASE))] {
        let html = visit.get(&path).await.text().replace("%2E", ".");
        assert!(html.contains("本案片段 1:30 – 2:00") && html.contains("t=90.000"), "{path}");
    }
    // On the axis it stands where its part begins; its file begins before that.
    let together = visit.get(&format!("/cases/{}/together", encoded(CASE))).await.text();
    let bar = together.split("<rect class=\"clipbar").find(|bar| bar.contains("data-ms=\"30000\"")).unwrap();
    let number = |name: &str| -> i64 {
        let rest = bar.split(&format!("{name}=\"")).nth(1).unwrap();
        rest.split('"').next().unwrap().parse().unwrap()
    };
    assert_eq!(number("data-start") - number("data-zero"), 90_000);
    assert!(number("data-file") > 3_000_000 && together.contains("?t=90.000"));
}

#[tokio::test]
async fn what_the_outing_suggests_beside_its_case_is_told_on_the_page_of_a_clip() {
    let html = Visit::to(Scene::Busy).get(&format!("/clips/{}", clip_id(1))).await.text();
    assert!(html.contains("仅供参考") && html.contains("赵卫罚〔2026〕99号"), "{html}");
}

#[tokio::test]
async fn a_filing_page_names_each_gap_and_the_way_to_it() {
    let gaps = Visit::to(Scene::Failing).get(&format!("/cases/{}/filing", encoded(CASE))).await.text();
    for text in
        ["缺少信息：采集地点、证明对象", "尚未云端校验一致", "应进行音像记录，未见资料", "#annotate", "#h-coverage"]
    {
        assert!(gaps.contains(text), "{text}");
    }
    let filed = Visit::to(Scene::Busy).get(&format!("/cases/{}/filing", encoded(CASE))).await.text();
    assert!(filed.contains("0123-2026-30Y-0007") && filed.contains("已归档") && filed.contains("补充材料"));
    assert!(filed.contains("档案员王芳 · ") && !filed.contains("账号 3"), "accounts are told by name");
    // What was signed, by whom, when, and the digest that the log has; what is found now stands apart.
    for text in ["归档检查报告（签署时）", &"cd".repeat(32), "#4711", "/filing/report", "不是签署的报告"]
    {
        assert!(filed.contains(text), "{text}");
    }
    assert!(!filed.contains("/compare\""), "what is filed is not compared again");
    assert!(gaps.contains("2/3") && gaps.contains("正在比对") && gaps.contains("待比对") && gaps.contains("不一致"));
    let lines = gaps.split("class=\"rows printed compared\"").nth(1).unwrap_or_default();
    assert!(lines.contains("本机文件：不一致"), "{lines}");
    let printed = Visit::to(Scene::Busy).get(&format!("/cases/{}/filing/report", encoded(CASE))).await;
    assert!(printed.status.is_success() && printed.text().contains("归档人"), "{}", printed.text());
    let none = Visit::to(Scene::Overloaded).get(&format!("/cases/{}/filing/report", encoded(CASE))).await;
    assert_eq!(none.status, StatusCode::NOT_FOUND, "nothing was signed");
    assert!(!filed.contains("/bind\"") && !filed.contains("/file\""), "what is filed is neither bound nor filed again");
}

/// Years of routine checks: what would be done with each of their clips at once is not offered, and why is said.
#[tokio::test]
async fn what_was_before_a_case_offers_nothing_over_too_many_clips() {
    let visit = Visit::to(Scene::Busy);
    let of = |number: &str| format!("/cases/{}", encoded(number));
    let (case, large) = (visit.get(&of(CASE)).await.text(), visit.get(&of(LARGE)).await.text());
    let why = Why::LargeReference { most: 2_000 }.told(Lang::Zh);
    assert!(large.contains(&why) && !case.contains(&why));
    for offered in ["/hold\"", "/filing\"", "/export\"", "href=\"/review/", "value=\"send\""] {
        assert!(case.contains(offered) && !large.contains(offered), "{offered}");
    }
    assert!(large.contains("value=\"end\""), "what was sent before may be called back");
    // The more clips, the rarer it reloads by itself.
    assert!(large.contains(" data-pace=\"8\"") && !case.contains("data-pace"));
    let filing = format!("{}/filing", of(CASE));
    let (few, many) = (visit.get(&filing).await.text(), Visit::to(Scene::Overloaded).get(&filing).await.text());
    assert!(few.contains("every 2s") && !few.contains("data-pace"));
    assert!(many.contains("every 30s") && many.contains(" data-pace=\"30\""));
}
