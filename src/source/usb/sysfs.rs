//! What the kernel tells about USB and disks under `/sys`, read as one picture ([`Look`]). Owns turning files into
//! plain values and the proof that a disk hangs on USB and is nobody else's; decides nothing and writes nothing.
//!
//! The picture is always whole: events only say *when* to look. An event that comes twice, comes late, was lost, or
//! lacks half of what it should say changes nothing, and links that linger under `/dev/disk` are not looked at.
//!
//! Kernel's own texts: Documentation/ABI/testing/sysfs-bus-usb, Documentation/ABI/stable/sysfs-block.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::descriptors;
use super::device::{PortPath, UsbDevice};

/// Longest text of a device that is kept, characters. A string descriptor holds 126 (USB 2.0, 9.6.7).
const MAX_TEXT_CHARS: usize = 126;
/// Bytes of a sector in the file `size`, whatever the disk's own sectors are (sysfs-block).
const SECTOR_BYTES: u64 = 512;

/// Everything that stands on USB at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Look {
    /// Devices, root hubs left out.
    pub devices: Vec<Plugged>,
    /// Disks on USB.
    pub disks: Vec<Disk>,
}

/// A device in a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plugged {
    /// What it says of itself.
    pub device: UsbDevice,
    /// Where it is now on its bus; another pair after each time it was plugged in.
    pub address: Address,
    /// The kernel may use it.
    pub authorised: bool,
    /// Interfaces that the kernel and programs may use; they exist only once the device is authorised.
    pub awake: Vec<u8>,
    /// The administrator took this port out of evidock's hands (`EVIDOCK_OPEN=1` by a udev rule).
    pub elsewhere: bool,
}

/// Bus and device number, as in `/dev/bus/usb/BUS/DEV`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// `busnum`.
    pub bus: u16,
    /// `devnum`.
    pub device: u16,
}

/// A disk on USB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// Which one it is.
    pub id: DiskId,
    /// The port that it hangs on.
    pub port: PortPath,
    /// Logical unit of its device, from 0: a recorder with two cards has two.
    pub lun: u32,
    /// 0 where there is no medium.
    pub size_bytes: u64,
    /// Something of this box uses it: it is mounted, swapped to, or part of another device.
    pub in_use: bool,
    /// udev has finished with it; before that, its file systems are not known.
    pub settled: bool,
    /// The file system on the whole disk, or those on its partitions.
    pub volumes: Vec<Volume>,
}

/// Which disk: a name alone may mean another one a moment later.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DiskId {
    /// `sdb`.
    pub name: DiskName,
    /// The kernel's number of this medium in this drive, never given twice (since Linux 5.15).
    pub seq: Option<u64>,
    /// Where it stands under `/sys/devices`; holds the number of the SCSI host, which a replug changes.
    pub at: PathBuf,
}

/// What udev read of a file system.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Volume {
    /// The partition, or the disk itself.
    pub name: String,
    /// `ID_FS_TYPE`.
    pub fs: Option<String>,
    /// `ID_FS_LABEL`.
    pub label: Option<String>,
    /// `ID_FS_UUID`.
    pub uuid: Option<String>,
}

/// What udev knows of one path under `/sys`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// udev's rules have run on it.
    pub settled: bool,
    /// `EVIDOCK_OPEN` is 1.
    pub elsewhere: bool,
    /// `ID_FS_TYPE`.
    pub fs: Option<String>,
    /// `ID_FS_LABEL`.
    pub label: Option<String>,
    /// `ID_FS_UUID`.
    pub uuid: Option<String>,
}

/// Name of a SCSI disk, which is what every mass storage device on USB becomes: `sd` and letters (sd(4)).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DiskName(String);

impl DiskName {
    /// Nothing but such a name, so that no path can be made with it that leads elsewhere.
    pub fn new(text: &str) -> Option<Self> {
        let letters = text.strip_prefix("sd")?;
        let ok = (1..=6).contains(&letters.len()) && letters.bytes().all(|b| b.is_ascii_lowercase());
        ok.then(|| Self(text.to_owned()))
    }

    /// The kernel's name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `name` is this disk or one of its partitions.
    pub fn covers(&self, name: &str) -> bool {
        name.strip_prefix(&self.0).is_some_and(|rest| rest.len() <= 3 && rest.bytes().all(|b| b.is_ascii_digit()))
    }
}

/// `/sys` and `/proc`, or copies of them in tests.
#[derive(Debug, Clone)]
pub struct Sysfs {
    sys: PathBuf,
    proc: PathBuf,
}

impl Sysfs {
    /// This box.
    pub fn of_this_box() -> Self {
        Self::at("/sys", "/proc")
    }

    /// Trees that look like them.
    pub fn at(sys: impl Into<PathBuf>, proc: impl Into<PathBuf>) -> Self {
        Self { sys: sys.into(), proc: proc.into() }
    }

    /// The directory of the device in a port.
    pub fn usb_device(&self, port: &PortPath) -> PathBuf {
        self.usb().join("devices").join(port.as_str())
    }

    /// `/sys/bus/usb`.
    pub fn usb(&self) -> PathBuf {
        self.sys.join("bus/usb")
    }

    /// `/sys/devices`.
    pub fn devices(&self) -> PathBuf {
        self.sys.join("devices")
    }

    /// Whether the kernel has USB at all.
    pub fn has_usb(&self) -> bool {
        self.usb().join("devices").is_dir()
    }

    /// The whole picture. What cannot be read has just left and is left out; the only error is that there is no USB.
    pub fn look(&self, told: &dyn Fn(&Path) -> Told) -> io::Result<Look> {
        let mut look = Look::default();
        for name in names(&self.usb().join("devices"))? {
            if let Some(port) = PortPath::new(&name) {
                look.devices.extend(self.plugged(port, told));
            }
        }
        let used = self.used();
        for name in names(&self.sys.join("class/block")).unwrap_or_default() {
            if let Some(name) = DiskName::new(&name) {
                look.disks.extend(self.disk(name, &used, told));
            }
        }
        look.devices.sort_by(|a, b| a.device.port.cmp(&b.device.port));
        look.disks.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(look)
    }

    fn plugged(&self, port: PortPath, told: &dyn Fn(&Path) -> Told) -> Option<Plugged> {
        let dir = self.usb_device(&port);
        let id = |file| u16::from_str_radix(&text(&dir, file)?, 16).ok();
        let number = |file| text(&dir, file)?.parse::<u16>().ok();
        let device = UsbDevice {
            vendor_id: id("idVendor")?,
            product_id: id("idProduct")?,
            serial: text(&dir, "serial"),
            vendor: text(&dir, "manufacturer"),
            product: text(&dir, "product"),
            interfaces: descriptors::interfaces(&fs::read(dir.join("descriptors")).ok()?),
            port,
        };
        Some(Plugged {
            address: Address { bus: number("busnum")?, device: number("devnum")? },
            authorised: text(&dir, "authorized").is_none_or(|v| v != "0"),
            awake: self.interfaces(&device.port).into_iter().filter(|i| i.awake).map(|i| i.number).collect(),
            elsewhere: told(&dir).elsewhere,
            device,
        })
    }

    /// The interfaces that exist now in a port: those of the configuration in force, by their setting in force.
    pub fn interfaces(&self, port: &PortPath) -> Vec<Live> {
        let dir = self.usb_device(port);
        let own = format!("{port}:");
        let of = |name: &String| {
            let dir = dir.join(name);
            let hex = |file| u8::from_str_radix(&text(&dir, file)?, 16).ok();
            Some(Live {
                number: hex("bInterfaceNumber")?,
                class: hex("bInterfaceClass")?,
                // Linux before 4.4 authorises whole devices only.
                awake: text(&dir, "authorized").is_none_or(|v| v != "0"),
                name: name.clone(),
            })
        };
        names(&dir).unwrap_or_default().iter().filter(|name| name.starts_with(&own)).filter_map(of).collect()
    }

    /// A disk on USB; `None` where it hangs elsewhere or has just left.
    fn disk(&self, name: DiskName, used: &Used, told: &dyn Fn(&Path) -> Told) -> Option<Disk> {
        let place = self.place(&name).ok()?;
        let dir = &place.dir;
        let known = told(dir);
        let volume = |name: String, told: Told| Volume { name, fs: told.fs, label: told.label, uuid: told.uuid };
        let mut volumes = Vec::new();
        let parts = place.partitions();
        let mut settled = known.settled;
        for part in &parts {
            let told = told(&dir.join(part));
            settled &= told.settled;
            volumes.push(volume(part.clone(), told));
        }
        if volumes.is_empty() && known.fs.is_some() {
            volumes.push(volume(name.as_str().to_owned(), known));
        }
        Some(Disk {
            lun: place.lun,
            size_bytes: text(dir, "size")?.parse::<u64>().ok()?.saturating_mul(SECTOR_BYTES),
            in_use: used.is_used(&place),
            settled,
            volumes,
            port: place.port.clone(),
            id: DiskId { seq: place.seq(), at: place.at, name },
        })
    }

    /// Where a disk really stands: the proof that it hangs on USB. The kernel's name is resolved to its directory
    /// under `/sys/devices`, the last port on the way must be a USB device, and the disk must be a whole one.
    pub fn place(&self, name: &DiskName) -> io::Result<Place> {
        let no = |why: &str| io::Error::new(io::ErrorKind::PermissionDenied, format!("{}: {why}", name.as_str()));
        let devices = fs::canonicalize(self.devices())?;
        let dir = fs::canonicalize(self.sys.join("class/block").join(name.as_str()))?;
        let at = dir.strip_prefix(&devices).map_err(|_| no("stands outside of the kernel's devices"))?.to_owned();
        let steps: Vec<&str> = at.iter().filter_map(|step| step.to_str()).collect();
        let bus = steps.iter().position(|s| s.strip_prefix("usb").is_some_and(is_number));
        let bus = bus.ok_or_else(|| no("does not hang on USB"))?;
        let last = steps.iter().rposition(|s| PortPath::new(s).is_some()).filter(|last| *last > bus);
        let last = last.ok_or_else(|| no("does not hang on a USB port"))?;
        let port = PortPath::new(steps[last]).ok_or_else(|| no("does not hang on a USB port"))?;
        let device: PathBuf = steps[..=last].iter().fold(devices, |path, step| path.join(step));
        let subsystem = fs::canonicalize(device.join("subsystem"))?;
        if subsystem != fs::canonicalize(self.usb())? || !device.join("idVendor").is_file() {
            return Err(no("its port is no USB device"));
        }
        if dir.join("partition").exists() {
            return Err(no("is a partition"));
        }
        // host6/target6:0:0/6:0:0:1/block/sdb: host, channel, target, logical unit.
        let lun = steps.iter().rev().find(|s| s.split(':').count() == 4 && s.split(':').all(is_number));
        let lun = lun.and_then(|s| s.rsplit(':').next()?.parse().ok()).unwrap_or(0);
        Ok(Place { name: name.clone(), dir, at, port, lun })
    }

    /// Every port of every hub, also those into which nothing is plugged.
    pub fn ports(&self) -> BTreeSet<PortPath> {
        let mut ports = BTreeSet::new();
        for name in names(&self.usb().join("devices")).unwrap_or_default() {
            let count = text(&self.usb().join("devices").join(&name), "maxchild").and_then(|n| n.parse::<u8>().ok());
            let begin = match name.strip_prefix("usb") {
                Some(bus) => format!("{bus}-"),
                None => format!("{name}."),
            };
            ports.extend((1..=count.unwrap_or(0)).filter_map(|n| PortPath::new(&format!("{begin}{n}"))));
        }
        ports
    }

    /// The other port of the same socket: one of the two is for USB 2, the other for USB 3.
    pub fn peer(&self, port: &PortPath) -> Option<PortPath> {
        let (hub, number) = match port.as_str().rsplit_once('.') {
            Some((hub, number)) => (hub.to_owned(), number),
            None => port.as_str().split_once('-').map(|(bus, number)| (format!("usb{bus}"), number))?,
        };
        // usb1/1-0:1.0/usb1-port4/peer and 1-4/1-4:1.0/1-4-port2/peer lead to directories called alike.
        let dir = self.usb().join("devices").join(&hub);
        let interface = names(&dir).ok()?.into_iter().find(|name| name.contains(':'))?;
        let peer = fs::read_link(dir.join(interface).join(format!("{hub}-port{number}")).join("peer")).ok()?;
        let (hub, number) = peer.file_name()?.to_str()?.rsplit_once("-port")?;
        PortPath::new(&match hub.strip_prefix("usb") {
            Some(bus) => format!("{bus}-{number}"),
            None => format!("{hub}.{number}"),
        })
    }

    /// What this box uses, by the kernel's lists.
    pub fn used(&self) -> Used {
        let read = |file| fs::read_to_string(self.proc.join(file)).unwrap_or_default();
        Used::parse(&read("self/mountinfo"), &read("swaps"))
    }
}

/// An interface that exists now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Live {
    /// `1-4.2:1.0`.
    pub name: String,
    /// `bInterfaceNumber`.
    pub number: u8,
    /// `bInterfaceClass` of the setting in force.
    pub class: u8,
    /// It may be used.
    pub awake: bool,
}

/// Where a disk stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its name.
    pub name: DiskName,
    /// Its directory, resolved.
    pub dir: PathBuf,
    /// The same, below `/sys/devices`.
    pub at: PathBuf,
    /// The port that it hangs on.
    pub port: PortPath,
    /// Logical unit.
    pub lun: u32,
}

impl Place {
    /// Names of its partitions.
    pub fn partitions(&self) -> Vec<String> {
        let mut parts = names(&self.dir).unwrap_or_default();
        parts.retain(|part| self.name.covers(part) && self.dir.join(part).join("partition").exists());
        parts.sort();
        parts
    }

    /// The kernel's number of this medium.
    pub fn seq(&self) -> Option<u64> {
        text(&self.dir, "diskseq")?.parse().ok()
    }

    /// `MAJOR:MINOR` of the disk.
    pub fn number(&self) -> Option<String> {
        text(&self.dir, "dev")
    }

    /// The disk and all its partitions refuse to be written.
    pub fn is_read_only(&self) -> bool {
        let refuses = |dir: &Path| text(dir, "ro").is_some_and(|v| v == "1");
        refuses(&self.dir) && self.partitions().iter().all(|part| refuses(&self.dir.join(part)))
    }
}

/// Devices that this box mounts or swaps to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Used {
    numbers: BTreeSet<String>,
    names: BTreeSet<String>,
}

impl Used {
    /// From `/proc/self/mountinfo` and `/proc/swaps` (proc(5)).
    pub fn parse(mountinfo: &str, swaps: &str) -> Self {
        let mut used = Self::default();
        for line in mountinfo.lines() {
            used.numbers.extend(line.split(' ').nth(2).map(str::to_owned));
            // Where a file system spans devices, the number is nobody's and only the source tells one of them.
            let source = line.split_once(" - ").and_then(|(_, rest)| rest.split(' ').nth(1));
            used.names.extend(source.and_then(device_name));
        }
        used.names.extend(swaps.lines().skip(1).filter_map(|l| l.split_whitespace().next()).filter_map(device_name));
        used
    }

    /// Whether the disk or a partition of it is mounted, swapped to, or part of another device (RAID, LVM, crypt).
    pub fn is_used(&self, place: &Place) -> bool {
        let held = |dir: &Path| names(&dir.join("holders")).is_ok_and(|holders| !holders.is_empty());
        let used = |name: &str, dir: &Path| {
            self.names.contains(name) || text(dir, "dev").is_some_and(|n| self.numbers.contains(&n)) || held(dir)
        };
        used(place.name.as_str(), &place.dir) || place.partitions().iter().any(|part| used(part, &place.dir.join(part)))
    }
}

fn device_name(path: &str) -> Option<String> {
    path.strip_prefix("/dev/").map(str::to_owned)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.len() <= 9 && text.bytes().all(|b| b.is_ascii_digit())
}

fn names(dir: &Path) -> io::Result<Vec<String>> {
    Ok(fs::read_dir(dir)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect())
}

/// One line of a file, bounded; `None` where there is none or it is empty.
fn text(dir: &Path, file: &str) -> Option<String> {
    let bytes = fs::read(dir.join(file)).ok()?;
    let text: String = String::from_utf8_lossy(&bytes).trim().chars().take(MAX_TEXT_CHARS).collect();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
pub(crate) mod tree;

#[cfg(test)]
mod tests {
    use super::tree::Tree;
    use super::*;

    #[test]
    fn one_look_tells_everything() {
        let tree = Tree::new();
        tree.root_hub(1).hub("1-4").stick("1-4.2", 5, "DSJ0042").disk("1-4.2", "sdb", 6, 0, 31_000_000, 41);
        tree.partition("sdb", 1);
        tree.keyboard("1-3", 6).internal_disk("sda");
        let told = |path: &Path| Told {
            settled: true,
            elsewhere: path.ends_with("1-3"),
            fs: path.ends_with("sdb1").then(|| "exfat".to_owned()),
            ..Told::default()
        };
        let look = tree.sysfs().look(&told).unwrap();
        let ports: Vec<&str> = look.devices.iter().map(|d| d.device.port.as_str()).collect();
        assert_eq!(ports, ["1-3", "1-4", "1-4.2"], "no root hub, no interface");
        assert!(look.devices[0].elsewhere && !look.devices[2].elsewhere);
        let stick = &look.devices[2];
        assert_eq!(stick.device.serial.as_deref(), Some("DSJ0042"));
        assert_eq!(stick.device.interfaces[0].class, 8);
        assert_eq!(stick.address, Address { bus: 1, device: 5 });
        assert_eq!((stick.authorised, stick.awake.as_slice()), (true, &[0][..]));
        let [disk] = look.disks.as_slice() else { panic!("the internal disk is none of ours: {look:?}") };
        assert_eq!((disk.id.name.as_str(), disk.id.seq, disk.port.as_str(), disk.lun), ("sdb", Some(41), "1-4.2", 0));
        assert_eq!(disk.size_bytes, 31_000_000 * 512);
        assert!(disk.settled && !disk.in_use);
        assert_eq!(disk.volumes[0].name, "sdb1");
        assert_eq!(disk.volumes[0].fs.as_deref(), Some("exfat"));
    }

    #[test]
    fn a_device_that_leaves_while_it_is_looked_at_is_left_out() {
        let tree = Tree::new();
        tree.root_hub(1).stick("1-1", 2, "A").stick("1-2", 3, "B");
        tree.remove_file("1-1", "devnum");
        let look = tree.sysfs().look(&|_| Told::default()).unwrap();
        assert_eq!(look.devices.len(), 1);
        assert!(Sysfs::at("/nonexistent", "/proc").look(&|_| Told::default()).is_err());
    }

    #[test]
    fn empty_ports_and_both_ports_of_a_socket_are_found() {
        let tree = Tree::new();
        tree.root_hub(1).root_hub(2).hub("1-4").stick("1-4.2", 5, "A");
        tree.ports("usb1", "1-0:1.0", 4).ports("usb2", "2-0:1.0", 4).ports("1-4", "1-4:1.0", 2);
        tree.peers("usb1", "1-0:1.0", "usb2", "2-0:1.0", 4);
        let ports: Vec<String> = tree.sysfs().ports().iter().map(PortPath::to_string).collect();
        assert_eq!(ports, ["1-1", "1-2", "1-3", "1-4", "1-4.1", "1-4.2", "2-1", "2-2", "2-3", "2-4"]);
        let peer = |at: &str| tree.sysfs().peer(&PortPath::new(at).unwrap()).map(|p| p.to_string());
        assert_eq!(peer("1-4").as_deref(), Some("2-4"));
        assert_eq!(peer("2-4").as_deref(), Some("1-4"));
        assert_eq!(peer("1-4.2"), None);
        assert_eq!(peer("9-1"), None);
    }

    #[test]
    fn names_of_disks_lead_nowhere_else() {
        for ok in ["sda", "sdz", "sdaa"] {
            assert!(DiskName::new(ok).is_some(), "{ok}");
        }
        for bad in ["", "sd", "sda1", "nvme0n1", "../sda", "sda/..", "sdA", "sd.", "dm-0", "loop0", "sdabcdefgh"] {
            assert!(DiskName::new(bad).is_none(), "{bad}");
        }
        let disk = DiskName::new("sdb").unwrap();
        assert!(disk.covers("sdb") && disk.covers("sdb12") && !disk.covers("sdba") && !disk.covers("sda1"));
    }

    #[test]
    fn only_disks_on_usb_have_a_place() {
        let tree = Tree::new();
        tree.root_hub(1).stick("1-1", 2, "A").disk("1-1", "sdb", 6, 1, 100, 7).internal_disk("sda");
        let place = |name| tree.sysfs().place(&DiskName::new(name).unwrap());
        let found = place("sdb").unwrap();
        assert_eq!((found.port.as_str(), found.lun, found.seq()), ("1-1", 1, Some(7)));
        assert!(place("sda").unwrap_err().to_string().contains("does not hang on USB"));
        assert!(place("sdc").is_err());
        // A directory that only looks like a port.
        tree.impostor_disk("sdd");
        assert!(place("sdd").is_err());
    }

    #[test]
    fn what_the_box_uses_is_nobody_elses() {
        let tree = Tree::new();
        tree.root_hub(1).stick("1-1", 2, "A").disk("1-1", "sdb", 6, 0, 100, 7);
        tree.partition("sdb", 1);
        let place = tree.sysfs().place(&DiskName::new("sdb").unwrap()).unwrap();
        let mounted = "22 1 8:17 / / rw,relatime shared:1 - ext4 /dev/sdb1 rw\n";
        let btrfs = "22 1 0:30 /@ / rw - btrfs /dev/sdb1 rw\n";
        let swap = "Filename\tType\tSize\tUsed\tPriority\n/dev/sdb1                 partition\t1\t0\t-2\n";
        let others = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n23 22 0:5 / /proc rw - proc proc rw\n";
        for (mounts, swaps, used) in
            [(mounted, "", true), (btrfs, "", true), ("", swap, true), (others, "", false), ("", "", false)]
        {
            assert_eq!(Used::parse(mounts, swaps).is_used(&place), used, "{mounts}{swaps}");
        }
        tree.holder("sdb", 1, "dm-0");
        assert!(Used::default().is_used(&place));
    }
}
