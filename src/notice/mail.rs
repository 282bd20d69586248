//! A message about an alarm as an e-mail, and the way to a mail server: STARTTLS or TLS from the first byte, the server's
//! certificate checked, or nothing is sent. In both languages, Chinese first; plain text, without a name of a person or a
//! number of a case. The `Message-ID` is the message's id, the same in every try.

use std::time::Duration;

use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use serde_json::Value;

use super::{Outcome, unset};
use crate::config::{AlarmMail, MailTls, SecretError};
use crate::domain::alarm::Severity;
use crate::domain::error::chain;
use crate::domain::notice::kinds;
use crate::domain::words::Lang;

/// Each answer of a mail server comes within this, or not at all (RFC 5321 asks for minutes; an alarm that waits for its turn
/// behind a stuck server helps nobody, and it is tried again).
const PATIENCE: Duration = Duration::from_secs(30);
/// One try, with greeting, TLS, sign-in and message, takes no longer.
const WHOLE_PATIENCE: Duration = Duration::from_secs(120);

/// The way to a mail server.
#[derive(Debug, Clone)]
pub struct Mail {
    to: AlarmMail,
}

/// Why nothing can be sent as configured. A person must act.
#[derive(Debug, thiserror::Error)]
enum SetupError {
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error("[alarm.mail] {key} is no address for e-mail: {why}")]
    Address { key: &'static str, why: String },
    #[error("the certificates in {path} cannot be used; ca_file must be a PEM file")]
    CaFile { path: std::path::PathBuf, why: String },
    #[error("no TLS can be made: {0}")]
    Tls(String),
    #[error("the message cannot be written: {0}")]
    Message(String),
}

impl Mail {
    /// As configured.
    pub fn new(to: &AlarmMail) -> Self {
        Self { to: to.clone() }
    }

    /// Tries once.
    pub async fn tell(&self, id: &str, body: &str) -> Outcome {
        let (transport, message) = match self.transport().and_then(|t| Ok((t, self.message(id, body)?))) {
            Ok(both) => both,
            Err(e) => return unset(&e),
        };
        match tokio::time::timeout(WHOLE_PATIENCE, transport.send(message)).await {
            Ok(Ok(_)) => Outcome::Taken,
            // Every message has the same sender and recipients: what is refused of one is refused of all.
            Ok(Err(e)) => Outcome::Again { words: chain(&e), after_ms: None, away: true },
            Err(_) => {
                let words = format!("{} did not come to an end within {} s", self.to.host, WHOLE_PATIENCE.as_secs());
                Outcome::Again { words, after_ms: None, away: true }
            }
        }
    }

    fn transport(&self) -> Result<AsyncSmtpTransport<Tokio1Executor>, SetupError> {
        let tls = match self.to.tls {
            MailTls::Off => Tls::None,
            MailTls::StartTls => Tls::Required(self.trust()?),
            MailTls::Implicit => Tls::Wrapper(self.trust()?),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&self.to.host)
            .port(self.to.port)
            .tls(tls)
            .timeout(Some(PATIENCE))
            .hello_name(ClientId::default());
        if let Some((user, password)) = &self.to.login {
            builder = builder.credentials(Credentials::new(user.clone(), password.read()?.expose().to_owned()));
        }
        Ok(builder.build())
    }

    fn trust(&self) -> Result<TlsParameters, SetupError> {
        let mut trust = TlsParameters::builder(self.to.host.clone());
        if let Some(path) = &self.to.ca_file {
            let bad = |why: String| SetupError::CaFile { path: path.clone(), why };
            let pem = std::fs::read(path).map_err(|e| bad(e.to_string()))?;
            let own = Certificate::from_pem(&pem).map_err(|e| bad(e.to_string()))?;
            // Those alone, as for every other server of ours.
            trust = trust.certificate_store(CertificateStore::None).add_root_certificate(own);
        }
        trust.build().map_err(|e| SetupError::Tls(chain(&e)))
    }

    fn message(&self, id: &str, body: &str) -> Result<Message, SetupError> {
        let address = |key: &'static str, text: &str| {
            text.parse::<Mailbox>().map_err(|e| SetupError::Address { key, why: e.to_string() })
        };
        let told: Value = serde_json::from_str(body).map_err(|e| SetupError::Message(e.to_string()))?;
        let from = address("from", &self.to.from)?;
        let domain = from.email.domain().to_owned();
        let mut message = Message::builder()
            .from(from)
            .subject(subject(&told))
            .message_id(Some(format!("<{id}@{domain}>")))
            .header(ContentType::TEXT_PLAIN);
        for to in &self.to.to {
            message = message.to(address("to", to)?);
        }
        message.body(text(&told)).map_err(|e| SetupError::Message(e.to_string()))
    }
}

/// One line that says what, where and how bad.
fn subject(told: &Value) -> String {
    let (zh, data) = (Lang::Zh.words(), &told["data"]);
    let one_line =
        |text: &str| text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(120).collect::<String>();
    let title = one_line(data["title"]["zh-CN"].as_str().unwrap_or_default());
    let station = one_line(data["station_name"].as_str().unwrap_or_default());
    format!("[{station}] {}：{title}", kind_words(told["type"].as_str().unwrap_or_default(), zh))
}

fn kind_words(kind: &str, w: &crate::domain::words::Words) -> &'static str {
    match kind {
        kinds::ENDED => w.mail_ended(),
        kinds::REPEATED => w.mail_repeated(),
        kinds::WORSE => w.mail_worse(),
        kinds::TRIAL => w.mail_trial(),
        _ => w.mail_raised(),
    }
}

/// Both languages, one below the other.
fn text(told: &Value) -> String {
    let data = &told["data"];
    let said = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let parts = Lang::ALL.map(|lang| {
        let w = lang.words();
        let kind = said(&told["type"]);
        let severity = data["severity"].as_str().and_then(Severity::parse).unwrap_or(Severity::Info);
        let mut lines = vec![
            format!("{} · {} · {}", kind_words(&kind, w), w.severity(severity), said(&data["title"][lang.tag()])),
            format!("{}: {} ({})", w.mail_station(), said(&data["station_name"]), said(&data["station"])),
            format!("{}: {}", w.mail_since(), said(&data["since"])),
        ];
        if kind != kinds::ENDED {
            lines.push(format!("{}: {}", w.mail_next(), said(&data["action"][lang.tag()])));
        }
        lines.join("\n")
    });
    format!("{}\n\n{}: {}\n", parts.join("\n\n"), "code", said(&data["code"]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::notice::{ToldAlarm, alarm_body};
    use crate::domain::time::UtcMs;

    fn body(kind: &str) -> String {
        let words = serde_json::json!({ "zh-CN": { "title": "cloud 拒绝\r\nBcc: x@y", "action": "改正账号" }, "en": { "title": "cloud refuses us", "action": "Correct it" } });
        let alarm = ToldAlarm {
            alarm: 7,
            code: "destination_refused",
            about: "cloud",
            severity: Severity::Bad,
            since_ms: 0,
            words: &words,
        };
        alarm_body(kind, "zhao-01", "赵县", &alarm, UtcMs(0)).to_string()
    }

    #[test]
    fn an_alarm_reads_as_a_letter_in_both_languages() {
        let mail = Mail::new(&AlarmMail {
            host: "127.0.0.1".into(),
            port: 1,
            tls: MailTls::Off,
            ca_file: None,
            from: "采集站 <evidock@example.org>".into(),
            to: vec!["a@example.org".into(), "b@example.org".into()],
            login: None,
            min_severity: Severity::Bad,
        });
        let message = mail.message("msg_1", &body(kinds::RAISED)).unwrap();
        let raw = String::from_utf8(message.formatted()).unwrap();
        assert!(raw.contains("Message-ID: <msg_1@example.org>"), "{raw}");
        assert!(!raw.contains("\nBcc:"), "no header comes out of a title: {raw}");
        assert_eq!(message.envelope().to().len(), 2);
        let told: Value = serde_json::from_str(&body(kinds::RAISED)).unwrap();
        assert!(subject(&told).starts_with("[赵县] 告警：cloud 拒绝  Bcc"));
        let all = text(&told);
        assert!(all.contains("改正账号") && all.contains("What to do: Correct it") && all.contains("Fault"), "{all}");
        let ended: Value = serde_json::from_str(&body(kinds::ENDED)).unwrap();
        assert!(!text(&ended).contains("Correct it"));
    }

    #[tokio::test]
    async fn what_cannot_be_sent_is_named() {
        let mail = |from: &str, port| {
            Mail::new(&AlarmMail {
                host: "127.0.0.1".into(),
                port,
                tls: MailTls::StartTls,
                ca_file: Some("/nowhere.pem".into()),
                from: from.into(),
                to: vec!["a@example.org".into()],
                login: None,
                min_severity: Severity::Bad,
            })
        };
        let Outcome::Again { words, away: true, .. } = mail("a@example.org", 1).tell("x", &body(kinds::RAISED)).await
        else {
            panic!("it was sent")
        };
        assert!(words.contains("/nowhere.pem"), "{words}");
    }
}
