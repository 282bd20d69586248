//! Names of objects as components of a path: pure.
//!
//! A name is the recorder's: UTF-16, up to 255 units, any of them. Objects stand under handles, not under names, so two
//! in one folder may bear the same name, or one that would not be a component. Both are listed, told apart by what stays
//! the same from dock to dock. Handles do not: a recorder may give new ones each time it starts.

use std::collections::{BTreeMap, BTreeSet};

/// What tells a child of a folder from its siblings.
#[derive(Debug, Clone, Copy)]
pub struct Child<'a> {
    /// Its name in UTF-16 units.
    pub name: &'a [u16],
    /// When it was made, as the recorder writes it; may be empty.
    pub created: &'a str,
    /// When it was last changed, as the recorder writes it; may be empty.
    pub modified: &'a str,
    /// Only decides between those that are alike in everything else.
    pub handle: u32,
}

/// A component of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Its bytes: UTF-8, where the name's UTF-16 was whole.
    pub component: Vec<u8>,
    /// No sibling bears the same name.
    pub alone: bool,
}

/// Names the children of one folder, in their order; all components differ.
///
/// Of several with one name the oldest keeps it, and the others get `~` and eight digits before their extension. The
/// digits come from the time of creation, because that of modification and the length change while a recorder writes;
/// where no creation is told, from the modification.
pub fn name(children: &[Child<'_>]) -> Vec<Named> {
    let plain: Vec<Vec<u8>> = children.iter().map(|c| component(c.name)).collect();
    let mut groups: BTreeMap<&[u8], Vec<usize>> = BTreeMap::new();
    for (i, name) in plain.iter().enumerate() {
        groups.entry(name).or_default().push(i);
    }
    let mut taken: BTreeSet<Vec<u8>> = plain.iter().cloned().collect();
    let mut named: Vec<Named> = plain.iter().map(|c| Named { component: c.clone(), alone: true }).collect();
    for group in groups.values_mut().filter(|group| group.len() > 1) {
        group.sort_by_key(|i| (children[*i].created, children[*i].modified, children[*i].handle));
        for (rank, i) in group.iter().enumerate() {
            named[*i].alone = false;
            if rank == 0 {
                continue;
            }
            let child = &children[*i];
            let told = if child.created.is_empty() { child.modified } else { child.created };
            let mark = blake3::hash(told.as_bytes()).to_hex();
            let mut suffix = format!("~{}", &mark[..8]);
            let mut n = 1;
            let unique = loop {
                let tried = with_suffix(&plain[*i], suffix.as_bytes());
                if taken.insert(tried.clone()) {
                    break tried;
                }
                n += 1;
                suffix = format!("~{}-{n}", &mark[..8]);
            };
            named[*i].component = unique;
        }
    }
    named
}

/// One name as a component: what would separate components or lead elsewhere is written as `%` and its code. Half
/// surrogate pairs, which recorders that cut names leave behind, become the three bytes that UTF-8 would have for
/// them, so that different names stay different.
pub fn component(units: &[u16]) -> Vec<u8> {
    let units = units.split(|u| *u == 0).next().unwrap_or_default();
    let mut bytes = Vec::with_capacity(units.len());
    for decoded in char::decode_utf16(units.iter().copied()) {
        match decoded {
            Ok('/') => bytes.extend_from_slice(b"%2F"),
            Ok(c) => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            Err(half) => {
                let [high, low] = half.unpaired_surrogate().to_be_bytes();
                bytes.extend([0xe0 | (high >> 4), 0x80 | ((high & 0xf) << 2) | (low >> 6), 0x80 | (low & 0x3f)]);
            }
        }
    }
    match bytes.as_slice() {
        b"" => b"%".to_vec(),
        b"." => b"%2E".to_vec(),
        b".." => b"%2E%2E".to_vec(),
        _ => bytes,
    }
}

fn with_suffix(name: &[u8], suffix: &[u8]) -> Vec<u8> {
    let dot = name.iter().rposition(|b| *b == b'.').filter(|at| *at > 0).unwrap_or(name.len());
    [&name[..dot], suffix, &name[dot..]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(text: &str) -> Vec<u16> {
        text.encode_utf16().collect()
    }

    #[test]
    fn components_never_lead_elsewhere() {
        let table: [(&[u16], &[u8]); 9] = [
            (&units("执法 1.MP4"), "执法 1.MP4".as_bytes()),
            (&units(""), b"%"),
            (&units("."), b"%2E"),
            (&units(".."), b"%2E%2E"),
            (&units("..."), b"..."),
            (&units("../etc/passwd"), b"..%2Fetc%2Fpasswd"),
            (&units("a\nb"), b"a\nb"),
            (&[0x61, 0, 0x62], b"a"),
            (&[0x61, 0xd83d], b"a\xed\xa0\xbd"),
        ];
        for (name, want) in table {
            assert_eq!(component(name), want, "{name:x?}");
        }
        assert_ne!(component(&[0xdc00]), component(&[0xdc01]));
    }

    fn names(children: &[(&str, &str, &str, u32)]) -> Vec<String> {
        let names: Vec<Vec<u16>> = children.iter().map(|c| units(c.0)).collect();
        let children: Vec<Child<'_>> = children
            .iter()
            .zip(&names)
            .map(|(c, name)| Child { name, created: c.1, modified: c.2, handle: c.3 })
            .collect();
        name(&children).into_iter().map(|n| String::from_utf8(n.component).unwrap()).collect()
    }

    #[test]
    fn the_oldest_keeps_the_name_whatever_its_handle() {
        let (old, new) = ("20260101T000000", "20260202T000000");
        let one = names(&[("a.mp4", old, "", 7), ("a.mp4", new, "", 8), ("b.mp4", old, "", 9)]);
        assert_eq!(one[0], "a.mp4");
        assert_eq!(one[2], "b.mp4");
        assert!(one[1].starts_with("a~") && one[1].ends_with(".mp4") && one[1].len() == "a~12345678.mp4".len());
        let other_handles = names(&[("a.mp4", new, "", 1), ("a.mp4", old, "", 2)]);
        assert_eq!(other_handles, [one[1].clone(), one[0].clone()]);
        // A later one coming or going renames nobody.
        let three = names(&[("a.mp4", old, "", 1), ("a.mp4", new, "", 2), ("a.mp4", "20260303T000000", "", 3)]);
        assert_eq!(three[..2], one[..2]);
    }

    #[test]
    fn those_alike_in_everything_are_still_told_apart() {
        let told = names(&[("x", "", "", 3), ("x", "", "", 1), ("x", "", "", 2), (".x", "", "", 4), (".x", "", "", 5)]);
        let unique: BTreeSet<&String> = told.iter().collect();
        assert_eq!(unique.len(), 5, "{told:?}");
        assert_eq!((told[1].as_str(), told[3].as_str()), ("x", ".x"));
    }

    proptest::proptest! {
        #[test]
        fn components_are_unique_and_stay_in_their_folder(
            children in proptest::collection::vec((proptest::collection::vec(proptest::num::u16::ANY, 0..3), "[ab]?"), 0..40)
        ) {
            let children: Vec<Child<'_>> = children
                .iter()
                .zip(0..)
                .map(|((name, created), handle)| Child { name, created, modified: "", handle })
                .collect();
            let named = name(&children);
            let unique: BTreeSet<&Vec<u8>> = named.iter().map(|n| &n.component).collect();
            proptest::prop_assert_eq!(unique.len(), named.len());
            for n in &named {
                let c = n.component.as_slice();
                proptest::prop_assert!(!c.is_empty() && c != b"." && c != b".." && !c.contains(&b'/') && !c.contains(&0));
            }
        }
    }
}
