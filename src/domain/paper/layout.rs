//! From blocks to lines at places on pages. Measures are points (1/72 inch), from the upper left corner.

use super::{Block, Document, Row, Table, Typeface};

/// A4.
pub(super) const WIDTH: f32 = 595.276;
/// A4.
pub(super) const HEIGHT: f32 = 841.89;

const LEFT: f32 = 42.5;
const TOP: f32 = 51.0;
const BOTTOM: f32 = 51.0;
const INNER: f32 = WIDTH - 2.0 * LEFT;

const TITLE: f32 = 17.0;
const HEADING: f32 = 12.5;
const TEXT: f32 = 10.5;
const CELL: f32 = 8.5;
const FOOT: f32 = 8.0;

/// Space inside a cell, at each side.
const PADDING: f32 = 3.0;
/// A tenth of a millimetre.
const TENTH_MM: f32 = 72.0 / 254.0;

/// What is drawn.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Op {
    Text { x: f32, y: f32, size: f32, face: usize, text: String },
    Line { from: (f32, f32), to: (f32, f32) },
}

/// The pages of a document, each with what is drawn on it.
pub(super) fn pages(document: &Document, typeface: &Typeface) -> Vec<Vec<Op>> {
    let mut sheet = Sheet { typeface, pages: vec![Vec::new()], y: TOP };
    let lines = wrap(typeface, &document.title, TITLE, INNER);
    for line in lines {
        let x = LEFT + (INNER - width(typeface, &line, TITLE)).max(0.0) / 2.0;
        sheet.y += TITLE * 1.4;
        sheet.text(x, sheet.y, TITLE, &line);
    }
    sheet.y += 10.0;
    for block in &document.blocks {
        match block {
            Block::Heading(text) => sheet.heading(text),
            Block::Text(text) => sheet.paragraph(text, LEFT),
            Block::List(items) => {
                for (n, item) in items.iter().enumerate() {
                    sheet.item(n + 1, item);
                }
            }
            Block::Table(table) => sheet.table(table),
        }
    }
    let of = sheet.pages.len();
    for n in 0..of {
        sheet.foot(n, of, &document.title);
    }
    sheet.pages
}

struct Sheet<'a> {
    typeface: &'a Typeface,
    pages: Vec<Vec<Op>>,
    /// Where the next thing begins.
    y: f32,
}

impl Sheet<'_> {
    fn put(&mut self, op: Op) {
        if let Some(page) = self.pages.last_mut() {
            page.push(op);
        }
    }

    /// A line whose foot stands at `y`: as many runs as faces print it.
    fn text(&mut self, mut x: f32, y: f32, size: f32, text: &str) {
        for (face, run) in runs(self.typeface, text) {
            let wide = width(self.typeface, &run, size);
            self.put(Op::Text { x, y, size, face, text: run });
            x += wide;
        }
    }

    fn next_page(&mut self) {
        self.pages.push(Vec::new());
        self.y = TOP;
    }

    /// Begins a new page where so much does not fit any more.
    fn room(&mut self, high: f32) {
        if self.y + high > HEIGHT - BOTTOM && self.y > TOP {
            self.next_page();
        }
    }

    fn heading(&mut self, text: &str) {
        // With the first lines of what follows.
        self.room(HEADING * 1.8 + 4.0 * TEXT);
        self.y += 8.0;
        for line in wrap(self.typeface, text, HEADING, INNER) {
            self.y += HEADING * 1.4;
            self.text(LEFT, self.y, HEADING, &line);
        }
        self.y += 5.0;
    }

    fn paragraph(&mut self, text: &str, x: f32) {
        for line in wrap(self.typeface, text, TEXT, WIDTH - LEFT - x) {
            self.room(TEXT * 1.5);
            self.y += TEXT * 1.5;
            self.text(x, self.y, TEXT, &line);
        }
        self.y += 3.0;
    }

    fn item(&mut self, n: usize, text: &str) {
        const INDENT: f32 = 20.0;
        self.room(TEXT * 1.5);
        self.text(LEFT, self.y + TEXT * 1.5, TEXT, &format!("{n}."));
        self.paragraph(text, LEFT + INDENT);
    }

    fn table(&mut self, table: &Table) {
        let parts: u32 = table.widths.iter().sum::<u32>().max(1);
        let mut edges = vec![LEFT];
        let mut sum = 0;
        for part in &table.widths {
            sum += part;
            edges.push(LEFT + INNER * sum as f32 / parts as f32);
        }
        let head = (!table.head.is_empty()).then(|| self.fitted(&Row::of(table.head.iter().cloned()), &edges));
        let rows: Vec<Fitted> = table.rows.iter().map(|row| self.fitted(row, &edges)).collect();
        let head_high = head.as_ref().map_or(0.0, |head| head.high);
        let first = rows.first().map_or(0.0, |row| row.high);
        self.room(head_high + first.min(HEIGHT / 2.0));
        if let Some(head) = &head {
            self.row(head, &edges, 0);
        }
        for (n, row) in rows.iter().enumerate() {
            // Rows that belong together move together, as long as a page holds them.
            let joined = table.rows[n + 1..].iter().take_while(|row| row.joined).count();
            let group: f32 = rows[n..=n + joined].iter().map(|row| row.high).sum();
            let whole = HEIGHT - TOP - BOTTOM - head_high;
            let needed = if group <= whole { group } else { row.high };
            if self.y + needed > HEIGHT - BOTTOM && self.y > TOP + head_high {
                self.next_page();
                if let Some(head) = &head {
                    self.row(head, &edges, 0);
                }
            }
            // A row that is longer than a page goes on, on the next one, under the same head.
            let mut from = 0;
            while from < row.lines() {
                from = self.row(row, &edges, from);
                if from < row.lines() {
                    self.next_page();
                    if let Some(head) = &head {
                        self.row(head, &edges, 0);
                    }
                }
            }
        }
        self.y += 6.0;
    }

    /// Draws a row from one of its lines on, as far as the page goes; gives the line that is next.
    fn row(&mut self, row: &Fitted, edges: &[f32], from: usize) -> usize {
        let top = self.y;
        let left = HEIGHT - BOTTOM - top - 2.0 * PADDING;
        // At least one line, so that it ends.
        let fit = ((left / (CELL * 1.35)).floor().max(1.0)) as usize;
        let to = row.lines().min(from + fit);
        let whole = from == 0 && to == row.lines();
        let high = if whole { row.high } else { (to - from) as f32 * CELL * 1.35 + 2.0 * PADDING };
        for cell in &row.cells {
            let (x, lines) = (edges[cell.from] + PADDING, &cell.lines);
            for (n, line) in lines.iter().skip(from).take(to - from).enumerate() {
                let y = top + PADDING + CELL * 1.0 + n as f32 * CELL * 1.35;
                self.text(x, y, CELL, line);
            }
            let (left, right) = (edges[cell.from], edges[cell.to]);
            for (from, to) in [((left, top), (left, top + high)), ((right, top), (right, top + high))] {
                self.put(Op::Line { from, to });
            }
        }
        let (left, right) = (edges[0], edges[edges.len() - 1]);
        for y in [top, top + high] {
            self.put(Op::Line { from: (left, y), to: (right, y) });
        }
        self.y = top + high;
        to.max(from + 1)
    }

    fn fitted(&self, row: &Row, edges: &[f32]) -> Fitted {
        let columns = edges.len() - 1;
        let (mut at, mut cells) = (0, Vec::new());
        for cell in &row.cells {
            let to = (at + cell.span.max(1)).min(columns);
            if at >= to {
                break;
            }
            let lines = wrap(self.typeface, &cell.text, CELL, edges[to] - edges[at] - 2.0 * PADDING);
            cells.push(FittedCell { from: at, to, lines });
            at = to;
        }
        let lines = cells.iter().map(|cell| cell.lines.len()).max().unwrap_or(0).max(1);
        let high = (lines as f32 * CELL * 1.35 + 2.0 * PADDING).max(row.high as f32 * TENTH_MM);
        Fitted { cells, high }
    }

    fn foot(&mut self, n: usize, of: usize, title: &str) {
        let y = HEIGHT - BOTTOM / 2.0;
        let number = format!("{} / {of}", n + 1);
        let x = WIDTH - LEFT - width(self.typeface, &number, FOOT);
        let title = wrap(self.typeface, title, FOOT, INNER / 2.0).into_iter().next().unwrap_or_default();
        for (x, text) in [(LEFT, title), (x, number)] {
            let mut x = x;
            for (face, run) in runs(self.typeface, &text) {
                let wide = width(self.typeface, &run, FOOT);
                if let Some(page) = self.pages.get_mut(n) {
                    page.push(Op::Text { x, y, size: FOOT, face, text: run });
                }
                x += wide;
            }
        }
    }
}

/// A row whose texts are broken into lines.
struct Fitted {
    cells: Vec<FittedCell>,
    high: f32,
}

impl Fitted {
    fn lines(&self) -> usize {
        self.cells.iter().map(|cell| cell.lines.len()).max().unwrap_or(0).max(1)
    }
}

struct FittedCell {
    from: usize,
    to: usize,
    lines: Vec<String>,
}

/// Nothing that turns the direction of what follows (UAX #9), no control characters: a name of a file must not make the
/// line say something else.
fn printable(c: char) -> char {
    match c {
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        '\t' | '\u{a0}' | '\u{202f}' => ' ',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

fn width(typeface: &Typeface, text: &str, size: f32) -> f32 {
    text.chars().map(|c| typeface.advance(c) * size).sum()
}

/// Stretches that one face prints; what none has is the first one's, as a box.
fn runs(typeface: &Typeface, text: &str) -> Vec<(usize, String)> {
    let mut runs: Vec<(usize, String)> = Vec::new();
    for c in text.chars() {
        let face = typeface.face_of(c).unwrap_or(0);
        match runs.last_mut() {
            Some((last, run)) if *last == face => run.push(c),
            _ => runs.push((face, c.to_string())),
        }
    }
    runs
}

/// Marks that do not begin a line (GB/T 15834, 5.1.10).
fn never_first(c: char) -> bool {
    "、。，；：？！）〕》」』】”’…·,.;:?!)]}%".contains(c)
}

/// Breaks text into lines of at most `wide`: after a space, beside a character as wide as it is high, and else anywhere.
fn wrap(typeface: &Typeface, text: &str, size: f32, wide: f32) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let chars: Vec<char> = paragraph.chars().map(printable).collect();
        let (mut begin, mut used, mut allowed) = (0, 0.0, None);
        let mut n = 0;
        while n < chars.len() {
            let c = chars[n];
            let advance = typeface.advance(c) * size;
            if used + advance > wide && n > begin {
                let mut end = match allowed {
                    Some(at) if at > begin => at,
                    _ => n,
                };
                // One sign comes along rather than that a mark begins the line.
                if end > begin + 1 && chars.get(end).is_some_and(|c| never_first(*c)) {
                    end -= 1;
                }
                lines.push(chars[begin..end].iter().collect::<String>().trim_end().to_owned());
                begin = end;
                while chars.get(begin) == Some(&' ') {
                    begin += 1;
                }
                (n, used, allowed) = (begin, 0.0, None);
                continue;
            }
            used += advance;
            n += 1;
            let broad = |c: char| typeface.advance(c) > 0.8 && !c.is_ascii();
            if c == ' ' || broad(c) || chars.get(n).is_some_and(|next| broad(*next)) {
                allowed = Some(n);
            }
        }
        lines.push(chars[begin.min(chars.len())..].iter().collect());
    }
    lines
}
