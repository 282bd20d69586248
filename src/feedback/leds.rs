//! Writes patterns to LEDs of the kernel (Documentation/leds/leds-class.rst): `brightness`, `trigger`, and of the `timer`
//! trigger `delay_on` and `delay_off`. Decides nothing, and forgets nothing it failed to write: that is tried again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::lamp::Pattern;

/// What became of the LEDs at the last writing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults {
    /// Names that do not exist.
    pub missing: BTreeSet<String>,
    /// Those that refuse, in the system's words.
    pub refusing: BTreeMap<String, String>,
    /// Those that cannot blink.
    pub steady: BTreeSet<String>,
}

impl Faults {
    /// Nothing is wrong.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The LEDs below one directory.
#[derive(Debug)]
pub struct Leds {
    dir: PathBuf,
    shown: BTreeMap<String, (Pattern, bool)>,
}

impl Leds {
    /// Nothing is written yet, whatever they show now.
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), shown: BTreeMap::new() }
    }

    /// Shows these patterns; writes only what changed. Blocks.
    pub fn show<'a>(&mut self, patterns: impl IntoIterator<Item = (&'a str, Pattern)>) -> Faults {
        let mut faults = Faults::default();
        for (name, pattern) in patterns {
            let led = self.dir.join(name);
            let blinks = match self.shown.get(name) {
                // An LED can go (an expander on USB) and come back dark.
                Some((shown, blinks)) if *shown == pattern && led.exists() => Ok(*blinks),
                _ => write(&led, pattern),
            };
            match blinks {
                Ok(blinks) => {
                    if !blinks {
                        faults.steady.insert(name.to_owned());
                    }
                    self.shown.insert(name.to_owned(), (pattern, blinks));
                }
                Err(e) => {
                    self.shown.remove(name);
                    if e.kind() == io::ErrorKind::NotFound && !led.exists() {
                        faults.missing.insert(name.to_owned());
                    } else {
                        faults.refusing.insert(name.to_owned(), e.to_string());
                    }
                }
            }
        }
        faults
    }
}

/// `false` where the pattern is to blink and the LED cannot.
fn write(led: &Path, pattern: Pattern) -> io::Result<bool> {
    match pattern {
        Pattern::Off => steady(led, false).map(|()| true),
        Pattern::On => steady(led, true).map(|()| true),
        Pattern::Blink { half_ms, else_on } => {
            let half = half_ms.to_string();
            // The delays exist only under the trigger, and belong to root where no udev rule says otherwise.
            let blinks = set(led, "trigger", "timer")
                .and_then(|()| set(led, "delay_on", &half))
                .and_then(|()| set(led, "delay_off", &half));
            match blinks {
                Ok(()) => Ok(true),
                Err(_) => steady(led, else_on).map(|()| false),
            }
        }
    }
}

fn steady(led: &Path, on: bool) -> io::Result<()> {
    // An LED without triggers has no such file, and needs none.
    match set(led, "trigger", "none") {
        Err(e) if e.kind() == io::ErrorKind::NotFound && led.exists() => {}
        other => other?,
    }
    let most = fs::read_to_string(led.join("max_brightness")).unwrap_or_default();
    let most = most.trim().parse::<u32>().unwrap_or(1).max(1);
    set(led, "brightness", &if on { most } else { 0 }.to_string())
}

/// Writes into an attribute that exists: never makes a file.
fn set(led: &Path, attribute: &str, value: &str) -> io::Result<()> {
    use std::io::Write;
    let mut file = fs::OpenOptions::new().write(true).truncate(true).open(led.join(attribute))?;
    file.write_all(value.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn led(dir: &Path, name: &str, attributes: &[(&str, &str)]) -> PathBuf {
        let led = dir.join(name);
        fs::create_dir(&led).unwrap();
        for (attribute, value) in attributes {
            fs::write(led.join(attribute), value).unwrap();
        }
        led
    }

    fn read(led: &Path) -> Vec<String> {
        ["trigger", "delay_on", "delay_off", "brightness"]
            .map(|a| fs::read_to_string(led.join(a)).unwrap_or_else(|_| "-".into()))
            .to_vec()
    }

    #[test]
    fn patterns_are_written_as_the_kernel_takes_them() {
        let dir = tempfile::tempdir().unwrap();
        let whole = [
            ("trigger", "none"),
            ("delay_on", ""),
            ("delay_off", ""),
            ("brightness", "7"),
            ("max_brightness", "255\n"),
        ];
        let full = led(dir.path(), "full", &whole);
        let plain = led(dir.path(), "plain", &[("brightness", "0")]);
        let mut leds = Leds::new(dir.path());
        let blink = |else_on| Pattern::Blink { half_ms: 100, else_on };
        let table = [
            (Pattern::On, ["none", "", "", "255"], "1", &[][..]),
            (blink(true), ["timer", "100", "100", "255"], "1", &["plain"]),
            (Pattern::Off, ["none", "100", "100", "0"], "0", &[]),
            (blink(false), ["timer", "100", "100", "0"], "0", &["plain"]),
        ];
        for (pattern, wanted, of_plain, steady) in table {
            let faults = leds.show([("full", pattern), ("plain", pattern)]);
            assert_eq!(read(&full), wanted, "{pattern:?}");
            assert_eq!(read(&plain), ["-", "-", "-", of_plain], "{pattern:?}");
            assert_eq!(faults.steady.iter().map(String::as_str).collect::<Vec<_>>(), steady, "{pattern:?}");
            assert!(faults.missing.is_empty() && faults.refusing.is_empty(), "{faults:?}");
            assert_eq!(leds.show([("full", pattern), ("plain", pattern)]), faults, "said again while it is so");
        }
    }

    #[test]
    fn an_led_that_is_not_there_is_told_and_taken_up_when_it_comes() {
        let dir = tempfile::tempdir().unwrap();
        let mut leds = Leds::new(dir.path());
        let faults = leds.show([("late", Pattern::On)]);
        assert_eq!(faults.missing.into_iter().collect::<Vec<_>>(), ["late"]);
        assert!(!dir.path().join("late").exists(), "nothing is made");
        let late = led(dir.path(), "late", &[("trigger", "x"), ("brightness", "0"), ("max_brightness", "1")]);
        assert!(leds.show([("late", Pattern::On)]).is_empty());
        assert_eq!(read(&late)[3], "1");
        // Only what changed is written.
        fs::write(late.join("brightness"), "touched").unwrap();
        leds.show([("late", Pattern::On)]);
        assert_eq!(read(&late)[3], "touched");
        fs::remove_file(late.join("brightness")).unwrap();
        fs::create_dir(late.join("brightness")).unwrap();
        assert_eq!(leds.show([("late", Pattern::Off)]).refusing.len(), 1);
    }
}
