//! evidock takes in footage from body-worn recorders, seals it, annotates it, links it to its case,
//! forwards it to cloud storage and proves that it arrived.
//!
//! # Map
//!
//! Rooms stand in the order in which footage flows. What a room may import is held by
//! `tests/directions.rs`.
//!
//! | room | owns | imports |
//! | --- | --- | --- |
//! | [`domain`] | clips, recorders, cases, digests, records, custody, events, ports: pure | nothing of ours |
//! | [`config`] | the file as written, and the settings resolved from it | `domain` |
//! | [`runtime`] | clock, tasks, shutdown, health, service manager, metrics | `domain` |
//! | [`worker`] | child processes, their sandbox, the framed protocol | `domain`, `runtime` |
//! | [`source`] | where footage comes from | `domain`, `runtime`, `worker` |
//! | [`vault`] | sealed files and the order in which they become durable | `domain`, `runtime` |
//! | [`store`] | all SQL | `domain`, `runtime` |
//! | [`media`] | GStreamer, inside workers only | `domain`, `runtime`, `worker` |
//! | [`intake`] | one clip from a source into the vault | + `source`, `vault`, `store` |
//! | [`casework`] | facts, links, rosters | + `store` |
//! | [`deliver`] | resumable upload and remote proof | `domain`, `runtime`; `uplink` alone joins `vault`, `store` |
//! | [`custody`] | the log's tree, key, checkpoints, verification | `domain`, `runtime` |
//! | [`web`] | pages, API, live events | reads through `store`, asks through `domain::command` |
//! | [`command`] | one file a verb; `run` is the composition root | everything |
//!
//! Every room but `domain` and `runtime` may also be given settings, and so name `config`'s types.

pub mod casework;
pub mod cli;
pub mod command;
pub mod config;
pub mod custody;
pub mod deliver;
pub mod domain;
pub mod intake;
pub mod media;
pub mod runtime;
pub mod source;
pub mod store;
pub mod vault;
pub mod web;
pub mod worker;
