//! Resumable upload to destinations and the proof that they hold the same bytes. Never hashes what was hashed at intake.
//!
//! The forms of [`crate::domain::ports::Destination`] stand here ([`folder`], [`s3`], [`azure`], [`tus`], [`sftp`],
//! [`ftp`], [`webdav`], and [`fake`] for tests), with what they share: the rule for keys, reading a local copy in blocks,
//! [`http`], sending parts one after the other to a file that grows, finding out by trying what a destination can do,
//! and [`prove`], which compares what it says and holds with ours.
//! [`pace`] bounds how fast bytes go out. [`uplink`] joins them with store and vault: it sends what is due and stores each step. So do those that look after
//! copies once they are proven: [`audit`] reads them again, [`mend`] brings good bytes back where one is wrong, [`locks`]
//! renews their locks, [`evict`] gives local copies up, [`dispose`] carries out what two people decided, [`footage`] reads clips from wherever they stand. [`stops`]
//! keeps what is isolated from going out, [`welcome`] whoever looks there from asking one that refuses us. [`backup`] is the form of a backup of the database, [`fence`] keeps a station that
//! goes on elsewhere from writing. [`elsewhere`] reads the catalogues of other stations. [`tiles`] brings the log's tree there, [`post`] asks witnesses and authorities.

pub mod audit;
pub mod azure;
pub mod backup;
pub mod dispose;
pub mod elsewhere;
pub mod evict;
pub mod fake;
pub mod fence;
pub mod folder;
pub mod footage;
pub mod ftp;
pub mod http;
pub mod locks;
pub mod mend;
pub mod pace;
pub mod post;
pub mod prove;
pub mod s3;
pub mod sftp;
pub mod stops;
pub mod tiles;
pub mod tus;
pub mod uplink;
pub mod webdav;
pub mod welcome;

mod blocks;
mod folders;
mod in_order;
mod key;
mod keys;
mod line;
mod sweep;
mod trial;
mod versions;

pub use keys::{Keys, KeysRead, Secret};
