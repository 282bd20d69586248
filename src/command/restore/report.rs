//! What a restore tells: what it found, what is lost, what cannot be known, and what to do next.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::command::backup::called;
use crate::command::output::Output;
use crate::custody::epoch::Head;
use crate::domain::digest::to_hex;
use crate::domain::ids::StationId;
use crate::domain::time::UtcMs;
use crate::store::BackupKey;

/// So many of a kind are named; the JSON names all.
const NAMED: usize = 10;
/// Ids in the database's own row and in the log's event: an event has its limit.
const STORED: usize = 200;

/// The report.
#[derive(Debug, Default)]
pub struct Report {
    /// How the backup is called and when it was made; `None`: records alone.
    pub backup: Option<(String, i64)>,
    /// Backups that could not be used.
    pub passed_over: Vec<String>,
    /// Events that survived.
    pub log_size: u64,
    /// Events of the same epoch that are known to be lost; `None` where nothing is known of any.
    pub lost_events: Option<u64>,
    /// Checkpoints beyond what survived.
    pub heads: Vec<Head>,
    /// The log goes on under another key.
    pub new_key: bool,
    /// Nobody said which key to trust.
    pub key_on_its_word: bool,
    /// Clips that only their records knew.
    pub new_clips: u64,
    /// Clips of which their records knew more.
    pub newer_clips: u64,
    /// Records that could not be used.
    pub odd_records: Vec<String>,
    /// Clips whose file the vault still has.
    pub here: u64,
    /// Clips whose file is gone and whose copy is proven elsewhere.
    pub elsewhere: u64,
    /// Of these: proven now, by reading back.
    pub proven_now: u64,
    /// Of these: the hash tree could not be fetched.
    pub without_tree: u64,
    /// Of these: a required destination still lacks its copy.
    pub owed: u64,
    /// Clips that are lost.
    pub lost_clips: Vec<String>,
    /// Files of the vault with other bytes.
    pub torn: Vec<String>,
    /// Called proven, and not there.
    pub missing_there: Vec<String>,
    /// There, with other bytes.
    pub differing: Vec<String>,
    /// Copies under way that went with the disk.
    pub copies_given_up: u64,
    /// Anything else.
    pub warnings: Vec<String>,
    /// Read back by `--verify`.
    pub verified: u64,
    /// And found to differ.
    pub verified_bad: Vec<String>,
}

/// The part of the report that an interrupted restore must not forget.
#[derive(Debug, Serialize, Deserialize)]
struct Begun {
    backup_made_ms: Option<i64>,
    passed_over: Vec<String>,
    log_size: u64,
    lost_events: Option<u64>,
    lost_checkpoints: Vec<(u32, u64, String)>,
    new_key: bool,
    key_on_its_word: bool,
    warnings: Vec<String>,
}

impl Report {
    /// The report of a restore that goes on, as far as it was stored.
    pub fn begun(told: &str, backup: Option<BackupKey>) -> Self {
        let Ok(begun) = serde_json::from_str::<Begun>(told) else { return Self::default() };
        let head = |(epoch, size, root): (u32, u64, String)| {
            Some(Head { epoch, size, root: root.parse::<crate::domain::digest::Sha256>().ok()?.0 })
        };
        Self {
            backup: backup.map(called).zip(begun.backup_made_ms),
            passed_over: begun.passed_over,
            log_size: begun.log_size,
            lost_events: begun.lost_events,
            heads: begun.lost_checkpoints.into_iter().filter_map(head).collect(),
            new_key: begun.new_key,
            key_on_its_word: begun.key_on_its_word,
            warnings: begun.warnings,
            ..Self::default()
        }
    }

    /// What is stored with the restore and told in its event: numbers, and ids up to a limit.
    pub fn to_json(&self) -> Value {
        let few = |all: &[String]| all.iter().take(STORED).cloned().collect::<Vec<_>>();
        json!({
            "backup": self.backup.as_ref().map(|(name, _)| name),
            "backup_made_ms": self.backup.as_ref().map(|(_, ms)| ms),
            "passed_over": self.passed_over,
            "log_size": self.log_size,
            "lost_events": self.lost_events,
            "lost_checkpoints": self.heads.iter().map(|h| json!([h.epoch, h.size, to_hex(&h.root)])).collect::<Vec<_>>(),
            "new_key": self.new_key,
            "key_on_its_word": self.key_on_its_word,
            "new_clips": self.new_clips,
            "newer_clips": self.newer_clips,
            "odd_records": few(&self.odd_records),
            "here": self.here,
            "elsewhere": self.elsewhere,
            "proven_now": self.proven_now,
            "without_tree": self.without_tree,
            "owed": self.owed,
            "lost": self.lost_clips.len(),
            "lost_clips": few(&self.lost_clips),
            "torn": few(&self.torn),
            "missing_there": few(&self.missing_there),
            "differing": few(&self.differing),
            "copies_given_up": self.copies_given_up,
            "warnings": self.warnings,
        })
    }

    /// Prints it.
    pub fn print(
        &self,
        output: &Output,
        station: &StationId,
        from: &str,
        epoch: u32,
        verified: bool,
    ) -> anyhow::Result<()> {
        if output.is_json() {
            let mut told = self.to_json();
            for (key, value) in [
                ("station", json!(station.as_str())),
                ("from", json!(from)),
                ("epoch", json!(epoch)),
                ("lost_clips", json!(self.lost_clips)),
                ("odd_records", json!(self.odd_records)),
                ("verified", if verified { json!(self.verified) } else { Value::Null }),
                ("verified_bad", json!(self.verified_bad)),
                ("unknowable", json!(self.unknowable())),
            ] {
                told[key] = value;
            }
            output.json(&told)?;
            return Ok(());
        }
        for line in self.lines(station, from, epoch, verified) {
            output.line(&line)?;
        }
        Ok(())
    }

    fn lines(&self, station: &StationId, from: &str, epoch: u32, verified: bool) -> Vec<String> {
        let mut lines = vec![format!("station {station} is restored from {from} and goes on in epoch {epoch}")];
        let mut say = |line: String| lines.push(line);
        match &self.backup {
            Some((name, made_ms)) => {
                say(format!("  backup {name} of {}: {} events of the log", UtcMs(*made_ms).rfc3339(), self.log_size));
            }
            None => say("  no backup: rebuilt from the records alone".to_owned()),
        }
        self.passed_over.iter().for_each(|why| say(format!("  passed over: {why}")));
        say(format!(
            "  clips: {} known only by their records, {} brought up to date; {} have their file here, {} are proven elsewhere",
            self.new_clips, self.newer_clips, self.here, self.elsewhere
        ));
        if self.proven_now > 0 {
            say(format!(
                "  {} of these no record had called proven; they were read back and are the same",
                self.proven_now
            ));
        }
        if self.without_tree > 0 {
            say(format!(
                "  {} hash trees could not be fetched; ranges of these clips cannot be verified alone",
                self.without_tree
            ));
        }
        if self.owed > 0 {
            say(format!("  {} clips lack a copy at a required destination, and have no file here to send", self.owed));
        }
        let mut list = |what: &str, all: &[String]| {
            if !all.is_empty() {
                say(format!("  {what}: {}", named(all)));
            }
        };
        list("LOST with the disk, no copy proven elsewhere (dock their recorders again)", &self.lost_clips);
        list("called proven, and not there", &self.missing_there);
        list("there, with other bytes", &self.differing);
        list("in the vault with other bytes", &self.torn);
        list("records that could not be used", &self.odd_records);
        if self.copies_given_up > 0 {
            lines.push(format!("  {} copies were under way and begin anew at the next dock", self.copies_given_up));
        }
        match (self.lost_events, self.heads.is_empty()) {
            (Some(n @ 1..), _) => {
                lines.push(format!("  {n} events of the log are known to be lost; checkpoints name them"))
            }
            (_, false) => lines.push("  the log of earlier epochs is lost; checkpoints name it".to_owned()),
            _ => lines.push("  every anchored event of the log is here".to_owned()),
        }
        if self.new_key {
            lines.push(
                "  the log goes on under a new key; keep the new log.key.pub off this box, beside the old one"
                    .to_owned(),
            );
        }
        if self.key_on_its_word {
            lines.push("  the old key was taken on the word of what stands there; compare log.retired with the log.key.pub that you kept".to_owned());
        }
        self.unknowable().iter().for_each(|line| lines.push(format!("  cannot be known: {line}")));
        self.warnings.iter().for_each(|line| lines.push(format!("  warning: {line}")));
        // Whoever restores knows of the loss, and says so; nobody else does it for them.
        let log = match self.heads.is_empty() {
            true => "evidock log verify".to_owned(),
            false => format!("evidock log verify --accept-epoch {epoch}"),
        };
        if verified {
            lines.push(format!("  read back: {} the same, {} not", self.verified, self.verified_bad.len()));
            if !self.verified_bad.is_empty() {
                lines.push(format!("  DIFFERS: {}", named(&self.verified_bad)));
            }
            lines.push(format!("next: start the daemon (systemctl start evidock), then `{log}`"));
        } else {
            lines.push(format!(
                "next: start the daemon (systemctl start evidock), then `{log}` and `evidock verify --all --remote`"
            ));
        }
        lines
    }

    /// What nothing outside the lost box could tell.
    fn unknowable(&self) -> Vec<&'static str> {
        let mut lines = vec![
            "which recorders still hold copies of clips taken in since the backup; they are compared when they are docked",
            "who looked at what since the backup: those events were in the lost log alone",
            "what was isolated, held or released since the backup: ask who decided, and do it again",
        ];
        if self.backup.is_some() {
            lines.push("rosters, the register of recorders, issue and return since the backup");
        } else {
            lines.push("rosters, the register of recorders, issue and return: import and approve them again");
            lines.push("the values behind the log's commitments, and who said which fact");
        }
        lines
    }
}

fn named(all: &[String]) -> String {
    let mut text = all.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    if all.len() > NAMED {
        text.push_str(&format!(" and {} more (--json names all)", all.len() - NAMED));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn station() -> StationId {
        StationId::new("zhao-01").unwrap()
    }

    #[test]
    fn what_an_operator_reads() {
        let report = Report {
            backup: Some(("1/42".to_owned(), 1_781_834_604_000)),
            passed_over: vec!["backup 1/43: its bytes are not those of its note".to_owned()],
            log_size: 900,
            lost_events: Some(100),
            heads: vec![Head { epoch: 1, size: 1000, root: [1; 32] }],
            new_key: true,
            key_on_its_word: true,
            new_clips: 3,
            newer_clips: 2,
            elsewhere: 40,
            proven_now: 1,
            lost_clips: (0..12).map(|n| format!("clip-{n}")).collect(),
            ..Report::default()
        };
        insta::assert_snapshot!(report.lines(&station(), "county-cloud", 2, false).join("\n"));
    }

    #[test]
    fn an_interrupted_one_forgets_nothing_of_its_beginning() {
        let report = Report {
            backup: Some(("1/42".to_owned(), 7)),
            log_size: 900,
            lost_events: Some(100),
            heads: vec![Head { epoch: 1, size: 1000, root: [1; 32] }],
            new_key: true,
            warnings: vec!["w".to_owned()],
            ..Report::default()
        };
        let again = Report::begun(&report.to_json().to_string(), Some(BackupKey { epoch: 1, seq: 42 }));
        assert_eq!(again.to_json(), report.to_json());
    }

    #[test]
    fn its_event_has_a_limit() {
        let ids: Vec<String> = (0..100_000).map(|_| "019aa2c4-7f00-7abc-8def-0123456789ab".to_owned()).collect();
        let report = Report { lost_clips: ids.clone(), missing_there: ids.clone(), torn: ids, ..Report::default() };
        assert!(report.to_json().to_string().len() < crate::domain::event::MAX_EVENT_BYTES - 4096);
    }
}
