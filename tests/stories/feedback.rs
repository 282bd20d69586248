//! Feedback without a screen, in the real daemon: lamps as the kernel's LED class takes them (files stand in for it) and
//! a program that is run for each event.

#![allow(clippy::unwrap_used)] // In a test, failing is what it is for.

use crate::support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;
use support::station::{Station, dsj};

/// An LED as the kernel shows one that can blink.
fn led(dir: &Path, name: &str) {
    fs::create_dir_all(dir.join(name)).unwrap();
    for (attribute, value) in
        [("trigger", "none"), ("delay_on", ""), ("delay_off", ""), ("brightness", "1"), ("max_brightness", "1")]
    {
        fs::write(dir.join(name).join(attribute), value).unwrap();
    }
}

/// `off`, `on`, or `blink` with its half period.
fn shows(dir: &Path, name: &str) -> String {
    let read = |attribute: &str| fs::read_to_string(dir.join(name).join(attribute)).unwrap();
    match (read("trigger").as_str(), read("brightness").as_str()) {
        ("timer", _) => format!("blink {}", read("delay_on")),
        (_, "0") => "off".to_owned(),
        _ => "on".to_owned(),
    }
}

/// What the hook was told, by event.
fn told(station: &Station) -> Vec<(String, Value)> {
    let text = fs::read_to_string(station.path("told")).unwrap_or_default();
    let line = |line: &str| {
        let (name, document) = line.split_once(' ').unwrap();
        (name.to_owned(), serde_json::from_str(document).unwrap())
    };
    text.lines().map(line).collect()
}

fn count(station: &Station, event: &str) -> usize {
    told(station).iter().filter(|(name, _)| name == event).count()
}

#[test]
fn lamps_and_a_program_follow_a_recorder_through_its_stay() {
    let mut station = Station::new("");
    let leds = station.path("leds");
    ["one", "blue", "green", "red"].iter().for_each(|name| led(&leds, name));
    let hook = station.path("on-evidock");
    let script = format!(
        "#!/bin/sh\nread -r document\nprintf '%s %s\\n' \"$1\" \"$document\" >> {}\n",
        station.path("told").display()
    );
    fs::write(&hook, script).unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    // Long enough that a file which grows as fast as a busy machine lets it is not taken in between.
    station.configure(&format!(
        "=still_after_ms = 1500\n\
         [feedback]\nhook = [\"{}\"]\nled_dir = \"leds\"\n[[feedback.lamp]]\nbay = \"3\"\nled = \"one\"\n\
         [[feedback.lamp]]\nbay = \"4\"\nbusy = \"blue\"\nsafe = \"green\"\ntrouble = \"red\"\n\
         [[feedback.lamp]]\nbay = \"5\"\nled = \"nowhere\"\n",
        hook.display()
    ));
    station.start();
    station
        .until("every lamp is dark", |_| ["one", "blue", "green", "red"].iter().all(|led| shows(&leds, led) == "off"));
    station.until("the LED that does not exist is named", |s| s.log().contains("there is no LED nowhere"));

    // A file that grows for as long as we like keeps the bay busy.
    let card = station.card("3");
    card.file(dsj("36NCC009910", "090211"), "footage", 60).file(dsj("36NCC009910", "091211"), "a", 0);
    station.dock("3");
    let growing = station.docked("3").path(dsj("36NCC009910", "091211"));
    let mut grown = 0u64;
    station.until("the lamp blinks", |_| {
        grown += 1;
        fs::write(&growing, "a".repeat(grown as usize % 1000 + 1)).unwrap();
        shows(&leds, "one") == "blink 500"
    });
    station.until_safe("3");
    station.until("the lamp is lit", |_| shows(&leds, "one") == "on");
    station.until("all of it is told", |s| count(s, "safe") >= 1 && count(s, "proven") >= 2 && count(s, "sealed") >= 2);
    station.undock("3");
    station.until("the lamp is dark", |_| shows(&leds, "one") == "off");
    assert_eq!((count(&station, "docked"), count(&station, "pulled_early")), (1, 0), "{:?}", told(&station));

    // Taken too early, from a bay with three colours.
    station.card("4").file(dsj("36NCC009874", "090211"), "more", 60).file(dsj("36NCC009874", "091211"), "a", 0);
    station.dock("4");
    let growing = station.docked("4").path(dsj("36NCC009874", "091211"));
    station.until("the blue lamp blinks", |s| {
        grown += 1;
        fs::write(&growing, "a".repeat(grown as usize % 1000 + 1)).unwrap();
        shows(&leds, "blue") == "blink 500" && count(s, "docked") == 2
    });
    assert_eq!(["green", "red"].map(|led| shows(&leds, led)), ["off", "off"]);
    station.pull("4");
    station.until("that it was too early is told", |s| count(s, "pulled_early") == 1);

    for (name, document) in told(&station) {
        assert_eq!((&document["event"], &document["station"]), (&name.into(), &"test-01".into()), "{document}");
        let text = document.to_string();
        assert!(!text.contains("36NCC") && !text.contains("DSJ") && document["at"].is_string(), "{text}");
    }
    // No lamp says that a recorder may go while nobody looks.
    station.card("3b").file(dsj("36NCC010022", "090211"), "last", 60);
    fs::rename(station.path("cards/3b"), station.path("state/docks/3")).ok();
    station.until_safe("3");
    station.until("the lamp is lit", |_| shows(&leds, "one") == "on");
    station.stop();
    assert_eq!(shows(&leds, "one"), "off");
    assert_eq!(count(&station, "pulled_early"), 1, "what leaves with the daemon was not pulled");
}
