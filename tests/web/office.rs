//! The office's pages over fixtures: what a scan leads to, what forms ask for, what the API tells, and that nobody is told
//! what is not theirs.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use evidock::domain::command::{Reply, Request as Asked};
use evidock::domain::why::{Thing, Why};
use evidock::domain::words::Lang;

use super::fixtures::{CASE, Scene, clip_id, office::BEGUN};
use super::{Visit, encoded};

/// Every page of the office.
pub fn pages() -> Vec<String> {
    [
        "/desk",
        "/desk?last=2&due=18:00",
        "/desk?last=3",
        "/admin",
        "/admin/recorders",
        "/admin/recorders/0951:1666:36NCC009910",
        "/admin/recorders/0951:1666:36NCC000001",
        "/admin/destinations",
        "/admin/check",
        "/admin/configuration",
        "/admin/rules",
        "/registers",
        "/registers/officer",
        "/registers/rules",
        "/rosters",
        "/parties",
        "/parties?query=%E6%97%A0",
        "/parties/%E9%A5%AD%E5%BA%97",
    ]
    .map(Into::into)
    .into()
}

#[tokio::test]
async fn a_scanner_and_a_keyboard_are_all_it_takes_to_issue_and_return() {
    let visit = Visit::to(Scene::Busy);
    let w = Lang::Zh.words().office();
    let scan =
        async |code: &str, first: &str| visit.post("/desk", &format!("code={code}&first={first}&due=18:00")).await;
    for (code, wanted) in [("in", w.desk_scan_officer), ("card-1", w.desk_scan_recorder)] {
        let page = scan(code, "").await.text();
        assert!(page.contains(wanted) && page.contains(&format!("name=\"first\" value=\"{code}\"")), "{code}");
        assert!(page.contains("autofocus") && page.contains("value=\"18:00\""), "{code}");
    }
    for (code, first, what, todo) in [
        ("nothing", "in", w.code_unknown, w.code_unknown_todo),
        ("twice", "", w.code_several, w.code_several_todo),
        ("card-gone", "", w.code_gone, w.code_gone_todo),
        ("broken", "", w.code_not_in_use, w.code_not_in_use_todo),
    ] {
        let page = scan(code, first).await.text();
        assert!(page.contains(what) && page.contains(todo), "{code}");
        // What was scanned before stays.
        assert!(page.contains(&format!("name=\"first\" value=\"{first}\"")), "{code}");
    }
    assert!(visit.asked.taken().is_empty(), "nothing was done so far");
    for (code, first) in [("card-1", "in"), ("in", "card-1")] {
        let done = scan(code, first).await;
        assert_eq!(done.status, StatusCode::SEE_OTHER, "{code} {first}");
        assert!(done.header("location").starts_with("/desk?last="), "{}", done.header("location"));
        let asked = visit.asked.taken();
        assert!(
            matches!(&asked[..], [Asked::IssueRecorder { recorder, officer, due: Some(due), .. }]
                if recorder == "36NCC000001" && officer == "张三" && due == "18:00"),
            "{asked:?}"
        );
    }
    for first in ["", "card-1"] {
        assert_eq!(scan("out", first).await.status, StatusCode::SEE_OTHER);
        assert!(matches!(&visit.asked.taken()[..], [Asked::ReturnRecorder { recorder }] if recorder == "36NCC000001"));
    }
    let page = visit.get("/desk?last=2").await.text();
    assert!(page.contains("name=\"issue\" value=\"2\"") && page.contains(w.overdue), "undo and what is overdue");
    visit.asked.taken();
    visit.post("/desk/undo", "issue=2").await;
    assert!(matches!(&visit.asked.taken()[..], [Asked::UndoDesk { issue: 2 }]));
    *visit.asked.refuse.lock().unwrap() = Some(Reply::refused("conflict", Why::NotTheLast { recorder: "R".into() }));
    let refused = visit.post("/desk/issue", "recorder=R&officer=%E5%BC%A0&case_no=x").await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(refused.text().contains("这不是 R 的最后一次登记") && refused.text().contains("value=\"张\""));
}

#[tokio::test]
async fn recorders_are_decided_about_and_assigned() {
    let visit = Visit::to(Scene::Busy);
    let one = "/admin/recorders/0951%3A1666%3A36NCC009910";
    let page = visit.get(one).await.text();
    assert!(page.contains("送修") && !page.contains(&format!("{one}/approve")), "it is approved already");
    for (verb, ok) in [("refuse", true), ("repair", true), ("retire", true), ("approve", true), ("burn", false)] {
        visit.asked.taken();
        let answer = visit.post(&format!("{one}/{verb}"), "reason=%E5%A4%96%E5%80%9F").await;
        assert_eq!(answer.status, if ok { StatusCode::SEE_OTHER } else { StatusCode::NOT_FOUND }, "{verb}");
        assert_eq!(visit.asked.taken().len(), usize::from(ok), "{verb}");
    }
    visit.post(&format!("{one}/assign"), &format!("officer={}", encoded("李四"))).await;
    visit.post(&format!("{one}/assign"), "officer=").await;
    let asked = visit.asked.taken();
    assert!(
        matches!(&asked[..], [Asked::IssueRecorder { officer, due: None, .. }, Asked::ReturnRecorder { .. }] if officer == "李四"),
        "{asked:?}"
    );
    // What never came through the gate is given away and retired all the same, and neither approved nor refused.
    let folder = "/admin/recorders/0951%3A1666%3A36NCC000004";
    let page = visit.get(folder).await.text();
    assert!(page.contains(&format!("{folder}/repair")) && page.contains(&format!("{folder}/retire")), "{page}");
    assert!(!page.contains(&format!("{folder}/refuse")) && !page.contains(&format!("{folder}/approve")));
    assert!(page.contains("维修与停用记录") && page.contains("按键失灵") && page.contains("恢复使用"));
    // What was never read is no recorder yet.
    let unread = visit.post("/admin/recorders/0951%3A1666%3A36NCC000001/assign", "officer=x").await;
    assert_eq!(unread.status, StatusCode::CONFLICT);
    assert_eq!(visit.get("/admin/recorders/none").await.status, StatusCode::NOT_FOUND);
    let list = visit.get("/api/v1/recorders").await.json();
    assert_eq!((&list[0]["state"], &list[2]["out"]["overdue"]), (&"approved".into(), &true.into()));
    let history = visit.get("/api/v1/recorders/0951%3A1666%3A36NCC009910").await.json();
    assert_eq!((history["stays"].as_array().unwrap().len(), &history["outs"][2]["ended"]), (2, &"reissued".into()));
    assert_eq!(
        (&history["marks"][2]["state"], &history["marks"][2]["reason"]),
        (&"in_repair".into(), &"按键失灵".into())
    );
}

#[tokio::test]
async fn the_box_tells_how_it_is_and_no_secret() {
    let visit = Visit::to(Scene::Busy);
    visit.asked.taken();
    let answer = visit.post("/admin/destinations/cloud-1/try", "").await;
    assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, "/admin/destinations"));
    assert!(matches!(&visit.asked.taken()[..], [Asked::TryDestination { destination }] if destination == "cloud-1"));
    let page = visit.get("/admin/destinations").await.text();
    for told in ["正在连接", "12 毫秒应答", "测试完成", "测试失败", "403 AccessDenied", "every 1s"] {
        assert!(page.contains(told), "{told}");
    }
    let trial = visit.get("/api/v1/destinations").await.json();
    assert_eq!((&trial[3]["trial"]["step"], &trial[4]["trial"]["step"]), (&"found".into(), &"failed".into()));
    let check = visit.get("/admin/check").await.text();
    assert!(check.contains("问题 1，注意 1") && check.find("数据库").unwrap() < check.find("日志密钥").unwrap());
    for told in ["evidock.db 已损坏", "恢复最近的备份", "还没有一份备份到达任何地方", "以文件保存"]
    {
        assert!(check.contains(told), "{told}");
    }
    assert!(!check.contains("is damaged"), "{check}");
    assert_eq!(visit.get("/api/v1/check").await.json()["ok"], false);
    visit.post("/admin/check", "").await;
    visit.json("POST", "/api/v1/rules/trial", "").await;
    let begun = std::mem::take(&mut *BEGUN.lock().unwrap());
    assert!(begun.contains(&"check") && begun.contains(&"rules"), "{begun:?}");
    let configuration = visit.get("/api/v1/configuration").await.json();
    assert_eq!(
        (&configuration["settings"][0]["from"], &configuration["settings"][0]["line"]),
        (&"file".into(), &7.into())
    );
    // Of what rules would do the box tells figures alone: cases and people are none of its business.
    for path in ["/admin/rules", "/api/v1/rules"] {
        let told = visit.get(path).await.text();
        assert!(!told.contains("领用登记 12") && !told.contains(CASE), "{path}");
    }
    assert!(visit.get("/registers/rules").await.text().contains("领用登记 12：36NCC009910 自 "));
}

#[tokio::test]
async fn a_register_is_tried_before_it_is_imported() {
    let visit = Visit::to(Scene::Busy);
    let send = async |path: &str| {
        let request = Request::post(path)
            .header("host", "127.0.0.1:8080")
            .header("origin", "http://127.0.0.1:8080")
            .header("content-type", "application/octet-stream")
            .body(Body::from("姓名\n张三\n"));
        visit.send(request.unwrap()).await
    };
    let reply = serde_json::json!({
        "entries": 1, "warnings": ["w"], "conflicts": [], "mistakes_in_all": 300,
        "mistakes": [{ "line": 3, "column": "离岗时间", "value": "<b>2026-02-30", "problem": "there is no such date", "why": Why::NoSuchTime {} }],
    });
    *visit.asked.refuse.lock().unwrap() = Some(Reply::Done(reply));
    let tried = send("/registers/officer?name=a.csv&dry_run=true").await;
    let page = tried.text();
    assert!(
        page.contains("data-ready=\"no\"")
            && page.contains("没有这个日期或时间")
            && !page.contains("no such date")
            && page.contains("另有 299 处")
    );
    assert!(page.contains("&#60;b&#62;2026-02-30") || page.contains("&lt;b&gt;2026-02-30"), "{page}");
    assert!(
        matches!(&visit.asked.taken()[..], [Asked::TryRegister { register, name, .. }] if register == "officer" && name == "a.csv")
    );
    *visit.asked.refuse.lock().unwrap() =
        Some(Reply::Done(serde_json::json!({ "added": 1, "mistakes": [], "conflicts": [] })));
    assert!(send("/registers/officer?name=a.csv&dry_run=true").await.text().contains("data-ready=\"yes\""));
    visit.asked.taken();
    assert!(send("/registers/officer?name=a.csv&dry_run=false").await.text().contains("/registers?done=imported"));
    assert!(matches!(&visit.asked.taken()[..], [Asked::ImportRegister { dry_run: false, .. }]));
    *visit.asked.refuse.lock().unwrap() = Some(Reply::refused("invalid", Why::TableEmpty {}));
    let refused = send("/registers/officer?name=a.csv&dry_run=true").await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text().contains("没有内容：请在第一行写列名"));
    assert_eq!(send("/registers/nothing").await.status, StatusCode::NOT_FOUND);
    // What an undo came to is told on the page, and why it cannot be.
    let parted = serde_json::json!([{ "kept": "赵卫罚〔2026〕12号", "other": "赵卫立〔2026〕5号" }]);
    let undone = serde_json::json!({ "import": 2, "restored": 1, "removed": 3, "numbers_kept": 1, "parted": parted });
    *visit.asked.refuse.lock().unwrap() = Some(Reply::Done(undone));
    let answer = visit.post("/registers/imports/2/undo", "").await;
    let told = "/registers?done=undone&import=2&restored=1&removed=3&kept=1&parted=1";
    assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, told));
    let page = visit.get(told).await.text();
    for words in ["导入 2 已撤销：恢复 1 条，移除 3 条", "1 个曾合并的案件已重新分开"] {
        assert!(page.contains(words), "{words}: {page}");
    }
    let touched = Why::JoinTouched { numbers: "A / B".into(), since: vec![Thing::Holds, Thing::Links] };
    *visit.asked.refuse.lock().unwrap() = Some(Reply::refused("conflict", touched));
    let answer = visit.post("/registers/imports/2/undo", "").await;
    assert!(
        answer.status == StatusCode::CONFLICT
            && answer.text().contains("A / B 合并为一个案件，此后该案件又有变动（暂停销毁、资料关联）")
    );
    let template = visit.get("/registers/officer/template").await;
    assert_eq!(template.header("content-disposition"), "attachment; filename=\"officer.csv\"");
}

#[tokio::test]
async fn a_roster_is_tried_imported_and_taken_away_by_its_name() {
    let visit = Visit::to(Scene::Busy);
    let send = async |path: &str| {
        let request = Request::post(path)
            .header("host", "127.0.0.1:8080")
            .header("origin", "http://127.0.0.1:8080")
            .header("content-type", "application/octet-stream")
            .body(Body::from("采集人\n张三\n"));
        visit.send(request.unwrap()).await
    };
    let page = visit.get("/rosters").await.text();
    for words in ["排班 6月.xlsx", "140 行", "共 7 天", "现有 137 行", "已删除", "采集人*、案件编号"]
    {
        assert!(page.contains(words), "{words}: {page}");
    }
    for form in ["remove", "undo"] {
        let form = format!("action=\"/rosters/{form}\"");
        assert_eq!(page.matches(&form).count(), 1, "by the newest of its name alone: {form}");
    }
    // A mistake, in the reader's words, with its line and as text.
    let reply = serde_json::json!({
        "rows": 1, "warnings": ["line 4 repeats line 2"], "warnings_why": [Why::RosterRepeated { first: 2, line: 4 }],
        "mistakes_in_all": 1,
        "mistakes": [{ "line": 3, "column": "起", "value": "<b>上午", "problem": "there is no such date", "why": Why::NoSuchTime {} }],
    });
    *visit.asked.refuse.lock().unwrap() = Some(Reply::Done(reply));
    let asked = visit.asked.taken();
    assert!(
        matches!(&asked[..], [Asked::LogAccess { what, .. }] if what == "list"),
        "the list was looked at: {asked:?}"
    );
    let page = send("/rosters/upload?name=a.csv&dry_run=true").await.text();
    assert!(page.contains("data-ready=\"no\"") && page.contains("没有这个日期或时间") && !page.contains("<b>上午"));
    assert!(page.contains("第 4 行与第 2 行相同") && !page.contains("repeats"), "{page}");
    assert!(matches!(&visit.asked.taken()[..], [Asked::TryRoster { name, .. }] if name == "a.csv"));
    let sound = serde_json::json!({ "rows": 2, "days": 1, "replaced": 1, "mistakes": [], "mistakes_in_all": 0 });
    *visit.asked.refuse.lock().unwrap() = Some(Reply::Done(sound));
    assert!(send("/rosters/upload?name=a.csv&dry_run=true").await.text().contains("data-ready=\"yes\""));
    visit.asked.taken();
    assert!(send("/rosters/upload?name=a.csv&dry_run=false").await.text().contains("/rosters?done=imported"));
    assert!(matches!(&visit.asked.taken()[..], [Asked::ImportRoster { dry_run: false, .. }]));
    assert_eq!(visit.post("/rosters/remove", "name=a.csv").await.status, StatusCode::SEE_OTHER);
    assert!(matches!(&visit.asked.taken()[..], [Asked::RemoveRoster { name }] if name == "a.csv"));
    let missing = Why::NoRoster { name: "b.csv".into(), known: vec!["a.csv".into()] };
    *visit.asked.refuse.lock().unwrap() = Some(Reply::refused("not_found", missing));
    let answer = visit.post("/rosters/remove", "name=b.csv").await;
    assert!(answer.status == StatusCode::NOT_FOUND && answer.text().contains("没有以“b.csv”导入的排班表"));
    // The newest import alone is undone, and the page says what that came to.
    let undone = serde_json::json!({ "name": "a.csv", "import": 3, "rows": 2, "restored": 5 });
    *visit.asked.refuse.lock().unwrap() = Some(Reply::Done(undone.clone()));
    visit.asked.taken();
    let answer = visit.post("/rosters/undo", "name=a.csv").await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (StatusCode::SEE_OTHER, "/rosters?done=undone&import=3&removed=2&restored=5")
    );
    assert!(matches!(&visit.asked.taken()[..], [Asked::UndoRoster { name }] if name == "a.csv"));
    let page = visit.get("/rosters?done=undone&import=3&removed=2&restored=5").await.text();
    assert!(page.contains("第 3 号导入已撤销：移除 2 行，恢复它所替换的 5 行"), "{page}");
    *visit.asked.refuse.lock().unwrap() = Some(Reply::refused("conflict", Why::RosterKept { name: "a.csv".into() }));
    let answer = visit.post("/rosters/undo", "name=a.csv").await;
    assert!(answer.status == StatusCode::CONFLICT && answer.text().contains("“a.csv”最近一次导入早于"));
    *visit.asked.refuse.lock().unwrap() = Some(Reply::refused("invalid", Why::TableEmpty {}));
    let refused = send("/rosters/upload?name=a.csv&dry_run=false").await;
    assert!(
        refused.status == StatusCode::UNPROCESSABLE_ENTITY && refused.text().contains("没有内容：请在第一行写列名")
    );
    // What programs are told, and the template.
    *visit.asked.refuse.lock().unwrap() = None;
    let told = visit.get("/api/v1/roster").await.json()["imports"].clone();
    assert_eq!((&told[0]["rows"], &told[0]["standing"], &told[2]["at"]), (&140.into(), &137.into(), &().into()));
    for path in ["/rosters/template", "/api/v1/roster/template"] {
        let template = visit.get(path).await;
        assert_eq!(template.header("content-disposition"), "attachment; filename=\"roster.csv\"", "{path}");
    }
}

#[tokio::test]
async fn several_clips_are_each_asked_about_and_refusals_are_told() {
    let visit = Visit::to(Scene::Busy);
    let form = |act: &str, more: &str| {
        format!("clip={}&clip={}&clip={0}&act={act}&back=/clips%3Fstate%3Dsealed{more}", clip_id(1), clip_id(2))
    };
    let page = visit.post("/clips/several", &form("annotate", "&field=place&value=%E4%B8%9C")).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text().contains("2 个已处理") && page.text().contains("href=\"/clips?state=sealed\""));
    let asked = visit.asked.taken();
    assert_eq!(asked.len(), 2, "each once: {asked:?}");
    assert!(matches!(&asked[0], Asked::Annotate { fields, .. } if *fields == [("place".into(), "东".into())]));
    visit.post("/clips/several", &form("label", "&label=%E4%B8%AA%E4%BA%BA%E9%9A%90%E7%A7%81&value=x")).await;
    assert!(
        matches!(&visit.asked.taken()[0], Asked::Annotate { fields, .. } if fields[0] == ("sensitivity".into(), "个人隐私".into()))
    );
    // A clip of a minor does not become a trade secret because others do.
    let minor = format!("clip={}&clip={}&act=label&label=%E5%95%86%E4%B8%9A%E7%A7%98%E5%AF%86", clip_id(6), clip_id(1));
    let page = visit.post("/clips/several", &minor).await.text();
    assert!(page.contains("1 个已处理，1 个未处理") && page.contains("已有更高的敏感标记"), "{page}");
    assert_eq!(visit.asked.taken().len(), 1);
    for (act, more) in [
        ("annotate", "&field=place&value="),
        ("annotate", "&field=blake3&value=0"),
        ("link", "&case_no="),
        ("burn", ""),
    ] {
        let refused = visit.post("/clips/several", &form(act, more)).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{act} {more}");
        assert!(visit.asked.taken().is_empty(), "{act}");
    }
    let away = visit.post("/clips/several", &format!("clip={}&act=push&back=//evil.example", clip_id(1))).await.text();
    assert!(!away.contains("evil.example"));
    visit.asked.taken();
    *visit.asked.refuse.lock().unwrap() = Some(Reply::refused("conflict", Why::said("it is isolated")));
    let body = format!("{{\"clips\":[\"{}\"],\"act\":\"link\",\"case_no\":\"{CASE}\"}}", clip_id(1));
    let answer = visit.json("POST", "/api/v1/clips/several", &body).await.json();
    assert_eq!((&answer[0]["done"], &answer[0]["detail"]), (&false.into(), &"it is isolated".into()));
}

#[tokio::test]
async fn the_log_says_beside_a_number_who_that_is() {
    let visit = Visit::to(Scene::Busy);
    let html = visit.get("/log").await.text();
    for told in ["账号 3", "张三 (zhang)", ">zhang<", "综合平台"] {
        assert!(html.contains(told), "{told}");
    }
    let items = visit.get("/api/v1/log").await.json()["items"].clone();
    let items = items.as_array().unwrap();
    let told: Vec<_> =
        items[items.len() - 3..].iter().map(|i| (&i["actor"], &i["actor_name"], &i["actor_login"])).collect();
    let (none, zhang) = (serde_json::Value::Null, serde_json::json!("zhang"));
    let (user, token) = (serde_json::json!("user:3"), serde_json::json!("token:2"));
    let (three, platform) = (serde_json::json!("张三"), serde_json::json!("综合平台"));
    assert_eq!(told, [(&user, &three, &zhang), (&user, &none, &zhang), (&token, &platform, &none)]);
}
