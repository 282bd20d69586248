//! A comparison of a clip's copies in words: how far it is, and what came of it for the file here and each destination.

use super::clips::Pill;
use super::{Ctx, Stamp};
use crate::domain::how_far::percent;
use crate::domain::verifying::{Compared, Stage, Verifying};
use crate::domain::words::Words;

/// What stands on the page of the clip.
pub struct VerifyBlock {
    /// The clip.
    pub id: String,
    /// It goes on.
    pub running: bool,
    /// How far it is, per cent and in words.
    pub progress: Option<(u64, String)>,
    /// What came of all of it.
    pub pill: Option<Pill>,
    /// When it was asked for.
    pub asked: Option<Stamp>,
    /// What came of each: what it is, how it compared, why.
    pub lines: Vec<(String, Pill, Option<String>)>,
    /// Why it could not be carried out.
    pub failed: Option<String>,
}

/// How far the newest comparison of a clip is, or what came of it.
pub fn block(id: String, verifying: Option<&Verifying>, c: &Ctx) -> VerifyBlock {
    let w = c.w;
    let mut block = VerifyBlock {
        id,
        running: false,
        progress: None,
        pill: None,
        asked: verifying.map(|v| c.near(v.begun)),
        lines: Vec::new(),
        failed: None,
    };
    let Some(v) = verifying else { return block };
    block.running = v.stage.is_running();
    match &v.stage {
        Stage::Waiting => block.progress = Some((0, w.verify_waiting().to_owned())),
        Stage::Reading { destination } => {
            let percent = percent(v.done_bytes, v.of_bytes);
            block.progress = Some((percent, in_words(v, percent, destination.as_deref(), w)));
        }
        Stage::Ended(compared) => {
            block.pill = Some(verdict(compared, w));
            block.lines = lines(compared, w);
        }
        Stage::Failed(words) => {
            block.pill = Some(Pill::new("fail", w.verify_failed()));
            block.failed = Some(words.clone());
        }
    }
    block
}

fn in_words(v: &Verifying, percent: u64, destination: Option<&str>, w: &Words) -> String {
    let mut words =
        format!("{percent} % · {} / {} · {}", w.size(v.done_bytes), w.size(v.of_bytes), w.verify_reading(destination));
    if let Some(left) = v.left_ms {
        words.push_str(" · ");
        words.push_str(&w.left(left));
    }
    words
}

fn is_well(word: &str) -> bool {
    matches!(word, "same" | "evicted" | "none")
}

fn verdict(compared: &Compared, w: &Words) -> Pill {
    if !compared.ok {
        return Pill::new("fail", w.verify_differs());
    }
    let seen = compared.local == "same" || compared.copies.iter().any(|copy| copy.result == "same");
    match seen && compared.copies.iter().all(|copy| copy.result == "same") {
        true => Pill::new("safe", w.verify_all_same()),
        false => Pill::new("ask", w.verify_not_all()),
    }
}

fn lines(compared: &Compared, w: &Words) -> Vec<(String, Pill, Option<String>)> {
    let pill = |word: &str| {
        let class = match word {
            "same" => "safe",
            "evicted" | "none" | "not_sent" => "idle",
            "unreachable" => "ask",
            _ => "fail",
        };
        Pill::new(class, w.compared(word))
    };
    let own =
        [(w.verify_here(), &compared.local), (w.verify_log(), &compared.log), (w.verify_record(), &compared.record)];
    let mut lines: Vec<_> = own.into_iter().map(|(label, word)| (label.to_owned(), pill(word), None)).collect();
    // The daemon's words belong to the first of these that is not well.
    if let Some(line) = own.iter().position(|(_, word)| !is_well(word)).and_then(|n| lines.get_mut(n)) {
        line.2.clone_from(&compared.detail);
    }
    lines.extend(compared.copies.iter().map(|copy| {
        let record = copy.record.as_deref().filter(|word| *word == "differs").map(|_| w.compared_record_differs());
        let shown = if record.is_some() { Pill::new("fail", w.compared("differs")) } else { pill(&copy.result) };
        let why = copy.detail.clone().or_else(|| record.map(str::to_owned));
        (copy.destination.clone(), shown, why)
    }));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::verifying::ComparedCopy;
    use crate::domain::words::Lang;

    fn compared(local: &str, copies: &[&str], ok: bool) -> Compared {
        let copy = |result: &&str| ComparedCopy {
            destination: "cloud".into(),
            result: (*result).to_owned(),
            ..ComparedCopy::default()
        };
        Compared {
            local: local.into(),
            log: "same".into(),
            record: "same".into(),
            copies: copies.iter().map(copy).collect(),
            detail: None,
            ok,
        }
    }

    #[test]
    fn only_what_was_compared_is_called_the_same() {
        let w = Lang::Zh.words();
        for (local, copies, ok, wanted) in [
            ("same", &[][..], true, "全部一致"),
            ("same", &["same"][..], true, "全部一致"),
            ("same", &["not_sent"][..], true, "未发现不一致，但有副本未能比对"),
            ("same", &["unreachable"][..], true, "未发现不一致，但有副本未能比对"),
            ("evicted", &["same"][..], true, "全部一致"),
            ("evicted", &[][..], true, "未发现不一致，但有副本未能比对"),
            ("differs", &["same"][..], false, "发现不一致"),
        ] {
            assert_eq!(verdict(&compared(local, copies, ok), w).text, wanted, "{local} {copies:?}");
        }
        let mut bad = compared("gone", &["unreachable"], false);
        bad.detail = Some("the local file is gone".into());
        let told = lines(&bad, w);
        let shown: Vec<_> =
            told.iter().map(|(label, pill, why)| (label.as_str(), pill.text.as_str(), why.is_some())).collect();
        assert_eq!(
            shown,
            [
                ("本机文件", "文件已不在", true),
                ("日志中的入库记录", "一致", false),
                ("资料记录", "一致", false),
                ("cloud", "无法连接，未比对", false)
            ]
        );
    }
}
