//! The register of recorders: devices at the gate, and who decided what about each.

use rusqlite::{OptionalExtension, Row, params};

use super::{Change, Reader, Result, StoreError, Tx};
use crate::domain::device::{DeviceKey, DeviceState, Mark, Standings};
use crate::domain::event::{Draft, EventKind};
use crate::domain::ids::RecorderId;
use crate::domain::recorder::{HeldDevice, ShelfIdentity};

/// A device in the register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRow {
    /// By what it is known.
    pub key: DeviceKey,
    /// Vendor and product in its own words, escaped.
    pub name: String,
    /// What was decided.
    pub state: DeviceState,
    /// Why, where somebody said.
    pub reason: Option<String>,
    /// By whom, as `kind:id`.
    pub decided_by: Option<String>,
    /// When, milliseconds since the Unix epoch.
    pub decided_ms: Option<i64>,
    /// Which recorder it turned out to be.
    pub recorder: Option<String>,
    /// The socket in which it was seen last.
    pub port: Option<String>,
    /// The bay in which it was seen last.
    pub bay: Option<String>,
    /// First seen, milliseconds since the Unix epoch; `None` where it was only named.
    pub first_seen_ms: Option<i64>,
    /// Last seen.
    pub last_seen_ms: Option<i64>,
}

/// A device as it was seen.
struct Seen<'a> {
    key: DeviceKey,
    name: &'a str,
    port: &'a str,
    bay: &'a str,
}

const COLUMNS: &str =
    "device_key, name, state, reason, decided_by, decided_ms, recorder_id, port, bay, first_seen_ms, last_seen_ms";

fn device(r: &Row<'_>) -> rusqlite::Result<Result<DeviceRow>> {
    let (key, state): (String, String) = (r.get(0)?, r.get(2)?);
    let (name, reason, decided_by, decided_ms) = (r.get(1)?, r.get(3)?, r.get(4)?, r.get(5)?);
    let (recorder, port, bay, first_seen_ms, last_seen_ms) = (r.get(6)?, r.get(7)?, r.get(8)?, r.get(9)?, r.get(10)?);
    Ok((|| {
        Ok(DeviceRow {
            key: DeviceKey::parse(&key).ok_or_else(|| StoreError::Odd(format!("device key {key:?}")))?,
            name,
            state: DeviceState::parse(&state).ok_or_else(|| StoreError::Odd(format!("device state {state:?}")))?,
            reason,
            decided_by,
            decided_ms,
            recorder,
            port,
            bay,
            first_seen_ms,
            last_seen_ms,
        })
    })())
}

impl Tx<'_> {
    /// Notes devices that stand at the gate. Call it when what stands there changes, not at every look.
    pub fn devices_held(&self, held: &[HeldDevice]) -> Result<()> {
        for device in held {
            let key = DeviceKey::of(device.usb_id, device.serial.as_deref(), &device.port);
            self.device_seen(&Seen { key, name: &device.name, port: &device.port, bay: &device.bay })?;
        }
        Ok(())
    }

    /// A device that came by USB or network was read, and turned out to be this recorder. The recorder must have been docked. What
    /// came another way leaves the register as it is.
    pub fn device_identified(&self, identity: &ShelfIdentity, recorder: &RecorderId) -> Result<()> {
        let (Some(usb_id), Some(port)) = (identity.usb_id, identity.port.as_deref()) else { return Ok(()) };
        let key = DeviceKey::of(usb_id, identity.serial.as_deref(), port);
        let name = identity.product.as_deref().unwrap_or_default();
        self.device_seen(&Seen { key: key.clone(), name, port, bay: &identity.bay })?;
        let n = self.conn.execute(
            "UPDATE device SET recorder_id = ?2, volume_id = ?3 WHERE device_key = ?1 AND (recorder_id IS NOT ?2 OR volume_id IS NOT ?3)",
            params![key.to_string(), recorder.as_str(), identity.volume_id],
        )?;
        if n > 0 {
            self.changed(Change::Recorders);
        }
        Ok(())
    }

    fn device_seen(&self, seen: &Seen<'_>) -> Result<()> {
        let (vendor, product) = seen.key.usb_id;
        let first = self.read().device(&seen.key)?.is_none_or(|d| d.first_seen_ms.is_none());
        self.conn.execute(
            "INSERT INTO device (device_key, vendor_id, product_id, name, port, bay, first_seen_ms, last_seen_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)
             ON CONFLICT (device_key) DO UPDATE SET name = CASE WHEN excluded.name = '' THEN name ELSE excluded.name END, port = excluded.port,
               bay = excluded.bay, first_seen_ms = coalesce(first_seen_ms, excluded.first_seen_ms), last_seen_ms = excluded.last_seen_ms",
            params![seen.key.to_string(), vendor, product, seen.name, seen.port, seen.bay, self.now_ms()],
        )?;
        if first {
            let event = Draft::daemon(EventKind::DeviceSeen)
                .fact("device", seen.key.to_string())
                .fact("port", seen.port)
                .fact("bay", seen.bay)
                .secret("name", seen.name);
            self.log(&event)?;
            self.changed(Change::Recorders);
        }
        Ok(())
    }

    /// Decides about a device, which need not have been seen yet. `asked` says who. `true` when it was decided
    /// otherwise before.
    pub fn decide_device(
        &self,
        key: &DeviceKey,
        state: DeviceState,
        reason: Option<&str>,
        asked: Draft,
    ) -> Result<bool> {
        let before = self.read().device(key)?;
        if before.as_ref().is_some_and(|d| d.state == state && d.reason.as_deref() == reason) {
            return Ok(false);
        }
        let (vendor, product) = key.usb_id;
        self.conn.execute(
            "INSERT INTO device (device_key, vendor_id, product_id, state, reason, decided_by, decided_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (device_key) DO UPDATE SET state = excluded.state, reason = excluded.reason, decided_by = excluded.decided_by, decided_ms = excluded.decided_ms",
            params![
                key.to_string(),
                vendor,
                product,
                state.as_str(),
                reason,
                format!("{}:{}", asked.actor.kind, asked.actor.id),
                self.now_ms()
            ],
        )?;
        let serial = match &key.mark {
            Mark::Serial(serial) | Mark::Network(serial) => Some(serial.as_str()),
            Mark::Port(_) | Mark::Host(_) => None,
        };
        let of = before.as_ref().and_then(|d| d.recorder.as_deref()).or(serial);
        self.note_mark(of.unwrap_or(&key.to_string()), state, reason, &asked)?;
        let mut event = asked
            .fact("device", key.to_string())
            .fact("before", before.as_ref().map_or(DeviceState::Unknown, |d| d.state).as_str())
            .fact("recorder", before.and_then(|d| d.recorder));
        if let Some(reason) = reason {
            event = event.secret("reason", reason);
        }
        self.log(&event)?;
        self.changed(Change::Recorders);
        Ok(true)
    }
}

impl Reader<'_> {
    /// One device.
    pub fn device(&self, key: &DeviceKey) -> Result<Option<DeviceRow>> {
        self.conn
            .prepare_cached(&format!("SELECT {COLUMNS} FROM device WHERE device_key = ?1"))?
            .query_row([key.to_string()], device)
            .optional()?
            .transpose()
    }

    /// The recorder that this device was when it was last read: for one that now shows nothing by which to know it, as
    /// when it was emptied. Only a device with a serial number of its own can be known again.
    pub fn recorder_of_device(&self, identity: &ShelfIdentity) -> Result<Option<RecorderId>> {
        let (Some(usb_id), Some(port)) = (identity.usb_id, identity.port.as_deref()) else { return Ok(None) };
        let key = DeviceKey::of(usb_id, identity.serial.as_deref(), port);
        if matches!(key.mark, Mark::Port(_) | Mark::Host(_)) {
            return Ok(None);
        }
        Ok(self.device(&key)?.and_then(|d| d.recorder).map(|r| RecorderId::new(&r)).transpose()?)
    }

    /// The whole register: what was seen last comes first.
    pub fn devices(&self) -> Result<Vec<DeviceRow>> {
        let mut statement = self.conn.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM device ORDER BY coalesce(last_seen_ms, decided_ms) DESC, device_id"
        ))?;
        let rows = statement.query_map([], device)?;
        rows.map(|row| row?).collect()
    }

    /// What the gate must know, to be kept in memory and read again at [`Change::Recorders`].
    pub fn standings(&self) -> Result<Standings> {
        Ok(self.devices()?.into_iter().map(|d| (d.key, d.state)).collect())
    }
}

#[cfg(test)]
mod tests;
