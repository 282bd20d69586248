//! What happened to a clip, on its page: in the reader's words, and a page at a time.

#![allow(clippy::unwrap_used)] // A test may fail by panicking; the lint's own exception ends at the test functions.

use axum::http::Request;
use evidock::domain::sensitivity::Sensitivity;
use evidock::domain::words::Lang;

use super::fixtures::{Scene, clip_id};
use super::{Answer, Visit};

async fn read(visit: &Visit, path: &str, lang: Lang) -> Answer {
    let request = Request::get(path).header("host", "localhost").header("accept-language", lang.tag());
    visit.send(request.body(axum::body::Body::empty()).unwrap()).await
}

#[tokio::test]
async fn facts_and_labels_are_told_in_the_reader_s_language() {
    let visit = Visit::to(Scene::Busy);
    let clip = format!("/clips/{}", clip_id(1));
    for (lang, said) in [
        (Lang::Zh, "证明对象：废物暂存间未上锁（人工填写）"),
        (Lang::En, "What it proves: 废物暂存间未上锁 (entered by a person)"),
    ] {
        let page = read(&visit, &clip, lang).await.text();
        assert!(page.contains(said), "{lang:?}: {page}");
        assert!(!page.contains("proves.person"), "{lang:?}");
        // What is stored is one word, whatever it is called.
        let list = read(&visit, "/clips", lang).await.text();
        for label in [Sensitivity::WorkSecret, Sensitivity::TradeSecret, Sensitivity::Privacy, Sensitivity::Minor] {
            let option =
                format!("<option value=\"{}\">{}</option>", label.as_str(), lang.words().sensitivity_label(label));
            assert!(list.contains(&option), "{lang:?}: {option}");
        }
    }
    // Programs have the published names.
    let events = visit.get(&format!("/api/v1{clip}/events")).await.json();
    let details: Vec<&str> = events["items"].as_array().unwrap().iter().filter_map(|e| e["detail"].as_str()).collect();
    assert!(details.contains(&"proves.person: 废物暂存间未上锁"), "{details:?}");
}

#[tokio::test]
async fn older_entries_are_a_page_away_and_not_a_command() {
    let visit = Visit::to(Scene::Busy);
    let clip = format!("/clips/{}", clip_id(1));
    let first = visit.get(&clip).await.text();
    let at = first.find("?before=").expect("a pager") + "?before=".len();
    let seq: u64 = first[at..].split('#').next().unwrap().parse().unwrap();
    let older = format!("{clip}?before={seq}");
    assert!(first.contains(&format!("href=\"{older}#h-custody\"")), "{first}");
    assert!(!first.contains("evidock show") && !first.contains("DSJ-36NCC009912"));
    for lang in Lang::ALL {
        let w = lang.words();
        let page = read(&visit, &older, lang).await;
        assert_eq!(page.status, 200);
        let page = page.text();
        assert!(page.contains("DSJ-36NCC009912") && page.contains(&w.custody_below(seq)), "{lang:?}: {page}");
        assert!(page.contains(&format!("href=\"{clip}#h-custody\">{}", w.custody_newest())), "{lang:?}");
        // What changes meanwhile leaves whoever reads where they are.
        assert!(page.contains(&format!("hx-get=\"{older}&#38;part=live\"")), "{lang:?}: {page}");
    }
    for bad in ["x", "-1", "1.5"] {
        assert_eq!(visit.get(&format!("{clip}?before={bad}")).await.status, 422, "{bad}");
    }
    assert_eq!(visit.get(&format!("{clip}?before=")).await.status, 200);
}
