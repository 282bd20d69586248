//! The report that was signed when a case was filed: stored word for word, its digests in the log.

use rusqlite::{OptionalExtension, params};
use serde_json::{Value, json};
use sha2::Digest;

use super::FilingRow;
use crate::domain::digest::to_hex;
use crate::domain::event::Envelope;
use crate::domain::filing::{ClipCompared, Compared, Found, Outcome, Report, What};
use crate::store::{Reader, Result, StoreError, Tx};

/// A report as it was signed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signed {
    /// What the check found then; `None` where what is stored cannot be read.
    pub report: Option<Report>,
    /// SHA-256 of what is stored, hex.
    pub sha256: String,
    /// The entry of the log that tells the digest, and the digest that it tells; `None` of cases that were filed before
    /// the log told it.
    pub logged: Option<(u64, String)>,
}

impl Signed {
    /// Whether what is stored is not what was signed.
    pub fn is_altered(&self) -> bool {
        self.logged.as_ref().is_some_and(|(_, sha256)| *sha256 != self.sha256)
    }
}

/// SHA-256 and BLAKE3 of a report as it is stored, hex.
pub(super) fn digests(text: &str) -> (String, String) {
    (to_hex(&sha2::Sha256::digest(text)), blake3::hash(text.as_bytes()).to_hex().to_string())
}

/// A report as it is kept and given to programs.
pub fn report_json(report: &Report) -> Value {
    let found = |all: &[Found]| {
        all.iter()
            .map(|f| {
                json!({
                    "what": f.what.as_str(), "aspect": f.what.aspect().as_str(), "clip": f.clip.map(|c| c.to_string()),
                    "matter": f.matter, "at_ms": f.at_ms, "detail": f.detail,
                })
            })
            .collect::<Vec<_>>()
    };
    let compared: Vec<Value> = report
        .compared
        .iter()
        .map(|(clip, c)| {
            let cloud = c.cloud.as_ref().map(|d| json!({ "destination": d.place, "how": d.how, "at_ms": d.at_ms }));
            json!({
                "clip": clip.to_string(), "at_ms": c.at_ms, "outcome": c.outcome.as_str(), "local": c.local, "log": c.log,
                "record": c.record, "copy": cloud, "detail": c.detail,
            })
        })
        .collect();
    json!({
        "clips": report.clips, "gaps": found(&report.gaps), "remarks": found(&report.remarks),
        "compared_since_ms": report.begun_ms, "compared": compared,
    })
}

/// Reads what [`report_json`] wrote; fields that an earlier program did not write are empty.
fn read(text: &str) -> Option<Report> {
    let value: Value = serde_json::from_str(text).ok()?;
    let text = |v: &Value| v.as_str().map(str::to_owned);
    let list = |key: &str| value[key].as_array().cloned().unwrap_or_default();
    let found = |key: &str| -> Option<Vec<Found>> {
        list(key)
            .iter()
            .map(|f| {
                let word = f["what"].as_str()?;
                Some(Found {
                    what: What::ALL.into_iter().find(|what| what.as_str() == word)?,
                    clip: f["clip"].as_str().map(str::parse).transpose().ok()?,
                    matter: text(&f["matter"]),
                    at_ms: f["at_ms"].as_i64(),
                    detail: text(&f["detail"]).unwrap_or_default(),
                })
            })
            .collect()
    };
    let compared = list("compared").into_iter().map(|c| {
        let copy = &c["copy"];
        let cloud = text(&copy["destination"]).zip(copy["at_ms"].as_i64());
        Some((
            c["clip"].as_str()?.parse().ok()?,
            ClipCompared {
                at_ms: c["at_ms"].as_i64()?,
                outcome: Outcome::parse(c["outcome"].as_str()?)?,
                local: text(&c["local"])?,
                log: text(&c["log"])?,
                record: text(&c["record"])?,
                cloud: cloud.map(|(place, at_ms)| Compared {
                    place,
                    how: text(&copy["how"]).unwrap_or_default(),
                    at_ms,
                }),
                detail: text(&c["detail"]),
            },
        ))
    });
    Some(Report {
        gaps: found("gaps")?,
        remarks: found("remarks")?,
        clips: value["clips"].as_u64()? as usize,
        begun_ms: value["compared_since_ms"].as_i64(),
        compared: compared.collect::<Option<_>>()?,
    })
}

impl Reader<'_> {
    /// The report with which a case was filed; `None` while it is not.
    pub fn signed_report(&self, filing: &FilingRow) -> Result<Option<Signed>> {
        let Some(text) = filing.report.as_ref().filter(|_| filing.filed.is_some()) else { return Ok(None) };
        let seq: Option<i64> = self
            .conn
            .prepare_cached("SELECT seq FROM filing_signed WHERE filing_id = ?1")?
            .query_row([filing.filing], |r| r.get(0))
            .optional()?;
        let logged = match seq {
            None => None,
            Some(seq) => {
                let entry = self.log_entry(seq as u64)?;
                let event: Envelope = serde_json::from_slice(&entry.bytes)
                    .map_err(|e| StoreError::Odd(format!("log entry {seq}: {e}")))?;
                let told = event.body.get("report_sha256").and_then(Value::as_str).unwrap_or_default().to_owned();
                Some((entry.seq, told))
            }
        };
        Ok(Some(Signed { report: read(text), sha256: digests(text).0, logged }))
    }

    /// Rounds whose stored report is not the one whose digest this entry of the log tells, with the number of rounds that
    /// name the entry.
    pub fn reports_signed_at(&self, seq: u64, sha256: &str) -> Result<(usize, usize)> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT f.report FROM filing_signed s JOIN filing f USING (filing_id) WHERE s.seq = ?1")?;
        let rows = statement.query_map([seq as i64], |r| r.get::<_, Option<String>>(0))?;
        let texts: Vec<Option<String>> = rows.collect::<std::result::Result<_, _>>()?;
        let is_other = |text: &&Option<String>| text.as_ref().is_none_or(|text| digests(text).0 != sha256);
        Ok((texts.iter().filter(is_other).count(), texts.len()))
    }
}

impl Tx<'_> {
    pub(super) fn signed_at(&self, filing: i64, seq: u64) -> Result<()> {
        self.conn.execute("INSERT INTO filing_signed (filing_id, seq) VALUES (?1, ?2)", params![filing, seq as i64])?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::ClipId;

    #[test]
    fn a_report_is_read_as_it_was_written() {
        let clip = ClipId::generate(1);
        let found =
            |what, detail: &str| Found { what, clip: Some(clip), matter: None, at_ms: None, detail: detail.into() };
        let [local, log, record] = ["evicted", "same", "none"].map(str::to_owned);
        let compared = ClipCompared {
            at_ms: 7,
            outcome: Outcome::Same,
            local,
            log,
            record,
            cloud: Some(Compared { place: "far".into(), how: "whole".into(), at_ms: 6 }),
            detail: None,
        };
        let report = Report {
            gaps: vec![],
            remarks: vec![
                found(What::Unplayable, "断电"),
                Found {
                    clip: None, matter: Some("听证".into()), at_ms: Some(7), ..found(What::Missing, "设备故障")
                },
            ],
            clips: 2,
            begun_ms: Some(5),
            compared: vec![(clip, compared)],
        };
        assert_eq!(read(&report_json(&report).to_string()).unwrap(), report);
        let earlier = r#"{"clips":3,"gaps":[],"remarks":[]}"#;
        assert_eq!(read(earlier).unwrap(), Report { clips: 3, ..Report::default() });
        assert!(read("{}").is_none() && read("x").is_none());
    }
}
