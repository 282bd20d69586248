//! Settings written out again: what `config show` prints. The text is a configuration file that resolves
//! to the same settings.

use super::settings::{
    Destination, DestinationKind, Erase, Evict, EvictWhen, Lamp, Linking, NetworkRecorder, OidcProvider, ProxyChoice,
    Reach, Reserve, Settings, Stream, UsbAllow, UsbSource, Vault,
};
use super::written::{self, Written};
use super::{custody, derived, notice, sending};
use crate::domain::case_number::ShapeSpec;

const DAY_MS: i64 = 86_400_000;

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
            vault: Some(vault(&self.vault)),
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
            stream: none_if_empty(self.streams.iter().map(stream).collect()),
            network_recorder: none_if_empty(self.network_recorders.iter().map(network_recorder).collect()),
            discovery: Some(written::Discovery {
                networks: none_if_empty(self.discovery.networks.iter().map(ToString::to_string).collect()),
                every_minutes: Some(self.discovery.every.as_secs() / 60),
            }),
            media: Some(written::Media {
                timeout_s: Some(self.media.timeout.as_secs()),
                thumbnail_width_px: Some(u64::from(self.media.thumbnail_width_px)),
                workers: Some(self.media.workers as u64),
                preview_width_px: Some(u64::from(self.media.preview_width_px)),
            }),
            casework: Some(written::Casework {
                roster: self.casework.roster.clone(),
                default_place: self.casework.default_place.clone(),
                default_proves: self.casework.default_proves.clone(),
                default_sensitivity: Some(self.casework.default_sensitivity.key().to_owned()),
                number_rule_version: Some(u64::from(self.casework.number_rule_version)),
                number_shape: none_if_empty(self.casework.number_shapes.iter().map(number_shape).collect()),
                linking: Some(linking(&self.casework.linking)),
                coverage: Some(written::CoverageRules {
                    gap_s: Some(self.casework.coverage.gap.as_secs()),
                    within_hours: Some(self.casework.coverage.within.as_secs() / 3600),
                }),
            }),
            custody: Some(custody::to_written(&self.custody)),
            documents: Some(written::Documents {
                dir: self.documents.dir.clone(),
                max_mb: Some(self.documents.max_bytes / 1_000_000),
            }),
            export: Some(custody::export_to_written(&self.export)),
            derived: Some(derived::to_written(&self.derived)),
            destination: none_if_empty(self.destinations.iter().map(destination).collect()),
            erase: none_if_empty(self.erase.iter().map(erase).collect()),
            audit: Some(written::Audit {
                share_percent: Some(self.audit.share_percent),
                groups: Some(self.audit.groups),
                whole_every_days: Some(self.audit.whole_every.map_or(0, |every| every.as_secs() / 86_400)),
                max_mbit_s: Some(self.audit.bytes_per_s / 125_000),
            }),
            retention: Some(written::Retention {
                unlinked_days: Some((self.retention.rule.unlinked_ms / DAY_MS) as u64),
                renew_days: Some((self.retention.rule.step_ms / DAY_MS) as u64),
                renew_before_days: Some((self.retention.rule.before_ms / DAY_MS) as u64),
            }),
            keeping: Some(written::Keeping {
                responsible: self.keeping.responsible.clone(),
                fonds_no: self.keeping.fonds_no.clone(),
                dispose_at: Some(self.keeping.dispose_at.iter().map(ToString::to_string).collect()),
                compared_days: Some(u64::from(self.keeping.compared_days)),
            }),
            upload: Some(written::Upload {
                clips_in_flight: Some(self.upload.clips_in_flight as u64),
                instant: Some(self.upload.instant),
                order: Some(self.upload.order.iter().map(|rule| rule.as_str().to_owned()).collect()),
                limit: sending::to_written(&self.upload.limit),
                retry_min_s: Some(self.upload.retry_min.as_secs()),
                retry_max_s: Some(self.upload.retry_max.as_secs()),
            }),
            backup: Some(written::Backup {
                recipient: self.backup.recipient.clone(),
                every_hours: Some(self.backup.every.as_secs() / 3600),
                destinations: Some(self.backup.destinations.iter().map(ToString::to_string).collect()),
                keep_daily: Some(u64::from(self.backup.keep_daily)),
                keep_monthly: Some(u64::from(self.backup.keep_monthly)),
                log_key: Some(self.backup.log_key),
            }),
            web: Some(written::Web {
                listen: Some(self.web.listen.to_string()),
                tls_certificate: self.web.tls.as_ref().filter(|t| !t.own).map(|t| t.certificate.clone()),
                tls_key: self.web.tls.as_ref().filter(|t| !t.own).map(|t| t.key.clone()),
                names: none_if_empty(self.web.names.clone()),
                client_ca_file: self.web.client_ca.clone(),
            }),
            access: Some(written::Access {
                idle_minutes: Some(self.access.idle.as_secs() / 60),
                longest_hours: Some(self.access.longest.as_secs() / 3600),
                oidc: self.access.oidc.as_ref().map(oidc),
            }),
            supervision: Some(super::oversight::to_written(&self.supervision)),
            feedback: Some(written::Feedback {
                hook: self.feedback.hook.as_ref().map(|h| h.command.clone()),
                hook_timeout_s: self.feedback.hook.as_ref().map(|h| h.timeout.as_secs()),
                hook_queue: self.feedback.hook.as_ref().map(|h| h.queue as u64),
                led_dir: Some(self.feedback.led_dir.clone()),
                lamp: none_if_empty(self.feedback.lamps.iter().map(lamp).collect()),
            }),
            alarm: Some(notice::alarm_to_written(&self.alarm)),
            webhook: none_if_empty(self.webhooks.iter().map(notice::webhook_to_written).collect()),
            outbox: Some(notice::messages_to_written(&self.messages)),
            exchange: Some(notice::exchange_to_written(&self.exchange)),
            log: Some(written::Log {
                level: Some(self.log.level.as_str().to_owned()),
                format: Some(self.log.format.as_str().to_owned()),
            }),
            control: Some(written::Control { socket: Some(self.control_socket.clone()) }),
        }
    }
}

fn oidc(provider: &OidcProvider) -> written::Oidc {
    written::Oidc {
        issuer: Some(provider.issuer.clone()),
        client_id: Some(provider.client_id.clone()),
        client_secret_file: provider.client_secret.as_ref().map(|s| s.path().to_owned()),
        ca_file: provider.ca_file.clone(),
        scopes: Some(provider.scopes.clone()),
        label: provider.label.clone(),
    }
}

/// Of an eviction that is off, only that is told: its other keys have no effect then.
fn vault(vault: &Vault) -> written::Vault {
    let evict = vault.evict.as_ref();
    let when = match evict {
        None => EvictWhen::Off,
        Some(Evict { policy, .. }) if policy.after_ms.is_some() => EvictWhen::Age,
        Some(_) => EvictWhen::Space,
    };
    written::Vault {
        dir: Some(vault.dir.clone()),
        reserve_gb: match vault.reserve {
            Reserve::Auto => None,
            Reserve::Bytes(bytes) => Some(bytes / 1_000_000_000),
        },
        checkpoint_mb: Some(vault.checkpoint_bytes / 1_000_000),
        evict: Some(when.as_str().to_owned()),
        evict_free_percent: evict.map(|e| e.free_percent),
        evict_keep_days: evict.map(|e| (e.policy.keep_ms / DAY_MS) as u64),
        evict_after_days: evict.and_then(|e| e.policy.after_ms).map(|ms| (ms / DAY_MS) as u64),
        evict_audit: evict.map(|e| e.policy.audit.as_str().to_owned()),
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

fn stream(stream: &Stream) -> written::Stream {
    written::Stream {
        name: Some(stream.name.to_string()),
        room: Some(stream.room.clone()),
        url: Some(stream.url.clone()),
        user: stream.user.clone(),
        password_file: stream.password.as_ref().map(|p| p.path().to_owned()),
        password_credential: None,
        transport: Some(stream.transport.as_str().to_owned()),
        ca_file: stream.ca_file.clone(),
        certificate_sha256: stream.certificate_sha256.clone(),
        segment_minutes: Some(stream.segment.as_secs() / 60),
        silence_s: Some(stream.silence.as_secs()),
        mode: Some(stream.mode.as_str().to_owned()),
        schedule: none_if_empty(stream.windows.iter().map(ToString::to_string).collect()),
    }
}

fn network_recorder(recorder: &NetworkRecorder) -> written::NetworkRecorder {
    written::NetworkRecorder {
        name: Some(recorder.name.to_string()),
        bay: Some(recorder.bay.to_string()),
        url: Some(recorder.url.clone()),
        user: recorder.user.clone(),
        password_file: recorder.password.as_ref().map(|p| p.path().to_owned()),
        password_credential: None,
        ca_file: recorder.ca_file.clone(),
        certificate_sha256: recorder.certificate_sha256.clone(),
        pull: Some(recorder.pull.as_str().to_owned()),
        schedule: none_if_empty(recorder.windows.iter().map(ToString::to_string).collect()),
        every_s: Some(recorder.every.as_secs()),
        segment_minutes: Some(recorder.segment.as_secs() / 60),
        silence_s: Some(recorder.silence.as_secs()),
    }
}

fn linking(of: &Linking) -> written::Linking {
    let score = |score: u32| Some(u64::from(score));
    written::Linking {
        link_score: score(of.link_score),
        outing_gap_minutes: Some(of.outing_gap.as_secs() / 60),
        before_days: Some(of.before.as_secs() / 86_400),
        after_days: Some(of.after.as_secs() / 86_400),
        near_m: score(of.near_m),
        desk: score(of.desk),
        roster: score(of.roster),
        tag: score(of.tag),
        earlier: score(of.earlier),
        neighbour: score(of.neighbour),
        register: score(of.register),
        place: score(of.place),
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
        log_entries: Some(destination.log_entries),
        limit: sending::to_written(&destination.limit),
        ..Default::default()
    };
    let path = |file: &super::secret::SecretFile| Some(file.path().to_owned());
    match &destination.kind {
        DestinationKind::Folder(folder) => {
            written::Destination { kind: Some("folder".to_owned()), dir: Some(folder.dir.clone()), ..common }
        }
        DestinationKind::S3(s3) => written::Destination {
            kind: Some("s3".to_owned()),
            endpoint: Some(s3.endpoint.clone()),
            bucket: Some(s3.bucket.clone()),
            region: Some(s3.region.clone()),
            path_style: s3.path_style,
            access_key_file: path(&s3.access_key),
            secret_key_file: path(&s3.secret_key),
            proof: Some(s3.proof.as_str().to_owned()),
            lock: Some(s3.lock.as_str().to_owned()),
            ..reached(&s3.http, common)
        },
        DestinationKind::Tus(tus) => written::Destination {
            kind: Some("tus".to_owned()),
            endpoint: Some(tus.endpoint.clone()),
            user: tus.user.clone(),
            password_file: tus.secret.as_ref().and_then(path),
            proof: Some(tus.proof.as_str().to_owned()),
            ..reached(&tus.http, common)
        },
        DestinationKind::Azure(azure) => written::Destination {
            kind: Some("azure".to_owned()),
            endpoint: Some(azure.endpoint.clone()),
            container: Some(azure.container.clone()),
            account: azure.account.clone(),
            secret_key_file: path(&azure.secret),
            proof: Some(azure.proof.as_str().to_owned()),
            lock: Some(azure.lock.as_str().to_owned()),
            ..reached(&azure.http, common)
        },
        DestinationKind::Sftp(sftp) => written::Destination {
            kind: Some("sftp".to_owned()),
            host: Some(sftp.host.clone()),
            port: Some(u64::from(sftp.port)),
            user: Some(sftp.user.clone()),
            password_file: sftp.password.as_ref().and_then(path),
            private_key_file: sftp.private_key.as_ref().and_then(path),
            host_key: sftp.host_key.clone(),
            root: Some(sftp.root.clone()),
            ..common
        },
        DestinationKind::Ftp(ftp) => written::Destination {
            kind: Some("ftp".to_owned()),
            host: Some(ftp.host.clone()),
            port: Some(u64::from(ftp.port)),
            user: Some(ftp.user.clone()),
            password_file: path(&ftp.password),
            tls: Some(ftp.tls.as_str().to_owned()),
            ca_file: ftp.ca_file.clone(),
            root: Some(ftp.root.clone()),
            ..common
        },
        DestinationKind::Webdav(webdav) => written::Destination {
            kind: Some("webdav".to_owned()),
            endpoint: Some(webdav.endpoint.clone()),
            root: Some(webdav.root.clone()),
            user: webdav.user.clone(),
            password_file: webdav.password.as_ref().and_then(path),
            ..reached(&webdav.http, common)
        },
    }
}

/// How a server is reached, added to the rest.
fn reached(http: &Reach, rest: written::Destination) -> written::Destination {
    written::Destination {
        ca_file: http.ca_file.clone(),
        client_certificate: http.identity.as_ref().map(|identity| identity.certificate.clone()),
        client_key_file: http.identity.as_ref().map(|identity| identity.key.path().to_owned()),
        proxy: match &http.proxy {
            ProxyChoice::Environment => None,
            ProxyChoice::Direct => Some("none".to_owned()),
            ProxyChoice::Via(address) => Some(address.clone()),
        },
        ..rest
    }
}
