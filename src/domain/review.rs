//! Legal review (法制审核) of a case, and its review sheet (案卷评查): the words of an opinion, and marks. Pure.

use serde::{Deserialize, Serialize};

use super::why::Why;

/// What an opinion comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The records do.
    Agree,
    /// Something is to be added or put right first.
    Supplement,
    /// They do not do; the case goes back.
    Return,
}

impl Verdict {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Agree, Self::Supplement, Self::Return];

    /// The stored word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Agree => "agree",
            Self::Supplement => "supplement",
            Self::Return => "return",
        }
    }

    /// Reads it back.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|v| v.as_str() == word)
    }
}

/// What a case file is marked by where the configuration says nothing else: the item, and how many points it may bring.
pub const MARKS: [(&str, u32); 8] = [
    ("执法主体和人员资格", 10),
    ("亮证告知", 10),
    ("现场检查记录完整", 20),
    ("调查取证记录完整", 20),
    ("送达记录完整", 10),
    ("音像记录与文书一致", 15),
    ("记录连续无中断", 10),
    ("归档规范", 5),
];

/// One item of a sheet. Stored as JSON; fields may be added, not renamed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// What is marked.
    pub item: String,
    /// Points that it may bring.
    pub most: u32,
    /// Points that it brings.
    pub points: u32,
    /// Why not all of them.
    #[serde(default)]
    pub remark: String,
}

/// Points in all, and those that there may be.
pub fn total(marks: &[Mark]) -> (u32, u32) {
    let sum = |of: fn(&Mark) -> u32| marks.iter().map(of).fold(0u32, u32::saturating_add);
    (sum(|m| m.points), sum(|m| m.most))
}

/// Whether a sheet can stand; why not, else.
pub fn check(marks: &[Mark], items: &[(String, u32)]) -> Result<(), Why> {
    if marks.len() != items.len() || marks.iter().zip(items).any(|(m, (item, most))| m.item != *item || m.most != *most)
    {
        return Err(Why::OtherSheet {});
    }
    for mark in marks {
        if mark.points > mark.most {
            let (most, points) = (u64::from(mark.most), u64::from(mark.points));
            return Err(Why::TooManyPoints { item: mark.item.clone(), most, points });
        }
        if mark.points < mark.most && mark.remark.trim().is_empty() {
            return Err(Why::WhyNotAll { item: mark.item.clone(), most: u64::from(mark.most) });
        }
    }
    Ok(())
}

/// A place in a clip as people type it, `75`, `1:15` or `1:02:03`, optionally with a fraction: milliseconds.
pub fn place_ms(typed: &str) -> Option<i64> {
    let typed = typed.trim();
    let mut parts: Vec<&str> = typed.split([':', '：']).collect();
    let last = parts.pop()?;
    let (seconds, fraction) = last.split_once('.').unwrap_or((last, ""));
    let digits = |t: &str, most: usize| {
        (!t.is_empty() && t.len() <= most && t.bytes().all(|b| b.is_ascii_digit())).then(|| t.parse::<i64>().ok())?
    };
    let mut whole = 0i64;
    for part in &parts {
        whole = whole * 60 + digits(part, 3)?;
    }
    if parts.len() > 2 {
        return None;
    }
    let seconds = digits(seconds, 6)?;
    // Below a minute where minutes are told.
    if !parts.is_empty() && seconds >= 60 {
        return None;
    }
    let ms = match fraction {
        "" => 0,
        f if f.len() <= 3 => digits(f, 3)? * 10i64.pow(3 - f.len() as u32),
        _ => return None,
    };
    Some((whole * 60 + seconds) * 1000 + ms)
}

/// The same place as it is printed.
pub fn place_text(ms: i64) -> String {
    let s = ms.max(0) / 1000;
    if s >= 3600 {
        format!("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
    } else {
        format!("{}:{:02}", s / 60, s % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_people_type_them() {
        for (typed, ms) in [
            ("75", Some(75_000)),
            ("1:15", Some(75_000)),
            ("1：15", Some(75_000)),
            (" 1:02:03 ", Some(3_723_000)),
            ("0:00.5", Some(500)),
            ("90:00", Some(5_400_000)),
            ("1:60", None),
            ("1:2:3:4", None),
            ("-1", None),
            ("", None),
            ("1:", None),
            ("abc", None),
            ("9999999", None),
            ("1.2345", None),
        ] {
            assert_eq!(place_ms(typed), ms, "{typed}");
        }
        assert_eq!((place_text(75_999), place_text(3_723_000)), ("1:15".into(), "1:02:03".into()));
    }

    #[test]
    fn a_sheet_is_of_its_items_and_says_why() {
        let items: Vec<(String, u32)> = MARKS.iter().map(|(i, n)| ((*i).to_owned(), *n)).collect();
        assert_eq!(items.iter().map(|i| i.1).sum::<u32>(), 100);
        let mut marks: Vec<Mark> = items
            .iter()
            .map(|(item, most)| Mark { item: item.clone(), most: *most, points: *most, remark: String::new() })
            .collect();
        assert!(check(&marks, &items).is_ok());
        assert_eq!(total(&marks), (100, 100));
        marks[1].points = 4;
        assert!(check(&marks, &items).unwrap_err().to_string().contains("亮证告知: say why"));
        marks[1].remark = "未亮证".into();
        assert!(check(&marks, &items).is_ok());
        assert_eq!(total(&marks), (94, 100));
        marks[1].points = 11;
        assert!(check(&marks, &items).unwrap_err().to_string().contains("at most 10"));
        assert!(check(&marks[1..], &items).is_err());
        for verdict in Verdict::ALL {
            assert_eq!(Verdict::parse(verdict.as_str()), Some(verdict));
        }
    }
}
