//! Documents come in by the same pass as clips: copied, hashed, read back, sealed. Whoever sends one waits for that; what
//! was not sealed leaves nothing behind but its events, since its sender was never told that it is here.

use std::io::Read;

use super::{Intake, IntakeError};
use crate::domain::command::Caller;
use crate::domain::document::NewDocument;
use crate::domain::evidence::Evidence;
use crate::domain::grid::PartGrid;
use crate::domain::ids::{ClipId, RecorderId};
use crate::domain::ports::SourceError;
use crate::domain::recorder::{Importance, ShelfEntry};
use crate::intake::take::Taken;
use crate::store::{ClipRow, DOCUMENT, LinkRequest, NewClip, StoreError};
use crate::vault::{CopyJob, copy_into};

/// Documents come from no recorder; this name stands where a clip has one.
pub const FROM: &str = "documents";
/// Memory of one copy is six of these; documents are small.
const BLOCK_BYTES: usize = 128 << 10;

/// What became of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filed {
    /// It was sealed.
    New(ClipId),
    /// The case has it already, byte for byte.
    Known(ClipId),
}

impl Intake {
    /// Takes a document in and gives it its place in the case. `link` is made for the clip that it becomes. Blocks until it
    /// is sealed.
    pub fn file_document(
        &self,
        document: &NewDocument,
        mut link: LinkRequest,
        caller: &Caller,
        source: Box<dyn Read + Send>,
    ) -> Result<Filed, IntakeError> {
        let now = self.clock.now();
        let clip = ClipId::generate(now.0);
        link.clip = clip;
        let grid = PartGrid::for_size(Some(document.size_bytes));
        let evidence =
            Evidence { profile: DOCUMENT.into(), zone: "UTC".into(), docked_ms: now.0, ..Evidence::default() };
        let new = NewClip {
            clip,
            recorder: RecorderId::new(FROM).map_err(StoreError::from)?,
            dock: None,
            entry: ShelfEntry {
                path: document.name.clone(),
                size_bytes: document.size_bytes,
                modified_raw: String::new(),
                modified_ms: None,
            },
            declared_bytes: Some(document.size_bytes),
            role: DOCUMENT,
            importance: Importance::Normal,
            grid,
            evidence: serde_json::to_string(&evidence).unwrap_or_default(),
            segment: None,
        };
        let (begun, by) = (document.clone(), caller.clone());
        self.store.write_blocking(move |tx| {
            tx.on_behalf(&by);
            tx.begin_document(&new, &begun, &link, &by.actor, by.via)
        })?;
        let mut source = Some(source);
        let copied = copy_into(
            &self.vault,
            CopyJob {
                clip,
                grid,
                expected: Some(document.size_bytes),
                resume: None,
                prefixes_at: &[],
                options: self.options.copy,
                block_bytes: BLOCK_BYTES,
                open: &mut |_| match source.take() {
                    Some(source) => Ok(source),
                    None => Err(SourceError::Unsupported("be read twice")),
                },
                progress: &mut |_| {},
                durable: &|durable| self.durable(clip, durable, Vec::new()),
                stopped: &|| false,
                as_it_comes: None,
                whole: &|_| true,
            },
        );
        let copied = match copied {
            Ok(copied) => copied,
            Err(e) => {
                self.give_up(clip, "the document did not come to its end")?;
                return Err(e.into());
            }
        };
        let (key, blake3) = (document.number.key().to_owned(), copied.blake3);
        let others: Vec<ClipRow> = self
            .store
            .read_blocking(|r| r.documents_like(&key, blake3, clip)?.into_iter().map(|of| r.clip(of)).collect())?;
        Ok(match self.finish(clip, &copied, &others, Vec::new(), Vec::new())? {
            Taken::New(clip, _) => Filed::New(clip),
            Taken::Known(of) => Filed::Known(of),
        })
    }

    /// A document that was not sealed is no longer here. Its `.part` goes first: a crash in between comes here again.
    pub(super) fn give_up(&self, clip: ClipId, reason: &'static str) -> Result<(), IntakeError> {
        self.vault.discard(clip)?;
        self.store.write_blocking(move |tx| tx.abandon(clip, reason))?;
        Ok(())
    }
}
