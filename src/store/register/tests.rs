//! The register of devices: who let which in, and what is known again.

use crate::domain::device::{DeviceKey, DeviceState};
use crate::domain::event::{Actor, Draft, EventKind};
use crate::domain::recorder::{Held, HeldDevice, ShelfIdentity};
use crate::store::tests::{events, fixture};
use crate::store::*;

fn key(text: &str) -> DeviceKey {
    DeviceKey::parse(text).unwrap()
}

#[test]
fn the_register_tells_who_let_which_device_in() {
    let f = fixture();
    let mut changes = f.store.changes();
    let held = HeldDevice {
        bay: "3".into(),
        port: "1-4.2".into(),
        usb_id: (0x0951, 0x1666),
        serial: Some("SN100".into()),
        name: "Kingston DataTraveler".into(),
        why: Held::Unknown,
        since_ms: 0,
    };
    let nameless = HeldDevice { serial: None, port: "1-4.3".into(), ..held.clone() };
    for _ in 0..2 {
        let both = [held.clone(), nameless.clone()];
        f.store.write_blocking(move |tx| tx.devices_held(&both)).unwrap();
    }
    let standing = |serial: Option<&str>, port: &str| {
        f.store.read_blocking(|r| Ok(r.standings()?.of((0x0951, 0x1666), serial, port))).unwrap()
    };
    assert_eq!(standing(Some("SN100"), "1-4.2"), DeviceState::Unknown);

    let decide = |device: &'static str, state, kind| {
        f.store
            .write_blocking(move |tx| {
                let asked = Draft::by(kind, Actor::os(7), "cli");
                tx.decide_device(&key(device), state, Some("科长同意"), asked)
            })
            .unwrap()
    };
    assert!(decide("0951:1666:SN100", DeviceState::Approved, EventKind::RecorderApproved));
    assert!(!decide("0951:1666:SN100", DeviceState::Approved, EventKind::RecorderApproved), "once is enough");
    assert!(decide("0951:1666@1-4.3", DeviceState::Approved, EventKind::RecorderApproved));
    assert!(decide("dead:beef:NEVERSEEN", DeviceState::Refused, EventKind::RecorderRefused), "before it ever comes");
    assert_eq!(standing(Some("SN100"), "9-9"), DeviceState::Approved);
    assert_eq!(standing(None, "1-4.3"), DeviceState::Approved);
    assert_eq!(standing(None, "1-4.4"), DeviceState::Unknown);
    assert!(decide("0951:1666:SN100", DeviceState::InRepair, EventKind::RecorderInRepair));
    assert!(!standing(Some("SN100"), "1-4.2").admits());

    // What it turned out to be, so that it is known again when it is empty.
    let identity = ShelfIdentity {
        bay: "3".into(),
        usb_id: Some((0x0951, 0x1666)),
        serial: Some("SN100".into()),
        port: Some("1-4.2".into()),
        volume_id: Some("ABCD-1234".into()),
        ..ShelfIdentity::default()
    };
    let (seen, recorder) = (identity.clone(), f.recorder.clone());
    f.store.write_blocking(move |tx| tx.device_identified(&seen, &recorder)).unwrap();
    let known = |identity: &ShelfIdentity| f.store.read_blocking(|r| r.recorder_of_device(identity)).unwrap();
    assert_eq!(known(&identity).as_ref(), Some(&f.recorder));
    assert_eq!(
        known(&ShelfIdentity { serial: None, ..identity.clone() }),
        None,
        "another one of the same make may stand there"
    );
    assert_eq!(known(&ShelfIdentity { usb_id: None, ..identity }), None);

    let devices = f.store.read_blocking(|r| r.devices()).unwrap();
    assert_eq!(devices.len(), 3);
    let of = devices.iter().find(|d| d.key == key("0951:1666:SN100")).unwrap();
    assert_eq!(
        (of.recorder.as_deref(), of.bay.as_deref(), of.decided_by.as_deref()),
        (Some("R1"), Some("3"), Some("os:7"))
    );
    let events = events(&f);
    let told = |kind: EventKind| events.iter().filter(|e| e["kind"] == kind.as_str()).count();
    assert_eq!(
        (told(EventKind::DeviceSeen), told(EventKind::RecorderApproved), told(EventKind::RecorderInRepair)),
        (2, 2, 1)
    );
    assert!(!format!("{events:?}").contains("科长"), "a reason is committed to, not told");
    let mut recorders = 0;
    while let Ok(change) = changes.try_recv() {
        recorders += u32::from(change == Change::Recorders);
    }
    assert!(recorders >= 5, "whoever keeps the register in memory hears of each decision");
}
