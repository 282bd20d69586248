//! The outboard of a clip. It goes before the footage: whoever finds the master can verify ranges of it.

use std::sync::Arc;

use bytes::Bytes;

use super::{DAY_MS, Uplink, UplinkError};
use crate::deliver::prove::{Expected, Verdict, prove, whole_crc64};
use crate::domain::digest::{Crc64, Sha256};
use crate::domain::grid::{MIN_PART_BYTES, PartGrid};
use crate::domain::ids::ClipId;
use crate::domain::layout;
use crate::domain::ports::{Abilities, ByteSource, ObjectSpec, PartSpec, RemoteObject, SendError};
use crate::domain::time::UtcMs;
use crate::runtime::task;
use crate::store::StoreError;
use crate::vault::{SealedFile, VaultError};

impl Uplink {
    /// Sends the outboard. Unless this is the `first` attempt, one that stands there already is compared, not believed.
    pub(super) async fn send_tree(
        &self,
        clip: ClipId,
        abilities: &Abilities,
        lock_until: Option<UtcMs>,
        first: bool,
    ) -> Result<(), UplinkError> {
        let path = self.vault.tree(clip);
        let tree = task::blocking("tree", move || Tree::measure(&path)).await.map_err(|_| StoreError::Closed)??;
        let object = ObjectSpec {
            key: layout::tree(&self.options.station, clip),
            size_bytes: tree.size_bytes,
            grid: PartGrid::Fixed(MIN_PART_BYTES),
            content_type: "application/octet-stream".to_owned(),
            sha256: tree.sha256,
            lock_until,
        };
        if let Some(bytes) = tree.whole.clone() {
            self.line.pace.charge(tree.size_bytes);
            let put = self.dest.put_small(&object.key, bytes, &object.content_type, lock_until);
            match self.line.ask(put).await {
                Ok(()) => return Ok(()),
                // Other bytes stand under its key: an upload replaces them, which a small object never does.
                Err(SendError::Mismatch { .. }) => {}
                Err(e) => return Err(e.into()),
            }
        }
        let digests: Vec<Sha256> = tree.parts.iter().map(|p| p.sha256).collect();
        let crc64 = whole_crc64(tree.parts.iter().map(|p| (p.crc64, p.len)));
        let expected =
            Expected { size_bytes: tree.size_bytes, sha256: tree.sha256, parts: &digests, crc64, blake3: None };
        if !first && let (Verdict::Proven(_), _) = self.prove_tree(&object, &expected, abilities).await? {
            return Ok(());
        }
        self.upload_tree(clip, &object, &tree.parts).await?;
        match self.prove_tree(&object, &expected, abilities).await? {
            (Verdict::Proven(_) | Verdict::Unproven | Verdict::NeedsReadBack, _) => Ok(()),
            (Verdict::Missing, _) => Err(self.tree_differs(&object.key, "it was accepted, and is not there")),
            (Verdict::Mismatch(what), _) => Err(self.tree_differs(&object.key, &what)),
        }
    }

    async fn prove_tree(
        &self,
        object: &ObjectSpec,
        expected: &Expected<'_>,
        abilities: &Abilities,
    ) -> Result<(Verdict, Option<RemoteObject>), UplinkError> {
        Ok(self.line.ask(prove(&*self.dest, &object.key, expected, abilities.proof)).await?)
    }

    /// An outboard of more than one part belongs to a clip of more than 2 GB; cut, it is sent again whole, and the
    /// session is given up.
    async fn upload_tree(&self, clip: ClipId, object: &ObjectSpec, parts: &[PartSpec]) -> Result<(), UplinkError> {
        let session = self.line.ask(self.dest.begin(object)).await?;
        let (name, id, until_ms) = (self.name().to_owned(), session.0.clone(), self.clock.now().0 + DAY_MS);
        let row = self.store.write(move |tx| tx.tree_begun(clip, &name, &id, until_ms)).await?;
        let sent = async {
            let source: Arc<dyn ByteSource> = Arc::new(SealedFile::open(&self.vault.tree(clip))?);
            let mut receipts = Vec::with_capacity(parts.len());
            for part in parts {
                let sending = self.dest.send_part(object, &session, part, self.line.pace.paced(Arc::clone(&source)));
                receipts.push((*part, self.line.ask(sending).await?));
            }
            self.line.ask(self.dest.complete(object, &session, &receipts)).await?;
            Ok::<_, UplinkError>(())
        }
        .await;
        let (now_ms, complete) = (self.clock.now().0, sent.is_ok());
        self.store
            .write(move |tx| match complete {
                true => tx.abandoned_settled(row),
                false => tx.abandoned_failed(row, None, now_ms),
            })
            .await?;
        sent
    }

    fn tree_differs(&self, key: &str, what: &str) -> UplinkError {
        SendError::Mismatch { destination: self.dest.name().clone(), key: key.to_owned(), what: what.to_owned() }.into()
    }
}

/// An outboard with its digests: small (1/256 of its clip), so it is hashed when it is sent.
struct Tree {
    size_bytes: u64,
    sha256: Sha256,
    parts: Vec<PartSpec>,
    /// Its bytes, where it is one part.
    whole: Option<Bytes>,
}

impl Tree {
    fn measure(path: &std::path::Path) -> Result<Self, VaultError> {
        use sha2::Digest;
        let file = SealedFile::open(path)?;
        let failed = |source| VaultError { doing: "reading", path: path.to_owned(), source };
        if file.len() <= MIN_PART_BYTES {
            let mut bytes = vec![0; file.len() as usize];
            let n = file.read_at(0, &mut bytes).map_err(failed)?;
            if n < bytes.len() {
                return Err(failed(std::io::ErrorKind::UnexpectedEof.into()));
            }
            let sha256 = Sha256(sha2::Sha256::digest(&bytes).into());
            let crc64 = Some(Crc64(crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, &bytes)));
            let parts = vec![PartSpec { n: 0, offset: 0, len: file.len(), sha256, crc64 }];
            return Ok(Self { size_bytes: file.len(), sha256, parts, whole: Some(bytes.into()) });
        }
        let (mut parts, mut whole) = (Vec::new(), sha2::Sha256::new());
        let mut buf = vec![0u8; 1 << 20];
        let mut offset = 0;
        while offset < file.len() {
            let len = (file.len() - offset).min(MIN_PART_BYTES);
            let (mut hasher, mut crc) = (sha2::Sha256::new(), crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc64Nvme));
            let mut done = 0;
            while done < len {
                let want = (len - done).min(buf.len() as u64) as usize;
                let n = file.read_at(offset + done, &mut buf[..want]).map_err(failed)?;
                if n == 0 {
                    return Err(failed(std::io::ErrorKind::UnexpectedEof.into()));
                }
                hasher.update(&buf[..n]);
                crc.update(&buf[..n]);
                whole.update(&buf[..n]);
                done += n as u64;
            }
            let (sha256, crc64) = (Sha256(hasher.finalize().into()), Some(Crc64(crc.finalize())));
            parts.push(PartSpec { n: parts.len() as u64, offset, len, sha256, crc64 });
            offset += len;
        }
        Ok(Self { size_bytes: file.len(), sha256: Sha256(whole.finalize().into()), parts, whole: None })
    }
}
