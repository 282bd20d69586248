//! Why a rule says so, in the language of whoever reads: in triage, in the dry run of the rules, in what happened to a clip.

#![allow(clippy::unwrap_used)] // A test may fail by panicking; the lint's own exception ends at the test functions.

use evidock::domain::words::Lang;

use super::fixtures::{Scene, clip_id};
use super::{Answer, Visit};

async fn read(visit: &Visit, path: &str, lang: Lang) -> Answer {
    let request = axum::http::Request::get(path).header("host", "localhost").header("accept-language", lang.tag());
    visit.send(request.body(axum::body::Body::empty()).unwrap()).await
}

#[tokio::test]
async fn pages_tell_what_fitted_in_the_reader_s_language_alone() {
    let visit = Visit::to(Scene::Busy);
    let clip = format!("/clips/{}", clip_id(1));
    for (path, zh, en) in [
        (
            "/triage",
            "相符：承办人张三、地点东关街18号、距其地址 11 米；立案 ",
            "its officer 张三, its place 东关街18号",
        ),
        (
            "/triage",
            "整次外勤包括：本记录仪 2 个、同行的李四 1 个",
            "The outing: 2 clips of this recorder, 1 clip of 李四",
        ),
        ("/registers/rules", "领用登记 12：36NCC009910 自 ", "issue 12: 36NCC009910 out from"),
        (clip.as_str(), "排班表第 3 行：36NCC009910 于 ", "roster line 3: 36NCC009910 out from"),
    ] {
        for (lang, said, not) in [(Lang::Zh, zh, en), (Lang::En, en, zh)] {
            let page = read(&visit, path, lang).await.text();
            assert!(page.contains(said), "{path} {lang:?}: {page}");
            assert!(!page.contains(not), "{path} {lang:?}");
        }
    }
}

#[tokio::test]
async fn programs_get_the_values_beside_the_words() {
    let visit = Visit::to(Scene::Busy);
    for (lang, begins) in [(Lang::Zh, "与"), (Lang::En, "赵")] {
        let told = read(&visit, "/api/v1/triage", lang).await.json();
        let best = &told["clips"][0]["suggestions"][0];
        assert!(best["reason"].as_str().unwrap().starts_with(begins), "{best}");
        assert_eq!((&best["grounds"][0]["ground"], &best["grounds"][0]["days"]), (&"fits".into(), &2.into()));
        assert_eq!(best["grounds"][0]["fits"][2]["address_m"], 11);
        assert_eq!(told["clips"][0]["outing_partners"][0]["officer"], "李四");
        let told = read(&visit, "/api/v1/registers/rules", lang).await.json();
        assert_eq!(told["told"][0]["grounds"][0]["ground"], "issued", "{told}");
    }
}
