//! Ports: what evidock needs of recorders, streams, destinations, media, clocks and signers, in domain
//! words, so that hardware and networks can be swapped. Each has one conformance suite that every form passes.

use std::future::Future;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;

use super::clip::ProofLevel;
use super::digest::{Crc64, Sha256};
use super::error::{Retry, Retryable};
use super::grid::PartGrid;
use super::ids::{ClipId, DestinationName, RecorderId};
use super::recorder::{Importance, Listing, ShelfEntry, ShelfIdentity, SourcePath};
use super::stream::{Gap, SegmentEnd, SegmentReach, SegmentStart};
use super::time::{RecorderTime, UtcMs};

/// A future that a port returns; boxed so that ports stay object-safe.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

// ---------------------------------------------------------------------------------------------
// Footage comes in

/// A recorder with files (folder, USB mass storage, MTP). Calls block; they run on blocking threads.
///
/// Opening is read-only; nothing but [`Shelf::erase`] ever changes the recorder.
pub trait Shelf: Send + Sync {
    /// What it can tell about itself. Hostile text: bounded by the form, escaped by whoever shows it.
    fn identity(&self) -> ShelfIdentity;
    /// Everything on it, in no particular order; what cannot be listed is in the answer too.
    fn list(&self) -> Result<Listing, SourceError>;
    /// One entry anew, to notice growth; `Ok(None)` when it is no longer there.
    fn stat(&self, path: &SourcePath) -> Result<Option<ShelfEntry>, SourceError>;
    /// Opens a file for reading from `offset_bytes`. A reader that ends before the listed length has
    /// met an error of the recorder, which the caller must treat as such.
    fn open(&self, path: &SourcePath, offset_bytes: u64) -> Result<Box<dyn io::Read + Send>, SourceError>;
    /// Erases exactly one file, if it still has the length that was proven (invariant 2). A form that can says so in
    /// [`ShelfIdentity::erasable`]; it is not asked otherwise.
    fn erase(&self, proof: &EraseProof) -> Result<(), SourceError>;
}

/// What must be shown before a recorder's copy may be erased. Built by the planner only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EraseProof {
    /// The clip whose proof this is.
    pub clip: ClipId,
    /// The file.
    pub path: SourcePath,
    /// Its length in bytes at copying.
    pub size_bytes: u64,
    /// Position in the log of the event that tells the intent; it must be inside an anchored checkpoint.
    pub intent_seq: u64,
}

/// Why a recorder could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The recorder was pulled out or its link is down.
    #[error("the recorder is gone; dock it again and copying goes on where it stopped")]
    Gone(#[source] io::Error),
    /// Reading failed at an offset (bad sector, cable).
    #[error("reading {path} failed; try another bay, then another cable")]
    Read {
        /// The file.
        path: SourcePath,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// The operating system forbids reading.
    #[error("{path} may not be read; check the permissions of the docking folder")]
    Denied {
        /// The file or directory.
        path: SourcePath,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// The form has no way to do this (a read-only source cannot erase).
    #[error("this kind of source cannot {0}")]
    Unsupported(&'static str),
    /// The file is not the one that was proven.
    #[error("{0} changed since it was copied and is left alone")]
    Changed(SourcePath),
}

impl Retryable for SourceError {
    fn retry(&self) -> Retry {
        match self {
            Self::Gone(_) | Self::Read { .. } => Retry::Transient,
            Self::Denied { .. } => Retry::Operator,
            Self::Unsupported(_) | Self::Changed(_) => Retry::Permanent,
        }
    }
}

/// A source that hands us bytes as they come: live streams, systems that push. Intake implements it;
/// calls block while the disk does. Dropping a feed without `end` leaves what came on the disk; of a segment it is sealed
/// as it stands at the next start.
pub trait Feed: Send {
    /// A new clip begins; its identity is committed before this returns.
    fn begin(&mut self, start: FeedStart) -> Result<ClipId, FeedError>;
    /// Bytes in order. An error means that they are not kept; `end` still seals what came before.
    fn append(&mut self, clip: ClipId, bytes: &[u8]) -> Result<(), FeedError>;
    /// How far the footage of a segment reaches; stored with the next durable report.
    fn reached(&mut self, clip: ClipId, reach: SegmentReach);
    /// Something is missing inside it, or a clock was set meanwhile: stored before this returns.
    fn gap(&mut self, clip: ClipId, gap: Gap) -> Result<(), FeedError>;
    /// The clip is whole: it is verified and sealed before this returns.
    fn end(&mut self, clip: ClipId, end: FeedEnd) -> Result<(), FeedError>;
}

/// How a pushed clip begins.
#[derive(Debug, Clone)]
pub struct FeedStart {
    /// Whose it is.
    pub recorder: RecorderId,
    /// Its name at the source.
    pub path: SourcePath,
    /// Its length in bytes, where the source knows it.
    pub declared_bytes: Option<u64>,
    /// When it was captured, where the source tells.
    pub captured: Option<RecorderTime>,
    /// How it was marked.
    pub importance: Importance,
    /// It is the next segment of a recording.
    pub segment: Option<SegmentStart>,
}

/// How a pushed clip ends.
#[derive(Debug, Clone, Default)]
pub struct FeedEnd {
    /// Why a segment ended, in a word and in words.
    pub segment: Option<(SegmentEnd, String)>,
}

/// Why pushed bytes were not kept.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// The disk reached its reserve.
    #[error(
        "the vault has reached its reserve and takes no more; free space, or wait for clips to be proven and evicted"
    )]
    Full,
    /// The source broke the order of calls.
    #[error("{0}")]
    Misuse(&'static str),
    /// The vault or the store failed.
    #[error("a pushed clip could not be kept")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

// ---------------------------------------------------------------------------------------------
// Footage goes out

/// A place that keeps objects under immutable keys. The session of a long upload is ours: whatever
/// identifies it is returned as text, stored by the caller before the first byte, and passed back.
pub trait Destination: Send + Sync {
    /// Its name in configuration.
    fn name(&self) -> &DestinationName;
    /// Finds out by trying what it can do; writes and removes nothing but its probe object.
    fn probe(&self) -> BoxFuture<'_, Result<Abilities, SendError>>;
    /// Opens a session for `object`.
    fn begin<'a>(&'a self, object: &'a ObjectSpec) -> BoxFuture<'a, Result<SessionId, SendError>>;
    /// Sends one part. Sending a part again replaces it.
    fn send_part<'a>(
        &'a self,
        object: &'a ObjectSpec,
        session: &'a SessionId,
        part: &'a PartSpec,
        body: Arc<dyn ByteSource>,
    ) -> BoxFuture<'a, Result<PartReceipt, SendError>>;
    /// Parts that the remote says it holds: a hint, never an authority over receipts that we stored.
    fn held_parts<'a>(
        &'a self,
        object: &'a ObjectSpec,
        session: &'a SessionId,
    ) -> BoxFuture<'a, Result<Vec<HeldPart>, SendError>>;
    /// Makes the object of its parts. A lost answer is settled by [`Destination::head`], not by calling again.
    fn complete<'a>(
        &'a self,
        object: &'a ObjectSpec,
        session: &'a SessionId,
        parts: &'a [(PartSpec, PartReceipt)],
    ) -> BoxFuture<'a, Result<(), SendError>>;
    /// Gives a session up, so that nobody pays for its parts. An unknown session is not an error.
    fn abort<'a>(&'a self, object: &'a ObjectSpec, session: &'a SessionId) -> BoxFuture<'a, Result<(), SendError>>;
    /// Writes a small object in one go. Keys are immutable: where the same bytes stand already, that is success.
    fn put_small<'a>(
        &'a self,
        key: &'a str,
        bytes: Bytes,
        content_type: &'a str,
        lock_until: Option<UtcMs>,
    ) -> BoxFuture<'a, Result<(), SendError>>;
    /// What the remote says of an object; `None` where there is none.
    fn head<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<RemoteObject>, SendError>>;
    /// Bytes of an object, as a stream of chunks of bounded size; `None` reads it whole.
    fn read<'a>(&'a self, key: &'a str, range: Option<Range<u64>>) -> BoxFuture<'a, Result<ByteStream, SendError>>;
    /// A page of at most 1,000 keys below `prefix`, after the key `after`. To read on, pass the last key of the page
    /// before, until a page is empty. Names within one folder come in order; folders come in the destination's own
    /// order (some take `a/x` before `a-b`), and a key may come twice.
    fn list<'a>(&'a self, prefix: &'a str, after: Option<&'a str>) -> BoxFuture<'a, Result<Vec<String>, SendError>>;
    /// A page of every version below `prefix`, those of one key one after the other; what stands there where the remote
    /// keeps one of each. A lock keeps a version and not its key, so that this alone shows what was written over or
    /// deleted. To read on, pass the page's `next`. A remote that does not let us see versions refuses.
    fn versions<'a>(
        &'a self,
        prefix: &'a str,
        from: Option<&'a VersionMarker>,
    ) -> BoxFuture<'a, Result<VersionPage, SendError>>;
    /// Bytes of one version, whole.
    fn read_version<'a>(&'a self, version: &'a ObjectVersion) -> BoxFuture<'a, Result<ByteStream, SendError>>;
    /// Locks an object until then, where the destination can; never shortens a lock.
    fn retain<'a>(&'a self, key: &'a str, until: UtcMs) -> BoxFuture<'a, Result<(), SendError>>;
    /// Sets (`true`) or lifts an object's legal hold, which has no end and stands apart from its lock. What is so already
    /// is success; that this destination has no holds is an answer, not an error.
    fn hold<'a>(&'a self, key: &'a str, held: bool) -> BoxFuture<'a, Result<HoldAnswer, SendError>>;
    /// Removes an object of ours for good, in every version that is there; one that is not there is success. Only what two
    /// people have disposed of is ever removed, and only after its lock: a lock or hold there refuses, as an error.
    fn remove<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Removal, SendError>>;
    /// Sessions under way at the remote for keys below `prefix`, whoever began them, so that forgotten ones can be given
    /// up; empty where the remote does not list sessions or keeps none that cost anything.
    fn open_sessions<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<OpenSession>, SendError>>;
}

/// A session as the remote lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenSession {
    /// What is being sent.
    pub key: String,
    /// As [`Destination::begin`] gave it.
    pub session: SessionId,
    /// When it was begun, by the remote's clock; `None` where it does not tell.
    pub begun: Option<UtcMs>,
}

/// A version of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectVersion {
    /// Its key.
    pub key: String,
    /// Its name at the remote; `None` where it is what a plain read gives.
    pub version: Option<String>,
    /// It has no bytes, and says that the object was deleted: those before it are hidden by it.
    pub deleted: bool,
}

/// What [`Destination::versions`] gives at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionPage {
    /// In the remote's order.
    pub versions: Vec<ObjectVersion>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<VersionMarker>,
}

/// Where a listing of versions goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionMarker {
    /// After this key.
    pub key: String,
    /// The remote's own word for the place, as it came with a page; `None`: after every version of the key.
    pub place: Option<String>,
}

/// What came of [`Destination::hold`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldAnswer {
    /// It is as was asked, and was read back so.
    Done,
    /// This destination keeps no legal holds: the hold stands here alone.
    Unsupported,
}

/// What came of [`Destination::remove`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// It is not there any more, and was looked for.
    Done,
    /// We do not remove anything at this kind of destination: whoever runs it does.
    Unsupported,
}

/// A stream of an object's bytes.
pub type ByteStream = Pin<Box<dyn futures_util::Stream<Item = Result<Bytes, SendError>> + Send>>;

/// What a destination can do, as probing found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Abilities {
    /// How bytes can be compared.
    pub proof: ProofLevel,
    /// Objects can be locked against deletion.
    pub lock: bool,
    /// It is the same device as the vault: proves nothing about the loss of the box (invariant 3).
    pub same_device: bool,
    /// Parts must come one after the other, each beginning where the remote's bytes end (FTP, tus); else in any order
    /// and several at a time.
    pub in_order: bool,
    /// In words for people: what was tried and what it answered.
    pub detail: String,
}

/// A large object to be sent.
#[derive(Debug, Clone)]
pub struct ObjectSpec {
    /// Its key.
    pub key: String,
    /// Its length in bytes; while it is still being copied, the length that its recorder lists.
    pub size_bytes: u64,
    /// How it is cut.
    pub grid: PartGrid,
    /// Media type.
    pub content_type: String,
    /// SHA-256 of the whole; zeros while it is still being copied. Nothing but completing may rely on it.
    pub sha256: Sha256,
    /// Locked until then from completion on.
    pub lock_until: Option<UtcMs>,
}

/// Identity of an upload session at the remote (an S3 upload id, a tus URL): opaque text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionId(pub String);

/// One part of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartSpec {
    /// From 0.
    pub n: u64,
    /// Offset in the object, bytes.
    pub offset: u64,
    /// Length, bytes.
    pub len: u64,
    /// SHA-256 of its bytes, computed when they were copied from the recorder.
    pub sha256: Sha256,
    /// CRC of its bytes, where it was computed then (clips of older versions have none).
    pub crc64: Option<Crc64>,
}

/// What the remote answered to a part; stored before the next step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartReceipt {
    /// The remote's tag for the part (an S3 ETag); opaque.
    pub tag: String,
    /// The SHA-256 that the remote says it computed over the bytes that it received.
    pub sha256: Option<Sha256>,
}

/// A part that the remote says it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldPart {
    /// From 0.
    pub n: u64,
    /// Length, bytes.
    pub len: u64,
    /// The remote's tag.
    pub tag: String,
    /// The checksum that the remote reports for it.
    pub sha256: Option<Sha256>,
}

/// What a remote says of an object.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RemoteObject {
    /// Length, bytes.
    pub size_bytes: u64,
    /// The remote's tag.
    pub tag: String,
    /// Version id, where the bucket keeps versions.
    pub version: Option<String>,
    /// The checksum that the remote reports.
    pub checksum: Option<RemoteChecksum>,
    /// Locked until then.
    pub locked_until: Option<UtcMs>,
    /// Under a legal hold.
    pub held: bool,
}

/// A checksum as a remote reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemoteChecksum {
    /// SHA-256 over the whole object.
    Whole(Sha256),
    /// SHA-256 over the concatenated SHA-256 of its parts, with their number (S3 "composite").
    Composite(Sha256, u64),
    /// CRC-64/NVME over the whole object, however it was sent (S3 "full object").
    Crc64(Crc64),
}

/// Alignment with which a read can pass the page cache by: O_DIRECT (open(2)) asks for multiples of the device's
/// logical block, and 4 KiB is one for every disk we know.
pub const READ_ALIGN: usize = 4096;

/// Bytes of a sealed file that can be read at any offset, more than once.
pub trait ByteSource: Send + Sync {
    /// Length in bytes.
    fn len(&self) -> u64;
    /// Whether it has no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Fills `buf` from `offset`; fewer bytes only at the end. Blocks. Leaves nothing in the page cache, and passes it by
    /// where offset, length and address of `buf` are multiples of [`READ_ALIGN`], which is much cheaper.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize>;
}

/// Why a destination did not do it.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// No connection, a cut, a time-out, a busy server.
    #[error("{destination} cannot be reached now: {what}; it is tried again by itself")]
    Unreachable {
        /// The destination.
        destination: DestinationName,
        /// What happened.
        what: String,
    },
    /// It is there and asks for patience (HTTP 429, 503, S3 SlowDown).
    #[error("{destination} asks for patience: {what}; it is tried again by itself")]
    Busy {
        /// The destination.
        destination: DestinationName,
        /// Its words.
        what: String,
        /// For how long, milliseconds, where it says (Retry-After, RFC 9110, 10.2.3).
        retry_after_ms: Option<u64>,
    },
    /// It refuses us: keys, clock, permission, bucket. Not tried in a loop.
    #[error(
        "{destination} refuses: {what}; check its credentials, its bucket and the station's clock, then `evidock retry {destination}`"
    )]
    Refused {
        /// The destination.
        destination: DestinationName,
        /// Its words.
        what: String,
    },
    /// The stored session is gone at the remote: begin anew.
    #[error("{destination} no longer knows this upload; it begins again by itself")]
    SessionLost {
        /// The destination.
        destination: DestinationName,
    },
    /// The remote received other bytes than we sent, or holds others than we sent.
    #[error("{destination} has other bytes than were sent for {key}: {what}")]
    Mismatch {
        /// The destination.
        destination: DestinationName,
        /// The object.
        key: String,
        /// What differed.
        what: String,
    },
    /// It broke its protocol in a way that trying again will not mend.
    #[error("{destination} answered in a way that cannot be used: {what}")]
    Protocol {
        /// The destination.
        destination: DestinationName,
        /// What it answered.
        what: String,
    },
    /// Our own copy could not be read.
    #[error("the local copy could not be read")]
    Local(#[source] io::Error),
    /// It was stopped here, on purpose: nothing of this clip may go out.
    #[error("{what}")]
    Stopped {
        /// Why, and what would let it go on.
        what: String,
    },
}

impl Retryable for SendError {
    fn retry(&self) -> Retry {
        match self {
            Self::Unreachable { .. }
            | Self::Busy { .. }
            | Self::SessionLost { .. }
            | Self::Mismatch { .. }
            | Self::Local(_) => Retry::Transient,
            Self::Refused { .. } | Self::Stopped { .. } => Retry::Operator,
            Self::Protocol { .. } => Retry::Permanent,
        }
    }
}

/// Where objects stand at a destination that chooses their addresses itself and keeps no keys (tus): the only memory of
/// that there is, so it is stored before an object counts as sent.
pub trait AddressBook: Send + Sync {
    /// Where the object under `key` stands; `None` where none was sent.
    fn find<'a>(
        &'a self,
        destination: &'a DestinationName,
        key: &'a str,
    ) -> BoxFuture<'a, Result<Option<ObjectAddress>, BookError>>;
    /// Notes where it stands, in place of what was noted before.
    fn note<'a>(
        &'a self,
        destination: &'a DestinationName,
        key: &'a str,
        address: &'a ObjectAddress,
    ) -> BoxFuture<'a, Result<(), BookError>>;
    /// At most `limit` keys below `prefix`, after the key `after`, in the order of their bytes.
    fn keys<'a>(
        &'a self,
        destination: &'a DestinationName,
        prefix: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<String>, BookError>>;
}

/// Why the address book could not be read or written.
pub type BookError = Box<dyn std::error::Error + Send + Sync>;

/// An address with what was sent there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectAddress {
    /// As the destination gave it.
    pub url: String,
    /// Bytes that it acknowledged.
    pub size_bytes: u64,
    /// SHA-256 of what was sent.
    pub sha256: Sha256,
    /// The destination gave bytes back when this was sent. One that does not may take finished uploads away, and its
    /// silence about them says nothing.
    pub readable: bool,
}

// ---------------------------------------------------------------------------------------------
// Footage is looked at

/// The way to a clip's bytes, wherever they stand: in the vault, or at a destination once the vault gave them up.
/// Pages, interface and command line know no other way.
pub trait Footage: Send + Sync {
    /// Opens a sealed clip; a single byte is read only when it is asked for.
    fn open(&self, clip: ClipId) -> BoxFuture<'_, Result<Arc<dyn ClipBytes>, FootageError>>;
    /// Goes up with each isolation: who gives out what is made of several clips looks at all of them again then.
    fn isolations(&self) -> u64;
}

/// A sealed clip's bytes.
pub trait ClipBytes: Send + Sync {
    /// Length in bytes.
    fn size_bytes(&self) -> u64;
    /// These bytes in order, in chunks of bounded size. Each was verified against the clip's BLAKE3 tree before it
    /// comes out; where one place holds other bytes the next place is asked, and where none holds the right ones the
    /// stream ends with an error, as it does once the clip is isolated. What nobody takes is not read.
    fn read(self: Arc<Self>, range: Range<u64>) -> FootageStream;
}

/// A stream of verified bytes.
pub type FootageStream = Pin<Box<dyn futures_util::Stream<Item = Result<Bytes, FootageError>> + Send>>;

/// Why bytes of a clip are not given.
#[derive(Debug, thiserror::Error)]
pub enum FootageError {
    /// There is no such clip, or it is not sealed yet.
    #[error("there is no sealed clip {0}")]
    Missing(ClipId),
    /// It is suspected classified.
    #[error("this clip is isolated as suspected classified (疑似涉密); nobody sees it until two people lift that")]
    Isolated,
    /// No copy that can be reached has these bytes as they were sealed.
    #[error("no copy that can be reached has these bytes as they were sealed ({tried}); {next}")]
    Nowhere {
        /// Each place that was tried, with what was wrong.
        tried: String,
        /// Whether trying again later can help, in words.
        next: &'static str,
        /// It can.
        passing: bool,
    },
    /// The database.
    #[error("the clip could not be looked up")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Retryable for FootageError {
    fn retry(&self) -> Retry {
        match self {
            Self::Missing(_) => Retry::Permanent,
            Self::Nowhere { passing: true, .. } | Self::Store(_) => Retry::Transient,
            Self::Isolated | Self::Nowhere { .. } => Retry::Operator,
        }
    }
}

/// Finished evidence packages, each as a zip that nobody wrote: it can be had from any byte on.
pub trait Packages: Send + Sync {
    /// Opens the zip of a disc of a package, from 1; `None` where it is not there (any more).
    fn open<'a>(
        &'a self,
        package: &'a str,
        disc: u32,
    ) -> BoxFuture<'a, Result<Option<Arc<dyn ClipBytes>>, FootageError>>;
}

// ---------------------------------------------------------------------------------------------
// Media, clock, signer

/// Looks at a media file. The real form asks a worker process, since the file may be hostile.
pub trait MediaProbe: Send + Sync {
    /// Facts about the file; a broken file is an answer, not an error.
    fn probe<'a>(&'a self, file: &'a Path) -> BoxFuture<'a, Result<MediaFacts, ProbeError>>;
    /// A JPEG of at most `width_px` by `width_px`; `None` where there is no picture in it.
    fn thumbnail<'a>(&'a self, file: &'a Path, width_px: u32) -> BoxFuture<'a, Result<Option<Bytes>, ProbeError>>;
}

/// Makes what is derived of a clip to be looked at, never evidence (invariant 6). The real form asks a worker process, one
/// at a time on a box and at a lower priority than intake; dropping a future stops the work.
pub trait Derive: Send + Sync {
    /// A piece of a preview that browsers play; `None` where the clip has nothing at that place.
    fn piece<'a>(
        &'a self,
        clip: ClipId,
        bytes: Arc<dyn ClipBytes>,
        piece: u32,
        mark: Option<String>,
    ) -> BoxFuture<'a, Result<Option<PreviewPiece>, DeriveError>>;
    /// A contact sheet as JPEG, of a clip of so many milliseconds; `None` where there is no picture.
    fn sheet<'a>(
        &'a self,
        clip: ClipId,
        bytes: Arc<dyn ClipBytes>,
        clip_ms: Option<u64>,
    ) -> BoxFuture<'a, Result<Option<Bytes>, DeriveError>>;
}

/// A piece of a preview.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewPiece {
    /// A whole WebM file whose times begin at zero where the piece begins.
    pub webm: Bytes,
    /// It has pictures.
    pub pictures: bool,
    /// It has sound.
    pub sound: bool,
    /// Length of the whole clip, milliseconds, where its container tells.
    pub clip_ms: Option<u64>,
}

/// Why nothing was derived. The clip is what it is all the same.
#[derive(Debug, thiserror::Error)]
pub enum DeriveError {
    /// Too many are waiting for the one worker.
    #[error("too many previews are being made; try again in a moment")]
    Busy,
    /// No copy that can be reached has the clip's bytes.
    #[error("the clip's bytes cannot be had")]
    Footage(#[from] FootageError),
    /// The worker gave no answer over it.
    #[error(transparent)]
    Worker(#[from] ProbeError),
}

impl Retryable for DeriveError {
    fn retry(&self) -> Retry {
        match self {
            Self::Busy => Retry::Transient,
            Self::Footage(e) => e.retry(),
            Self::Worker(e) => e.retry(),
        }
    }
}

/// What a media file says of itself. Every text is bounded and printable.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MediaFacts {
    /// Container, as `mp4`, `avi`, `mpegts`, `mkv`, `jpeg`, `wav`; `None` when it is none that we know.
    pub container: Option<String>,
    /// Video codec, as `h264`, `h265`, `mjpeg`.
    pub vcodec: Option<String>,
    /// Width in pixels.
    pub width: Option<u32>,
    /// Height in pixels.
    pub height: Option<u32>,
    /// Frames in 1,000 seconds.
    pub fps_milli: Option<u32>,
    /// Audio codec, as `aac`, `alaw`, `pcm`.
    pub acodec: Option<String>,
    /// Audio channels.
    pub channels: Option<u32>,
    /// Audio samples a second.
    pub sample_rate: Option<u32>,
    /// Duration in milliseconds.
    pub duration_ms: Option<i64>,
    /// Creation time in the container, milliseconds since the Unix epoch.
    pub created_ms: Option<i64>,
    /// How whole it is.
    pub health: MediaHealth,
    /// In words, when it is not whole.
    pub health_detail: Option<String>,
}

/// How whole a media file is. Whatever it is, it is evidence: kept, marked, sent like any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MediaHealth {
    /// Structure complete.
    Whole,
    /// It ends before its structure says so.
    Truncated,
    /// Its structure contradicts itself or cannot be read.
    Broken,
    /// Not media that we know (a log, a track); kept all the same.
    #[default]
    NotMedia,
}

impl MediaHealth {
    /// The stored word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Truncated => "truncated",
            Self::Broken => "broken",
            Self::NotMedia => "not_media",
        }
    }

    /// Reads the stored word back.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Whole, Self::Truncated, Self::Broken, Self::NotMedia].into_iter().find(|h| h.as_str() == word)
    }
}

/// Why the media worker gave no answer. The file is marked with it; nothing else depends on it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// The worker was killed for taking too long.
    #[error("the media worker took longer than {0} s on this file and was stopped")]
    TooSlow(u64),
    /// The worker ended without an answer (crash, memory limit).
    #[error("the media worker ended without an answer ({0})")]
    Died(String),
    /// The worker could not be started at all: the installation is incomplete.
    #[error("the media worker cannot start ({0}); run `evidock doctor`")]
    CannotStart(String),
    /// The file could not be opened for the worker.
    #[error("the file cannot be opened to look at it ({0})")]
    Unreadable(String),
}

impl Retryable for ProbeError {
    fn retry(&self) -> Retry {
        match self {
            Self::Unreadable(_) => Retry::Transient,
            Self::TooSlow(_) | Self::Died(_) => Retry::Permanent,
            Self::CannotStart(_) => Retry::Operator,
        }
    }
}

/// Time. One real form, one for tests.
pub trait Clock: Send + Sync {
    /// Wall clock.
    fn now(&self) -> UtcMs;
    /// Milliseconds since boot, counting sleep.
    fn monotonic_ms(&self) -> i64;
    /// The kernel's boot id.
    fn boot_id(&self) -> &str;
}

/// A second signature beside that of the log's key, in an algorithm that some readers ask for (SM2). A certified device can
/// stand here.
pub trait SecondSigner: Send + Sync {
    /// The key's name in signed notes: that of the first one.
    fn key_name(&self) -> &str;
    /// The public key as PEM.
    fn public_pem(&self) -> String;
    /// The 64-byte signature over `message`; `None` where there is none to be had now.
    fn sign(&self, message: &[u8]) -> Option<[u8; 64]>;
    /// How the private key is kept: as [`Signer::protection`].
    fn protection(&self) -> &'static str;
}

/// Signs checkpoints. Ed25519 now; a certified device can stand here later.
pub trait Signer: Send + Sync {
    /// The key's name in signed notes, e.g. `evidock/zhao-01`.
    fn key_name(&self) -> &str;
    /// The raw 32-byte public key.
    fn public_key(&self) -> [u8; 32];
    /// The 64-byte signature over `message`.
    fn sign(&self, message: &[u8]) -> [u8; 64];
    /// How the private key is kept: `file`, later `host`, `tpm2`.
    fn protection(&self) -> &'static str;
}
