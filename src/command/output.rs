//! What verbs print: results on standard output (text or, with `--json`, JSON), notes and progress on
//! standard error. The only file that prints.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use serde_json::json;

use super::Ended;
use super::exit::Exit;
use crate::config::Language;
use crate::domain::why::Why;
use crate::domain::words::{Lang, Words};
use crate::runtime::clock::monotonic;

/// Where progress cannot be drawn, a line is written no oftener than this.
const PLAIN_PROGRESS_EVERY: Duration = Duration::from_secs(5);

/// Where a verb's answer goes, and in which form.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    json: bool,
    lang: Option<Lang>,
}

impl Output {
    /// Text for people, in `lang` where one was asked for, or JSON for programs.
    pub fn new(json: bool, lang: Option<Lang>) -> Self {
        Self { json, lang }
    }

    /// The language that was asked for on the command line.
    pub fn asked(&self) -> Option<Lang> {
        self.lang
    }

    /// The words for people: in the language that was asked for, else the configured one, else the terminal's.
    /// What programs read has one language.
    pub fn words(&self, configured: Language) -> &'static Words {
        let lang = match self.json {
            true => Lang::En,
            false => {
                self.lang.or(configured.fixed()).unwrap_or_else(|| Lang::of_terminal(|name| std::env::var(name).ok()))
            }
        };
        lang.words()
    }

    /// Whether JSON was asked for.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// One line of the answer.
    pub fn line(&self, text: &str) -> io::Result<()> {
        self.raw(&format!("{text}\n"))
    }

    /// A piece of the answer as it stands. A reader that has left (`| head`) is not an error.
    pub fn raw(&self, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            result => result,
        }
    }

    /// The whole answer as one JSON document.
    pub fn json<T: Serialize + ?Sized>(&self, answer: &T) -> io::Result<()> {
        self.line(&serde_json::to_string_pretty(answer)?)
    }

    /// The answer as a table; see [`table`].
    pub fn table(&self, header: &[&str], rows: &[Vec<String>], numbers: &[usize]) -> io::Result<()> {
        let width = if io::stdout().is_terminal() { terminal_columns() } else { None };
        self.line(&table(header, rows, numbers, width))
    }

    /// A remark that is not the answer.
    pub fn note(&self, text: &str) {
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// Why the verb failed: a message, or with `--json` an object `{"error", "exit_code"}` on standard error, with `why`
    /// where the daemon gave a reason (`domain::why`). `configured` is the station's language.
    pub fn failure(&self, error: &anyhow::Error, exit: Exit, configured: impl FnOnce() -> Language) {
        let words = format!("{error:#}");
        let why = error.downcast_ref::<Ended>().map(|ended| &ended.why).filter(|why| **why != Why::Unsaid);
        match (self.json, why) {
            (true, None) => self.note(&json!({ "error": words, "exit_code": exit as u8 }).to_string()),
            (true, Some(why)) => {
                self.note(&json!({ "error": words, "exit_code": exit as u8, "why": why }).to_string());
            }
            (false, None) => self.note(&format!("evidock: {words}")),
            (false, Some(why)) => self.note(&format!("evidock: {}", why.told(self.words(configured()).lang))),
        }
    }

    /// Progress over `total_bytes`: a bar on a terminal, a line now and then elsewhere, nothing with `--json`.
    pub fn progress(&self, what: &str, total_bytes: u64) -> Progress {
        let drawn = io::stderr().is_terminal() && !self.json;
        let target = if drawn { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(total_bytes), target).with_message(what.to_owned());
        // The template is ours and fixed; an unusable one would fall back to the default look.
        if let Ok(style) = ProgressStyle::with_template(
            "{msg} {wide_bar} {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {eta}",
        ) {
            bar.set_style(style);
        }
        let plain = if drawn || self.json { None } else { Some(monotonic()) };
        Progress { bar, plain, what: what.to_owned() }
    }
}

/// Progress of one long piece of work; gone when dropped.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    /// When the last plain line was written.
    plain: Option<Instant>,
    what: String,
}

impl Progress {
    /// So many more bytes are done.
    pub fn advance(&mut self, bytes: u64) {
        self.bar.inc(bytes);
        if self.plain.is_some_and(|last| last.elapsed() >= PLAIN_PROGRESS_EVERY) {
            self.plain = Some(monotonic());
            let _ = writeln!(io::stderr().lock(), "{}", plain(&self.what, self.bar.position(), self.bar.length()));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn plain(what: &str, done_bytes: u64, total_bytes: Option<u64>) -> String {
    let total = total_bytes.unwrap_or(0).max(1);
    format!("{what}: {} of {} ({} %)", size(done_bytes), size(total), done_bytes.saturating_mul(100) / total)
}

/// Bytes as people read them: powers of ten, as on the page.
pub fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 4] =
        [("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)];
    match UNITS.iter().find(|(_, unit)| bytes >= *unit) {
        None => format!("{bytes} B"),
        Some((name, unit)) => {
            // One digit behind the point, cut off and not rounded, so that 100 % never shows early.
            let tenths = u128::from(bytes) * 10 / u128::from(*unit);
            format!("{}.{} {name}", tenths / 10, tenths % 10)
        }
    }
}

/// Text with blanks behind it, up to so many columns of a terminal: Chinese takes two a character.
pub fn padded(text: &str, columns: usize) -> String {
    let taken = text.chars().map(|c| if c < '\u{2e80}' { 1 } else { 2 }).sum();
    format!("{text}{}", " ".repeat(columns.saturating_sub(taken)))
}

/// Rows below a header, columns aligned also where they hold Chinese; the columns in `numbers` to the right.
/// Wraps cells to `width` columns where one is given. Control characters never reach the terminal.
pub fn table(header: &[&str], rows: &[Vec<String>], numbers: &[usize], width: Option<u16>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(match width {
        Some(_) => ContentArrangement::Dynamic,
        None => ContentArrangement::Disabled,
    });
    if let Some(width) = width {
        table.set_width(width);
    }
    table.set_header(header.iter().copied());
    for row in rows {
        table.add_row(row.iter().map(|cell| cell.replace(char::is_control, " ")));
    }
    let last = header.len().saturating_sub(1);
    for (n, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, if n == last { 0 } else { 2 }));
        if numbers.contains(&n) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

fn terminal_columns() -> Option<u16> {
    rustix::termios::tcgetwinsize(io::stdout()).ok().map(|size| size.ws_col).filter(|columns| *columns > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stay_aligned_with_chinese_in_them() {
        let rows = vec![
            vec!["赵卫罚〔2019〕12号".to_owned(), "张三".to_owned(), "7".to_owned()],
            vec!["A-1".to_owned(), "Li\u{1b}[31m Si".to_owned(), "1234".to_owned()],
        ];
        insta::assert_snapshot!(table(&["case", "officer", "clips"], &rows, &[2], None));
    }

    #[test]
    fn chinese_takes_two_columns() {
        assert_eq!(
            (padded("ok", 4), padded("正常", 6), padded("正常", 3)),
            ("ok  ".into(), "正常  ".into(), "正常".into())
        );
    }

    #[test]
    fn sizes_are_powers_of_ten() {
        for (bytes, text) in
            [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (2_349_999_999, "2.3 GB"), (u64::MAX, "18446744.0 TB")]
        {
            assert_eq!(size(bytes), text);
        }
        assert_eq!(plain("x", 1_500_000, Some(3_000_000)), "x: 1.5 MB of 3.0 MB (50 %)");
        assert_eq!(plain("x", 0, Some(0)), "x: 0 B of 1 B (0 %)");
    }
}
