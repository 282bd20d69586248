//! What an agency's office does at the station: administration, issue and return, registers, parties, and several clips at
//! once. Here the port through which these pages read, and their routes; each page in a file of its own.
//!
//! ```text
//! admin      the box: overview, self-check, configuration, rules                 (office/admin.rs)
//! destinations: how each is, and a trial of it now                               (office/destinations.rs)
//! recorders  recorders: who has which, approve, refuse, repair, retire, assign    (office/recorders.rs)
//! desk       issue and return by scanning                                        (office/desk.rs)
//! registers  importing registers, taking an import back                           (office/registers.rs)
//! rosters    importing rosters, undoing that, taking away what a name brought      (office/rosters.rs)
//! parties    一户一档                                                              (office/parties.rs)
//! bulk       several clips at once                                                (office/bulk.rs)
//! ```

pub mod admin;
pub mod bulk;
pub mod desk;
pub mod destinations;
pub mod parties;
pub mod recorders;
pub mod registers;
pub mod rosters;

use super::routes::Routes;
use super::site::{Access, ReadError, Site, Visitor};
use super::trouble::Trouble;
use super::view::office::{
    DestinationFacts, Done, EntriesView, Out, PartiesView, PartyPages, PartyView, RecorderEntry, RecorderView,
    RegistersView, RostersView, Scanned,
};
use crate::domain::ids::ClipId;
use crate::domain::office::Premises;
use crate::domain::ports::BoxFuture;
use crate::domain::register::Register;
use crate::domain::rights::Within;

/// Every route of these pages.
pub fn routes(r: Routes) -> Routes {
    [
        admin::routes,
        destinations::routes,
        recorders::routes,
        desk::routes,
        registers::routes,
        rosters::routes,
        parties::routes,
        bulk::routes,
    ]
    .into_iter()
    .fold(r, |all, some: fn(Routes) -> Routes| some(all))
}

/// Stores that a list of the office is looked at, before anything of it is answered.
async fn listed(site: &Site, visitor: &Visitor, what: &str) -> Result<(), Trouble> {
    site.log_access(visitor, Access { what: "list", terms: Some(what), ..Access::default() }).await
}

/// Reading, as these pages need it. Bound to the store; tests have a form with fixed facts.
pub trait Office: Send + Sync {
    /// What only the composition root knows.
    fn premises(&self) -> &dyn Premises;
    /// What is out, the overdue first.
    fn out(&self) -> BoxFuture<'_, Result<Vec<Out>, ReadError>>;
    /// A stay out by its number.
    fn desk_done(&self, issue: i64) -> BoxFuture<'_, Result<Option<Done>, ReadError>>;
    /// What a code means.
    fn scanned<'a>(&'a self, code: &'a str) -> BoxFuture<'a, Result<Scanned, ReadError>>;
    /// Every recorder that anything here knows.
    fn recorders(&self) -> BoxFuture<'_, Result<Vec<RecorderEntry>, ReadError>>;
    /// One of them, by its word.
    fn recorder<'a>(&'a self, word: &'a str) -> BoxFuture<'a, Result<Option<RecorderView>, ReadError>>;
    /// Destinations in the order of the configuration.
    fn destinations(&self) -> BoxFuture<'_, Result<Vec<DestinationFacts>, ReadError>>;
    /// A page of the imports of rosters.
    fn rosters<'a>(&'a self, after: Option<&'a str>) -> BoxFuture<'a, Result<RostersView, ReadError>>;
    /// Registers and a page of their imports.
    fn registers<'a>(&'a self, after: Option<&'a str>) -> BoxFuture<'a, Result<RegistersView, ReadError>>;
    /// A page of the entries of a register that contain `find`.
    fn entries<'a>(
        &'a self,
        register: Register,
        find: &'a str,
        after: Option<&'a str>,
    ) -> BoxFuture<'a, Result<EntriesView, ReadError>>;
    /// A page of the parties whose name contains `query`, with a case of which the viewer may see a clip; `registered`: and
    /// those that only the register knows.
    fn parties<'a>(
        &'a self,
        query: &'a str,
        after: Option<&'a str>,
        within: &'a Within,
        registered: bool,
    ) -> BoxFuture<'a, Result<PartiesView, ReadError>>;
    /// One of them by its name, with a page of its cases and of its clips; `None` where the viewer may see nothing of it.
    fn party<'a>(
        &'a self,
        name: &'a str,
        pages: &'a PartyPages,
        within: &'a Within,
        registered: bool,
    ) -> BoxFuture<'a, Result<Option<PartyView>, ReadError>>;
    /// Those of these clips that may stand in lists within these bounds.
    fn seen_among<'a>(
        &'a self,
        clips: &'a [ClipId],
        within: &'a Within,
    ) -> BoxFuture<'a, Result<Vec<ClipId>, ReadError>>;
}
