//! Facts of clips, links to cases, rosters: rules as pure functions, executed through the store.
