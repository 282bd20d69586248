//! Which port is which bay: pure.

use super::device::PortPath;
use crate::config::UsbBay;

/// Longest name of a bay that what stands below it is added to; a bay's name has room for 64 characters.
const MAX_BASE_CHARS: usize = 44;

/// The bays of this station.
#[derive(Debug, Clone, Default)]
pub struct Bays(Vec<UsbBay>);

impl Bays {
    /// As configured; without any, every port is a bay.
    pub fn new(bays: &[UsbBay]) -> Self {
        Self(bays.to_vec())
    }

    /// Whether someone said which ports are bays: all others are then none of our business, and inside a bay
    /// nothing may live that was not let in.
    pub fn are_listed(&self) -> bool {
        !self.0.is_empty()
    }

    /// The bay that a port is, or belongs to through a hub (`3/2.1`); `None` where it is no bay.
    pub fn name(&self, port: &PortPath) -> Option<String> {
        if self.0.is_empty() {
            return Some(port.to_string());
        }
        let below = self.0.iter().filter_map(|bay| Some((bay, port.below(&bay.port)?)));
        let (bay, rest) = below.min_by_key(|(_, rest)| rest.len())?;
        if rest.is_empty() {
            return Some(bay.name.to_string());
        }
        let base: String = bay.name.as_str().chars().take(MAX_BASE_CHARS).collect();
        Some(format!("{base}/{rest}"))
    }

    /// Whether a hub in this port leads to a bay.
    pub fn leads_to_one(&self, port: &PortPath) -> bool {
        self.name(port).is_some() || self.0.iter().any(|bay| bay.port.below(port).is_some())
    }
}

/// A bay's name for one of several cards of a recorder: `3`, `3.2`, `3.3`.
pub fn unit_name(bay: &str, lun: u32) -> String {
    if lun == 0 { bay.to_owned() } else { format!("{bay}.{}", lun.saturating_add(1)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::BayName;

    fn port(text: &str) -> PortPath {
        PortPath::new(text).unwrap()
    }

    #[test]
    fn ports_become_bays() {
        let bay = |name: &str, at: &str| UsbBay { name: BayName::new(name).unwrap(), port: port(at) };
        let bays = Bays::new(&[bay("3", "1-4.2"), bay("3", "2-4.2"), bay("dock", "1-5"), bay("5号", "1-5.1")]);
        for (at, name) in [
            ("1-4.2", Some("3")),
            ("2-4.2", Some("3")),
            ("1-4", None),
            ("1-4.22", None),
            ("1-5", Some("dock")),
            ("1-5.2.1", Some("dock/2.1")),
            ("1-5.1", Some("5号")),
            ("1-5.1.3", Some("5号/3")),
        ] {
            assert_eq!(bays.name(&port(at)).as_deref(), name, "{at}");
        }
        assert!(
            bays.leads_to_one(&port("1-4")) && bays.leads_to_one(&port("1-5.2")) && !bays.leads_to_one(&port("1-6"))
        );
        let any = Bays::default();
        assert_eq!(any.name(&port("1-4")).as_deref(), Some("1-4"));
        assert!(any.leads_to_one(&port("1-9")) && !any.are_listed());
    }

    #[test]
    fn names_stay_names_of_bays() {
        let long = UsbBay { name: BayName::new(&"长".repeat(64)).unwrap(), port: port("1-1") };
        let name = Bays::new(&[long]).name(&port("1-1.2.3.4.5.6.7")).unwrap();
        assert!(BayName::new(&unit_name(&name, 15)).is_ok(), "{name}");
        assert_eq!([unit_name("3", 0), unit_name("3", 1)], ["3", "3.2"]);
    }
}
