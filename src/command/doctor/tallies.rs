//! Figures that the database keeps as it goes, counted anew.

use super::Finding;
use crate::domain::error::chain;
use crate::store::Store;

/// Looks at them.
pub fn look(store: &Store) -> Finding {
    match store.read_blocking(|r| r.tallies_off()) {
        Err(e) => Finding::problem(
            "figures",
            format!("the database's figures cannot be read: {}", chain(&e)),
            "see the findings about the database",
        ),
        Ok(off) => match off.first() {
            None => Finding::ok("figures", "what the database counts as it goes is what it holds"),
            Some(first) => Finding::problem(
                "figures",
                format!(
                    "{} figures of pages are not what the database holds: of {} {} are counted, and there are {}",
                    off.len(),
                    first.what,
                    first.kept.0,
                    first.counted.0
                ),
                "clips and records are not affected; keep a copy of the database and report this to whoever maintains evidock",
            ),
        },
    }
}
