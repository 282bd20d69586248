//! Derived files from the store and their folder. A file is compared with its digest before its first byte goes out.

use std::fs::File;
use std::io;

use super::StationPages;
use crate::domain::derivative::State;
use crate::domain::ids::ClipId;
use crate::runtime::task;
use crate::store::{DerivativeRow, StoreError};
use crate::web::site::ReadError;
use crate::web::view::derived::DerivedView;

/// Derived files on the page of a clip.
const SHOWN: u32 = 100;

impl StationPages {
    pub(super) async fn derived_views(&self, clip: ClipId) -> Result<Vec<DerivedView>, ReadError> {
        let rows = self.read(move |r| r.derivatives(clip, SHOWN)).await?;
        Ok(rows.into_iter().map(|row| self.with_progress(row)).collect())
    }

    pub(super) async fn derived_one(&self, id: &str) -> Result<Option<DerivedView>, ReadError> {
        let id = id.to_owned();
        let found = self.read(move |r| match r.derivative(&id) {
            Ok(row) => Ok(Some(row)),
            Err(StoreError::NotFound(_)) => Ok(None),
            Err(e) => Err(e),
        });
        Ok(found.await?.map(|row| self.with_progress(row)))
    }

    fn with_progress(&self, row: DerivativeRow) -> DerivedView {
        let far = self.board.made(&row.id).filter(|_| row.state == State::Making);
        DerivedView(row, far)
    }

    pub(super) async fn bytes_of_derived(&self, row: &DerivativeRow) -> Result<Option<File>, ReadError> {
        let Some(file) = row.file.clone().filter(|_| row.state == State::Ready) else { return Ok(None) };
        let path = self.deriving.dir.join(format!("{}.{}", row.id, file.form.as_str()));
        let opened = task::blocking("derived", move || -> io::Result<File> {
            let mut hasher = blake3::Hasher::new();
            hasher.update_reader(File::open(&path)?)?;
            if *hasher.finalize().as_bytes() != file.blake3.0 {
                return Err(io::Error::other("a derived file has other bytes than were made"));
            }
            File::open(&path)
        });
        match opened.await.map_err(|_| ReadError::Busy)? {
            Ok(file) => Ok(Some(file)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(ReadError::Failed(Box::new(e))),
        }
    }
}
