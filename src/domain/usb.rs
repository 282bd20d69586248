//! Where on USB something is plugged in: pure.

use std::fmt;

/// Where a device is plugged in, as the kernel names it: bus, then the chain of ports (`1-4.2`). Stable for a socket
/// as long as the wiring of the box stays.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortPath(String);

impl PortPath {
    /// `BUS-PORT[.PORT]*`, each a number; anything else is `None`.
    pub fn new(text: &str) -> Option<Self> {
        let (bus, ports) = text.split_once('-')?;
        let number = |s: &str| !s.is_empty() && s.len() <= 3 && s.bytes().all(|b| b.is_ascii_digit());
        (number(bus) && ports.split('.').all(number) && ports.split('.').count() <= 7).then(|| Self(text.to_owned()))
    }

    /// The kernel's name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where this port stands below `above`: `Some("")` at the same place, `Some("2.1")` further down.
    pub fn below(&self, above: &PortPath) -> Option<&str> {
        let rest = self.0.strip_prefix(above.as_str())?;
        if rest.is_empty() { Some(rest) } else { rest.strip_prefix('.') }
    }

    /// Whether a hub stands between this port and the box.
    pub fn is_behind_hub(&self) -> bool {
        self.0.contains('.')
    }
}

impl fmt::Display for PortPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_what_the_kernel_calls_them() {
        for ok in ["1-4", "2-1.3", "12-1.2.3.4.5.6.7"] {
            assert_eq!(PortPath::new(ok).unwrap().as_str(), ok);
        }
        for bad in
            ["", "1", "1-", "-1", "usb1", "1-4:1.0", "1-4.", "1-4..2", "1-a", "1-4/../..", "1-1.2.3.4.5.6.7.8", "1-4 "]
        {
            assert!(PortPath::new(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_port_stands_below_another_by_whole_numbers() {
        let port = |text| PortPath::new(text).unwrap();
        assert_eq!(port("1-4").below(&port("1-4")), Some(""));
        assert_eq!(port("1-4.2.1").below(&port("1-4")), Some("2.1"));
        assert_eq!(port("1-42").below(&port("1-4")), None);
        assert_eq!(port("1-4").below(&port("1-4.2")), None);
        assert!(port("1-4.2").is_behind_hub() && !port("1-4").is_behind_hub());
    }
}
