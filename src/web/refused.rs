//! A form that was refused, as it comes back with the page: what was typed into it stands there again, and nothing is typed
//! twice. A template asks by the form's name and the field's; of every other form it gets nothing. Such a form carries
//! `data-typed`, so that what changes meanwhile leaves it alone (assets/live.js).

/// What was typed into one form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refused {
    form: &'static str,
    /// Which of several of the same name.
    about: String,
    fields: Vec<(String, String)>,
}

impl Refused {
    /// What was typed into `form`.
    pub fn new<N: Into<String>, V: Into<String>>(form: &'static str, fields: impl IntoIterator<Item = (N, V)>) -> Self {
        let fields = fields.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { form, about: String::new(), fields }
    }

    /// Into that one of several forms of its name.
    pub fn about(mut self, which: impl std::fmt::Display) -> Self {
        self.about = which.to_string();
        self
    }

    /// What was typed into the forms about `which`; nothing where it was about another one.
    pub fn only(&self, which: impl std::fmt::Display) -> Self {
        if self.about == which.to_string() { self.clone() } else { Self::default() }
    }

    /// Whether it was this form.
    pub fn is(&self, form: &str) -> bool {
        !form.is_empty() && self.form == form
    }

    /// What was typed into a field of `form`; empty where it was another form.
    pub fn of(&self, form: &str, field: &str) -> &str {
        let found = self.fields.iter().filter(|_| self.is(form)).find(|(name, _)| name == field);
        found.map_or("", |(_, value)| value)
    }

    /// The same, of that one of several forms which is about `which`.
    pub fn of_one(&self, which: &str, form: &str, field: &str) -> &str {
        if self.about == which { self.of(form, field) } else { "" }
    }

    /// What was typed into a field of `form`, where a field that nobody has typed into yet holds something of its own.
    pub fn or(&self, form: &str, field: &str, own: impl Into<String>) -> String {
        if self.is(form) { self.of(form, field).to_owned() } else { own.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_comes_back_into_its_own_form_alone() {
        let refused = Refused::new("judge", [("words", "未出示执法证"), ("point-0", "no")]).about(3);
        assert_eq!(refused.only(3).of("judge", "words"), "未出示执法证");
        assert_eq!((refused.only(3).of("close", "words"), refused.only(3).of("judge", "due")), ("", ""));
        assert_eq!(refused.only(2), Refused::default());
        assert_eq!(refused.or("judge", "due", "2026-07-01"), "", "what was emptied stays empty");
        assert_eq!(refused.or("return", "due", "2026-07-01"), "2026-07-01");
        assert_eq!((refused.of_one("3", "judge", "point-0"), refused.of_one("2", "judge", "point-0")), ("no", ""));
        assert!(refused.is("judge") && !Refused::default().is(""));
    }
}
