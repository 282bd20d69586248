//! Serves the fixtures, so that the pages can be looked at: `cargo run --example look -- 127.0.0.1:8099 busy`. With
//! `states` instead of a scene, every page in every state (states.rs), each station on a port of its own; what there is
//! stands as one line of JSON on the output.

#[allow(dead_code)] // The tests use all of it.
mod fixtures;
#[allow(dead_code)]
mod people;
#[allow(dead_code)]
mod states;

use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::http::HeaderMap;
use axum::response::Response;
use fixtures::Scene;
use tokio::net::TcpListener;

#[tokio::main]
#[allow(clippy::print_stdout)] // A person started it and reads this.
async fn main() {
    let mut args = std::env::args().skip(1);
    let address = args.next().unwrap_or_else(|| "127.0.0.1:8099".into());
    let wanted = args.next().unwrap_or_default();
    if wanted == "states" {
        return all_states().await;
    }
    // `bays-48`: the overloaded station with that many bays.
    let bays = wanted.strip_prefix("bays-").and_then(|n| n.parse().ok());
    if let Some(n) = bays {
        fixtures::station::BAYS.store(n, std::sync::atomic::Ordering::Relaxed);
    }
    let wanted = if bays.is_some() { "overloaded".to_owned() } else { wanted };
    let scene = Scene::ALL.into_iter().find(|s| format!("{s:?}").eq_ignore_ascii_case(&wanted)).unwrap_or(Scene::Busy);
    let (site, _) = fixtures::site(scene);
    let listener = TcpListener::bind(&address).await.expect("the address is free");
    let live = site.live.clone();
    evidock::runtime::task::spawn_named("tell", async move {
        loop {
            tokio::time::sleep(std::time::Duration::from_secs(3)).await;
            live.tell(&[evidock::web::live::Topic::Station, evidock::web::live::Topic::Clips]);
        }
    });
    println!("http://{}/", listener.local_addr().expect("a bound address"));
    axum::serve(listener, evidock::web::router(site)).await.expect("serving");
}

/// Serves every world, until it is ended.
#[allow(clippy::print_stdout)]
async fn all_states() {
    let worlds = Arc::new(states::worlds().await);
    let mut all = states::all(&worlds).await;
    all.retain(|state| state.is_page());
    let mut urls = Vec::new();
    for n in 0..worlds.len() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        urls.push(format!("http://{}", listener.local_addr().expect("a bound address")));
        let (worlds, all) = (Arc::clone(&worlds), all.clone());
        let router = worlds[n].router.clone();
        // What a form leads to has no address: it is posted anew for whoever asks for it here.
        let posted = move |Path(at): Path<usize>, headers: HeaderMap| async move {
            posted(&worlds[n], &all[at], &headers).await
        };
        let app = Router::new().route("/posted/{at}", axum::routing::get(posted)).fallback_service(router);
        evidock::runtime::task::spawn_named("world", async move { axum::serve(listener, app).await.expect("serving") });
    }
    let told = all.iter().enumerate().map(|(n, state)| {
        let path = if state.form.is_some() { format!("/posted/{n}") } else { state.path.clone() };
        serde_json::json!({ "route": state.route, "name": state.name(&worlds), "url": format!("{}{path}", urls[state.world]),
            "cookie": state.cookie, "status": state.status })
    });
    println!("{}", serde_json::Value::from_iter(told));
    std::future::pending::<()>().await;
}

async fn posted(world: &states::World, state: &states::State, headers: &HeaderMap) -> Response {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    let (_, _, answer) =
        states::ask(world, &state.path, &text("cookie"), state.form.as_deref(), &text("accept-language")).await;
    answer
}
