//! The direct form over a tree that looks like `/sys`, and the whole way over a socket.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use proptest::prelude::*;

use super::direct::Direct;
use super::nodes::{Access, Nodes};
use super::remote::Remote;
use super::*;
use crate::config::{UsbAllow, UsbBay, UsbMode, UsbRead, UsbSource};
use crate::domain::ids::BayName;
use crate::source::usb::sysfs::tree::Tree;

/// Files in place of device nodes; refusing writes shows where the kernel would show it.
struct FakeNodes {
    tree: Arc<Tree>,
    /// The kernel says yes and does nothing.
    stubborn: bool,
    masks: Mutex<Vec<u32>>,
}

impl Nodes for FakeNodes {
    fn open_block(&self, name: &str, _: &str, access: Access) -> io::Result<File> {
        let disk: String = name.chars().take_while(|c| !c.is_ascii_digit()).collect();
        if disk != name && access == Access::Read {
            // What stands for a partition: the file that says whether it may be written.
            return File::options().read(true).write(true).open(self.tree.sys("class/block").join(name).join("ro"));
        }
        File::options().read(true).write(access == Access::WriteAlone).open(self.tree.dev().join(disk))
    }

    fn refuse_writes(&self, device: &File, refuse: bool) -> io::Result<()> {
        if self.stubborn {
            return Ok(());
        }
        let mut device = device.try_clone()?;
        if device.metadata()?.len() < 100 {
            return device.write_all(if refuse { b"1" } else { b"0" });
        }
        // The only disk of these tests.
        std::fs::write(self.tree.sys("class/block/sdb/ro"), if refuse { "1" } else { "0" })
    }

    fn open_usb(&self, bus: u16, device: u16, mask: u32) -> io::Result<File> {
        self.masks.lock().unwrap().push(mask);
        File::open(self.tree.dev().join(format!("bus/usb/{bus:03}/{device:03}")))
    }

    fn block_path(&self, name: &str) -> PathBuf {
        self.tree.dev().join(name)
    }
}

fn port(text: &str) -> PortPath {
    PortPath::new(text).unwrap()
}

fn address(device: u16) -> Address {
    Address { bus: 1, device }
}

fn medium(seq: u64) -> Medium {
    Medium { name: DiskName::new("sdb").unwrap(), seq: Some(seq) }
}

fn settings(bays: &[&str]) -> UsbSource {
    let bay = |at: &&str| UsbBay { name: BayName::new(at).unwrap(), port: port(at) };
    UsbSource {
        mode: UsbMode::On,
        gatekeeper: PathBuf::new(),
        read: UsbRead::Reader,
        kernel_mount: true,
        bays: bays.iter().map(bay).collect(),
        allow: vec![],
    }
}

fn with(tree: &Arc<Tree>, settings: &UsbSource, stubborn: bool) -> Direct<FakeNodes> {
    let nodes = FakeNodes { tree: Arc::clone(tree), stubborn, masks: Mutex::default() };
    Direct::new(tree.sysfs(), nodes, settings, &tree.dev(), 1000)
}

fn direct(tree: &Arc<Tree>) -> Direct<FakeNodes> {
    with(tree, &settings(&[]), false)
}

#[track_caller]
fn refused<T>(result: Result<T, HandsError>, why: &str) {
    match result {
        Err(HandsError::Refused(words)) => assert!(words.contains(why), "{words}"),
        Err(other) => panic!("{}", crate::domain::error::chain(&other)),
        Ok(_) => panic!("done, and should be refused: {why}"),
    }
}

#[track_caller]
fn gone<T>(result: Result<T, HandsError>) {
    match result {
        Err(HandsError::Os { source, .. }) => assert_eq!(source.raw_os_error(), Some(19)),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("done on what is gone"),
    }
}

#[test]
fn only_what_a_recorder_needs_comes_alive() {
    let tree = Arc::new(Tree::new());
    tree.root_hub(1).device("1-4", 5, "R", &[(0, 8), (1, 3), (2, 0xff), (3, 6)]).unauthorised("1-4");
    direct(&tree).authorise(&port("1-4"), address(5), &[0, 1, 2, 3]).unwrap();
    let alive: Vec<bool> = (0..4).map(|n| tree.read(&format!("1-4:1.{n}"), "authorized") == "1").collect();
    assert_eq!((tree.read("1-4", "authorized").as_str(), alive), ("1", vec![true, false, false, true]));
    assert_eq!(std::fs::read_to_string(tree.sys("bus/usb/drivers_probe")).unwrap(), "1-4:1.0", "MTP has no driver");
    assert_eq!(tree.read("usb1", "interface_authorized_default"), "1", "the bus is as it was");
    assert_eq!(tree.read("usb1", "authorized"), "1");

    // What the kernel let in before us loses what it does not need.
    tree.root_hub(1).device("1-5", 6, "R", &[(0, 8), (1, 3)]);
    direct(&tree).authorise(&port("1-5"), address(6), &[0]).unwrap();
    assert_eq!(tree.read("1-5:1.1", "authorized"), "0");

    // A vendor's own class lives where the configuration names the make.
    let named = UsbSource {
        allow: vec![UsbAllow { vendor_id: Some(0x0781), product_id: Some(0x5581), ..UsbAllow::default() }],
        ..settings(&[])
    };
    tree.device("1-6", 7, "R", &[(0, 0xff)]).unauthorised("1-6");
    refused(direct(&tree).authorise(&port("1-6"), address(7), &[0]), "no interface of a recorder");
    with(&tree, &named, false).authorise(&port("1-6"), address(7), &[0]).unwrap();
    assert_eq!(tree.read("1-6:1.0", "authorized"), "1");
}

#[test]
fn what_is_no_bay_another_device_or_gone_stays_as_it_is() {
    let tree = Arc::new(Tree::new());
    tree.root_hub(1).stick("1-4", 5, "R").unauthorised("1-4").keyboard("1-5", 6).unauthorised("1-5");
    let bays = with(&tree, &settings(&["1-5"]), false);
    refused(bays.authorise(&port("1-4"), address(5), &[0]), "1-4 is no bay");
    refused(bays.deauthorise(&port("1-4")), "1-4 is no bay");
    refused(bays.authorise(&port("1-5"), address(6), &[0, 1]), "no interface of a recorder");
    gone(direct(&tree).authorise(&port("1-4"), address(4), &[0]));
    gone(direct(&tree).authorise(&port("1-9"), address(4), &[0]));
    assert_eq!(tree.read("1-4", "authorized"), "0");
    assert_eq!((tree.read("1-5", "authorized"), tree.read("1-5:1.0", "authorized")), ("0".into(), "0".into()), "dead");
    // A hub that leads to a bay passes.
    tree.hub("1-6").unauthorised("1-6");
    with(&tree, &settings(&["1-6.1"]), false).authorise(&port("1-6"), address(2), &[0]).unwrap();
}

#[test]
fn a_bus_that_knows_whole_devices_only_lets_in_only_what_is_whole() {
    let tree = Arc::new(Tree::new());
    tree.root_hub(1).stick("1-4", 5, "R").unauthorised("1-4");
    tree.device("1-5", 6, "R", &[(0, 8), (1, 3)]).unauthorised("1-5");
    tree.remove_file("usb1", "interface_authorized_default");
    direct(&tree).authorise(&port("1-4"), address(5), &[0]).unwrap();
    refused(direct(&tree).authorise(&port("1-5"), address(6), &[0]), "Linux 4.4");
    assert_eq!(tree.read("1-5", "authorized"), "0");
}

#[test]
fn a_life_is_taken_where_nothing_of_the_box_hangs_on_it() {
    let tree = Arc::new(Tree::new());
    tree.root_hub(1).keyboard("1-4", 5).hub("1-5").stick("1-6", 7, "root").disk("1-6", "sdb", 6, 0, 100, 7);
    direct(&tree).deauthorise(&port("1-4")).unwrap();
    assert_eq!(tree.read("1-4", "authorized"), "0");
    refused(direct(&tree).deauthorise(&port("1-5")), "a hub");
    tree.mounts("22 1 8:16 / / rw - ext4 /dev/sdb rw\n");
    refused(direct(&tree).deauthorise(&port("1-6")), "this box uses");
    tree.mounts("");
    direct(&tree).deauthorise(&port("1-6")).unwrap();
}

#[test]
fn a_disk_is_read_only_before_it_is_handed_out() {
    let tree = Arc::new(Tree::new());
    tree.root_hub(1).stick("1-4", 5, "R").disk("1-4", "sdb", 6, 0, 100, 7).partition("sdb", 1);
    let hands = direct(&tree);
    let ro = |name: &str| std::fs::read_to_string(tree.sys("class/block").join(name).join("ro")).unwrap();
    let mut file = hands.open_disk_read_only(&medium(7)).unwrap();
    assert_eq!((ro("sdb").as_str(), ro("sdb1").as_str()), ("1", "1"));
    assert!(file.write_all(b"x").is_err(), "the descriptor itself cannot write");
    let mut writable = hands.open_disk_writable(&medium(7)).unwrap();
    assert_eq!((ro("sdb").as_str(), ro("sdb1").as_str()), ("0", "0"));
    writable.write_all(b"x").unwrap();
    hands.close_disk_writable(&medium(7)).unwrap();
    assert_eq!((ro("sdb").as_str(), ro("sdb1").as_str()), ("1", "1"));

    // The kernel must say so when asked.
    std::fs::write(tree.sys("class/block/sdb/ro"), "0").unwrap();
    assert!(matches!(with(&tree, &settings(&[]), true).open_disk_read_only(&medium(7)), Err(HandsError::Os { .. })));
}

#[test]
fn disks_that_are_not_meant_are_not_touched() {
    let tree = Arc::new(Tree::new());
    tree.root_hub(1).stick("1-4", 5, "R").disk("1-4", "sdb", 6, 0, 100, 7).partition("sdb", 1).internal_disk("sda");
    let hands = direct(&tree);
    gone(hands.open_disk_read_only(&medium(6)));
    gone(hands.open_disk_writable(&medium(8)));
    gone(hands.open_disk_read_only(&Medium { name: DiskName::new("sdz").unwrap(), seq: None }));
    let internal = Medium { name: DiskName::new("sda").unwrap(), seq: None };
    refused(hands.open_disk_read_only(&internal), "does not hang on USB");
    refused(hands.open_disk_writable(&internal), "does not hang on USB");
    refused(hands.mount_detached(&internal, "sda", "vfat"), "does not hang on USB");
    refused(with(&tree, &settings(&["1-5"]), false).open_disk_read_only(&medium(7)), "is no bay");
    for volume in ["sdb2", "sda1", "../sda", "sdb/../sda", "sdb1/x", ""] {
        refused(hands.mount_detached(&medium(7), volume, "vfat"), "no such partition");
    }
    for fs in ["proc", "overlay", "btrfs", "vfat,rw"] {
        refused(hands.mount_detached(&medium(7), "sdb1", fs), "no file system of this kind");
    }
    tree.mounts("22 1 8:17 / / rw - ext4 /dev/sdb1 rw\n");
    refused(hands.open_disk_read_only(&medium(7)), "in use by this box");
    refused(hands.open_disk_writable(&medium(7)), "in use by this box");
    assert_eq!(
        std::fs::read_to_string(tree.sys("class/block/sdb/ro")).unwrap().trim(),
        "0",
        "a root disk stays writable"
    );
    tree.mounts("");
    tree.holder("sdb", 1, "md0");
    refused(hands.mount_detached(&medium(7), "sdb1", "vfat"), "in use by this box");
    // Closing what is gone or another by now is no error, and does nothing.
    hands.close_disk_writable(&medium(6)).unwrap();
}

#[test]
fn udev_protects_the_disks_of_those_whom_we_let_in() {
    let tree = Arc::new(Tree::new());
    tree.root_hub(1).stick("1-4", 5, "R").disk("1-4", "sdb", 6, 0, 100, 7);
    let hands = direct(&tree);
    let disk = DiskName::new("sdb").unwrap();
    let ro = || std::fs::read_to_string(tree.sys("class/block/sdb/ro")).unwrap().trim().to_owned();
    assert!(!hands.protect(&disk).unwrap(), "a backup disk of the administrator's, say");
    assert_eq!(ro(), "0");
    hands.authorise(&port("1-4"), address(5), &[0]).unwrap();
    assert!(hands.protect(&disk).unwrap());
    assert_eq!(ro(), "1");
    // The same port, another device.
    tree.stick("1-4", 9, "other").disk("1-4", "sdb", 6, 0, 100, 8);
    assert!(!hands.protect(&disk).unwrap());
}

#[test]
fn mtp_is_opened_for_its_own_interfaces() {
    let tree = Arc::new(Tree::new());
    tree.root_hub(1).device("1-4", 5, "R", &[(0, 3), (1, 6), (2, 0xff)]).stick("1-5", 6, "S");
    let hands = direct(&tree);
    let mut file = hands.open_usb(&port("1-4"), address(5)).unwrap();
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text, "usbfs");
    gone(hands.open_usb(&port("1-4"), address(6)));
    refused(hands.open_usb(&port("1-5"), address(6)), "offers no MTP");
    tree.unauthorised("1-4");
    refused(hands.open_usb(&port("1-4"), address(5)), "offers no MTP");
}

/// A gatekeeper in a thread of this process.
fn gatekeeper(hands: Arc<dyn Hands>, may_ask: bool, dir: &Path) -> PathBuf {
    let socket = dir.join("gatekeeper.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let me = rustix::process::geteuid().as_raw();
    std::thread::spawn(move || serve::serve(&listener, hands, |uid| may_ask && uid == me, None));
    socket
}

#[test]
fn everything_goes_over_the_socket() {
    let tree = Arc::new(Tree::new());
    tree.root_hub(1).stick("1-4", 5, "R").disk("1-4", "sdb", 6, 0, 100, 7).unauthorised("1-4");
    tree.device("1-5", 6, "M", &[(0, 6)]).internal_disk("sda");
    let dir = tempfile::tempdir().unwrap();
    let remote = Remote::new(&gatekeeper(Arc::new(direct(&tree)), true, dir.path()));
    remote.authorise(&port("1-4"), address(5), &[0]).unwrap();
    assert_eq!(tree.read("1-4", "authorized"), "1");
    let rights: Box<dyn DiskRights> =
        Box::new(DiskGrant::new(Arc::new(Remote::new(&dir.path().join("gatekeeper.sock"))), medium(7)));
    let mut file = rights.open_read_only().unwrap();
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes.len(), 4096, "the descriptor is the disk's");
    let ro = || std::fs::read_to_string(tree.sys("class/block/sdb/ro")).unwrap().trim().to_owned();
    for _ in 0..3 {
        let mut writable = rights.open_writable().unwrap();
        assert_eq!(ro(), "0");
        writable.write_all(b"x").unwrap();
        rights.close_writable().unwrap();
        assert_eq!(ro(), "1");
    }
    remote.open_usb(&port("1-5"), address(6)).unwrap();
    refused(remote.mount_detached(&medium(7), "sdb9", "vfat"), "no such partition");
    gone(remote.open_disk_read_only(&medium(1)));
    let internal = Medium { name: DiskName::new("sda").unwrap(), seq: None };
    let error = DiskGrant::new(Arc::new(remote), internal).open_read_only().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    let remote = Remote::new(&dir.path().join("gatekeeper.sock"));
    remote.deauthorise(&port("1-4")).unwrap();
    assert_eq!(tree.read("1-4", "authorized"), "0");
}

#[test]
fn a_daemon_that_dies_while_erasing_leaves_a_disk_that_refuses_writes() {
    let tree = Arc::new(Tree::new());
    tree.root_hub(1).stick("1-4", 5, "R").disk("1-4", "sdb", 6, 0, 100, 7);
    let dir = tempfile::tempdir().unwrap();
    let remote = Remote::new(&gatekeeper(Arc::new(direct(&tree)), true, dir.path()));
    let _file = remote.open_disk_writable(&medium(7)).unwrap();
    let ro = tree.sys("class/block/sdb/ro");
    assert_eq!(std::fs::read_to_string(&ro).unwrap().trim(), "0");
    drop(remote);
    while std::fs::read_to_string(&ro).unwrap().trim() != "1" {
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn strangers_and_nonsense_are_hung_up_on() {
    let tree = Arc::new(Tree::new());
    tree.root_hub(1).stick("1-4", 5, "R").unauthorised("1-4");
    let dir = tempfile::tempdir().unwrap();
    let remote = Remote::new(&gatekeeper(Arc::new(direct(&tree)), false, dir.path()));
    let error = remote.authorise(&port("1-4"), address(5), &[0]).unwrap_err();
    assert!(matches!(error, HandsError::Unreachable { .. }) && error.is_worth_another_try(), "{error}");
    assert_eq!(tree.read("1-4", "authorized"), "0");
    let nobody = Remote::new(&dir.path().join("nobody.sock"));
    let words = crate::domain::error::chain(&nobody.deauthorise(&port("1-4")).unwrap_err());
    assert!(words.contains("systemctl start evidock-gatekeeper.socket"), "{words}");
}

/// Says yes to everything and counts, so that nonsense that gets through would show.
#[derive(Default)]
struct Counting(Mutex<u32>);

impl Hands for Counting {
    fn authorise(&self, _: &PortPath, _: Address, _: &[u8]) -> Result<(), HandsError> {
        *self.0.lock().unwrap() += 1;
        Ok(())
    }
    fn deauthorise(&self, _: &PortPath) -> Result<(), HandsError> {
        *self.0.lock().unwrap() += 1;
        Ok(())
    }
    fn open_disk_read_only(&self, _: &Medium) -> Result<File, HandsError> {
        *self.0.lock().unwrap() += 1;
        File::open("/dev/null").map_err(HandsError::os("x"))
    }
    fn open_disk_writable(&self, disk: &Medium) -> Result<File, HandsError> {
        self.open_disk_read_only(disk)
    }
    fn close_disk_writable(&self, _: &Medium) -> Result<(), HandsError> {
        Ok(())
    }
    fn open_usb(&self, _: &PortPath, _: Address) -> Result<File, HandsError> {
        Err(HandsError::refused("x"))
    }
    fn mount_detached(&self, disk: &Medium, _: &str, _: &str) -> Result<OwnedFd, HandsError> {
        Ok(self.open_disk_read_only(disk)?.into())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn nothing_that_is_said_to_the_socket_gets_past_the_names(
        noise in prop::collection::vec(any::<u8>(), 0..64),
        name in prop_oneof![Just("../sda".to_owned()), Just("sda/../../x".to_owned()), Just("nvme0n1".to_owned()), "[a-z/.]{0,12}".prop_map(|s| format!("{s}/"))],
    ) {
        let dir = tempfile::tempdir().unwrap();
        let hands = Arc::new(Counting::default());
        let socket = gatekeeper(Arc::clone(&hands) as Arc<dyn Hands>, true, dir.path());
        let mut stream = UnixStream::connect(&socket).unwrap();
        stream.write_all(&noise).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut rest = Vec::new();
        // Hung up, in whichever way.
        let _ = stream.read_to_end(&mut rest);
        for request in [
            wire::Request::OpenDisk { disk: name.clone(), seq: None, writable: true },
            wire::Request::CloseDisk { disk: name.clone(), seq: None },
            wire::Request::Mount { disk: name.clone(), seq: None, volume: "sda".to_owned(), fs: "vfat".to_owned() },
            wire::Request::Authorise { port: name.clone(), bus: 1, device: 1, interfaces: vec![0] },
            wire::Request::Deauthorise { port: name.clone() },
            wire::Request::OpenUsb { port: name.clone(), bus: 1, device: 1 },
        ] {
            let stream = UnixStream::connect(&socket).unwrap();
            wire::send(&stream, &crate::worker::protocol::encode(&request, &[]).unwrap(), None).unwrap();
            let frame = crate::worker::protocol::read(&stream).unwrap().unwrap();
            let reply: wire::Reply = crate::worker::protocol::header(&frame).unwrap();
            prop_assert!(matches!(reply, wire::Reply::Refused { .. }), "{:?}", reply);
        }
        prop_assert_eq!(*hands.0.lock().unwrap(), 0);
    }
}
