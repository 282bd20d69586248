//! Settings written out again: what `config show` prints. The text is a configuration file that resolves
//! to the same settings.

use super::sending;
use super::settings::{Destination, DestinationKind, Erase, Lamp, Reserve, Settings, UsbAllow, UsbSource};
use super::written::{self, Written};
use crate::domain::case_number::ShapeSpec;

impl Settings {
    /// Every setting as it would be written, paths absolute. Secrets are not in settings, so none is shown.
    pub fn to_written(&self) -> Written {
        let station = &self.station;
        Written {
            station: Some(written::Station {
                id: Some(station.id.to_string()),
                name: Some(station.name.clone()),
                zone: Some(station.zone_name.clone()),
                language: Some(station.language.as_str().to_owned()),
                agency: station.agency.clone(),
                operator: Some(station.operator.clone()),
                state_dir: Some(station.state_dir.clone()),
            }),
            vault: Some(written::Vault {
                dir: Some(self.vault.dir.clone()),
                reserve_gb: match self.vault.reserve {
                    Reserve::Auto => None,
                    Reserve::Bytes(bytes) => Some(bytes / 1_000_000_000),
                },
                checkpoint_mb: Some(self.vault.checkpoint_bytes / 1_000_000),
            }),
            source: Some(written::Source {
                folder: Some(written::FolderSource {
                    dir: Some(self.folder_source.dir.clone()),
                    poll_ms: Some(self.folder_source.poll.as_millis() as u64),
                    still_after_ms: Some(self.folder_source.still_after.as_millis() as u64),
                    profiles_dir: self.folder_source.profiles_dir.clone(),
                    erase: Some(self.folder_source.erase),
                }),
                usb: Some(usb(&self.usb_source)),
            }),
            media: Some(written::Media {
                timeout_s: Some(self.media.timeout.as_secs()),
                thumbnail_width_px: Some(u64::from(self.media.thumbnail_width_px)),
                workers: Some(self.media.workers as u64),
            }),
            casework: Some(written::Casework {
                roster: self.casework.roster.clone(),
                default_place: self.casework.default_place.clone(),
                default_proves: self.casework.default_proves.clone(),
                default_sensitivity: Some(self.casework.default_sensitivity.key().to_owned()),
                number_rule_version: Some(u64::from(self.casework.number_rule_version)),
                number_shape: none_if_empty(self.casework.number_shapes.iter().map(number_shape).collect()),
            }),
            custody: Some(written::Custody { checkpoint_interval_s: Some(self.custody.checkpoint_interval.as_secs()) }),
            destination: none_if_empty(self.destinations.iter().map(destination).collect()),
            erase: none_if_empty(self.erase.iter().map(erase).collect()),
            upload: Some(written::Upload {
                clips_in_flight: Some(self.upload.clips_in_flight as u64),
                instant: Some(self.upload.instant),
                order: Some(self.upload.order.iter().map(|rule| rule.as_str().to_owned()).collect()),
                limit: sending::to_written(&self.upload.limit),
                retry_min_s: Some(self.upload.retry_min.as_secs()),
                retry_max_s: Some(self.upload.retry_max.as_secs()),
            }),
            web: Some(written::Web {
                listen: Some(self.web.listen.to_string()),
                tls_certificate: self.web.tls.as_ref().map(|t| t.certificate.clone()),
                tls_key: self.web.tls.as_ref().map(|t| t.key.clone()),
            }),
            feedback: Some(written::Feedback {
                hook: self.feedback.hook.as_ref().map(|h| h.command.clone()),
                hook_timeout_s: self.feedback.hook.as_ref().map(|h| h.timeout.as_secs()),
                hook_queue: self.feedback.hook.as_ref().map(|h| h.queue as u64),
                led_dir: Some(self.feedback.led_dir.clone()),
                lamp: none_if_empty(self.feedback.lamps.iter().map(lamp).collect()),
            }),
            log: Some(written::Log {
                level: Some(self.log.level.as_str().to_owned()),
                format: Some(self.log.format.as_str().to_owned()),
            }),
            control: Some(written::Control { socket: Some(self.control_socket.clone()) }),
        }
    }
}

fn none_if_empty<T>(items: Vec<T>) -> Option<Vec<T>> {
    if items.is_empty() { None } else { Some(items) }
}

fn usb(usb: &UsbSource) -> written::UsbSource {
    let bay =
        |bay: &super::UsbBay| written::UsbBay { name: Some(bay.name.to_string()), port: Some(bay.port.to_string()) };
    let id = |id: Option<u16>| id.map(|id| format!("{id:04x}"));
    let allow = |allow: &UsbAllow| written::UsbAllow {
        vendor: id(allow.vendor_id),
        product: id(allow.product_id),
        serial: allow.serial.clone(),
        port: allow.port.clone(),
    };
    written::UsbSource {
        mode: Some(usb.mode.as_str().to_owned()),
        gatekeeper: Some(usb.gatekeeper.clone()),
        read: Some(usb.read.as_str().to_owned()),
        kernel_mount: Some(usb.kernel_mount),
        bay: none_if_empty(usb.bays.iter().map(bay).collect()),
        allow: none_if_empty(usb.allow.iter().map(allow).collect()),
    }
}

fn number_shape(shape: &ShapeSpec) -> written::NumberShape {
    written::NumberShape {
        name: Some(shape.name.clone()),
        pattern: Some(shape.regex.clone()),
        display: Some(shape.display.clone()),
        key: Some(shape.key.clone()),
        kind: Some(shape.kind.as_str().to_owned()),
        example: Some(shape.example.clone()),
    }
}

fn erase(erase: &Erase) -> written::Erase {
    const HOUR_MS: i64 = 3_600_000;
    written::Erase {
        recorders: Some(erase.recorders.iter().map(|glob| glob.glob().to_owned()).collect()),
        proof: Some(erase.policy.demand.as_str().to_owned()),
        delay_hours: Some((erase.policy.delay_ms / HOUR_MS) as u64),
        keep_days: Some((erase.policy.keep_ms / (24 * HOUR_MS)) as u64),
    }
}

fn lamp(lamp: &Lamp) -> written::Lamp {
    let bay = Some(lamp.bay.to_string());
    if lamp.busy == lamp.safe && lamp.safe == lamp.trouble {
        return written::Lamp { bay, led: lamp.safe.clone(), ..Default::default() };
    }
    let (busy, safe, trouble) = (lamp.busy.clone(), lamp.safe.clone(), lamp.trouble.clone());
    written::Lamp { bay, led: None, busy, safe, trouble }
}

fn destination(destination: &Destination) -> written::Destination {
    let common = written::Destination {
        name: Some(destination.name.to_string()),
        required: Some(destination.required),
        max_sensitivity: Some(destination.max_sensitivity.key().to_owned()),
        parts_in_flight: Some(destination.parts_in_flight as u64),
        initial_lock_days: Some(u64::from(destination.initial_lock_days)),
        limit: sending::to_written(&destination.limit),
        ..Default::default()
    };
    match &destination.kind {
        DestinationKind::Folder(folder) => {
            written::Destination { kind: Some("folder".to_owned()), dir: Some(folder.dir.clone()), ..common }
        }
        DestinationKind::S3(s3) => written::Destination {
            kind: Some("s3".to_owned()),
            endpoint: Some(s3.endpoint.clone()),
            bucket: Some(s3.bucket.clone()),
            region: Some(s3.region.clone()),
            path_style: Some(s3.path_style),
            access_key_file: Some(s3.access_key.path().to_owned()),
            secret_key_file: Some(s3.secret_key.path().to_owned()),
            ca_file: s3.ca_file.clone(),
            proof: Some(s3.proof.as_str().to_owned()),
            lock: Some(s3.lock.as_str().to_owned()),
            ..common
        },
    }
}
