//! Those who are told: a webhook whose signatures the reference library checks, and a mail server with STARTTLS and a sign-in.
//! Other people's programs, each a process of its own, each failing on demand.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::guarded::{Guarded, free_ports, tools};

/// What they are signed with.
pub const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A receiver.
pub struct Receiver {
    guarded: Guarded,
    port: u16,
}

/// What came.
#[derive(Debug, Clone)]
pub struct Told {
    /// The path that it was sent to.
    pub path: String,
    /// Its id.
    pub id: String,
    /// The signature holds.
    pub holds: bool,
    /// What was answered; 0: nothing.
    pub status: i64,
    /// The body.
    pub body: Value,
}

impl Told {
    /// The type of the message.
    pub fn kind(&self) -> &str {
        self.body["type"].as_str().unwrap()
    }

    /// The code of the alarm, where it is about one.
    pub fn code(&self) -> &str {
        self.body["data"]["code"].as_str().unwrap_or_default()
    }
}

impl Receiver {
    /// A webhook.
    pub fn webhook() -> Self {
        let receiver = Self::new("webhook", "webhook.py");
        std::fs::write(receiver.path("secret"), format!("{SECRET}\n")).unwrap();
        receiver.start();
        receiver
    }

    /// A mail server.
    pub fn mail() -> Self {
        let receiver = Self::new("mail", "mail.py");
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        std::fs::write(receiver.path("cert.pem"), made.cert.pem()).unwrap();
        std::fs::write(receiver.path("key.pem"), made.signing_key.serialize_pem()).unwrap();
        std::fs::write(receiver.path("password"), "s3cret\n").unwrap();
        receiver.start();
        receiver
    }

    fn new(name: &str, script: &str) -> Self {
        let (mut guarded, port) = (Guarded::new(name), free_ports::<1>()[0]);
        let data = guarded.dir().join("data");
        std::fs::create_dir(&data).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/servers").join(script);
        guarded.command(&tools().join("python-receivers/bin/python")).arg(script).arg(port.to_string()).arg(data);
        Self { guarded, port }
    }

    /// Starts it; returns when it takes connections.
    pub fn start(&self) {
        self.guarded.start();
        for _ in 0..9000 {
            if std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("the receiver does not come up; {}", self.guarded.last_words());
    }

    /// Ends it; what it kept stays.
    pub fn kill(&self) {
        self.guarded.kill();
    }

    /// Its port on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A file beside its data.
    pub fn path(&self, name: &str) -> PathBuf {
        self.guarded.dir().join(name)
    }

    /// Orders a fault.
    pub fn order(&self, fault: &str) {
        std::fs::write(self.path(fault), "").unwrap();
    }

    /// Ends a fault.
    pub fn end(&self, fault: &str) {
        std::fs::remove_file(self.path(fault)).unwrap();
    }

    /// What a webhook was told, in order.
    pub fn told(&self) -> Vec<Told> {
        let text = std::fs::read_to_string(self.path("data/told")).unwrap_or_default();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines
            .map(|line| Told {
                path: line["path"].as_str().unwrap().to_owned(),
                id: line["id"].as_str().unwrap().to_owned(),
                holds: line["holds"] == true,
                status: line["status"].as_i64().unwrap(),
                body: line["body"].clone(),
            })
            .collect()
    }

    /// What a webhook took.
    pub fn taken(&self) -> Vec<Told> {
        self.told().into_iter().filter(|t| t.status / 100 == 2).collect()
    }

    /// Messages that a mail server has, as they were sent.
    pub fn mails(&self) -> Vec<String> {
        let mut files: Vec<PathBuf> = super::station::files_below(&self.path("data"));
        files.retain(|f| f.extension().is_some_and(|e| e == "eml"));
        files.sort();
        files.iter().map(|f| std::fs::read_to_string(f).unwrap()).collect()
    }
}
