//! Nothing that a page shows to a role leads it to a refusal: every role in every scene, from the pages that have an address
//! of their own on, through every link, and every form as far as it can be asked for without changing anything. A question
//! why somebody looks is no refusal.

#![allow(clippy::unwrap_used)] // A test's facts.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use axum::http::StatusCode;
use evidock::domain::rights::{Action, RIGHTS, Role};
use evidock::domain::words::Lang;
use evidock::web::routes::{Declared, Need};
use evidock::web::site::Door;

use super::bounds::Station;
use super::encoded;
use super::fixtures::{self, CASE, PACKAGE, Scene, clip_id};
use super::people::People;
use super::states::{self, World, cookie_of};

/// Addresses of one route for one role in one scene: a station has ten clips that differ.
const OF_ONE_ROUTE: usize = 14;
/// The form that asks why somebody looks.
const ASKS_WHY: &str = "action=\"/purpose\"";
/// What every page loads.
const LOADED: &[&str] = &["/assets/", "/live"];

/// A station with an account for each role.
async fn station(scene: Scene) -> (World, People) {
    let people = People::new().await;
    let door = Door { access: Some(people.access.clone()), ..Door::default() };
    let (site, _) = fixtures::site_behind(scene, door);
    let world = World::of(&format!("{scene:?}"), evidock::web::router(site.clone()), site);
    (world, people)
}

/// Addresses in a page, each without its place in the page.
fn addresses(html: &str) -> BTreeSet<String> {
    let attributes = [" href=\"", " src=\"", " poster=\"", " hx-get=\""];
    let found = attributes.into_iter().flat_map(|a| html.split(a).skip(1));
    let found = found.map(|rest| states::unescape(rest.split('"').next().unwrap_or_default()));
    let plain = found.map(|to| to.split('#').next().unwrap_or_default().to_owned());
    plain.filter(|to| to.starts_with('/') && !LOADED.iter().any(|l| to.starts_with(l))).collect()
}

/// Where the forms of a page lead: method and address.
fn forms(html: &str) -> BTreeSet<(&'static str, String)> {
    let form = |text: &str| {
        let head = text.split('>').next()?;
        let method = if head.contains("method=\"post\"") { "POST" } else { "GET" };
        // A file is sent by the page's script (assets/office.js): of registers there are several, and each has its own address.
        let by_script = head
            .contains("data-import")
            .then(|| states::attribute(head, "data-import").unwrap_or_else(|| "/registers/unit".to_owned()));
        Some((method, by_script.map_or_else(|| states::attribute(head, "action"), Some)?))
    };
    html.split("<form").skip(1).filter_map(form).collect()
}

/// What an address answers, and whether that refuses whoever it was offered to: what cannot be had now may be had later, what
/// is not there or not theirs never is.
async fn get(world: &World, cookie: &str, path: &str) -> (u16, String, bool) {
    let (status, html, _) = states::ask(world, path, cookie, None, "zh-CN").await;
    assert_ne!(status, 429, "{path}: whoever asks too often learns nothing");
    let refuses = matches!(status, 401 | 403 | 404) && !html.contains(ASKS_WHY);
    (status, html, refuses)
}

/// Whether a form would be refused, whatever is typed into it. Without the token of a form that we made, a change ends after
/// the rights were looked at and before anything is read.
async fn refuses_form(world: &World, declared: &[Declared], cookie: &str, path: &str) -> bool {
    if states::route_of(declared, "POST", path).is_some_and(|r| r.need == Need::Anyone) {
        return false;
    }
    let (_, html, _) = states::ask(world, path, cookie, Some("x=1"), "zh-CN").await;
    !html.contains(ASKS_WHY) && !html.contains(Lang::Zh.words().err_form_token)
}

/// Walks about as a role: what it was offered that refuses it, and how many pages and forms there were.
async fn walk(world: &World, role: Role) -> (Vec<String>, usize, BTreeSet<String>) {
    let declared = evidock::web::routes(&world.site).declared().to_vec();
    let cookie = cookie_of(role);
    // What has an address of its own is tried, offered or not: no refusal of it counts.
    let plain = declared.iter().filter(|r| r.method == "GET" && states::may_be_page(r.path) && !r.path.contains('{'));
    let mut due: VecDeque<(String, Option<String>)> = plain.map(|r| (r.path.to_owned(), None)).collect();
    let (mut asked, mut tried) = (BTreeSet::new(), BTreeSet::new());
    let mut of_route = BTreeMap::<&str, usize>::new();
    let (mut wrong, mut pages) = (Vec::new(), 0);
    while let Some((path, offered_by)) = due.pop_front() {
        if !asked.insert((path.clone(), offered_by.is_some())) {
            continue;
        }
        let route = states::route_of(&declared, "GET", &path).map_or("nowhere", |r| r.path);
        let count = of_route.entry(route).or_default();
        if *count >= OF_ONE_ROUTE {
            continue;
        }
        *count += 1;
        let (status, html, refuses) = get(world, &cookie, &path).await;
        if let Some(page) = offered_by.filter(|_| refuses) {
            wrong.push(format!("{} {role:?} {page} -> {path}: {status}", world.name));
        }
        if html.is_empty() || status >= 400 {
            continue;
        }
        pages += 1;
        due.extend(addresses(&html).into_iter().map(|to| (to, Some(path.clone()))));
        for (method, to) in forms(&html) {
            let to = to.split('#').next().unwrap_or_default().to_owned();
            if !tried.insert(format!("{method} {to}")) {
                continue;
            }
            let refuses = match method {
                "POST" => refuses_form(world, &declared, &cookie, &to).await,
                _ => get(world, &cookie, &to).await.2,
            };
            if refuses {
                wrong.push(format!("{} {role:?} {path} -> {method} {to}", world.name));
            }
        }
    }
    (wrong, pages, tried)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_link_and_no_form_leads_whom_it_is_shown_to_to_a_refusal() {
    let walks = Scene::ALL.map(|scene| {
        evidock::runtime::task::spawn_named("walk", async move {
            let (world, _people) = station(scene).await;
            let (mut wrong, mut pages, mut tried) = (Vec::new(), BTreeMap::new(), BTreeSet::new());
            for role in Role::ALL {
                let (found, seen, forms) = walk(&world, *role).await;
                wrong.extend(found);
                tried.extend(forms);
                pages.insert(*role, seen);
            }
            (scene, wrong, pages, tried)
        })
    });
    let (mut wrong, mut forms) = (Vec::new(), BTreeSet::new());
    for walk in walks {
        let (scene, found, pages, tried) = walk.await.unwrap();
        wrong.extend(found);
        forms.extend(tried);
        assert!(pages.values().all(|n| *n > 3), "{scene:?}: somebody saw next to nothing: {pages:?}");
        let most = pages.values().max().unwrap();
        assert!(scene == Scene::Empty || *most > 40, "{scene:?}: {pages:?}");
    }
    assert!(wrong.is_empty(), "{} lead to a refusal:\n{}", wrong.len(), wrong.join("\n"));
    // That there are no buttons would be no proof.
    for shown in
        ["/close", "/hold", "/isolate", "/lift", "/derive", "/annotate", "/link", "/judge", "/opinion", "/again"]
    {
        assert!(forms.iter().any(|f| f.starts_with("POST") && f.ends_with(shown)), "{shown}: {forms:?}");
    }
}

#[tokio::test]
async fn a_refusal_that_was_offered_would_be_found() {
    let (world, _people) = station(Scene::Busy).await;
    let declared = evidock::web::routes(&world.site).declared().to_vec();
    let (own, others) = (format!("/clips/{}", clip_id(1)), format!("/clips/{}", clip_id(2)));
    for (role, path, wanted) in [
        (Role::Officer, own.clone(), false),
        (Role::Officer, others.clone(), true),
        (Role::Officer, format!("{own}/media?download=1"), true),
        // The question why is no refusal.
        (Role::DepartmentHead, format!("{own}/media?download=1"), false),
        (Role::Supervisor, others.clone(), false),
        (Role::Archivist, "/cases/999".to_owned(), true),
        (Role::Auditor, "/clips?state=proven".to_owned(), true),
    ] {
        assert_eq!(get(&world, &cookie_of(role), &path).await.2, wanted, "{role:?} {path}");
    }
    for (role, path, wanted) in [
        (Role::Officer, format!("{own}/link"), false),
        (Role::Officer, format!("{others}/link"), true),
        (Role::Officer, format!("/cases/{}/close", encoded(CASE)), true),
        (Role::DepartmentHead, format!("/cases/{}/close", encoded(CASE)), true),
        (Role::Archivist, format!("/cases/{}/close", encoded(CASE)), false),
        (Role::Auditor, "/language".to_owned(), false),
    ] {
        assert_eq!(refuses_form(&world, &declared, &cookie_of(role), &path).await, wanted, "{role:?} {path}");
    }
}

#[tokio::test]
async fn buttons_follow_the_clip_and_the_case_and_not_the_role_alone() {
    let station = Station::of(Scene::Busy).await;
    // Who may watch it may not always save it: that ends at another label.
    for (role, clip, saves) in [
        (Role::DepartmentHead, 2, true),
        (Role::DepartmentHead, 8, false),
        (Role::LegalReviewer, 3, true),
        (Role::LegalReviewer, 10, false),
        (Role::Officer, 6, false),
    ] {
        let page = station.get(role, &format!("/clips/{}", clip_id(clip))).await;
        assert_eq!(page.status, StatusCode::OK, "{role:?} {clip}");
        let html = page.text();
        assert_eq!((html.contains("download=1"), html.contains("/derive\"")), (saves, saves), "{role:?} {clip}");
    }
    // A case of which some clips are beyond the unit is theirs to see, and not to close, to hold or to send.
    let case = format!("/cases/{}", encoded(CASE));
    for (role, offered) in [(Role::DepartmentHead, false), (Role::Archivist, true)] {
        let html = station.get(role, &case).await.text();
        for act in ["filing", "hold", "review"] {
            assert_eq!(html.contains(&format!("\"{case}/{act}\"")), offered, "{role:?} {act}");
        }
        assert!(html.contains(&format!("\"{case}/documents\"")), "{role:?}");
    }
}

#[tokio::test]
async fn the_station_page_leads_nobody_where_they_may_not_go() {
    let w = Lang::Zh.words();
    let station = Station::of(Scene::Failing).await;
    let lists = RIGHTS.iter().filter(|r| r.action == Action::ListClips).map(|r| r.role).collect::<Vec<_>>();
    for role in Role::ALL {
        for path in ["/", "/alarms"] {
            let html = station.get(*role, path).await.text();
            let at = format!("{role:?} {path}");
            let main = html.split("<main").nth(1).unwrap();
            assert_eq!(main.contains("href=\"/clips?"), lists.contains(role), "{at}");
            // The alarms of the scene name clips that are the officer's, the unit's and nobody's.
            let to = |n| main.contains(&format!("href=\"/clips/{}\"", clip_id(n)));
            let whole = matches!(role, Role::Archivist | Role::Supervisor);
            let (own, unit) = (*role == Role::Officer || whole, *role == Role::DepartmentHead || whole);
            assert_eq!([to(1), to(2), to(5)], [own || unit, unit, whole], "{at}");
            let told = main.contains("请告知档案员");
            assert_eq!(told, !whole, "{at}");
            assert!(whole || !main.contains(&format!("<span class=\"act\">{}", w.act_show_clip)), "{at}");
        }
    }
    // At a station without accounts everything leads on.
    let open = super::Visit::to(Scene::Failing).get("/").await.text();
    assert!(open.contains(&format!("href=\"/clips/{}\"", clip_id(5))) && open.contains("href=\"/clips?state="));
    // Other stations are searched for whoever may see all of this one.
    for (role, offered) in [(Role::Officer, false), (Role::DepartmentHead, false), (Role::Archivist, true)] {
        let html = station.get(role, "/clips?q=x").await.text();
        assert_eq!(html.contains("href=\"/elsewhere"), offered, "{role:?}");
    }
}

#[tokio::test]
async fn the_badge_counts_what_waits_for_whoever_looks() {
    let mut station = Station::of(Scene::Busy).await;
    station.people().with_roles("several", &[Role::Officer, Role::LegalReviewer]).await;
    let badge = |html: &str| {
        let found = html.split("id=\"n-annotate\"").nth(1)?.split("</b>").next()?.to_owned();
        let (hidden, number) = found.split_once('>')?;
        Some((hidden.contains("hidden"), number.to_owned()))
    };
    // Nothing of the scene that waits is the officer's or the unit's; the archivist annotates all of it.
    for path in ["/", "/?part=live", "/clips", "/clips?part=live"] {
        for (role, wanted) in [
            (Role::Officer, Some((true, "0"))),
            (Role::DepartmentHead, Some((true, "0"))),
            (Role::Archivist, Some((false, "7"))),
            (Role::Supervisor, None),
        ] {
            let found = badge(&station.get(role, path).await.text());
            let wanted = wanted.map(|(hidden, number)| (hidden, number.to_owned()));
            assert_eq!(found, wanted, "{role:?} {path}");
        }
    }
    station.login = Some("several");
    let html = station.ask(None, "GET", "/", "").await.text();
    assert_eq!(badge(&html), Some((false, "1".into())), "of a case that stands sent to them");
    // It is theirs to see: without the form that would be refused.
    let html = station.ask(None, "GET", "/triage", "").await.text();
    assert!(html.contains(&clip_id(10).to_string()) && !html.contains("/decide\""), "{html}");
    // The station's own figure is told as before to programs.
    let status = station.get(Role::Officer, "/api/v1/status").await.json();
    assert_eq!(status["to_annotate"], 7);
}

#[tokio::test]
async fn who_asked_for_a_package_takes_it_back_and_another_one_confirms_it() {
    let mut station = Station::of(Scene::Busy).await;
    station.people().with_roles("second", &[Role::Archivist]).await;
    let w = Lang::Zh.words();
    // The fourth package of the fixtures waits for a second person; the archivist asked for it.
    let path = format!("/exports/{}", PACKAGE.replace("89ab", "89ae"));
    let mine = station.get(Role::Archivist, &path).await.text();
    assert!(mine.contains(w.keeping().take_back) && mine.contains(w.export_confirmed_by), "{mine}");
    assert!(!mine.contains("/confirm\"") && mine.contains("/refuse\""));
    station.login = Some("second");
    let theirs = station.ask(None, "GET", &path, "").await.text();
    assert!(
        theirs.contains("/confirm\"") && theirs.contains(w.export_refuse) && theirs.contains(w.keeping().two_people)
    );
    assert!(!theirs.contains(w.keeping().take_back) && !theirs.contains(w.export_confirmed_by));
}

#[tokio::test]
async fn a_reopening_that_waits_leads_to_what_is_decided_about() {
    let station = Station::of(Scene::Busy).await;
    let case = format!("/cases/{}", encoded(CASE));
    for (role, to, decides) in [
        (Role::Archivist, format!("href=\"{case}/filing\""), true),
        // Who may not see its filing is led to the case.
        (Role::Supervisor, format!("href=\"{case}\""), false),
        (Role::DepartmentHead, format!("href=\"{case}\""), false),
    ] {
        let html = station.get(role, "/keeping").await.text();
        let waits = html.split("id=\"h-waits\"").nth(1).and_then(|w| w.split("</section>").next()).unwrap();
        assert!(waits.contains(&to), "{role:?}: {waits}");
        assert_eq!(waits.contains(&format!("{case}/reopen\"")), decides, "{role:?}");
        assert!(!waits.contains("href=\"/cases\""), "{role:?}");
    }
}
