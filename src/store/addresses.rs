//! Where objects stand at destinations that keep no keys: the address book of `domain::ports`.

use rusqlite::{OptionalExtension, params};

use super::{Reader, Result, Store, Tx, digest32};
use crate::domain::digest::Sha256;
use crate::domain::ids::DestinationName;
use crate::domain::ports::{AddressBook, BookError, BoxFuture, ObjectAddress};

impl Tx<'_> {
    /// Notes where an object stands, in place of what was noted before.
    pub fn note_address(&self, destination: &str, key: &str, address: &ObjectAddress) -> Result<()> {
        self.conn
            .prepare_cached(
                "INSERT INTO address (destination, key, url, size_bytes, sha256, readable, noted_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                 ON CONFLICT (destination, key) DO UPDATE SET url = excluded.url, size_bytes = excluded.size_bytes,
                   sha256 = excluded.sha256, readable = excluded.readable, noted_ms = excluded.noted_ms",
            )?
            .execute(params![
                destination,
                key,
                address.url,
                address.size_bytes as i64,
                address.sha256.as_bytes(),
                address.readable,
                self.now_ms()
            ])?;
        Ok(())
    }
}

impl Reader<'_> {
    /// Where the object under `key` stands.
    pub fn address(&self, destination: &str, key: &str) -> Result<Option<ObjectAddress>> {
        let row = self
            .conn
            .prepare_cached(
                "SELECT url, size_bytes, sha256, readable FROM address WHERE destination = ?1 AND key = ?2",
            )?
            .query_row(params![destination, key], |r| {
                Ok((r.get::<_, String>(0)?, r.get::<_, i64>(1)?, r.get::<_, Vec<u8>>(2)?, r.get::<_, bool>(3)?))
            })
            .optional()?;
        row.map(|(url, size_bytes, sha256, readable)| {
            Ok(ObjectAddress { url, size_bytes: size_bytes as u64, sha256: Sha256(digest32(sha256)?), readable })
        })
        .transpose()
    }

    /// Keys below `prefix` after the key `after`, in the order of their bytes.
    pub fn addressed_keys(
        &self,
        destination: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>> {
        // Keys are compared byte by byte (the table's collation), so a prefix is a range that ends where one no longer fits.
        let from = after.filter(|after| *after >= prefix).unwrap_or(prefix);
        let strict = after.is_some_and(|after| after >= prefix);
        let mut statement = self.conn.prepare_cached(
            "SELECT key FROM address WHERE destination = ?1 AND key >= ?2 AND (NOT ?3 OR key > ?2) ORDER BY key LIMIT ?4",
        )?;
        let rows = statement.query_map(params![destination, from, strict, limit as i64], |r| r.get::<_, String>(0))?;
        let mut keys = Vec::new();
        for key in rows {
            let key = key?;
            if !key.starts_with(prefix) {
                break;
            }
            keys.push(key);
        }
        Ok(keys)
    }
}

impl AddressBook for Store {
    fn find<'a>(
        &'a self,
        destination: &'a DestinationName,
        key: &'a str,
    ) -> BoxFuture<'a, std::result::Result<Option<ObjectAddress>, BookError>> {
        let (destination, key) = (destination.as_str().to_owned(), key.to_owned());
        Box::pin(async move { Ok(self.read(move |r| r.address(&destination, &key)).await?) })
    }

    fn note<'a>(
        &'a self,
        destination: &'a DestinationName,
        key: &'a str,
        address: &'a ObjectAddress,
    ) -> BoxFuture<'a, std::result::Result<(), BookError>> {
        let (destination, key, address) = (destination.as_str().to_owned(), key.to_owned(), address.clone());
        Box::pin(async move { Ok(self.write(move |tx| tx.note_address(&destination, &key, &address)).await?) })
    }

    fn keys<'a>(
        &'a self,
        destination: &'a DestinationName,
        prefix: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, std::result::Result<Vec<String>, BookError>> {
        let (destination, prefix, after) =
            (destination.as_str().to_owned(), prefix.to_owned(), after.map(str::to_owned));
        Box::pin(async move {
            Ok(self.read(move |r| r.addressed_keys(&destination, &prefix, after.as_deref(), limit)).await?)
        })
    }
}
