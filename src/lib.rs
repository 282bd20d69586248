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
//! | [`media`] | GStreamer, inside workers only: files, and live streams | `domain`, `runtime`, `worker` |
//! | [`intake`] | one clip from a source into the vault | + `source`, `vault`, `store` |
//! | [`casework`] | facts, links, rosters | + `store` |
//! | [`deliver`] | resumable upload, remote proof, and what becomes of copies after it | `domain`, `runtime`; `uplink` and those that look after copies join `vault`, `store` |
//! | [`custody`] | the log's key, checkpoints, witnesses, timestamps, verification, evidence packages | `domain`, `runtime` |
//! | [`access`] | accounts, sign-in, sessions, tokens | + `store` |
//! | [`feedback`] | lamps at the bays, and a program run for each event | looks at `store` |
//! | [`notice`] | telling others: signed webhooks and e-mail out of the stored messages | + `store` |
//! | [`web`] | pages, API, live events | reads through `store`, asks through `domain::command`, knows people through `access` |
//! | [`command`] | one file a verb; `run` is the composition root | everything |
//!
//! Every room but `domain` and `runtime` may also be given settings, and so name `config`'s types.
//!
//! # A clip's way
//!
//! 1. `source::watch` sees a directory appear: a recorder is docked. `intake` gives it a thread of its own.
//! 2. `intake::dock` looks, takes every file that has stopped growing (marked first, then oldest), and says when
//!    the recorder may go. `intake::plan` decides what a file is: new, seen before, interrupted, grown.
//! 3. `vault::copy_into` reads once: the same blocks go to the `.part` file, to BLAKE3 with its tree and to
//!    SHA-256. Every 64 MB it becomes durable and the store is told, so that the copy can go on from there.
//! 4. `vault::Vault::seal` and `store::Tx::seal`: read back past the page cache, rename, sync, commit with the
//!    log entry. From here on the clip is *sealed*.
//! 5. `intake::Prober` asks a media worker; `casework::apply` applies the rules and publishes the next revision
//!    of the record through the outbox. Both may come before or after the upload. A rule links where it is sure
//!    (`casework::judge`); what is not waits in triage, and what a person decided no rule changes.
//! 6. `deliver::uplink`, one for each destination, sends parts with the digests of step 3, completes, and compares
//!    what the remote holds. From there on the clip is *proven* there. Parts may go up as soon as step 3 has reported
//!    them; completing waits for step 4, and for nothing but the parts of the sealed clip.
//! 7. Where an `[[erase]]` allows it and everything that it asks for is proven, `intake::erase` reads the recorder's file
//!    a second time, logs the intent, sees it anchored, erases the file and looks that nothing else changed.
//! 8. Once proven, a copy is read again (`deliver::audit`) and locked for longer (`deliver::locks`); one that is wrong is
//!    sent again from whatever good bytes there are (`deliver::mend`). Where `[vault] evict` allows it, the local copy goes
//!    (`domain::evict` decides, `deliver::evict` carries out), and the clip is read from elsewhere through
//!    [`domain::ports::Footage`], each stretch verified against its tree.
//! 9. Every change is an event in the custody log, in the transaction of the change; each minute a checkpoint of
//!    the log's tree is signed and goes to every destination.
//!    A case that was filed ([`domain::filing`]) says until when its clips are kept; what is over and kept by nobody two people
//!    may dispose of ([`domain::disposal`] decides, `deliver::dispose` carries out).
//! 9. What no record tells (rosters, registers, the log itself) goes to the destinations in encrypted backups of the
//!    database. On a new box `command::restore` makes a station of the newest one and of what is newer in the bucket,
//!    in a new epoch of the log; `deliver::fence` keeps whoever still has the older database from writing.
//!
//! A recorder in the network is looked at now and then: a worker of `media::replay` asks what it is and lists, another one
//! fetches what is missing of each stretch on the list, and `intake::pull` feeds it in like a live stream, segments of one
//! recording a stretch. What the list has and we have not stands on the record, and the recorder is not safe to take away
//! before it was fetched or reported.
//!
//! A live stream comes another way into step 3: `source::rtsp` keeps a worker of `media::stream` for each connection,
//! which gives fragmented MP4 as it comes; `intake::FeedIntake` writes, hashes and makes it durable each second. A
//! recording is a row that somebody, a schedule or the configuration opened; its supervisor carries it out across
//! broken lines and restarts, one clip a segment. What was cut off is sealed as it stands, with the reason.
//!
//! A document that people file to a case comes the same way, from step 3 on (`intake::filing`): it is a clip of role
//! `document`, so that everything that keeps, proves, tells and gives out clips does it to documents.
//!
//! What clips are found by is written at the end of the transaction that changed it (`store::search`), as tokens of
//! [`domain::search`].
//!
//! # Tasks and channels
//!
//! | task | phase of the stop order | wakes on |
//! | --- | --- | --- |
//! | `docks`, one thread a dock | sources | what the watches of the sources tell |
//! | `streams`, one thread a stream | sources | the store's changes, the time of day |
//! | `pulls`, one thread a recorder in the network | sources | the register, the time of day, somebody who asks |
//! | `media` | uploads | the store's changes |
//! | `clerk` | uploads | the store's changes |
//! | `lamps`, `hook` | sources | the board and the log, four times a second |
//! | `uplink NAME` | uploads | the store's changes, the next due time |
//! | `audit NAME`, `locks NAME`, `mend`, `evict` | uploads | the store's changes, each minute or hour |
//! | `stops` | uploads | isolations |
//! | `dispose` | uploads | lists that were confirmed, each hour |
//! | `tiles NAME` | uploads | every few seconds |
//! | `witness NAME`, `timestamps` | uploads | each second; act on a new checkpoint, or when one is due |
//! | `watched logs` | uploads | every two seconds, where this station is a witness; tells what it noticed |
//! | `documents` | sources | each second, where a folder is configured |
//! | `search` | uploads | every two seconds; acts where one change touched many clips |
//! | `exports` | uploads | the store's changes, each minute, the next try |
//! | `backup` | uploads | the next due time, somebody who asks |
//! | `fence` | uploads | a later epoch, seen at any destination; ends the daemon |
//! | `checkpoints` | store | each second, acts each minute |
//! | `alarms` | http | each few seconds; stores what rose and ended, and the messages about it |
//! | `events` | uploads | the store's changes; makes messages of entries of the log |
//! | `tell NAME` | http | the store's changes, the next due time |
//! | `exchange in`, `exchange out` | sources, uploads | time |
//! | `figures`, `control`, `page`, `bell`, `watchdog` | http | time, guests, changes |
//!
//! One thread owns the writing database connection; [`store::Store::write`] sends it closures and returns when
//! they are durable. After each commit the changed things go out on a broadcast channel ([`store::Change`]); a
//! receiver that lags looks at everything. Progress that is not worth a transaction stands on
//! [`runtime::board::Board`]. What page and command line want changed goes through [`domain::command::Ask`]; the
//! command line reaches it by a Unix socket whose peer credentials give the actor. Start-up uses the same planner
//! as work: `intake::recover` adopts what was sealed but not committed, everything else is simply still due.
//!
//! # Invariants
//!
//! 1. From sealed until evicted the local file exists with the recorded length and digest.
//! 2. The recorder's copy is never erased before the policy's proof is stored. ([`domain::erase::next_step`] decides,
//!    `intake::erase` carries out; without an `[[erase]]` of the configuration nothing is ever erased.)
//! 3. The local copy is never evicted before proven, nor while a hold stands; a destination on the vault's own
//!    device satisfies neither. ([`domain::evict::decide`] decides, `deliver::evict` carries out; without `[vault] evict`
//!    nothing is ever evicted.)
//! 4. A change of custody and its log entry share one transaction.
//! 5. Proven means that a checksum computed by the remote, or our own read-back, was compared with ours.
//! 6. Original bytes are never altered; derived files stand elsewhere.
//! 7. Nothing that a recorder supplies is trusted: it is parsed, bounded, escaped.
//! 8. The recorder's own times are kept as they were; corrections stand beside them.
//! 9. "Safe to remove" means that every listed file is sealed or reported unreadable. Missing facts hold nobody.
//! 10. The entry of an access is stored before its first byte is served.
//! 11. No route answers before what it needs was checked ([`mod@web::routes`]) against the one table of rights
//!     ([`domain::rights`]); a station without accounts, on loopback only, has no such check.
//!
//! # Where this differs from what was first drawn
//!
//! - Eviction says "evicted" in the transaction that intends it, before the file goes: so invariant 1 holds at every
//!   instant, and a crash leaves at most a file that nobody relies on, which the next start removes.
//! - A clip that is suspected classified has a flag of its own beside quarantine: it is shown to nobody, its record and
//!   catalogue lines wait, and two people lift it. Whoever reads the bucket itself is outside of that.
//! - The durability test records system calls of the real binary instead of going through a port inside it: so it
//!   sees the database's writes, too, which such a port could not (`tests/power_cut.rs`).
//! - A checkpoint's origin carries the epoch (`evidock/<station>/<epoch>`): a restored log contradicts what was
//!   signed before, so each epoch is a log of its own to every witness.
//! - Only recordings owe the five facts; a recorder's own logs and sidecars are taken in like any file, but nobody
//!   is asked what they prove (`role` in the record).
//!
//! - A recorder without a serial number of its own is let in by make and socket, not by the number of its volume: that
//!   number stands behind the gate, on what nobody has agreed to read yet ([`domain::device`]).
//! - Only recordings are erased from recorders. Their logs, settings and binding files are taken in like any file and
//!   left where they are: a recorder may need them, and they take no room.
//!
//! # Platforms
//!
//! Debian 12 and newer and their derivatives, with SQLite compiled in. Nothing is tied to x86_64, but arm64 was
//! never built or run by us.

pub mod access;
pub mod casework;
pub mod cli;
pub mod command;
pub mod config;
pub mod custody;
pub mod deliver;
pub mod domain;
pub mod feedback;
pub mod intake;
pub mod media;
pub mod notice;
pub mod runtime;
pub mod source;
pub mod store;
pub mod vault;
pub mod web;
pub mod worker;
