//! The page.
pub mod present;
pub mod view;
