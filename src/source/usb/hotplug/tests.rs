//! The machine against tables and against drawn histories.

use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::config::UsbBay;
use crate::domain::ids::BayName;
use crate::source::usb::device::{CLASS_HUB, CLASS_STILL_IMAGE, Interface};
use crate::source::usb::sysfs::DiskName;

const READER: Reading = Reading { read: UsbRead::Reader, kernel_mount: false };

fn at(steady_ms: i64) -> Now {
    Now { wall_ms: 1_000_000 + steady_ms, steady_ms }
}

/// Decides by the serial number: what begins with R is a recorder, N is refused, everything else unknown.
struct BySerial;

impl Gatekeeping for BySerial {
    fn decide(&self, device: &UsbDevice) -> Verdict {
        let of = |wanted: &[u8]| -> Vec<u8> {
            device.interfaces.iter().filter(|i| wanted.contains(&i.class)).map(|i| i.number).collect()
        };
        if !of(&[CLASS_HUB]).is_empty() {
            return Verdict::Pass { interfaces: of(&[CLASS_HUB]) };
        }
        let interfaces = of(&[CLASS_MASS_STORAGE, CLASS_STILL_IMAGE]);
        match device.serial.as_deref().unwrap_or_default().chars().next() {
            Some('R') => Verdict::Admit { interfaces },
            Some('N') => Verdict::Refuse,
            _ if interfaces.is_empty() => Verdict::NotStorage,
            _ => Verdict::HoldUnknown,
        }
    }
}

fn plugged(port: &str, number: u16, serial: &str, classes: &[u8]) -> Plugged {
    let interfaces: Vec<Interface> = (0..)
        .zip(classes)
        .map(|(number, class)| Interface { number, class: *class, subclass: 0, protocol: 0 })
        .collect();
    Plugged {
        device: UsbDevice {
            port: PortPath::new(port).unwrap(),
            vendor_id: 0x0781,
            product_id: 0x5581,
            serial: Some(serial.to_owned()),
            vendor: Some("Ma\nker".to_owned()),
            product: Some("Recorder".to_owned()),
            interfaces,
        },
        address: Address { bus: 1, device: number },
        authorised: false,
        awake: Vec::new(),
        elsewhere: false,
    }
}

fn awake(mut plugged: Plugged) -> Plugged {
    plugged.authorised = true;
    plugged.awake = plugged.device.interfaces.iter().map(|i| i.number).collect();
    plugged
}

fn disk(name: &str, port: &str, seq: u64, lun: u32) -> Disk {
    Disk {
        id: DiskId {
            name: DiskName::new(name).unwrap(),
            seq: Some(seq),
            at: PathBuf::from(format!("pci/usb1/{port}/host{seq}/{name}")),
        },
        port: PortPath::new(port).unwrap(),
        lun,
        size_bytes: 1 << 30,
        in_use: false,
        settled: true,
        volumes: vec![Volume { name: format!("{name}1"), fs: Some("exfat".to_owned()), ..Volume::default() }],
    }
}

fn look(devices: Vec<Plugged>, disks: Vec<Disk>) -> Input {
    Input::Look(Look { devices, disks })
}

fn listed(ports: &[(&str, &str)]) -> Bays {
    let bay =
        |(name, port): &(&str, &str)| UsbBay { name: BayName::new(name).unwrap(), port: PortPath::new(port).unwrap() };
    Bays::new(&ports.iter().map(bay).collect::<Vec<_>>())
}

/// The actions in short words, so that a history reads as one.
fn words(actions: &[Action]) -> Vec<String> {
    let way = |what: &Opening| match what {
        Opening::Disk { disk, identity } => format!("disk {} in bay {}", disk.name.as_str(), identity.bay),
        Opening::Mount { volume, identity, .. } => format!("mount {} in bay {}", volume.name, identity.bay),
        Opening::Mtp { address, identity, .. } => format!("mtp {} in bay {}", address.device, identity.bay),
    };
    let held = |h: &HeldDevice| format!("{} {}", h.bay, h.why.as_str());
    actions
        .iter()
        .map(|action| match action {
            Action::Authorise { port, interfaces, .. } => format!("authorise {port} {interfaces:?}"),
            Action::Deauthorise { port } => format!("deauthorise {port}"),
            Action::Open { key, what } => format!("open {key}: {}", way(what)),
            Action::Dock { key } => format!("dock {key}"),
            Action::Undock { key } => format!("undock {key}"),
            Action::Hold(all) => format!("hold [{}]", all.iter().map(held).collect::<Vec<_>>().join(", ")),
        })
        .collect()
}

/// One history: inputs one after the other, each with what it gives.
#[track_caller]
fn history(machine: &mut Machine, steps: Vec<(i64, Input, &[&str])>) {
    for (n, (ms, input, expected)) in steps.into_iter().enumerate() {
        let given = words(&machine.apply(at(ms), input, &BySerial));
        assert_eq!(given, expected, "step {n}");
    }
}

fn ok(key: &str) -> Input {
    Input::Opened { key: key.to_owned(), result: Ok(()) }
}

fn authorised(port: &str, number: u16, result: Result<(), Failure>) -> Input {
    Input::Authorised { port: PortPath::new(port).unwrap(), address: Address { bus: 1, device: number }, result }
}

fn failure(words: &str, again: bool) -> Failure {
    Failure { words: words.to_owned(), again }
}

#[test]
fn a_recorder_comes_is_read_and_leaves() {
    let mut machine = Machine::new(listed(&[("3", "1-4")]), READER);
    let fresh = || plugged("1-4", 5, "R1", &[8, 3]);
    let storage_awake = || Plugged { authorised: true, awake: vec![0], ..fresh() };
    let card = || disk("sdb", "1-4", 41, 0);
    history(
        &mut machine,
        vec![
            (0, look(vec![], vec![]), &[]),
            (1, look(vec![fresh()], vec![]), &["authorise 1-4 [0]"]),
            // `bind`, `change`, `change`: events repeat, the picture does not.
            (2, look(vec![fresh()], vec![]), &[]),
            (3, authorised("1-4", 5, Ok(())), &[]),
            (4, look(vec![storage_awake()], vec![]), &[]),
            (5, look(vec![storage_awake()], vec![card()]), &["open usb 1-4 #1: disk sdb in bay 3"]),
            (6, look(vec![storage_awake()], vec![card()]), &[]),
            (7, ok("usb 1-4 #1"), &["dock usb 1-4 #1"]),
            (8, look(vec![storage_awake()], vec![card()]), &[]),
            (9, Input::Tick, &[]),
            (10, look(vec![], vec![]), &["undock usb 1-4 #1"]),
            (11, look(vec![], vec![]), &[]),
        ],
    );
    assert_eq!(machine.wake_ms(), None);
}

#[test]
fn traps() {
    let recorder = |number| awake(plugged("1-4", number, "R1", &[8]));
    // Pulled and pushed between two looks: another address, and the name of the disk is the same.
    let mut machine = Machine::new(Bays::default(), READER);
    history(
        &mut machine,
        vec![
            (0, look(vec![recorder(5)], vec![disk("sdb", "1-4", 41, 0)]), &["open usb 1-4 #1: disk sdb in bay 1-4"]),
            (1, ok("usb 1-4 #1"), &["dock usb 1-4 #1"]),
            (
                2,
                look(vec![recorder(6)], vec![disk("sdb", "1-4", 42, 0)]),
                &["undock usb 1-4 #1", "open usb 1-4 #2: disk sdb in bay 1-4"],
            ),
            // The answer to a question that nobody asks any more.
            (3, ok("usb 1-4 #1"), &[]),
            (4, ok("usb 1-4 #2"), &["dock usb 1-4 #2"]),
            // Another card in the same reader: only the kernel's number of the medium tells.
            (
                5,
                look(
                    vec![recorder(6)],
                    vec![Disk {
                        id: DiskId { seq: Some(43), ..disk("sdb", "1-4", 42, 0).id },
                        ..disk("sdb", "1-4", 42, 0)
                    }],
                ),
                &["undock usb 1-4 #2", "open usb 1-4 #3: disk sdb in bay 1-4"],
            ),
            // The card is taken out and the reader stays; later it counts as one without a medium.
            (6, look(vec![recorder(6)], vec![Disk { size_bytes: 0, ..disk("sdb", "1-4", 44, 0) }]), &[]),
            (60_000, Input::Tick, &["hold [1-4 no_storage]"]),
            (
                60_001,
                look(vec![recorder(6)], vec![disk("sdb", "1-4", 45, 0)]),
                &["open usb 1-4 #4: disk sdb in bay 1-4", "hold []"],
            ),
            // The disk is gone before its device is.
            (60_002, ok("usb 1-4 #4"), &["dock usb 1-4 #4"]),
            (60_003, look(vec![recorder(6)], vec![]), &["undock usb 1-4 #4", "hold [1-4 no_storage]"]),
            (60_004, look(vec![], vec![]), &["hold []"]),
        ],
    );
}

#[test]
fn what_leaves_private_mode_comes_back_as_another_device() {
    let mut machine = Machine::new(listed(&[("3", "1-4")]), READER);
    let private = Plugged { ..plugged("1-4", 5, "R-private", &[0xff]) };
    let open = awake(plugged("1-4", 6, "R1", &[8]));
    history(
        &mut machine,
        vec![
            (0, look(vec![private], vec![]), &["hold [3 no_storage]"]),
            (9, look(vec![open.clone()], vec![]), &["hold []"]),
            (10, look(vec![open], vec![disk("sdb", "1-4", 1, 0)]), &["open usb 1-4 #1: disk sdb in bay 3"]),
        ],
    );
}

#[test]
fn what_lived_before_us_loses_what_a_recorder_does_not_need() {
    let mut machine = Machine::new(Bays::default(), READER);
    let both = || awake(plugged("1-4", 5, "R1", &[8, 3]));
    let card = || disk("sdb", "1-4", 1, 0);
    history(
        &mut machine,
        vec![
            (0, look(vec![both()], vec![card()]), &["authorise 1-4 [0]", "open usb 1-4 #1: disk sdb in bay 1-4"]),
            // Where that cannot be done, footage is taken in all the same.
            (1, authorised("1-4", 5, Err(failure("the gatekeeper is not there", false))), &[]),
            (2, ok("usb 1-4 #1"), &["dock usb 1-4 #1"]),
            (3, look(vec![Plugged { awake: vec![0], ..both() }], vec![card()]), &[]),
        ],
    );
}

#[test]
fn two_cards_are_two_docks() {
    let mut machine = Machine::new(listed(&[("3", "1-4")]), READER);
    let both =
        vec![disk("sdb", "1-4", 1, 0), disk("sdc", "1-4", 2, 1), Disk { size_bytes: 0, ..disk("sdd", "1-4", 3, 2) }];
    history(
        &mut machine,
        vec![
            (
                0,
                look(vec![awake(plugged("1-4", 5, "R1", &[8]))], both),
                &["open usb 1-4 #1: disk sdb in bay 3", "open usb 1-4 #2: disk sdc in bay 3.2"],
            ),
            (1, ok("usb 1-4 #2"), &["dock usb 1-4 #2"]),
            (2, look(vec![], vec![]), &["undock usb 1-4 #2"]),
        ],
    );
}

#[test]
fn strangers_wait_and_are_let_in_without_being_plugged_again() {
    let stranger = |serial: &str| plugged("1-4", 5, serial, &[8]);
    let mut machine = Machine::new(listed(&[("3", "1-4")]), READER);
    history(&mut machine, vec![(0, look(vec![stranger("X1")], vec![]), &["hold [3 unknown]"]), (1, Input::Tick, &[])]);
    // The register changed its mind about this very device.
    struct Yes;
    impl Gatekeeping for Yes {
        fn decide(&self, _: &UsbDevice) -> Verdict {
            Verdict::Admit { interfaces: vec![0] }
        }
    }
    assert_eq!(words(&machine.apply(at(2), Input::Recheck, &Yes)), ["authorise 1-4 [0]", "hold []"]);
    let here = look(vec![awake(stranger("X1"))], vec![disk("sdb", "1-4", 1, 0)]);
    assert_eq!(words(&machine.apply(at(3), here, &Yes)), ["open usb 1-4 #1: disk sdb in bay 3"]);
    assert_eq!(words(&machine.apply(at(4), ok("usb 1-4 #1"), &Yes)), ["dock usb 1-4 #1"]);
    // And again: what is refused leaves at once, and loses its life.
    assert_eq!(
        words(&machine.apply(at(5), Input::Recheck, &BySerial)),
        ["undock usb 1-4 #1", "deauthorise 1-4", "hold [3 unknown]"]
    );
}

#[test]
fn keyboards_and_the_boxs_own() {
    let keyboard = || plugged("1-4", 5, "K", &[3]);
    let root = || awake(plugged("1-5", 6, "R-root", &[8]));
    let root_disk = || Disk { in_use: true, ..disk("sda", "1-5", 1, 0) };
    let mut any = Machine::new(Bays::default(), READER);
    history(
        &mut any,
        vec![
            // Live before us, and nobody said what is a bay: not our business. The root disk is nobody's business.
            (0, look(vec![awake(keyboard()), root()], vec![root_disk()]), &[]),
            // Plugged in behind a closed gate: it stays dead, and people are told.
            (1, look(vec![keyboard(), root()], vec![root_disk()]), &["hold [1-4 not_storage]"]),
        ],
    );
    let mut bays = Machine::new(listed(&[("4", "1-4"), ("5", "1-5")]), READER);
    history(
        &mut bays,
        vec![
            (0, look(vec![awake(keyboard()), root()], vec![root_disk()]), &["deauthorise 1-4", "hold [4 not_storage]"]),
            (1, look(vec![awake(keyboard()), root()], vec![root_disk()]), &[]),
            (2, look(vec![Plugged { elsewhere: true, ..awake(keyboard()) }], vec![]), &["hold []"]),
            (3, look(vec![awake(plugged("1-6", 9, "K", &[3])), plugged("1-7", 9, "X", &[8])], vec![]), &[]),
        ],
    );
    // A hub carries the root disk further down.
    let hub = awake(plugged("1-4", 5, "N-hub-like", &[8]));
    let below = Disk { in_use: true, ..disk("sda", "1-4.1", 1, 0) };
    assert!(bays.apply(at(9), look(vec![hub], vec![below]), &BySerial).is_empty());
}

#[test]
fn hubs_pass_where_they_lead_to_a_bay() {
    let mut machine = Machine::new(listed(&[("1", "1-4.1")]), READER);
    let hub = |port: &str, number| plugged(port, number, "", &[9, 3]);
    history(
        &mut machine,
        vec![
            (0, look(vec![hub("1-4", 2), hub("1-5", 3)], vec![]), &["authorise 1-4 [0]"]),
            (1, look(vec![hub("1-4", 2), hub("1-4.1", 4)], vec![]), &["authorise 1-4.1 [0]"]),
            (2, authorised("1-4", 2, Err(failure("the gatekeeper is not there", true))), &["hold [1-4 broken]"]),
            (3, look(vec![Plugged { awake: vec![0], ..awake(hub("1-4", 2)) }], vec![]), &["hold []"]),
        ],
    );
    // A hub is never said to show no storage.
    assert!(machine.apply(at(90_000), Input::Tick, &BySerial).is_empty());
}

#[test]
fn steps_that_failed_are_tried_again_ever_more_seldom() {
    let mut machine = Machine::new(Bays::default(), READER);
    let fresh = || look(vec![plugged("1-4", 5, "R1", &[8])], vec![]);
    machine.apply(at(0), fresh(), &BySerial);
    let mut now = 0;
    for pause in [2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000, 60_000] {
        let failed = authorised("1-4", 5, Err(failure("down", true)));
        machine.apply(at(now), failed, &BySerial);
        assert_eq!(machine.wake_ms(), Some(now + pause));
        assert!(machine.apply(at(now + pause - 1), Input::Tick, &BySerial).is_empty());
        now += pause;
        assert_eq!(words(&machine.apply(at(now), Input::Tick, &BySerial)), ["authorise 1-4 [0]"]);
    }
    machine.apply(at(now), authorised("1-4", 5, Err(failure("no", false))), &BySerial);
    assert_eq!(machine.wake_ms(), None, "what nobody mends is not tried again");
    assert_eq!(words(&machine.apply(at(now), Input::Recheck, &BySerial)), ["authorise 1-4 [0]", "hold []"]);
}

#[test]
fn a_medium_that_cannot_be_read_is_told_and_tried_again() {
    let mut machine = Machine::new(Bays::default(), READER);
    let here = || look(vec![awake(plugged("1-4", 5, "R1", &[8]))], vec![disk("sdb", "1-4", 1, 0)]);
    let failed =
        |key: &str, again| Input::Opened { key: key.to_owned(), result: Err(failure("no file system", again)) };
    history(
        &mut machine,
        vec![
            (0, here(), &["open usb 1-4 #1: disk sdb in bay 1-4"]),
            (1, failed("usb 1-4 #1", true), &["hold [1-4 broken]"]),
            (2, here(), &[]),
            (2_001, Input::Tick, &["open usb 1-4 #2: disk sdb in bay 1-4"]),
            (2_002, failed("usb 1-4 #2", false), &[]),
            (99_000, Input::Tick, &[]),
            (99_001, look(vec![], vec![]), &["hold []"]),
        ],
    );
}

#[test]
fn ways_in() {
    let volume = |fs: Option<&str>| Volume { name: "sdb1".to_owned(), fs: fs.map(str::to_owned), ..Volume::default() };
    let kernel = Reading { read: UsbRead::Kernel, kernel_mount: false };
    let both = Reading { read: UsbRead::Reader, kernel_mount: true };
    let (raw, mounted) = (Some("disk sdb"), Some("mount sdb1"));
    // How recorders are read, the file systems on the disk, whether udev has finished, the way that is taken.
    type Case = (Reading, &'static [Option<&'static str>], bool, Option<&'static str>);
    let table: &[Case] = &[
        (READER, &[Some("exfat")], true, raw),
        (READER, &[Some("ext4")], true, raw),
        (READER, &[], true, raw),
        (READER, &[Some("exfat")], false, None),
        (both, &[Some("ext4")], true, mounted),
        (both, &[Some("vfat")], true, raw),
        (both, &[Some("ext4"), Some("vfat")], true, raw),
        (both, &[Some("btrfs")], true, raw),
        (both, &[None], true, raw),
        (kernel, &[Some("vfat")], true, mounted),
        (kernel, &[Some("ntfs")], true, mounted),
        (kernel, &[Some("zfs_member")], true, raw),
        (kernel, &[Some("vfat")], false, None),
    ];
    for (reading, fs, settled, way) in table {
        let mut machine = Machine::new(Bays::default(), *reading);
        let card =
            Disk { settled: *settled, volumes: fs.iter().map(|f| volume(*f)).collect(), ..disk("sdb", "1-4", 1, 0) };
        let here = look(vec![awake(plugged("1-4", 5, "R1", &[8]))], vec![card]);
        let given = words(&machine.apply(at(0), here, &BySerial));
        let expected: Vec<String> = way.iter().map(|w| format!("open usb 1-4 #1: {w} in bay 1-4")).collect();
        assert_eq!(given, expected, "{reading:?} {fs:?}");
        if !settled {
            assert_eq!(machine.wake_ms(), Some(UNSETTLED_MS));
            assert_eq!(machine.apply(at(UNSETTLED_MS), Input::Tick, &BySerial).len(), 1, "opened anyway in the end");
        }
    }
}

#[test]
fn mtp_where_there_is_no_storage_or_none_that_shows_a_medium() {
    let mut machine = Machine::new(Bays::default(), READER);
    history(
        &mut machine,
        vec![
            (0, look(vec![awake(plugged("1-4", 5, "R1", &[6]))], vec![]), &["open usb 1-4 #1: mtp 5 in bay 1-4"]),
            (1, ok("usb 1-4 #1"), &["dock usb 1-4 #1"]),
            (
                2,
                look(vec![awake(plugged("1-4", 6, "R1", &[6]))], vec![]),
                &["undock usb 1-4 #1", "open usb 1-4 #2: mtp 6 in bay 1-4"],
            ),
        ],
    );
    let mut machine = Machine::new(Bays::default(), READER);
    let both = || awake(plugged("1-4", 5, "R1", &[8, 6]));
    history(
        &mut machine,
        vec![
            (0, look(vec![both()], vec![]), &[]),
            (NO_STORAGE_AFTER_MS, Input::Tick, &["open usb 1-4 #1: mtp 5 in bay 1-4"]),
            // A disk that comes even later finds the way taken.
            (30_000, look(vec![both()], vec![disk("sdb", "1-4", 1, 0)]), &[]),
        ],
    );
}

#[test]
fn what_people_are_told_is_harmless() {
    let mut machine = Machine::new(Bays::default(), READER);
    let actions = machine.apply(at(5), look(vec![plugged("1-4", 5, "X\u{202e}1", &[8])], vec![]), &BySerial);
    let [Action::Hold(held)] = actions.as_slice() else { panic!("{actions:?}") };
    assert_eq!(held[0].name, "Ma\\x0aker Recorder");
    assert!(!held[0].serial.as_ref().unwrap().contains('\u{202e}'));
    assert_eq!((held[0].usb_id, held[0].since_ms), ((0x0781, 0x5581), 1_000_005));
}

/// What may happen in the drawn histories.
#[derive(Debug, Clone)]
enum Happens {
    Plug { port: usize, kind: usize },
    Pull { port: usize },
    Wake { port: usize },
    Medium { port: usize, lun: u32, there: bool },
    Used { port: usize },
    Look,
    Answer { good: bool, again: bool },
    Recheck { friendly: bool },
    Time { ms: i64 },
}

fn happenings() -> impl Strategy<Value = Vec<Happens>> {
    let port = 0usize..3;
    let one = prop_oneof![
        (port.clone(), 0usize..6).prop_map(|(port, kind)| Happens::Plug { port, kind }),
        port.clone().prop_map(|port| Happens::Pull { port }),
        port.clone().prop_map(|port| Happens::Wake { port }),
        (port.clone(), 0u32..2, any::<bool>()).prop_map(|(port, lun, there)| Happens::Medium { port, lun, there }),
        port.prop_map(|port| Happens::Used { port }),
        Just(Happens::Look),
        Just(Happens::Look),
        (any::<bool>(), any::<bool>()).prop_map(|(good, again)| Happens::Answer { good, again }),
        (any::<bool>(), any::<bool>()).prop_map(|(good, again)| Happens::Answer { good: good || again, again }),
        any::<bool>().prop_map(|friendly| Happens::Recheck { friendly }),
        (0i64..30_000).prop_map(|ms| Happens::Time { ms }),
    ];
    prop::collection::vec(one, 0..80)
}

/// Lets recorders in, or nobody.
struct Mood {
    friendly: bool,
}

impl Gatekeeping for Mood {
    fn decide(&self, device: &UsbDevice) -> Verdict {
        match BySerial.decide(device) {
            Verdict::Admit { .. } if !self.friendly => Verdict::HoldUnknown,
            verdict => verdict,
        }
    }
}

/// What the outside world knows of docks and questions.
#[derive(Default)]
struct Outside {
    asked: Vec<Input>,
    opened: BTreeMap<String, Opening>,
    docked: BTreeMap<String, Opening>,
    ever: BTreeSet<String>,
}

impl Outside {
    fn hear(&mut self, actions: Vec<Action>, friendly: bool) -> Result<(), TestCaseError> {
        for action in actions {
            match action {
                Action::Authorise { port, address, interfaces } => {
                    prop_assert!(!interfaces.is_empty());
                    self.asked.push(Input::Authorised { port, address, result: Ok(()) });
                }
                Action::Open { key, what } => {
                    prop_assert!(self.ever.insert(key.clone()), "a key is given once");
                    self.opened.insert(key.clone(), *what);
                    self.asked.push(Input::Opened { key, result: Ok(()) });
                }
                Action::Dock { key } => {
                    prop_assert!(friendly, "nobody is let in");
                    let what = self.opened.remove(&key);
                    prop_assert!(what.is_some(), "only what was opened is docked");
                    let what = what.unwrap();
                    let same = |other: &Opening| match (other, &what) {
                        (Opening::Mtp { port: a, .. }, Opening::Mtp { port: b, .. }) => a == b,
                        (
                            Opening::Disk { disk: a, .. } | Opening::Mount { disk: a, .. },
                            Opening::Disk { disk: b, .. } | Opening::Mount { disk: b, .. },
                        ) => a.name == b.name,
                        _ => false,
                    };
                    prop_assert!(!self.docked.values().any(same), "two docks on one recorder: {:?}", what);
                    self.docked.insert(key, what);
                }
                Action::Undock { key } => {
                    prop_assert!(self.docked.remove(&key).is_some(), "only what is docked leaves, and once");
                }
                Action::Deauthorise { .. } | Action::Hold(_) => {}
            }
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn every_come_has_its_leave(happenings in happenings(), listed_bays in any::<bool>(), kernel in any::<bool>()) {
        let bays = if listed_bays { listed(&[("1", "1-1"), ("2", "1-2")]) } else { Bays::default() };
        let reading = Reading { read: if kernel { UsbRead::Kernel } else { UsbRead::Reader }, kernel_mount: true };
        let mut machine = Machine::new(bays, reading);
        let mut outside = Outside::default();
        let mut world: BTreeMap<usize, (Plugged, BTreeMap<u32, Disk>)> = BTreeMap::new();
        let (mut now, mut next, mut mood) = (0, 1u16, Mood { friendly: true });
        for happening in happenings {
            next += 1;
            let input = match happening {
                Happens::Plug { port, kind } => {
                    let (serial, classes): (&str, &[u8]) =
                        [("R1", &[8][..]), ("R2", &[6]), ("R3", &[8, 6]), ("N", &[8]), ("K", &[3]), ("X", &[8])][kind];
                    world.insert(port, (plugged(&format!("1-{}", port + 1), next, serial, classes), BTreeMap::new()));
                    continue;
                }
                Happens::Pull { port } => {
                    world.remove(&port);
                    continue;
                }
                Happens::Wake { port } => {
                    if let Some((device, _)) = world.get_mut(&port) {
                        *device = awake(device.clone());
                    }
                    continue;
                }
                Happens::Medium { port, lun, there } => {
                    if let Some((device, disks)) = world.get_mut(&port).filter(|(device, _)| device.authorised) {
                        let name = ["sda", "sdb", "sdc", "sdd", "sde", "sdf"][port * 2 + lun as usize];
                        let new = disk(name, device.device.port.as_str(), u64::from(next), lun);
                        disks.insert(lun, Disk { size_bytes: u64::from(there) << 30, ..new });
                    }
                    continue;
                }
                Happens::Used { port } => {
                    if let Some((_, disks)) = world.get_mut(&port) {
                        disks.values_mut().for_each(|disk| disk.in_use = !disk.in_use);
                    }
                    continue;
                }
                Happens::Look => Input::Look(Look {
                    devices: world.values().map(|(device, _)| device.clone()).collect(),
                    disks: world.values().flat_map(|(_, disks)| disks.values().cloned()).collect(),
                }),
                Happens::Answer { good, again } => {
                    let Some(mut answer) = outside.asked.pop() else { continue };
                    if let (Input::Authorised { result, .. } | Input::Opened { result, .. }, false) = (&mut answer, good) {
                        *result = Err(failure("no", again));
                    }
                    answer
                }
                Happens::Recheck { friendly } => {
                    mood = Mood { friendly };
                    Input::Recheck
                }
                Happens::Time { ms } => {
                    now += ms;
                    Input::Tick
                }
            };
            outside.hear(machine.apply(at(now), input, &mood), mood.friendly)?;
        }
        // Everybody leaves.
        outside.hear(machine.apply(at(now + 1), look(vec![], vec![]), &mood), mood.friendly)?;
        prop_assert!(outside.docked.is_empty(), "left behind: {:?}", outside.docked);
        prop_assert!(machine.held.is_empty());
        for answer in std::mem::take(&mut outside.asked) {
            outside.hear(machine.apply(at(now + 2), answer, &mood), mood.friendly)?;
        }
        prop_assert!(outside.docked.is_empty());
        prop_assert_eq!(machine.wake_ms(), None);
    }
}
