//! What the real program and the real uploaders do, each story a module: one program, since each on its own would bring
//! its own copy of all that they share. `cargo test --test stories NAME::` plays one of them.

#![allow(clippy::unwrap_used)] // In a test, failing is what it is for.

#[path = "../destination_conformance/mod.rs"]
mod destination_conformance;
#[allow(dead_code)] // Nobody signs in here.
#[path = "../access/http.rs"]
mod http;
#[path = "../support/mod.rs"]
mod support;

mod alarm_kinds;
mod alarms;
mod anchors;
mod api;
mod case_life;
mod casework;
mod certificates;
mod clouds;
mod destinations;
mod destinations_files;
mod destinations_ftp;
mod destinations_http;
mod destinations_webdav;
mod documents;
mod erase;
mod exchange;
mod feedback;
mod filing;
mod full;
mod hostile_cloud;
mod hostile_recorders;
mod imports;
mod kill9;
mod language;
mod linking;
mod looks;
mod main_job;
mod monitoring;
mod occasions;
mod page_tls;
mod power_cut;
mod register;
mod restore;
mod retrieval;
mod roster;
mod rude;
mod shared_recorder;
mod start;
mod supervision;
mod undone;
mod uplink_manners;
mod uplink_model;
mod uplink_trouble;
