//! Evidence packages from the store and the board.

use std::sync::Arc;

use super::StationPages;
use crate::domain::export::{ExportState, Target};
use crate::domain::ports::{ClipBytes, FootageError};
use crate::domain::time::UtcMs;
use crate::store::{ExportRow, StoreError};
use crate::web::paging::{at, cut, moment};
use crate::web::site::ReadError;
use crate::web::view::exports::{ExportView, ExportsView};

/// Packages of a page of the list, of a case or of all.
const SHOWN: u32 = 100;

impl StationPages {
    pub(super) async fn exports_view(&self, case: Option<&str>, after: Option<&str>) -> Result<ExportsView, ReadError> {
        let key = case.map(|typed| self.key_of(typed)).transpose()?;
        let before = moment(after)?;
        let (mut rows, isolated) = self
            .read(move |r| {
                let case = match key {
                    Some(key) => match r.case_id(&key)? {
                        Some(case) => Some(case),
                        None => return Ok(Default::default()),
                    },
                    None => None,
                };
                Ok((r.exports_before(case, before.as_ref(), SHOWN + 1)?, r.clips_isolated_in_packages()?))
            })
            .await?;
        let next = cut(&mut rows, SHOWN, |row| at(row.asked_ms, &row.package));
        let isolated = |row: &ExportRow| isolated.get(&row.package).map_or(0, |clips| clips.len() as u64);
        Ok(ExportsView {
            next,
            exports: rows
                .into_iter()
                .map(|row| (isolated(&row), row))
                .map(|(n, row)| self.export_view(row, n))
                .collect(),
            destinations: self.destinations.iter().map(|(name, _)| name.clone()).collect(),
            second_person: self.exporting.second_person,
        })
    }

    pub(super) async fn one_export(&self, package: &str) -> Result<Option<ExportView>, ReadError> {
        let package = package.to_owned();
        let row = self
            .read(move |r| match r.export(&package) {
                Ok(row) => Ok(Some((row, r.isolated_in_package(&package)?.len() as u64))),
                Err(StoreError::NotFound(_)) => Ok(None),
                Err(e) => Err(e),
            })
            .await?;
        Ok(row.map(|(row, isolated)| self.export_view(row, isolated)))
    }

    fn export_view(&self, row: ExportRow, isolated: u64) -> ExportView {
        let over_ms = self.clock.now().0 - self.exporting.keep.as_millis() as i64;
        ExportView {
            done: self.board.made(&row.package),
            place: self.exporting.dir.join(&row.package).display().to_string(),
            over: row.target == Target::Browser && row.ended_ms.is_some_and(|at| at < over_ms),
            isolated,
            package: row.package,
            case_no: row.case_no,
            reason: row.reason,
            basis: row.basis,
            recipient: row.recipient,
            target: row.target,
            disc_bytes: row.disc_bytes,
            asked_by: row.asked_by,
            asked: UtcMs(row.asked_ms),
            state: row.state,
            second_by: row.second_by,
            words: row.words,
            discs: row.discs,
            clips: row.clips,
            bytes: row.bytes,
            ended: row.ended_ms.map(UtcMs),
        }
    }

    pub(super) async fn package_bytes(
        &self,
        package: &str,
        disc: u32,
    ) -> Result<Option<Arc<dyn ClipBytes>>, FootageError> {
        let id = package.to_owned();
        let row = self.store.read(move |r| Ok((r.export(&id)?, r.isolated_in_package(&id)?))).await;
        match row {
            // Of several discs, those that do not hold the clip are stopped with the one that does.
            Ok((row, isolated)) if row.state == ExportState::Ready && !isolated.is_empty() => {
                Err(FootageError::Isolated)
            }
            Ok((row, _)) if row.state == ExportState::Ready && !matches!(row.target, Target::At(_)) => {
                self.packages.open(package, disc).await
            }
            Ok(_) | Err(StoreError::NotFound(_)) => Ok(None),
            Err(e) => Err(FootageError::Store(Box::new(e))),
        }
    }
}
