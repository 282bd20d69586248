//! The settings of the last start, so that the log tells of each change of them.

use rusqlite::{OptionalExtension, params};

use super::{Reader, Result, Tx};
use crate::domain::setting::{self, Flat};

impl Tx<'_> {
    /// The key under which what secrets hold is hashed before it is compared; made once.
    pub fn settings_key(&self) -> Result<[u8; 32]> {
        let known: Option<[u8; 32]> =
            self.conn.query_row("SELECT key FROM setting_key", [], |r| r.get(0)).optional()?;
        if let Some(key) = known {
            return Ok(key);
        }
        let key: [u8; 32] = rand::random();
        self.conn.execute("INSERT INTO setting_key (one, key) VALUES (1, ?1)", [key])?;
        Ok(key)
    }

    /// Logs which settings are others than at the last start, and keeps these. Nothing is told at the first start of all.
    pub fn tell_settings(&self, now: &Flat) -> Result<()> {
        let before = self.read().settings_of_last_start()?;
        if before == *now {
            return Ok(());
        }
        if !before.is_empty() {
            for event in setting::drafts(&setting::changes(&before, now)) {
                self.log(&event)?;
            }
        }
        self.conn.execute("DELETE FROM setting", [])?;
        let mut insert = self.conn.prepare_cached("INSERT INTO setting (name, value) VALUES (?1, ?2)")?;
        for (name, value) in now {
            insert.execute(params![name, value])?;
        }
        Ok(())
    }
}

impl Reader<'_> {
    /// Empty before the first start.
    pub fn settings_of_last_start(&self) -> Result<Flat> {
        let mut statement = self.conn.prepare_cached("SELECT name, value FROM setting")?;
        let rows = statement.query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{events, fixture};
    use super::*;

    #[test]
    fn a_changed_setting_is_told_once_and_the_first_start_tells_nothing() {
        let f = fixture();
        let start = |days: &str| {
            let now: Flat = [("retention.unlinked_days".to_owned(), days.to_owned())].into();
            f.store.write_blocking(move |tx| tx.tell_settings(&now)).unwrap();
            events(&f).into_iter().filter(|e| e["kind"] == "station.settings").collect::<Vec<_>>()
        };
        assert!(start("180").is_empty());
        assert!(start("180").is_empty());
        let told = start("90");
        assert_eq!(told[0]["body"]["values"]["retention.unlinked_days"], serde_json::json!({ "old": 180, "new": 90 }));
        assert_eq!(start("90").len(), 1, "once");
        let key = f.store.write_blocking(|tx| tx.settings_key()).unwrap();
        assert_eq!(f.store.write_blocking(|tx| tx.settings_key()).unwrap(), key, "made once");
    }
}
