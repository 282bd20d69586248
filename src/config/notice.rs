//! Settings of what is told to others and of files for a front-end machine. Part of `resolve`.

use std::path::PathBuf;
use std::time::Duration;

use globset::Glob;

use super::resolve::{Places, Problem, choice, label, one_of, problem, sensitivity, whole};
use super::settings::{
    AlarmMail, AlarmRules, AlarmWebhook, DataWebhook, DropRule, Dropped, Exchange, HookTarget, MailTls, Messages,
    Settings, WriteRule,
};
use super::written;
use crate::domain::alarm::Severity;
use crate::domain::record::Record;
use crate::domain::sensitivity::Sensitivity;
use crate::domain::webhook::{DataEvent, Tells};

/// The file itself, and its name with the key, before the daemon starts.
pub(super) fn needed_files(settings: &Settings) -> Vec<(String, PathBuf)> {
    let mut files = Vec::new();
    let mut target = |section: &str, target: &HookTarget| {
        let of = |key: &str| format!("{section} {} {key}", target.name);
        files.push((of("secret"), target.secret.path().to_owned()));
        files.extend(target.ca_file.clone().map(|ca| (of("ca_file"), ca)));
    };
    settings.alarm.alarm_webhooks.iter().for_each(|w| target("[[alarm.webhook]]", &w.target));
    settings.webhooks.iter().for_each(|w| target("[[webhook]]", &w.target));
    if let Some(mail) = &settings.alarm.alarm_mail {
        files.extend(mail.ca_file.clone().map(|ca| ("[alarm.mail] ca_file".to_owned(), ca)));
        let password = mail.login.as_ref().map(|(_, password)| password.path().to_owned());
        files.extend(password.map(|path| ("[alarm.mail] password".to_owned(), path)));
    }
    files
}

/// `[alarm]` and what stands below it.
pub(super) fn alarm(written: written::Alarm, places: &Places<'_>) -> Result<AlarmRules, Problem> {
    let seconds =
        |key: &str, value, usual| whole(&format!("alarm.{key}"), value, usual, 0..=86_400).map(Duration::from_secs);
    let mut webhooks: Vec<AlarmWebhook> = Vec::new();
    for (n, w) in written.webhook.unwrap_or_default().into_iter().enumerate() {
        let at = format!("alarm.webhook[{n}]");
        let severity = severity(&format!("{at}.min_severity"), w.min_severity, Severity::Warn)?;
        let way = Way {
            name: w.name,
            url: w.url,
            secret_file: w.secret_file,
            secret_credential: w.secret_credential,
            ca_file: w.ca_file,
            timeout_s: w.timeout_s,
        };
        let target = way.resolve(&at, webhooks.iter().map(|w| &w.target), places)?;
        webhooks.push(AlarmWebhook { target, min_severity: severity });
    }
    Ok(AlarmRules {
        tell_after: seconds("tell_after_s", written.tell_after_s, 60)?,
        over_after: seconds("over_after_s", written.over_after_s, 300)?,
        repeat_every: Duration::from_secs(3600 * whole("alarm.repeat_hours", written.repeat_hours, 24, 1..=720)?),
        alarm_webhooks: webhooks,
        alarm_mail: written.mail.map(|m| mail(m, places)).transpose()?,
    })
}

fn severity(path: &str, written: Option<String>, usual: Severity) -> Result<Severity, Problem> {
    choice(path, written, usual, Severity::parse, Severity::WORDS)
}

/// The keys that every webhook has.
struct Way {
    name: Option<String>,
    url: Option<String>,
    secret_file: Option<PathBuf>,
    secret_credential: Option<String>,
    ca_file: Option<PathBuf>,
    timeout_s: Option<u64>,
}

impl Way {
    fn resolve<'a>(
        self,
        path: &str,
        mut others: impl Iterator<Item = &'a HookTarget>,
        places: &Places<'_>,
    ) -> Result<HookTarget, Problem> {
        let at = |key: &str| format!("{path}.{key}");
        let Some(name) = label(&at("name"), self.name)? else { return problem(at("name"), "is missing") };
        if others.any(|other| other.name == name) {
            return problem(at("name"), format!("is taken: another one is called {name:?}"));
        }
        let url = self.url.unwrap_or_default();
        let host = ["https://", "http://"].iter().find_map(|scheme| url.strip_prefix(scheme));
        if host.is_none_or(|rest| rest.is_empty() || rest.starts_with('/')) || url.contains(char::is_whitespace) {
            return problem(
                at("url"),
                format!("must be an address that begins with https:// or http://; it is {url:?}"),
            );
        }
        let Some(secret) = places.secret_if_any(path, "secret", self.secret_file, self.secret_credential)? else {
            let what =
                "is missing; it names the file with the secret by which the receiver knows that a message is ours";
            return problem(at("secret_file"), what);
        };
        Ok(HookTarget {
            name,
            url,
            secret,
            ca_file: places.written(self.ca_file),
            answer_within: Duration::from_secs(whole(&at("timeout_s"), self.timeout_s, 15, 1..=120)?),
        })
    }
}

fn mail(written: written::AlarmMail, places: &Places<'_>) -> Result<AlarmMail, Problem> {
    let at = |key: &str| format!("alarm.mail.{key}");
    let Some(host) = label(&at("host"), written.host)? else { return problem(at("host"), "is missing") };
    let tls = choice(&at("tls"), written.tls, MailTls::StartTls, MailTls::parse, MailTls::WORDS)?;
    let usual_port = match tls {
        MailTls::StartTls => 587,
        MailTls::Implicit => 465,
        MailTls::Off => 25,
    };
    if tls == MailTls::Off && !is_loopback(&host) {
        let what = "must be \"starttls\" or \"tls\" to a server that is not this machine; it is \"off\"";
        return problem(at("tls"), what);
    }
    let address = |key: &str, text: &str| match text.rsplit_once('@') {
        Some((before, after)) if !before.is_empty() && !after.is_empty() && !text.contains(char::is_control) => Ok(()),
        _ => problem(at(key), format!("must be an address, as \"evidock@example.org\"; it is {text:?}")),
    };
    let from = written.from.unwrap_or_default();
    address("from", &from)?;
    let to = written.to.unwrap_or_default();
    if to.is_empty() {
        return problem(at("to"), "is missing; write at least one recipient");
    }
    to.iter().try_for_each(|to| address("to", to))?;
    let password = places.secret_if_any("alarm.mail", "password", written.password_file, None)?;
    let login = match (written.user, password) {
        (None, None) => None,
        (Some(user), Some(password)) => Some((user, password)),
        (Some(_), None) => return problem(at("password_file"), "is missing; user stands without a password"),
        (None, Some(_)) => return problem(at("user"), "is missing; a password stands without a user"),
    };
    Ok(AlarmMail {
        host,
        port: whole(&at("port"), written.port, usual_port, 1..=65_535)? as u16,
        tls,
        ca_file: places.written(written.ca_file),
        from,
        to,
        login,
        min_severity: severity(&at("min_severity"), written.min_severity, Severity::Bad)?,
    })
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|a| a.is_loopback())
}

/// `[[webhook]]`
pub(super) fn webhooks(written: Vec<written::Webhook>, places: &Places<'_>) -> Result<Vec<DataWebhook>, Problem> {
    let mut all: Vec<DataWebhook> = Vec::new();
    for (n, w) in written.into_iter().enumerate() {
        let path = format!("webhook[{n}]");
        let at = |key: &str| format!("{path}.{key}");
        let mut events = Vec::new();
        for word in w.events.unwrap_or_default() {
            match DataEvent::parse(&word) {
                Some(event) => events.push(event),
                None => return problem(at("events"), one_of(DataEvent::WORDS, &word)),
            }
        }
        if events.is_empty() {
            let what = format!("is missing; write some of {}", DataEvent::WORDS.join(", "));
            return problem(at("events"), what);
        }
        events.sort_unstable();
        events.dedup();
        let tells = choice(&at("tells"), w.tells, Tells::Ids, Tells::parse, Tells::WORDS)?;
        let max_sensitivity = sensitivity(&at("max_sensitivity"), w.max_sensitivity, Sensitivity::None)?;
        let way = Way {
            name: w.name,
            url: w.url,
            secret_file: w.secret_file,
            secret_credential: w.secret_credential,
            ca_file: w.ca_file,
            timeout_s: w.timeout_s,
        };
        let target = way.resolve(&path, all.iter().map(|w| &w.target), places)?;
        let plain = target.url.strip_prefix("http://");
        let host = plain.map(|rest| rest.split('/').next().unwrap_or_default());
        let host = host.map(|h| h.rsplit_once(':').map_or(h, |(host, _)| host).trim_matches(['[', ']']));
        if tells > Tells::Ids && host.is_some_and(|host| !is_loopback(host)) {
            let what = "must begin with https:// where tells is more than \"ids\": on the way anybody could read it";
            return problem(at("url"), what);
        }
        all.push(DataWebhook { target, events, tells, max_sensitivity });
    }
    Ok(all)
}

/// `[outbox]`
pub(super) fn messages(written: written::Outbox) -> Result<Messages, Problem> {
    let min = whole("outbox.retry_min_s", written.retry_min_s, 5, 1..=3600)?;
    let max = whole("outbox.retry_max_s", written.retry_max_s, 3600, 1..=86_400)?;
    if max < min {
        return problem("outbox.retry_max_s", format!("must not be less than retry_min_s ({min}); it is {max}"));
    }
    Ok(Messages {
        retry_min: Duration::from_secs(min),
        retry_max: Duration::from_secs(max),
        give_up_after: Duration::from_secs(3600 * whole("outbox.give_up_hours", written.give_up_hours, 72, 1..=720)?),
        queue: whole("outbox.queue", written.queue, 1000, 10..=100_000)? as u32,
    })
}

/// `[exchange]` and what stands below it.
pub(super) fn exchange(written: written::Exchange, places: &Places<'_>) -> Result<Exchange, Problem> {
    let mut take = Vec::new();
    for (n, rule) in written.take.unwrap_or_default().into_iter().enumerate() {
        let at = |key: &str| format!("exchange.take[{n}].{key}");
        let files = rule.files.unwrap_or_default();
        let glob = match Glob::new(&files) {
            Ok(glob) if !files.is_empty() && !files.contains('/') => glob,
            _ => {
                return problem(
                    at("files"),
                    format!("must be a pattern of file names, as \"cases*.csv\"; it is {files:?}"),
                );
            }
        };
        let word = rule.register.unwrap_or_default();
        let Some(what) = Dropped::parse(&word) else {
            return problem(at("register"), one_of(&Dropped::words(), &word));
        };
        take.push(DropRule { files: glob, what, columns: columns(&at("columns"), rule.columns)? });
    }
    let mut give: Vec<WriteRule> = Vec::new();
    for (n, rule) in written.give.unwrap_or_default().into_iter().enumerate() {
        let at = |key: &str| format!("exchange.give[{n}].{key}");
        let name = rule.name.unwrap_or_default();
        let sound = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if name.is_empty() || name.len() > 60 || !name.chars().all(sound) {
            let what = format!("must be 1 to 60 of a-z, 0-9, - and _, the begin of a file's name; it is {name:?}");
            return problem(at("name"), what);
        }
        if give.iter().any(|other| other.name == name) {
            return problem(at("name"), format!("is taken: another file is called {name:?}"));
        }
        let columns = columns(&at("columns"), rule.columns)?;
        if columns.is_empty() {
            return problem(at("columns"), "is missing; write each as \"theirs = ours\", as \"案件编号 = case_no\"");
        }
        let known = serde_json::to_value(Record::default()).unwrap_or_default();
        let known: Vec<&str> = known.as_object().into_iter().flat_map(|o| o.keys()).map(String::as_str).collect();
        if let Some((_, ours)) = columns.iter().find(|(_, ours)| !known.contains(&ours.as_str())) {
            return problem(at("columns"), format!("names no field of a record: {}", one_of(&known, ours)));
        }
        let word = rule.format.unwrap_or_else(|| "csv".to_owned());
        let json = match word.as_str() {
            "csv" => false,
            "json" => true,
            _ => return problem(at("format"), one_of(&["csv", "json"], &word)),
        };
        let max_sensitivity = sensitivity(&at("max_sensitivity"), rule.max_sensitivity, Sensitivity::None)?;
        give.push(WriteRule { name, json, columns, max_sensitivity });
    }
    let (in_dir, out_dir) = (places.written(written.in_dir), places.written(written.out_dir));
    if in_dir.is_none() && !take.is_empty() {
        return problem(
            "exchange.in_dir",
            "is missing; [[exchange.take]] says what to do with files that nobody drops",
        );
    }
    if out_dir.is_none() && !give.is_empty() {
        return problem("exchange.out_dir", "is missing; [[exchange.give]] has nowhere to write to");
    }
    if in_dir.is_some() && in_dir == out_dir {
        return problem("exchange.out_dir", "must be another directory than in_dir, or what is written is read again");
    }
    Ok(Exchange {
        poll: Duration::from_secs(whole("exchange.poll_s", written.poll_s, 5, 1..=3600)?),
        in_dir,
        take,
        out_dir,
        give,
        write_every: Duration::from_secs(
            60 * whole("exchange.out_every_minutes", written.out_every_minutes, 15, 1..=1440)?,
        ),
    })
}

/// Each `theirs = ours`.
fn columns(path: &str, written: Option<Vec<String>>) -> Result<Vec<(String, String)>, Problem> {
    let mut columns: Vec<(String, String)> = Vec::new();
    for line in written.unwrap_or_default() {
        let parts = line.rsplit_once('=').map(|(theirs, ours)| (theirs.trim().to_owned(), ours.trim().to_owned()));
        match parts {
            Some((theirs, ours)) if !theirs.is_empty() && !ours.is_empty() => {
                if columns.iter().any(|(other, _)| *other == theirs) {
                    return problem(path, format!("names the column {theirs:?} twice"));
                }
                columns.push((theirs, ours));
            }
            _ => {
                return problem(
                    path,
                    format!("must be written \"theirs = ours\", each a text of its own; it is {line:?}"),
                );
            }
        }
    }
    Ok(columns)
}

// --- as it would be written ----------------------------------------------------------------------

/// As it would be written.
pub(super) fn alarm_to_written(alarm: &AlarmRules) -> written::Alarm {
    let webhooks: Vec<written::AlarmWebhook> = alarm
        .alarm_webhooks
        .iter()
        .map(|w| written::AlarmWebhook {
            name: Some(w.target.name.clone()),
            url: Some(w.target.url.clone()),
            secret_file: Some(w.target.secret.path().to_owned()),
            secret_credential: None,
            ca_file: w.target.ca_file.clone(),
            timeout_s: Some(w.target.answer_within.as_secs()),
            min_severity: Some(w.min_severity.as_str().to_owned()),
        })
        .collect();
    written::Alarm {
        tell_after_s: Some(alarm.tell_after.as_secs()),
        over_after_s: Some(alarm.over_after.as_secs()),
        repeat_hours: Some(alarm.repeat_every.as_secs() / 3600),
        webhook: (!webhooks.is_empty()).then_some(webhooks),
        mail: alarm.alarm_mail.as_ref().map(|m| written::AlarmMail {
            host: Some(m.host.clone()),
            port: Some(u64::from(m.port)),
            tls: Some(m.tls.as_str().to_owned()),
            ca_file: m.ca_file.clone(),
            from: Some(m.from.clone()),
            to: Some(m.to.clone()),
            user: m.login.as_ref().map(|(user, _)| user.clone()),
            password_file: m.login.as_ref().map(|(_, password)| password.path().to_owned()),
            min_severity: Some(m.min_severity.as_str().to_owned()),
        }),
    }
}

/// As it would be written.
pub(super) fn webhook_to_written(w: &DataWebhook) -> written::Webhook {
    written::Webhook {
        name: Some(w.target.name.clone()),
        url: Some(w.target.url.clone()),
        secret_file: Some(w.target.secret.path().to_owned()),
        secret_credential: None,
        ca_file: w.target.ca_file.clone(),
        timeout_s: Some(w.target.answer_within.as_secs()),
        events: Some(w.events.iter().map(|e| e.as_str().to_owned()).collect()),
        tells: Some(w.tells.as_str().to_owned()),
        max_sensitivity: Some(w.max_sensitivity.key().to_owned()),
    }
}

/// As it would be written.
pub(super) fn messages_to_written(m: &Messages) -> written::Outbox {
    written::Outbox {
        retry_min_s: Some(m.retry_min.as_secs()),
        retry_max_s: Some(m.retry_max.as_secs()),
        give_up_hours: Some(m.give_up_after.as_secs() / 3600),
        queue: Some(u64::from(m.queue)),
    }
}

/// As it would be written.
pub(super) fn exchange_to_written(e: &Exchange) -> written::Exchange {
    let lines = |columns: &[(String, String)]| -> Option<Vec<String>> {
        let lines: Vec<String> = columns.iter().map(|(theirs, ours)| format!("{theirs} = {ours}")).collect();
        (!lines.is_empty()).then_some(lines)
    };
    let take: Vec<written::Take> = e
        .take
        .iter()
        .map(|rule| written::Take {
            files: Some(rule.files.glob().to_owned()),
            register: Some(rule.what.as_str().to_owned()),
            columns: lines(&rule.columns),
        })
        .collect();
    let give: Vec<written::Give> = e
        .give
        .iter()
        .map(|rule| written::Give {
            name: Some(rule.name.clone()),
            format: Some(if rule.json { "json" } else { "csv" }.to_owned()),
            columns: lines(&rule.columns),
            max_sensitivity: Some(rule.max_sensitivity.key().to_owned()),
        })
        .collect();
    written::Exchange {
        in_dir: e.in_dir.clone(),
        poll_s: Some(e.poll.as_secs()),
        take: (!take.is_empty()).then_some(take),
        out_dir: e.out_dir.clone(),
        out_every_minutes: Some(e.write_every.as_secs() / 60),
        give: (!give.is_empty()).then_some(give),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Surroundings, read};

    const HOOK: &str = "name = 'one'\nurl = 'https://x.example/a'\nsecret_file = 's'\n";
    const MAIL: &str = "[alarm.mail]\nhost = 'mail.example'\nfrom = 'a@b.example'\nto = ['c@d.example']\n";

    #[test]
    fn what_cannot_be_told_says_what_to_write() {
        let hook = |more: &str| format!("[[webhook]]\n{HOOK}{more}");
        let table = [
            ("[[alarm.webhook]]\nurl = 'https://x'".to_owned(), "name is missing"),
            (
                "[[alarm.webhook]]\nname = 'a'\nurl = 'x.example'".to_owned(),
                "must be an address that begins with https://",
            ),
            ("[[alarm.webhook]]\nname = 'a'\nurl = 'https://x'".to_owned(), "secret_file is missing"),
            (format!("[[alarm.webhook]]\n{HOOK}min_severity = 'all'"), "must be one of bad, warn, info"),
            (format!("[[alarm.webhook]]\n{HOOK}[[alarm.webhook]]\n{HOOK}"), "is taken"),
            (format!("{MAIL}tls = 'off'"), "must be \"starttls\" or \"tls\""),
            (format!("{MAIL}user = 'x'"), "password_file is missing"),
            (MAIL.replace("'c@d.example'", "'nobody'"), "must be an address"),
            (hook(""), "events is missing"),
            (hook("events = ['clip.seald']"), "did you mean \"clip.sealed\""),
            (
                hook("events = ['clip.sealed']\ntells = 'record'").replace("https", "http"),
                "must begin with https:// where tells is more than",
            ),
            ("[outbox]\nretry_min_s = 60\nretry_max_s = 5".to_owned(), "must not be less than retry_min_s"),
            ("[[exchange.take]]\nfiles = 'a*.csv'\nregister = 'case'".to_owned(), "in_dir is missing"),
            ("[[exchange.take]]\nfiles = '../a'\nregister = 'case'".to_owned(), "must be a pattern of file names"),
            ("[[exchange.take]]\nfiles = 'a'\nregister = 'cases'".to_owned(), "did you mean \"case\""),
            ("[[exchange.take]]\nfiles = 'a'\nregister = 'rosters'".to_owned(), "did you mean \"roster\""),
            ("[exchange]\nout_dir = 'o'\n[[exchange.give]]\nname = 'a'".to_owned(), "columns is missing"),
            (
                "[exchange]\nout_dir = 'o'\n[[exchange.give]]\nname = 'a'\ncolumns = ['x = officr']".to_owned(),
                "did you mean \"officer\"",
            ),
            ("[exchange]\nin_dir = 'o'\nout_dir = 'o'".to_owned(), "must be another directory"),
        ];
        for (text, words) in table {
            let told = read(&text, None, &Surroundings::default()).unwrap_err().to_string();
            assert!(told.contains(words), "{text}: {told}");
        }
    }

    #[test]
    fn what_is_written_is_shown_again() {
        let text = format!(
            "[alarm]\ntell_after_s = 0\n[[alarm.webhook]]\n{HOOK}timeout_s = 3\n{MAIL}user = 'u'\npassword_file = 'p'\n\
             [[webhook]]\n{HOOK}events = ['clip.sealed', 'case.changed']\ntells = 'record'\nmax_sensitivity = 'privacy'\n\
             [outbox]\nqueue = 10\n[exchange]\nin_dir = 'i'\nout_dir = 'o'\n[[exchange.take]]\nfiles = 'c*.csv'\nregister = 'case'\n\
             columns = ['案号 = number']\n[[exchange.take]]\nfiles = 'pb*'\nregister = 'roster'\n[[exchange.give]]\nname = 'clips'\nformat = 'json'\ncolumns = ['资料 = record_id']\n"
        );
        let settings = read(&text, None, &Surroundings::default()).unwrap();
        let shown = toml::to_string(&settings.to_written()).unwrap();
        assert_eq!(read(&shown, None, &Surroundings::default()).unwrap(), settings, "{shown}");
    }
}
