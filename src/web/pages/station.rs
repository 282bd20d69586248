//! The station page, and the board that hangs over the bays.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::{answered, page};
use crate::web::offers;
use crate::web::present::station::{BoardCard, Station};
use crate::web::present::{self, Ctx, Nav, Stamp};
use crate::web::site::{Site, Visitor};
use crate::web::trouble::Trouble;
use crate::web::view::station::StationView;

#[derive(Template)]
#[template(path = "station.html")]
struct StationPage<'a> {
    c: &'a Ctx,
    v: Station,
    windows: Vec<(String, String, Stamp)>,
}

impl StationPage<'_> {
    /// When a destination's window opens or shuts.
    fn window_of(&self, destination: &str) -> Option<&(String, String, Stamp)> {
        self.windows.iter().find(|(name, ..)| name == destination)
    }
}

pub(super) async fn station(State(site): State<Arc<Site>>, visitor: Visitor) -> Response {
    let answer = async {
        let c = site.ctx(&visitor, Nav::Station).await?;
        let view = looked_at(&site, &visitor).await?;
        let theirs = offers::alarmed(&site, &visitor, &view.alarms).await?;
        let v = present::station::station(&view, &theirs, &c);
        let office = site.pages.office();
        let windows = office.premises().windows().into_iter().map(|window| {
            let told = if window.open { c.w.office().window_shuts } else { c.w.office().window_opens };
            (window.destination, told.to_owned(), c.near(window.turns))
        });
        page(&StationPage { v, windows: windows.collect(), c: &c })
    };
    answered(&site, &visitor, answer.await)
}

/// A part that refreshes itself shares what others have read of the same moment.
async fn looked_at(site: &Site, visitor: &Visitor) -> Result<Arc<StationView>, Trouble> {
    match visitor.part {
        true => Ok(site.shared().await?.0),
        false => Ok(Arc::new(site.pages.station().await?)),
    }
}

#[derive(Template)]
#[template(path = "kiosk.html")]
struct KioskPage<'a> {
    c: &'a Ctx,
    cards: Vec<BoardCard>,
    size: &'static str,
}

pub(super) async fn kiosk(State(site): State<Arc<Site>>, visitor: Visitor) -> Response {
    let answer = async {
        let c = site.ctx(&visitor, Nav::Other).await?;
        let view = looked_at(&site, &visitor).await?;
        let cards: Vec<_> = view.bays.iter().map(|b| present::station::board_card(b, c.w)).collect();
        let size = match cards.len() {
            0..=8 => "k8",
            9..=15 => "k15",
            16..=30 => "k30",
            31..=48 => "k48",
            // The store knows 64 bays at most.
            _ => "k64",
        };
        page(&KioskPage { c: &c, cards, size })
    };
    answered(&site, &visitor, answer.await)
}
