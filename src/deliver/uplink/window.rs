//! How many parts are under way at the same time: one more as long as that brings something, half after trouble
//! (additive increase, multiplicative decrease). Pure; judged by what the line acknowledges.

/// Acknowledgements are judged over at least so long, milliseconds: a single part tells more about luck than the line.
const SPAN_MS: i64 = 500;
/// One part more must bring at least this much, or it is taken back.
const WORTH: f64 = 1.05;
/// Spans for which a window that was found too large, or was cut, is left alone.
const CALM_SPANS: u32 = 8;

/// The number of parts under way.
#[derive(Debug, Clone)]
pub(super) struct Window {
    most: usize,
    limit: usize,
    span: Option<Span>,
    /// Bytes a second in the last whole span.
    rate: Option<f64>,
    /// The last step was one up, and has yet to show that it brings something.
    trying: bool,
    calm: u32,
}

#[derive(Debug, Clone, Copy)]
struct Span {
    since_ms: i64,
    bytes: u64,
    parts: usize,
}

impl Window {
    /// Never more than `most` parts.
    pub fn new(most: usize) -> Self {
        let most = most.max(1);
        // From the middle either end is near.
        Self { most, limit: most.div_ceil(2), span: None, rate: None, trying: false, calm: 0 }
    }

    /// Parts that may be under way now.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// A part was acknowledged at `now_ms` (of a clock that nobody sets) while `under_way` were.
    pub fn acknowledged(&mut self, bytes: u64, under_way: usize, now_ms: i64) {
        let span = self.span.get_or_insert(Span { since_ms: now_ms, bytes: 0, parts: 0 });
        // The first acknowledgement of a span only begins it: its bytes went out before.
        if now_ms > span.since_ms {
            span.bytes += bytes;
            span.parts += 1;
        }
        let elapsed_ms = now_ms - span.since_ms;
        if elapsed_ms < SPAN_MS || span.parts < self.limit {
            return;
        }
        let rate = span.bytes as f64 * 1000.0 / elapsed_ms as f64;
        let full = under_way >= self.limit;
        self.span = Some(Span { since_ms: now_ms, bytes: 0, parts: 0 });
        self.judge(rate, full);
    }

    fn judge(&mut self, rate: f64, full: bool) {
        let before = self.rate.replace(rate);
        if std::mem::take(&mut self.trying) && before.is_some_and(|before| rate < before * WORTH) {
            self.limit = (self.limit - 1).max(1);
            self.calm = CALM_SPANS;
        } else if self.calm > 0 {
            self.calm -= 1;
        } else if full && self.limit < self.most {
            // A window that is not used tells nothing about a larger one.
            self.limit += 1;
            self.trying = true;
        }
    }

    /// A part was cut, or the server asked for patience.
    pub fn cut(&mut self) {
        self.limit = (self.limit / 2).max(1);
        (self.span, self.rate, self.trying, self.calm) = (None, None, false, CALM_SPANS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line that moves `line` bytes a second, of which one connection gets at most `each`: the windows over time.
    fn run(window: &mut Window, line: f64, each: f64, parts: usize) -> Vec<usize> {
        const PART: u64 = 1_000_000;
        let (mut now, mut seen) = (0.0, Vec::new());
        for _ in 0..parts {
            let under_way = window.limit();
            let rate = (each * under_way as f64).min(line);
            now += PART as f64 * 1000.0 / rate;
            window.acknowledged(PART, under_way, now as i64);
            seen.push(window.limit());
        }
        seen
    }

    #[test]
    fn it_grows_while_that_brings_something_and_stays_near_what_the_line_takes() {
        let mut window = Window::new(32);
        window.limit = 1;
        let seen = run(&mut window, 8e6, 1e6, 2_000);
        assert!(seen[1_000..].iter().all(|w| (7..=10).contains(w)), "{:?}", &seen[1_000..1_100]);
    }

    #[test]
    fn a_thin_line_gets_few_and_a_wide_one_all() {
        let mut thin = Window::new(8);
        assert!(run(&mut thin, 1e6, 1e6, 400).into_iter().max().unwrap() <= 5);
        let mut wide = Window::new(8);
        assert_eq!(run(&mut wide, 1e9, 1e6, 400).last(), Some(&8));
    }

    #[test]
    fn trouble_halves_it_and_it_never_goes_below_one_or_above_the_most() {
        let mut window = Window::new(8);
        window.limit = 8;
        let mut limits = Vec::new();
        for _ in 0..5 {
            window.cut();
            limits.push(window.limit());
        }
        assert_eq!(limits, [4, 2, 1, 1, 1]);
        for most in 0..40 {
            let mut window = Window::new(most);
            for n in 0..1_000 {
                window.acknowledged(1, 40, n * 600);
                assert!((1..=most.max(1)).contains(&window.limit()), "{most}");
            }
        }
    }

    #[test]
    fn a_window_that_is_not_used_does_not_grow() {
        let mut window = Window::new(8);
        for n in 0..100 {
            window.acknowledged(1_000_000, 1, n * 1_000);
        }
        assert_eq!(window.limit(), 4);
    }
}
