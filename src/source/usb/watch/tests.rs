//! The loop over a tree that looks like `/sys`, with hands that do in it what the kernel would.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Mutex;

use super::*;
use crate::config::UsbRead;
use crate::domain::recorder::Held;
use crate::runtime::clock::SystemClock;
use crate::source::fake::FakeShelf;
use crate::source::usb::device::{PortPath, UsbDevice};
use crate::source::usb::gate::{Gate, Standing};
use crate::source::usb::sysfs::Address;
use crate::source::usb::sysfs::tree::Tree;

/// What the kernel does with a device that is let in: its disk appears.
struct Kernel {
    tree: Arc<Tree>,
    medium: PathBuf,
    /// Opening fails so many times before it works.
    failures: Mutex<u32>,
}

impl Hands for Kernel {
    fn authorise(&self, port: &PortPath, address: Address, _: &[u8]) -> Result<(), HandsError> {
        self.tree.stick(port.as_str(), address.device, "DSJ0042").disk(port.as_str(), "sdb", 6, 0, 2048, 41);
        Ok(())
    }
    fn deauthorise(&self, _: &PortPath) -> Result<(), HandsError> {
        Ok(())
    }
    fn open_disk_read_only(&self, _: &Medium) -> Result<File, HandsError> {
        let mut failures = self.failures.lock().unwrap();
        if *failures > 0 {
            *failures -= 1;
            return Err(HandsError::Os { what: "not yet".to_owned(), source: io::ErrorKind::Other.into() });
        }
        File::open("/dev/zero").map_err(|source| HandsError::Os { what: "zero".to_owned(), source })
    }
    fn open_disk_writable(&self, disk: &Medium) -> Result<File, HandsError> {
        self.open_disk_read_only(disk)
    }
    fn close_disk_writable(&self, _: &Medium) -> Result<(), HandsError> {
        Ok(())
    }
    fn open_usb(&self, _: &PortPath, _: Address) -> Result<File, HandsError> {
        self.open_disk_read_only(&Medium { name: super::super::sysfs::DiskName::new("sdb").unwrap(), seq: None })
    }
    fn mount_detached(&self, _: &Medium, volume: &str, fs: &str) -> Result<OwnedFd, HandsError> {
        assert_eq!((volume, fs), ("sdb", "ext4"));
        Ok(File::open(&self.medium).unwrap().into())
    }
}

struct Makes;

impl ShelfMaker for Makes {
    fn disk(&self, rights: Arc<dyn DiskRights>, identity: ShelfIdentity) -> Result<Arc<dyn Shelf>, SourceError> {
        assert_eq!((identity.bay.as_str(), identity.serial.as_deref()), ("1-4", Some("DSJ0042")));
        assert_eq!((identity.port.as_deref(), identity.usb_id), (Some("1-4"), Some((0x0781, 0x5581))));
        rights.open_read_only().map_err(SourceError::Gone)?;
        Ok(Arc::new(FakeShelf::new("1-4")))
    }
    fn mtp(&self, _: File, identity: ShelfIdentity) -> Result<Arc<dyn Shelf>, SourceError> {
        Ok(Arc::new(FakeShelf::new(&identity.bay)))
    }
}

struct Bench {
    tree: Arc<Tree>,
    happened: watch::Sender<u64>,
    recheck: Arc<Notify>,
    standing: Arc<Mutex<Standing>>,
    rx: mpsc::Receiver<SourceEvent>,
    #[allow(dead_code)] // What a mount shows.
    medium: tempfile::TempDir,
}

fn nothing(_: &Path) -> Told {
    Told { settled: true, ..Told::default() }
}

fn ext4(path: &Path) -> Told {
    Told { fs: path.ends_with("sdb").then(|| "ext4".to_owned()), ..nothing(path) }
}

impl Bench {
    fn new(told: Ask, failures: u32) -> Self {
        let tree = Arc::new(Tree::new());
        tree.root_hub(1);
        let medium = tempfile::tempdir().unwrap();
        std::fs::write(medium.path().join("A.MP4"), b"footage").unwrap();
        let standing = Arc::new(Mutex::new(Standing::Unknown));
        let says = Arc::clone(&standing);
        let gate = Gate::new(&[], Arc::new(move |_: &UsbDevice| *says.lock().unwrap())).unwrap();
        let hands = Kernel { tree: Arc::clone(&tree), medium: medium.path().to_owned(), failures: failures.into() };
        let recheck = Arc::new(Notify::new());
        let options = UsbOptions {
            mode: UsbMode::On,
            bays: Bays::default(),
            reading: Reading { read: UsbRead::Reader, kernel_mount: true },
            sysfs: tree.sysfs(),
            hands: Arc::new(hands),
            make: Arc::new(Makes),
            recheck: Arc::clone(&recheck),
        };
        let (tx, rx) = mpsc::channel(64);
        let (happened, changes) = watch::channel(0);
        let looked = Watch::new(options, Arc::new(gate), SystemClock::new(), tx, LOOK_ANYWAY, true);
        task::spawn_named("watch", looked.run(changes, told));
        Self { tree, happened, recheck, standing, rx, medium }
    }

    async fn next(&mut self) -> SourceEvent {
        self.rx.recv().await.unwrap()
    }

    fn event(&self) {
        self.happened.send_modify(|n| *n += 1);
    }

    async fn held(&mut self) -> Vec<Held> {
        match self.next().await {
            SourceEvent::Held(devices) => devices.into_iter().map(|d| d.why).collect(),
            other => panic!("{}", name(&other)),
        }
    }

    async fn docked(&mut self) -> (String, Arc<dyn Shelf>) {
        match self.next().await {
            SourceEvent::Docked { key, shelf } => (key, shelf),
            other => panic!("{}", name(&other)),
        }
    }

    async fn undocked(&mut self) -> String {
        match self.next().await {
            SourceEvent::Undocked { key } => key,
            other => panic!("{}", name(&other)),
        }
    }
}

fn name(event: &SourceEvent) -> &'static str {
    match event {
        SourceEvent::Docked { .. } => "docked",
        SourceEvent::Undocked { .. } => "undocked",
        SourceEvent::Held(_) => "held",
        SourceEvent::Trouble { .. } => "trouble",
        SourceEvent::Fine => "fine",
    }
}

#[tokio::test]
async fn an_unknown_recorder_waits_is_approved_read_and_pulled() {
    let mut bench = Bench::new(nothing, 0);
    assert!(matches!(bench.next().await, SourceEvent::Fine));
    bench.tree.stick("1-4", 5, "DSJ0042").unauthorised("1-4");
    bench.event();
    assert_eq!(bench.held().await, [Held::Unknown]);
    *bench.standing.lock().unwrap() = Standing::Approved;
    bench.recheck.notify_one();
    assert_eq!(bench.held().await, []);
    // Not plugged in again, and its disk is there.
    let (key, shelf) = bench.docked().await;
    assert!(shelf.list().is_ok());
    // Events without news say nothing; the next thing that is told is the leave.
    bench.event();
    bench.event();
    std::fs::remove_file(bench.tree.sys("bus/usb/devices/1-4")).unwrap();
    bench.event();
    assert_eq!(bench.undocked().await, key);
}

#[tokio::test]
async fn what_is_docked_leaves_when_the_watch_ends_and_when_it_is_refused() {
    let mut bench = Bench::new(nothing, 0);
    *bench.standing.lock().unwrap() = Standing::Approved;
    bench.tree.stick("1-4", 5, "DSJ0042").unauthorised("1-4");
    assert!(matches!(bench.next().await, SourceEvent::Fine));
    bench.event();
    let (key, _) = bench.docked().await;
    *bench.standing.lock().unwrap() = Standing::Refused;
    bench.recheck.notify_one();
    assert_eq!(bench.undocked().await, key);
    assert_eq!(bench.held().await, [Held::Refused]);
    *bench.standing.lock().unwrap() = Standing::Approved;
    bench.recheck.notify_one();
    assert_eq!(bench.held().await, []);
    let (again, _) = bench.docked().await;
    assert_ne!(again, key);
    // Nobody tells when to look any more.
    let (happened, _) = watch::channel(0);
    drop(std::mem::replace(&mut bench.happened, happened));
    assert_eq!(bench.undocked().await, again);
    assert!(bench.rx.recv().await.is_none());
}

#[tokio::test]
async fn what_fails_is_told_and_tried_again() {
    let mut bench = Bench::new(nothing, 1);
    *bench.standing.lock().unwrap() = Standing::Approved;
    bench.tree.stick("1-4", 5, "DSJ0042").unauthorised("1-4");
    assert!(matches!(bench.next().await, SourceEvent::Fine));
    bench.event();
    let held = bench.held().await;
    assert!(matches!(&held[..], [Held::Broken(words)] if words.contains("not yet")), "{held:?}");
    // A person need not wait for the next try.
    bench.recheck.notify_one();
    loop {
        match bench.next().await {
            SourceEvent::Docked { .. } => return,
            SourceEvent::Held(devices) => assert!(devices.is_empty()),
            other => panic!("{}", name(&other)),
        }
    }
}

#[tokio::test]
async fn what_the_reader_does_not_know_is_mounted() {
    let mut bench = Bench::new(ext4, 0);
    *bench.standing.lock().unwrap() = Standing::Approved;
    bench.tree.stick("1-4", 5, "DSJ0042").unauthorised("1-4");
    assert!(matches!(bench.next().await, SourceEvent::Fine));
    bench.event();
    let (_, shelf) = bench.docked().await;
    assert_eq!(shelf.identity().kind, "usb-mount");
    assert_eq!(shelf.identity().serial.as_deref(), Some("DSJ0042"));
    assert_eq!(shelf.list().unwrap().files[0].path.to_text(), "A.MP4");
}

#[tokio::test]
async fn a_system_without_usb_or_udev_is_a_trouble_only_where_it_was_asked_for() {
    let tree = Arc::new(Tree::new());
    let options = |mode, sysfs| UsbOptions {
        mode,
        bays: Bays::default(),
        reading: Reading { read: UsbRead::Reader, kernel_mount: false },
        sysfs,
        hands: Arc::new(Kernel { tree: Arc::clone(&tree), medium: PathBuf::new(), failures: Mutex::default() }),
        make: Arc::new(Makes),
        recheck: Arc::default(),
    };
    let gate: Arc<dyn Gatekeeping> = Arc::new(Gate::new(&[], Arc::new(|_: &UsbDevice| Standing::Unknown)).unwrap());
    let nowhere = || Sysfs::at("/nonexistent", "/nonexistent");
    for mode in [UsbMode::Off, UsbMode::Auto] {
        let (tx, mut rx) = mpsc::channel(4);
        let watching =
            task::spawn_named("watch", watch_usb(options(mode, nowhere()), Arc::clone(&gate), SystemClock::new(), tx));
        rx.close();
        watching.await.unwrap();
        assert!(rx.recv().await.is_none(), "silence");
    }
    let (tx, mut rx) = mpsc::channel(4);
    let on = watch_usb(options(UsbMode::On, nowhere()), gate, SystemClock::new(), tx);
    let watching = task::spawn_named("watch", on);
    let Some(SourceEvent::Trouble { words, action }) = rx.recv().await else { panic!("trouble") };
    assert!(words.contains("no USB") && action.contains("mode = \"off\""), "{words} {action}");
    drop(rx);
    watching.await.unwrap();
}
