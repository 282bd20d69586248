//! Of clips: how one is found and shown, and how people say what it is, and accept or refuse what rules say.
//! What happens to its copies stands in `copies`.

use clap::{Args, Subcommand};

use crate::config::nearest;
use crate::domain::record::Field;
use crate::domain::time::position_ms;

/// `find`
#[derive(Debug, Clone, Args)]
pub struct Find {
    /// Anything that is known: numbers, names, places, days
    #[arg(value_name = "WORDS", required_unless_present_any = ["case_no", "rebuild"], conflicts_with = "case_no")]
    pub words: Vec<String>,
    /// Case number, in any spelling, or any other number of the same case
    #[arg(long = "case", value_name = "N")]
    pub case_no: Option<String>,
    /// Read this destination alone
    #[arg(long, value_name = "DEST")]
    pub from: Option<String>,
    /// Look into the catalogues of other stations, too, at --from or at the first that answers
    #[arg(long, requires = "words")]
    pub all_stations: bool,
    /// What fits best first, instead of the newest
    #[arg(long, requires = "words")]
    pub best: bool,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub limit: u32,
    /// Make the index of searches anew, which is kept up to date by itself
    #[arg(long, conflicts_with_all = ["words", "case_no", "from"])]
    pub rebuild: bool,
}

/// `show`
#[derive(Debug, Clone, Args)]
pub struct Show {
    /// Clip id, as `find` prints it
    #[arg(value_name = "CLIP")]
    pub clip: String,
}

/// `link`
#[derive(Debug, Clone, Args)]
pub struct Link {
    /// Clip id
    #[arg(value_name = "CLIP")]
    pub clip: String,
    /// Case number
    #[arg(value_name = "CASE")]
    pub case_no: String,
    /// Stage of the procedure (执法环节), as 调查
    #[arg(long)]
    pub stage: Option<String>,
    /// Matter recorded (记录事项), as 现场检查
    #[arg(long)]
    pub matter: Option<String>,
    /// What it proves in this case (证明对象)
    #[arg(long)]
    pub proves: Option<String>,
    /// Only the part from here, as 90, 1:30 or 1:02:03.5 from the clip's start
    #[arg(long, value_name = "TIME", value_parser = position_ms)]
    pub from: Option<i64>,
    /// Only the part up to here
    #[arg(long, value_name = "TIME", value_parser = position_ms)]
    pub to: Option<i64>,
}

/// `unlink`
#[derive(Debug, Clone, Args)]
pub struct Unlink {
    /// Clip id
    #[arg(value_name = "CLIP")]
    pub clip: String,
    /// Any number of the case
    #[arg(value_name = "CASE")]
    pub case_no: String,
    /// Why; kept on record
    #[arg(long)]
    pub reason: String,
}

/// `annotate`
#[derive(Debug, Clone, Args)]
pub struct Annotate {
    /// Clip id
    #[arg(value_name = "CLIP")]
    pub clip: String,
    /// Facts, as place=东关街 officer=张三
    #[arg(value_name = "FIELD=VALUE", required = true, value_parser = fact)]
    pub facts: Vec<(Field, String)>,
}

/// `rules`
#[derive(Debug, Clone, Subcommand)]
pub enum Rules {
    /// Say what the rules as configured would do to the clips that are here; changes nothing
    Try,
}

/// `triage`
#[derive(Debug, Clone, Subcommand)]
pub enum Triage {
    /// Show what waits, with what rules suggest and why
    List {
        /// So many
        #[arg(long, default_value_t = 20, value_name = "N")]
        limit: u32,
    },
    /// Link a clip as it is suggested, or to the case given
    Accept(Verdict),
    /// Refuse what is suggested: no rule suggests it again
    Refuse(Verdict),
    /// Take the decision about a clip and a case back
    Undo(Verdict),
}

/// What is decided.
#[derive(Debug, Clone, Args)]
pub struct Verdict {
    /// Clip id
    #[arg(value_name = "CLIP")]
    pub clip: String,
    /// Which case [default: the surest that is suggested]
    #[arg(long = "case", value_name = "N")]
    pub case_no: Option<String>,
    /// The same about every clip of this recorder's outing that has no case
    #[arg(long)]
    pub outing: bool,
}

/// `FIELD=VALUE`, the field one that a person may set.
fn fact(text: &str) -> Result<(Field, String), String> {
    let (name, value) = text.split_once('=').ok_or("write FIELD=VALUE, as place=东关街")?;
    let names = || Field::ALL.iter().map(|field| field.as_str());
    let field = Field::parse(name).ok_or_else(|| match nearest(name, names()) {
        Some(right) => format!("there is no field `{name}`; did you mean `{right}`?"),
        None => format!("there is no field `{name}`; the fields are {}", names().collect::<Vec<_>>().join(", ")),
    })?;
    Ok((field, value.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_in_a_clip() {
        for (text, ms) in
            [("90", 90_000), ("1:30", 90_000), ("1:02:03.5", 3_723_500), ("0.25", 250), ("90:00", 5_400_000)]
        {
            assert_eq!(position_ms(text), Ok(ms), "{text}");
        }
        for text in ["", "1:", "1:90", "-1", "1.2345", "1:2:3:4", "a", "1.", "99999999999"] {
            assert!(position_ms(text).is_err(), "{text}");
        }
    }

    #[test]
    fn facts_are_fields_with_values() {
        assert_eq!(fact("place= 东关街 "), Ok((Field::Place, "东关街".to_owned())));
        assert_eq!(fact("place="), Ok((Field::Place, String::new())));
        assert_eq!(fact("proves=a=b"), Ok((Field::Proves, "a=b".to_owned())));
        assert_eq!(fact("plase=x"), Err("there is no field `plase`; did you mean `place`?".to_owned()));
        assert!(fact("place").is_err());
    }
}
