//! Serves the fixtures, so that the pages can be looked at: `cargo run --example look -- 127.0.0.1:8099 busy`.

#[allow(dead_code)] // The tests use all of it.
mod fixtures;

use fixtures::Scene;

#[tokio::main]
#[allow(clippy::print_stdout)] // A person started it and reads this.
async fn main() {
    let mut args = std::env::args().skip(1);
    let address = args.next().unwrap_or_else(|| "127.0.0.1:8099".into());
    let scene = match args.next().as_deref() {
        Some("empty") => Scene::Empty,
        Some("failing") => Scene::Failing,
        Some("overloaded") => Scene::Overloaded,
        Some("hostile") => Scene::Hostile,
        Some("held") => Scene::Held,
        _ => Scene::Busy,
    };
    let (site, _) = fixtures::site(scene);
    let listener = tokio::net::TcpListener::bind(&address).await.expect("the address is free");
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
