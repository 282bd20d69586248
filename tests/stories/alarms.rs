//! Alarms as those are told of them who are not at the station: by webhook, whose signature the reference library checks, and by
//! e-mail; over receivers that fail, a killed daemon and a destination that goes and comes back.

#![allow(clippy::unwrap_used)] // In a test, failing is what it is for.

use crate::support;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use support::file_servers::FileServer;
use support::footage;
use support::receivers::{Receiver, Told};
use support::station::{Station, dsj, folder};

/// Settings of a station that tells at once: its destination, a webhook, a mail server. A receiver on a busy machine
/// answers within the time that it is given, and a station that starts again sees what is away before that is over.
fn settings(cloud: &FileServer, hook: &Receiver, mail: &Receiver) -> String {
    format!(
        "[[destination]]\nname = \"dav\"\nkind = \"webdav\"\nendpoint = \"http://{}\"\nuser = \"station\"\npassword_file = \"{}\"\n\
         [alarm]\ntell_after_s = 0\nover_after_s = 15\n[outbox]\nretry_min_s = 1\nretry_max_s = 1\n\
         [[alarm.webhook]]\nname = \"duty\"\nurl = \"http://127.0.0.1:{}/alarm\"\nsecret_file = \"{}\"\ntimeout_s = 5\n{}",
        cloud.address(),
        cloud.path("password").display(),
        hook.port(),
        hook.path("secret").display(),
        mailing(mail)
    )
}

pub fn mailing(mail: &Receiver) -> String {
    format!(
        "[alarm.mail]\nhost = \"127.0.0.1\"\nport = {}\nca_file = \"{}\"\nfrom = \"evidock@example.org\"\n\
         to = [\"duty@example.org\"]\nuser = \"evidock\"\npassword_file = \"{}\"\nmin_severity = \"warn\"\n",
        mail.port(),
        mail.path("cert.pem").display(),
        mail.path("password").display()
    )
}

fn about<'a>(told: &'a [Told], code: &str) -> Vec<&'a Told> {
    told.iter().filter(|t| t.code() == code).collect()
}

fn kinds(told: &[&Told]) -> Vec<String> {
    told.iter().map(|t| t.kind().to_owned()).collect()
}

async fn get(station: &Station, path: &str) -> String {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let address = format!("{}{path}", station.page());
    http.get(address).header("accept-language", "en").send().await.unwrap().text().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_destination_that_goes_away_is_told_once_and_told_over_even_by_a_daemon_that_was_killed() {
    support::install_tls();
    let cloud = FileServer::plain_webdav().await;
    let (hook, mail) = (Receiver::webhook(), Receiver::mail());
    let mut station = Station::new("");
    station.configure(&settings(&cloud, &hook, &mail));
    station.start();

    // A trial reaches both, and says so.
    let trial = station.json(["alarm", "test"]);
    let taken: BTreeMap<&str, bool> =
        trial.as_array().unwrap().iter().map(|t| (t["receiver"].as_str().unwrap(), t["taken"] == true)).collect();
    assert_eq!(taken, BTreeMap::from([("alarm:duty", true), ("mail", true)]), "{trial}");
    assert!(mail.mails()[0].contains("Message-ID: <msg_") && hook.taken()[0].holds);

    // Away: with something to send it is noticed. The receiver fails meanwhile, and hangs, and answers too much is too much.
    hook.order("500");
    mail.order("busy");
    cloud.kill();
    station.card("a").file(dsj("36NCC009910", "091200"), footage(300_000, 1), 60);
    station.dock("a");
    station.until("the webhook was tried in vain", |_| {
        about(&hook.told(), "destination_unreachable").iter().any(|t| t.status == 500)
    });
    let (page, words) = (get(&station, "/").await, evidock::domain::words::Lang::En.words());
    assert!(page.contains(&words.unreachable("dav")), "{page}");

    // Killed in the middle of it, and the receiver comes to itself only after the next start.
    station.kill();
    hook.end("500");
    hook.order("hang");
    station.start();
    station
        .until("it hangs on the receiver and gives up", |_| hook.told().iter().filter(|t| t.status == 0).count() >= 2);
    hook.end("hang");
    hook.order("429");
    station.until("it is told to slow down", |_| hook.told().iter().any(|t| t.status == 429));
    hook.end("429");
    mail.end("busy");
    station.until("both were told", |_| {
        !about(&hook.taken(), "destination_unreachable").is_empty()
            && mail.mails().iter().any(|m| m.contains("code: destination_unreachable"))
    });
    let taken = hook.taken();
    let raised = about(&taken, "destination_unreachable");
    assert_eq!(kinds(&raised), ["alarm.raised"], "once, over a killed daemon");
    assert!(raised[0].holds, "the signature holds");
    let ids: Vec<String> = about(&hook.told(), "destination_unreachable").iter().map(|t| t.id.clone()).collect();
    assert!(ids.len() > 2 && ids.iter().all(|id| *id == ids[0]), "every try has the id of the first: {ids:?}");
    let data = &raised[0].body["data"];
    assert_eq!(
        (&data["about"], &data["station"], &data["severity"]),
        (&"dav".into(), &"test-01".into(), &"warn".into())
    );
    assert!(data["title"]["zh-CN"].as_str().unwrap().contains("dav") && data["action"]["en"].is_string());

    // On the page and in the list, and somebody says that they know.
    let listed = station.json(["alarm", "list"]);
    let alarm = listed["standing"].as_array().unwrap().iter().find(|a| a["code"] == "destination_unreachable").unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let origin = station.page();
    let known = format!("{}/api/v1/alarms/{}/acknowledge", station.page(), alarm["id"]);
    let answer = http.post(&known).header("origin", &origin).send().await.unwrap().text().await.unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!((&answer["code"], answer["acknowledged_by"].is_string()), (&"destination_unreachable".into(), true));
    assert_eq!(
        http.post(format!("{}/api/v1/alarms/999/acknowledge", station.page()))
            .header("origin", &origin)
            .send()
            .await
            .unwrap()
            .status(),
        404
    );
    let page = get(&station, "/alarms").await;
    assert!(page.contains("acknowledged by") && page.contains("alarm:duty"), "{page}");
    let log = station.query("SELECT 1 FROM log_entry WHERE kind = 'station.alarm_acknowledged'", &[]);
    assert_eq!(log.len(), 1);
    assert!(
        get(&station, "/metrics")
            .await
            .contains("evidock_alarms{code=\"destination_unreachable\",severity=\"warn\"} 1")
    );

    // It comes back: told over, once, to both.
    cloud.start_again().await;
    station.json(["retry", "dav"]);
    station.until_proven(1);
    station.until("it is told over", |_| kinds(&about(&hook.taken(), "destination_unreachable")).len() == 2);
    let taken = hook.taken();
    assert_eq!(kinds(&about(&taken, "destination_unreachable")), ["alarm.raised", "alarm.ended"]);
    let id = |told: &Told| told.id.clone();
    let about_it = about(&taken, "destination_unreachable");
    assert_ne!(id(about_it[0]), id(about_it[1]));
    let letters = |mail: &Receiver| mail.mails().iter().filter(|m| m.contains("code: destination_unreachable")).count();
    station.until("the letter, too", |_| letters(&mail) == 2);
    assert!(hook.told().iter().all(|t| t.path == "/alarm" && t.holds));
    let listed = station.json(["alarm", "list"]);
    assert!(listed["over"].as_array().unwrap().iter().any(|a| a["code"] == "destination_unreachable"), "{listed}");
    let text = serde_json::to_string(&hook.told().iter().map(|t| t.body.clone()).collect::<Vec<_>>()).unwrap();
    assert!(!text.contains("36NCC") && !text.contains("110203"), "no recorder's name with an officer in it: {text}");
}

#[test]
fn a_receiver_that_cannot_be_reached_is_an_alarm_itself_and_ends_when_it_is_back() {
    support::install_tls();
    let (hook, mail) = (Receiver::webhook(), Receiver::mail());
    let mut station = Station::new("");
    let far = format!(
        "{}[alarm]\ntell_after_s = 0\nover_after_s = 0\n[outbox]\nretry_min_s = 1\nretry_max_s = 1\n\
         [[alarm.webhook]]\nname = \"duty\"\nurl = \"http://127.0.0.1:{}/alarm\"\nsecret_file = \"{}\"\nmin_severity = \"info\"\n{}",
        folder("near", "near"),
        hook.port(),
        hook.path("secret").display(),
        mailing(&mail)
    );
    station.configure(&far);
    // Redirects are not followed, and a wrong key says what to write.
    hook.order("302");
    station.start();
    station.until("it is tried again and again", |_| hook.told().iter().filter(|t| t.status == 302).count() >= 3);
    station.until("that nobody is told is an alarm, told to the other one", |s| {
        let list = s.json(["alarm", "list"]);
        list["standing"].as_array().unwrap().iter().any(|a| a["code"] == "untold" && a["about"] == "alarm:duty")
            && mail.mails().iter().any(|m| m.contains("alarm:duty"))
    });
    assert!(hook.told().iter().all(|t| t.path == "/alarm"), "a redirect was followed");
    assert!(hook.told().iter().all(|t| t.code() != "untold"), "it is not told to itself");
    let (doctor, _) = station.refused(1, ["doctor"]);
    let named = |f: &Value| f["part"] == "told" && f["words"].as_str().unwrap().contains("alarm:duty");
    assert!(doctor["findings"].as_array().unwrap().iter().any(named), "{doctor}");
    let (told, _) = station.refused(1, ["alarm", "test", "duty"]);
    assert_eq!((&told[0]["taken"], told[0]["why"].as_str().unwrap().contains("302")), (&json!(false), true));
    hook.end("302");
    station.until("what waited is told", |_| !hook.taken().is_empty());
    station.until("that alarm is over", |s| {
        let list = s.json(["alarm", "list"]);
        !list["standing"].as_array().unwrap().iter().any(|a| a["code"] == "untold")
    });
    let (_, said) = station.refused(3, ["alarm", "test", "nobody"]);
    assert!(said.contains("nobody called nobody"), "{said}");
    std::fs::write(hook.path("secret"), "short\n").unwrap();
    let (told, _) = station.refused(1, ["alarm", "test", "duty"]);
    assert!(told[0]["why"].as_str().unwrap().contains("openssl rand"), "{told}");
}
