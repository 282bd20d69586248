//! A tree that looks like `/sys` and `/proc`, for tests: what the kernel would show of hubs, sticks, keyboards and
//! disks, with links where the kernel has links.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::Sysfs;

/// The tree; gone when dropped.
pub(crate) struct Tree {
    dir: tempfile::TempDir,
}

const CONTROLLER: &str = "devices/pci0000:00/0000:00:14.0";

impl Tree {
    pub fn new() -> Self {
        let tree = Self { dir: tempfile::tempdir().unwrap() };
        for dir in ["sys/bus/usb/devices", "sys/class/block", "sys/devices", "proc/self", "dev/bus/usb"] {
            fs::create_dir_all(tree.dir.path().join(dir)).unwrap();
        }
        tree.write("sys/bus/usb/drivers_probe", "");
        tree
    }

    pub fn sysfs(&self) -> Sysfs {
        Sysfs::at(self.dir.path().join("sys"), self.dir.path().join("proc"))
    }

    pub fn dev(&self) -> PathBuf {
        self.dir.path().join("dev")
    }

    pub fn sys(&self, path: &str) -> PathBuf {
        self.dir.path().join("sys").join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn mounts(&self, mountinfo: &str) {
        self.write("proc/self/mountinfo", mountinfo);
    }

    /// `devices/.../usb1/1-4/1-4.2` of `1-4.2`.
    fn place(port: &str) -> String {
        let (bus, chain) = port.split_once('-').unwrap();
        let mut path = format!("{CONTROLLER}/usb{bus}");
        let hops: Vec<&str> = chain.split('.').collect();
        for n in 1..=hops.len() {
            path.push_str(&format!("/{bus}-{}", hops[..n].join(".")));
        }
        path
    }

    pub fn root_hub(&self, bus: u8) -> &Self {
        let at = format!("{CONTROLLER}/usb{bus}");
        self.attributes(
            &at,
            &[("idVendor", "1d6b"), ("idProduct", "0002"), ("busnum", &bus.to_string()), ("devnum", "1")],
        );
        self.attributes(
            &at,
            &[("authorized", "1"), ("authorized_default", "1"), ("interface_authorized_default", "1")],
        );
        self.link_usb(&at, &format!("usb{bus}"));
        self
    }

    fn attributes(&self, at: &str, attributes: &[(&str, &str)]) {
        for (name, value) in attributes {
            self.write(&format!("sys/{at}/{name}"), &format!("{value}\n"));
        }
    }

    fn link_usb(&self, at: &str, name: &str) {
        let link = self.sys("bus/usb/devices").join(name);
        let _ = fs::remove_file(&link);
        symlink(self.sys(at), link).unwrap();
        let subsystem = self.sys(at).join("subsystem");
        if !subsystem.exists() {
            symlink(self.sys("bus/usb"), subsystem).unwrap();
        }
    }

    /// A device with interfaces `(number, class)`.
    pub fn device(&self, port: &str, number: u16, serial: &str, interfaces: &[(u8, u8)]) -> &Self {
        let at = Self::place(port);
        let bus = port.split_once('-').unwrap().0;
        self.attributes(
            &at,
            &[
                ("idVendor", "0781"),
                ("idProduct", "5581"),
                ("busnum", bus),
                ("devnum", &number.to_string()),
                ("manufacturer", "Maker"),
                ("product", "Recorder"),
                ("serial", serial),
                ("authorized", "1"),
            ],
        );
        let mut descriptors =
            vec![18u8, 1, 0, 2, 0, 0, 0, 64, 0x81, 0x07, 0x81, 0x55, 0, 1, 1, 2, 3, 1, 9, 2, 0, 0, 1, 1, 0, 0x80, 50];
        for (number, class) in interfaces {
            descriptors.extend_from_slice(&[9, 4, *number, 0, 2, *class, 0, 0, 0]);
            let name = format!("{port}:1.{number}");
            let inner = format!("{at}/{name}");
            self.attributes(
                &inner,
                &[
                    ("bInterfaceNumber", &format!("{number:02x}")),
                    ("bInterfaceClass", &format!("{class:02x}")),
                    ("authorized", "1"),
                ],
            );
            self.link_usb(&inner, &name);
        }
        fs::write(self.sys(&at).join("descriptors"), descriptors).unwrap();
        self.link_usb(&at, port);
        let node = self.dev().join(format!("bus/usb/{:03}", bus.parse::<u16>().unwrap()));
        fs::create_dir_all(&node).unwrap();
        fs::write(node.join(format!("{number:03}")), b"usbfs").unwrap();
        self
    }

    pub fn hub(&self, port: &str) -> &Self {
        self.device(port, 2, "", &[(0, 9)])
    }

    pub fn stick(&self, port: &str, number: u16, serial: &str) -> &Self {
        self.device(port, number, serial, &[(0, 8)])
    }

    pub fn keyboard(&self, port: &str, number: u16) -> &Self {
        self.device(port, number, "", &[(0, 3), (1, 3)])
    }

    /// What is plugged in and not let in: no interfaces yet.
    pub fn unauthorised(&self, port: &str) -> &Self {
        self.attributes(&Self::place(port), &[("authorized", "0")]);
        for interface in self.sysfs().interfaces(&super::PortPath::new(port).unwrap()) {
            fs::write(self.sys("bus/usb/devices").join(interface.name).join("authorized"), "0\n").unwrap();
        }
        self
    }

    pub fn read(&self, port: &str, file: &str) -> String {
        fs::read_to_string(self.sys("bus/usb/devices").join(port).join(file)).unwrap().trim().to_owned()
    }

    pub fn remove_file(&self, port: &str, file: &str) {
        fs::remove_file(self.sys("bus/usb/devices").join(port).join(file)).unwrap();
    }

    pub fn disk(&self, port: &str, name: &str, host: u32, lun: u32, sectors: u64, seq: u64) -> &Self {
        let at = format!("{}/{port}:1.0/host{host}/target{host}:0:0/{host}:0:0:{lun}/block/{name}", Self::place(port));
        self.block(&at, name, sectors, seq)
    }

    pub fn internal_disk(&self, name: &str) -> &Self {
        self.block(
            &format!("devices/pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0/block/{name}"),
            name,
            1000,
            1,
        )
    }

    /// Below a directory that is called like a port and is no USB device.
    pub fn impostor_disk(&self, name: &str) -> &Self {
        self.block(&format!("devices/platform/usb1/1-1/host9/target9:0:0/9:0:0:0/block/{name}"), name, 1000, 1)
    }

    fn block(&self, at: &str, name: &str, sectors: u64, seq: u64) -> &Self {
        let minor = u32::from(name.as_bytes()[2] - b'a') * 16;
        self.attributes(
            at,
            &[
                ("size", &sectors.to_string()),
                ("diskseq", &seq.to_string()),
                ("dev", &format!("8:{minor}")),
                ("ro", "0"),
            ],
        );
        let link = self.sys("class/block").join(name);
        let _ = fs::remove_file(&link);
        symlink(self.sys(at), link).unwrap();
        fs::write(self.dev().join(name), vec![0u8; 4096]).unwrap();
        self
    }

    pub fn partition(&self, disk: &str, number: u32) -> &Self {
        let at = fs::canonicalize(self.sys("class/block").join(disk)).unwrap().join(format!("{disk}{number}"));
        fs::create_dir_all(at.join("holders")).unwrap();
        let minor = u32::from(disk.as_bytes()[2] - b'a') * 16 + number;
        for (file, text) in [("partition", number.to_string()), ("dev", format!("8:{minor}")), ("ro", "0".to_owned())] {
            fs::write(at.join(file), text).unwrap();
        }
        symlink(&at, self.sys("class/block").join(format!("{disk}{number}"))).unwrap();
        self
    }

    /// A hub's ports, with a directory for each.
    pub fn ports(&self, hub: &str, interface: &str, count: u32) -> &Self {
        let at = fs::canonicalize(self.sys("bus/usb/devices").join(hub)).unwrap();
        fs::write(at.join("maxchild"), count.to_string()).unwrap();
        for n in 1..=count {
            fs::create_dir_all(at.join(interface).join(format!("{hub}-port{n}"))).unwrap();
        }
        self
    }

    /// Two ports that are one socket.
    pub fn peers(&self, hub: &str, interface: &str, other: &str, others: &str, number: u32) {
        let port = |hub: &str, interface: &str| {
            let at = fs::canonicalize(self.sys("bus/usb/devices").join(hub)).unwrap();
            at.join(interface).join(format!("{hub}-port{number}"))
        };
        symlink(port(other, others), port(hub, interface).join("peer")).unwrap();
        symlink(port(hub, interface), port(other, others).join("peer")).unwrap();
    }

    pub fn holder(&self, disk: &str, number: u32, holder: &str) {
        let part = self.sys("class/block").join(format!("{disk}{number}"));
        fs::write(part.join("holders").join(holder), "").unwrap();
    }
}
