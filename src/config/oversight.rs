//! Settings of supervision and reports. Part of `resolve`.

use super::resolve::{Places, Problem, label, problem, whole};
use super::settings::{Form, Supervision};
use super::written;
use crate::domain::{review, supervision};

/// Points of a checklist, items of a sheet, and forms: more fit on no page.
const MOST: usize = 40;

/// `[supervision]`
pub(super) fn resolve(written: written::Supervision, places: &Places<'_>) -> Result<Supervision, Problem> {
    let checklist = match written.checklist {
        None => supervision::CHECKLIST.map(str::to_owned).to_vec(),
        Some(points) => texts("supervision.checklist", points)?,
    };
    let mut marks: Vec<(String, u32)> = Vec::new();
    for (n, mark) in written.mark.unwrap_or_default().into_iter().enumerate() {
        let path = format!("supervision.mark[{n}]");
        let Some(item) = label(&format!("{path}.item"), mark.item)? else {
            return problem(format!("{path}.item"), "must be there: what is marked");
        };
        if marks.iter().any(|(other, _)| *other == item) {
            return problem(format!("{path}.item"), format!("is there already: {item:?}"));
        }
        marks.push((item, whole(&format!("{path}.points"), mark.points, 10, 1..=1000)? as u32));
    }
    if marks.len() > MOST {
        return problem("supervision.mark", format!("must be at most {MOST}"));
    }
    if marks.is_empty() {
        marks = review::MARKS.iter().map(|(item, points)| ((*item).to_owned(), *points)).collect();
    }
    let mut forms: Vec<Form> = Vec::new();
    for (n, form) in written.form.unwrap_or_default().into_iter().enumerate() {
        let path = format!("supervision.form[{n}]");
        let Some(name) = label(&format!("{path}.name"), form.name)? else {
            return problem(format!("{path}.name"), "must be there: what people call the form");
        };
        let Some(file) = places.written(form.file) else {
            return problem(format!("{path}.file"), "must be there: an .xlsx file with placeholders");
        };
        if forms.iter().any(|other| other.name == name) {
            return problem(format!("{path}.name"), format!("is taken: another form is called {name:?}"));
        }
        forms.push(Form { name, file });
    }
    if forms.len() > MOST {
        return problem("supervision.form", format!("must be at most {MOST}"));
    }
    Ok(Supervision { checklist, marks, forms })
}

fn texts(path: &str, written: Vec<String>) -> Result<Vec<String>, Problem> {
    let mut texts: Vec<String> = Vec::new();
    for text in written {
        match label(path, Some(text))? {
            Some(text) if texts.contains(&text) => return problem(path, format!("has {text:?} twice")),
            Some(text) => texts.push(text),
            None => return problem(path, "must have no empty text in it"),
        }
    }
    match texts.len() {
        1..=MOST => Ok(texts),
        n => problem(path, format!("must have 1 to {MOST} points; it has {n}")),
    }
}

/// As it would be written.
pub(super) fn to_written(of: &Supervision) -> written::Supervision {
    let marks: Vec<written::MarkItem> = of
        .marks
        .iter()
        .map(|(item, points)| written::MarkItem { item: Some(item.clone()), points: Some(u64::from(*points)) })
        .collect();
    let forms: Vec<written::ReportForm> = of
        .forms
        .iter()
        .map(|f| written::ReportForm { name: Some(f.name.clone()), file: Some(f.file.clone()) })
        .collect();
    written::Supervision {
        checklist: Some(of.checklist.clone()),
        mark: Some(marks),
        form: (!forms.is_empty()).then_some(forms),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Surroundings, read};

    #[test]
    fn values_that_cannot_be_used_say_so() {
        for (text, words) in [
            ("[supervision]\nchecklist = []", "must have 1 to 40 points"),
            ("[supervision]\nchecklist = ['a', 'a']", "has \"a\" twice"),
            ("[supervision]\nchecklist = ['a', ' ']", "no empty text"),
            ("[[supervision.mark]]\npoints = 5", "what is marked"),
            ("[[supervision.mark]]\nitem = 'a'\npoints = 0", "must be 1 to 1000"),
            ("[[supervision.mark]]\nitem = 'a'\n[[supervision.mark]]\nitem = 'a'", "is there already"),
            ("[[supervision.form]]\nfile = 'x.xlsx'", "what people call the form"),
            ("[[supervision.form]]\nname = 'x'", "an .xlsx file"),
        ] {
            let told = read(text, None, &Surroundings::default()).unwrap_err().to_string();
            assert!(told.contains(words), "{text}: {told}");
        }
    }

    #[test]
    fn what_is_written_is_shown_again() {
        let text = "[supervision]\nchecklist = ['亮证', '告知']\n[[supervision.mark]]\nitem = '完整'\npoints = 60\n\
            [[supervision.form]]\nname = '季度报表'\nfile = '/x/q.xlsx'";
        let settings = read(text, None, &Surroundings::default()).unwrap();
        assert_eq!(settings.supervision.checklist, ["亮证", "告知"]);
        let shown = toml::to_string(&settings.to_written()).unwrap();
        assert_eq!(read(&shown, None, &Surroundings::default()).unwrap(), settings, "{shown}");
        let usual = read("", None, &Surroundings::default()).unwrap().supervision;
        assert_eq!((usual.checklist.len(), usual.marks.iter().map(|m| m.1).sum::<u32>()), (6, 100));
    }
}
