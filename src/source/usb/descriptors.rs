//! The descriptors of a device as the kernel read them (`/sys/bus/usb/devices/*/descriptors`, readable also while the
//! device is not authorised): pure. The bytes are the device's own and may say anything; reading them takes no more
//! memory than [`MAX_INTERFACES`] allows and stops at the first length that cannot be.
//!
//! The file is the device descriptor, then each configuration with everything that belongs to it (USB 2.0, 9.5 and
//! 9.6; each descriptor begins with its length and its type).

use super::device::Interface;

/// Longest file that is looked at. The kernel reads at most 8 configurations of 65,535 bytes; what a recorder has
/// stays below 300.
pub const MAX_BYTES: usize = 1 << 19;
/// Interfaces with their alternate settings that are kept; USB allows 32 interfaces a configuration, Linux 8
/// configurations.
pub const MAX_INTERFACES: usize = 256;

/// USB 2.0, table 9-5; an interface descriptor is nine bytes long (table 9-12).
const TYPE_INTERFACE: u8 = 4;

/// Every interface of every configuration, alternate settings too, each combination once.
pub fn interfaces(bytes: &[u8]) -> Vec<Interface> {
    let mut found: Vec<Interface> = Vec::new();
    let mut rest = &bytes[..bytes.len().min(MAX_BYTES)];
    // A length below two would stand still; one beyond the end is no descriptor.
    while let Some(one) =
        rest.first().filter(|length| **length >= 2).and_then(|length| rest.get(..usize::from(*length)))
    {
        if let &[_, TYPE_INTERFACE, number, _, _, class, subclass, protocol, _, ..] = one {
            let interface = Interface { number, class, subclass, protocol };
            if found.len() < MAX_INTERFACES && !found.contains(&interface) {
                found.push(interface);
            }
        }
        rest = &rest[one.len()..];
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::source::usb::device::{CLASS_MASS_STORAGE, CLASS_STILL_IMAGE};

    const DEVICE: [u8; 18] = [18, 1, 0, 2, 0, 0, 0, 64, 0x81, 0x07, 0x81, 0x55, 0, 1, 1, 2, 3, 1];

    fn interface(number: u8, alternate: u8, class: u8, subclass: u8, protocol: u8) -> [u8; 9] {
        [9, 4, number, alternate, 2, class, subclass, protocol, 0]
    }

    fn configuration(interfaces: &[[u8; 9]]) -> Vec<u8> {
        let mut bytes = vec![9, 2, 0, 0, interfaces.len() as u8, 1, 0, 0x80, 50];
        for one in interfaces {
            bytes.extend_from_slice(one);
            bytes.extend_from_slice(&[7, 5, 0x81, 2, 0, 2, 0]);
            bytes.extend_from_slice(&[7, 5, 0x02, 2, 0, 2, 0]);
        }
        bytes
    }

    #[test]
    fn a_stick_a_keyboard_and_something_of_both() {
        let stick = [&DEVICE[..], &configuration(&[interface(0, 0, 8, 6, 0x50)])].concat();
        assert_eq!(
            interfaces(&stick),
            [Interface { number: 0, class: CLASS_MASS_STORAGE, subclass: 6, protocol: 0x50 }]
        );
        // UAS stands as an alternate setting beside bulk-only; a second configuration offers MTP.
        let both = [
            &DEVICE[..],
            &configuration(&[interface(0, 0, 8, 6, 0x50), interface(0, 1, 8, 6, 0x62), interface(1, 0, 3, 1, 1)]),
            &configuration(&[interface(0, 0, 6, 1, 1)]),
        ]
        .concat();
        let classes: Vec<(u8, u8)> = interfaces(&both).iter().map(|i| (i.number, i.class)).collect();
        assert_eq!(classes, [(0, 8), (0, 8), (1, 3), (0, CLASS_STILL_IMAGE)]);
    }

    #[test]
    fn what_cannot_be_ends_the_reading() {
        let good = configuration(&[interface(0, 0, 8, 6, 0x50)]);
        for tail in [&[0u8, 4, 9, 9, 9, 9, 9, 9, 9][..], &[1, 4], &[200, 4, 1], &[9], &[9, 4, 1]] {
            let bytes = [&DEVICE[..], &good, tail].concat();
            assert_eq!(interfaces(&bytes).len(), 1, "{tail:?}");
        }
        // Too short for an interface, and yet a descriptor: passed over.
        let short = [&[5u8, 4, 7, 0, 0][..], &good].concat();
        assert_eq!(interfaces(&short).len(), 1);
        assert!(interfaces(&[]).is_empty());
    }

    proptest! {
        #[test]
        fn nothing_that_a_device_says_takes_us_far(bytes in prop::collection::vec(prop_oneof![Just(9u8), Just(4), any::<u8>()], 0..4096)) {
            let found = interfaces(&bytes);
            prop_assert!(found.len() <= MAX_INTERFACES);
            prop_assert!(found.len() * 9 <= bytes.len());
        }

        #[test]
        fn cutting_takes_away_and_never_invents(cut in 0usize..200) {
            let whole = [&DEVICE[..], &configuration(&[interface(0, 0, 8, 6, 0x50), interface(1, 0, 3, 1, 1)])].concat();
            let part = interfaces(&whole[..cut.min(whole.len())]);
            prop_assert!(interfaces(&whole).starts_with(&part));
        }
    }
}
