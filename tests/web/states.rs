//! Every page in every designed state, found in the program itself: the router says which pages there are, the scenes
//! (fixtures.rs) which states a station can be in, the links and forms of the pages which addresses and outcomes, the table
//! of roles who sees what of it, and [`troubles`] what can go wrong. A page that is added is in here by itself; one that no
//! scene leads to fails.
//!
//! Served by `look states` to the browser's test (tests/browser/states.test.mjs).

#![allow(clippy::unwrap_used)] // A test's facts.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, State as Shared};
use axum::http::{Request, header};
use axum::middleware;
use axum::response::Response;
use evidock::domain::command::Reply;
use evidock::domain::rights::{Refusal, Role};
use evidock::domain::why::Why;
use evidock::web::guard;
use evidock::web::routes::Declared;
use evidock::web::site::{Door, Site, Visitor};
use evidock::web::trouble::{Asking, Trouble};
use regex::Regex;
use tower::ServiceExt;

use super::fixtures::{self, Scene};
use super::people::{People, STATES, token_of, token_of_login};

/// Addresses that no page links to.
const BESIDE: &[&str] = &[
    "/kiosk",
    "/nowhere",
    "/signin?next=%2Fclips",
    "/account?codes=new",
    "/clips?missing=any",
    "/clips/019aa2c4-7f00-7abc-8def-000000000002/preview/0",
    "/clips/019aa2c4-7f00-7abc-8def-000000000002/verify",
    "/clips?after=c2",
    "/clips?case=%E6%97%A0",
    "/clips?state=proven&officer=%E7%94%B2&from=2026-06-01&to=2026-06-30",
    "/clips?state=gone",
    "/cases?query=%E6%97%A0",
    "/cases/999",
    "/log?kind=access.",
    // A document in a frame, as a picture, to be saved, and gone.
    "/review/1?clip=019aa2c4-7f00-7abc-8def-000000000003&doc=019aa2c4-7f00-7abc-8def-000000000090",
    "/review/1?clip=019aa2c4-7f00-7abc-8def-000000000003&doc=019aa2c4-7f00-7abc-8def-000000000091",
    "/review/1?doc=019aa2c4-7f00-7abc-8def-000000000092",
    "/review/1?doc=019aa2c4-7f00-7abc-8def-000000000093",
];
/// Forms that no page fills in so: route and fields.
const ALSO_POSTED: &[(&str, &str)] = &[("/signin", "name=codes&password=a+long+sentence&next=%2F")];
/// Addresses of one route in one scene: a station has ten clips that differ.
const OF_ONE_ROUTE: usize = 12;
/// Forms that end the sign-in of whoever walks about, or after which an address that asked why answers with footage.
const ENDS: &[&str] = &["/signout", "/account/sessions/", "/purpose"];

/// A station to look at.
pub struct World {
    pub name: String,
    pub site: Arc<Site>,
    pub router: Router,
    _people: Option<People>,
}

/// One page in one state: the request that shows it, and how it is answered.
#[derive(Clone)]
pub struct State {
    /// The declared path of its route; `trouble` for what can go wrong anywhere.
    pub route: String,
    /// Number of its world.
    pub world: usize,
    pub path: String,
    pub cookie: String,
    /// A form's fields, where it is the outcome of one.
    pub form: Option<String>,
    pub status: u16,
    pub html: String,
}

impl World {
    /// A station as it stands.
    pub fn of(name: &str, router: Router, site: Arc<Site>) -> Self {
        Self { name: name.to_owned(), site, router, _people: None }
    }
}

impl State {
    /// Whether there is anything to look at.
    pub fn is_page(&self) -> bool {
        !self.html.is_empty()
    }

    /// What tells it from others, for a name and for people.
    pub fn name(&self, worlds: &[World]) -> String {
        let who = self.cookie.split("session=").nth(1).map(|t| t.trim_end_matches('a')).unwrap_or("anyone");
        let how = if self.form.is_some() { "posted " } else { "" };
        format!("{} {who} {how}{}", worlds[self.world].name, self.path)
    }

    /// Pages that differ in numbers alone are in the same state; so are those that differ in who looks, apart from the
    /// first one.
    fn signature(&self) -> String {
        let from = if self.path == "/" { 0 } else { self.html.find("<main").unwrap_or(0) };
        static IDS: LazyLock<Regex> =
            LazyLock::new(|| Regex::new("name=\"csrf\" value=\"[^\"]*\"|[0-9a-f]{6,}|[0-9]+").unwrap());
        format!("{} {}", self.route, IDS.replace_all(&self.html[from..], "#"))
    }
}

/// Everything that can go wrong, each once.
pub fn troubles() -> Vec<Trouble> {
    use Trouble::*;
    let words = || "s3.example: connection refused".to_owned();
    let all = vec![
        NoPage,
        NoClip,
        Missing(Why::said(words())),
        NoCase,
        Method,
        Host,
        Origin,
        Invalid(Why::said(fixtures::NASTY)),
        Conflict(Why::said(words())),
        Unavailable(Why::said(words())),
        TooLarge,
        Range(7),
        Isolated,
        NoPreview,
        NoGoodCopy { passing: true, tried: words() },
        NoGoodCopy { passing: false, tried: words() },
        SignIn,
        NoAccounts,
        NewPassword,
        Forbidden(Refusal::Role),
        Purpose(Asking { about: "a".into(), clip: fixtures::clip_id(1).to_string() }),
        FormToken,
        TooMany(90),
        TooSlow,
        Failed,
    ];
    for trouble in &all {
        // A new kind of trouble does not compile here: it belongs into the list above.
        match trouble {
            NoPage
            | NoClip
            | Missing(_)
            | NoCase
            | Method
            | Host
            | Origin
            | Invalid(_)
            | Conflict(_)
            | Unavailable(_)
            | TooLarge
            | Range(_)
            | Isolated
            | NoPreview
            | NoGoodCopy { .. }
            | SignIn
            | NoAccounts
            | NewPassword
            | Forbidden(_)
            | Purpose(_)
            | FormToken
            | TooMany(_)
            | TooSlow
            | Failed => {}
        }
    }
    all
}

async fn trouble(Shared(site): Shared<Arc<Site>>, visitor: Visitor, Path(n): Path<usize>) -> Response {
    troubles().get(n).unwrap_or(&Trouble::NoPage).page(&site, &visitor)
}

fn world(name: &str, scene: Scene, door: Door, people: Option<People>, refuse: bool) -> World {
    let (site, asked) = fixtures::site_behind(scene, door);
    if refuse {
        *asked.refuse.lock().unwrap() = Some(Reply::refused("invalid", Why::said(fixtures::NASTY)));
    }
    let troubles = Router::new()
        .route("/troubles/{n}", axum::routing::get(trouble))
        .layer(middleware::from_fn_with_state(site.clone(), guard::guard))
        .with_state(site.clone());
    World { name: name.into(), router: evidock::web::router(site.clone()).merge(troubles), site, _people: people }
}

/// All stations to look at.
pub async fn worlds() -> Vec<World> {
    let mut all: Vec<World> = Scene::ALL
        .into_iter()
        .map(|scene| world(&format!("{scene:?}").to_lowercase(), scene, Door::default(), None, false))
        .collect();
    all.push(world("refusing", Scene::Busy, Door::default(), None, true));
    let people = People::new().await;
    let door = Door { access: Some(people.access.clone()), ..Door::default() };
    all.push(world("guarded", Scene::Busy, door, Some(people), false));
    // Here forms are posted, too: who has walked about in it leaves it changed.
    let people = People::new().await;
    let door = Door { access: Some(people.access.clone()), ..Door::default() };
    all.push(world("changed", Scene::Busy, door, Some(people), false));
    let nobody = People::none().await;
    let door = Door { access: Some(nobody.access.clone()), exposed: true, ..Door::default() };
    all.push(world("exposed", Scene::Busy, door, Some(nobody), false));
    all
}

/// Asks for a page; the answer's kind and, of a page, its text.
pub async fn ask(world: &World, path: &str, cookie: &str, form: Option<&str>, lang: &str) -> (u16, String, Response) {
    let mut request = Request::builder().uri(path).header("host", "127.0.0.1:8080").header("accept-language", lang);
    if !cookie.is_empty() {
        request = request.header("cookie", cookie);
    }
    let request = match form {
        None => request.body(Body::empty()),
        Some(form) => request
            .method("POST")
            .header("origin", "http://127.0.0.1:8080")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(form.to_owned())),
    };
    let response = world.router.clone().oneshot(request.unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let kind = |r: &Response| r.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).map(str::to_owned);
    if !kind(&response).is_some_and(|k| k.starts_with("text/html")) {
        // Footage is not read, nor a stream that never ends.
        return (status, String::new(), response);
    }
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, 1 << 24).await.unwrap();
    let html = String::from_utf8(bytes.to_vec()).unwrap();
    (status, html.clone(), Response::from_parts(parts, Body::from(html)))
}

/// The route that an address belongs to: the one that says most of it literally.
pub fn route_of<'a>(declared: &'a [Declared], method: &str, path: &str) -> Option<&'a Declared> {
    let asked: Vec<&str> = path.split(['?', '#']).next().unwrap_or_default().split('/').collect();
    let fits = |route: &&Declared| {
        let parts: Vec<&str> = route.path.split('/').collect();
        route.method == method
            && parts.len() == asked.len()
            && parts.iter().zip(&asked).all(|(p, a)| p == a || p.starts_with('{') && !a.is_empty())
    };
    declared.iter().filter(fits).min_by_key(|route| route.path.matches('{').count())
}

/// Whether a route may be a page: of the API, and of what belongs into pages, none is.
pub fn may_be_page(path: &str) -> bool {
    !["/api/", "/assets/", "/live", "/healthz", "/metrics"].iter().any(|p| path.starts_with(p))
}

pub fn unescape(text: &str) -> String {
    static NUMBERS: LazyLock<Regex> = LazyLock::new(|| Regex::new("&#(\\d+);").unwrap());
    let text = NUMBERS.replace_all(text, |c: &regex::Captures<'_>| {
        c[1].parse().ok().and_then(char::from_u32).map(String::from).unwrap_or_default()
    });
    text.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

pub fn attribute(tag: &str, name: &str) -> Option<String> {
    let found = tag.split_once(&format!(" {name}=\""))?.1;
    Some(unescape(found.split('"').next()?))
}

/// Forms of a page that post: where to, and their fields as they stand.
fn forms(html: &str) -> Vec<(String, String)> {
    let encoded = |t: &str| percent_encoding::utf8_percent_encode(t, percent_encoding::NON_ALPHANUMERIC).to_string();
    let form = |text: &str| {
        let head = text.split('>').next()?;
        let action = attribute(head, "action").filter(|_| head.contains("method=\"post\""))?;
        let inside = text.split("</form>").next()?;
        let fields = inside.split("<input").chain(inside.split("<select").skip(1)).skip(1).filter_map(|input| {
            let tag = input.split('>').next()?;
            let unchecked = tag.contains("type=\"checkbox\"") && !tag.contains(" checked");
            let name = attribute(tag, "name").filter(|_| !unchecked)?;
            let value = attribute(tag, "value").filter(|v| !v.is_empty()).unwrap_or_else(|| "1".into());
            Some(format!("{name}={}", encoded(&value)))
        });
        Some((action, fields.collect::<Vec<_>>().join("&")))
    };
    html.split("<form").skip(1).filter_map(form).collect()
}

pub fn cookie_of(role: Role) -> String {
    format!("evidock-session={}", token_of(role))
}

/// Everything that one visitor of one world can come to.
async fn walk(worlds: &[World], n: usize, cookie: &str, known: &BTreeSet<String>, post: bool) -> Vec<State> {
    let declared = evidock::web::routes(&worlds[n].site).declared().to_vec();
    let pages = declared.iter().filter(|r| r.method == "GET" && may_be_page(r.path));
    // Address, what is posted, and whether it is asked for once more because something was changed.
    let mut due: VecDeque<(String, Option<String>, bool)> = pages
        .filter(|r| !r.path.contains('{'))
        .map(|r| r.path.to_owned())
        .chain(BESIDE.iter().map(|p| (*p).to_owned()))
        .chain(known.iter().cloned())
        .map(|path| (path, None, false))
        .collect();
    if cookie.is_empty() {
        due.extend(ALSO_POSTED.iter().map(|(path, form)| ((*path).to_owned(), Some((*form).to_owned()), true)));
    }
    let (mut asked, mut of_route) = (BTreeSet::new(), BTreeMap::<String, usize>::new());
    let mut found = Vec::new();
    while let Some((path, form, again)) = due.pop_front() {
        let method = if form.is_some() { "POST" } else { "GET" };
        let route = route_of(&declared, method, &path).map_or("nowhere", |r| r.path);
        let count = of_route.entry(format!("{method} {route}")).or_default();
        let most = if form.is_some() { 1 } else { OF_ONE_ROUTE };
        let ends = form.is_some() && ENDS.iter().any(|e| path.starts_with(e));
        if ends || !may_be_page(&path) || !again && (*count >= most || !asked.insert((path.clone(), form.is_some()))) {
            continue;
        }
        let (status, html, answer) = ask(&worlds[n], &path, cookie, form.as_deref(), "zh-CN").await;
        let text = |name| answer.headers().get(name).and_then(|v: &header::HeaderValue| v.to_str().ok());
        if let Some(to) = text(header::LOCATION).filter(|to| to.starts_with('/') && form.is_some()) {
            due.push_back((to.to_owned(), None, true));
        }
        *count += 1;
        let route = route.to_owned();
        if html.is_empty() {
            // Footage, a picture, or the way to another page: no page, and looked at by nobody.
            if status < 400 {
                found.push(State { route, world: n, path, cookie: cookie.into(), form, status, html });
            }
            continue;
        }
        // Links, and what belongs into the page.
        for piece in [" href=\"/", " src=\"/", " poster=\"/"].into_iter().flat_map(|a| html.split(a).skip(1)) {
            let to = format!("/{}", unescape(piece.split('"').next().unwrap_or_default()));
            due.push_back((to.split(['?', '#']).next().unwrap_or_default().to_owned(), None, false));
        }
        if post {
            due.extend(forms(&html).into_iter().map(|(action, fields)| (action, Some(fields), false)));
        }
        found.push(State { route, world: n, path, cookie: cookie.into(), form, status, html });
    }
    found
}

/// Every page in every state, each once; and every route that any of them belongs to.
pub async fn all(worlds: &[World]) -> Vec<State> {
    let mut states = Vec::new();
    for (n, world) in worlds.iter().enumerate() {
        match world.name.as_str() {
            "guarded" => {}
            "changed" => {
                for role in [Role::Archivist, Role::SecurityAdministrator] {
                    states.extend(walk(worlds, n, &cookie_of(role), &BTreeSet::new(), true).await);
                }
            }
            "exposed" => states.extend(walk(worlds, n, "", &BTreeSet::new(), false).await),
            _ => states.extend(walk(worlds, n, "", &BTreeSet::new(), true).await),
        }
    }
    // What the links of a station without accounts lead to is asked for by everybody: some may, some are told why not.
    let known: BTreeSet<String> =
        states.iter().filter(|s| s.form.is_none() && s.status == 200).map(|s| s.path.clone()).collect();
    for (n, _) in worlds.iter().enumerate().filter(|(_, w)| w.name == "guarded") {
        states.extend(walk(worlds, n, "", &known, false).await);
        for login in STATES {
            let cookie = format!("evidock-session={}", token_of_login(login));
            states.extend(walk(worlds, n, &cookie, &BTreeSet::new(), false).await);
        }
        for role in Role::ALL {
            states.extend(walk(worlds, n, &cookie_of(*role), &known, false).await);
        }
    }
    for n in 0..troubles().len() {
        let path = format!("/troubles/{n}");
        let (status, html, _) = ask(&worlds[1], &path, "", None, "zh-CN").await;
        if !html.is_empty() {
            let (route, cookie) = ("trouble".to_owned(), String::new());
            states.push(State { route, world: 1, path, cookie, form: None, status, html });
        }
    }
    let mut seen = BTreeSet::new();
    states.retain(|state| seen.insert(state.signature()));
    states
}

/// What is opened in a browser and is no page: a file to save, what a player asks, and the two ways through an identity
/// provider, which the tests of the door go with one.
const NO_PAGES: &[&str] = &[
    "/clips/{id}/derived/{derived}",
    "/clips/{id}/verified",
    "/signin/oidc",
    "/signin/oidc/return",
    "/reports/form/{name}",
    "/witness/signed",
];

/// Routes that answer people.
pub fn pages(world: &World) -> Vec<&'static str> {
    let declared = evidock::web::routes(&world.site).declared().to_vec();
    let is_page = |path: &str| may_be_page(path) && !NO_PAGES.contains(&path);
    declared.iter().filter(|r| r.method == "GET" && is_page(r.path)).map(|r| r.path).collect()
}
