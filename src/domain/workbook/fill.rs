//! An agency's own form, filled in: every `{{placeholder}}` in a cell is replaced, everything else stays byte for byte, so
//! that styles, formulas, merged cells, print areas and pictures are those of the form.
//!
//! A cell that is one placeholder and nothing else becomes a number where its value is one, in the style that the cell has;
//! a placeholder inside a text is written into it. What formulas came to when the form was saved is taken out, and the
//! workbook asks to be computed when it is opened. Rows are never inserted: a form has the rows that it has.

use std::collections::HashMap;
use std::ops::Range;

use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::{BytesStart, Event};

use super::zip::{self, Part};
use super::{Cell, number, xml_text};

/// Placeholders that a refusal tells at most.
const TOLD: usize = 20;

/// Why a form is not filled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FillError {
    /// Not a workbook that can be read.
    #[error("the form cannot be read ({0}); open it in a spreadsheet program and save it again as .xlsx")]
    Odd(String),
    /// Placeholders that nothing stands for.
    #[error("the form asks for what there is not: {}; `evidock report fields` lists what there is", .0.join(", "))]
    Unknown(Vec<String>),
    /// There is nothing to fill in.
    #[error("no cell of the form has a placeholder such as {{{{clips}}}}; `evidock report fields` lists them")]
    Nothing,
}

fn odd(what: impl std::fmt::Display) -> FillError {
    FillError::Odd(what.to_string())
}

/// Fills a form in. `value` gives what stands for a placeholder; `None` where there is none of that name.
pub fn fill(form: &[u8], value: &dyn Fn(&str) -> Option<Cell>) -> Result<Vec<u8>, FillError> {
    let mut parts = zip::read(form).map_err(FillError::Odd)?;
    let shared = match parts.iter().find(|p| p.name.eq_ignore_ascii_case("xl/sharedStrings.xml")) {
        Some(part) => shared_texts(&part.text().map_err(FillError::Odd)?)?,
        None => Vec::new(),
    };
    let names = sheet_names(&parts)?;
    let (mut unknown, mut filled) = (Vec::new(), 0);
    for part in &mut parts {
        let Some(file) = part.name.strip_prefix("xl/worksheets/").filter(|n| n.ends_with(".xml") && !n.contains('/'))
        else {
            continue;
        };
        let sheet = names.get(file).map_or(file.trim_end_matches(".xml"), String::as_str);
        let xml = part.text().map_err(FillError::Odd)?;
        let mut told = |at: &str, asked: &str| {
            if unknown.len() < TOLD {
                unknown.push(format!("{{{{{asked}}}}} ({sheet} {at})"));
            }
        };
        if let Some(changed) = sheet_with(&xml, &shared, value, &mut told, &mut filled)? {
            *part = Part::new(&part.name, changed.as_bytes());
        }
    }
    if !unknown.is_empty() {
        return Err(FillError::Unknown(unknown));
    }
    if filled == 0 {
        return Err(FillError::Nothing);
    }
    let workbook =
        parts.iter_mut().find(|p| p.name == "xl/workbook.xml").ok_or_else(|| odd("there is no workbook in it"))?;
    let computed = computed_anew(&workbook.text().map_err(FillError::Odd)?)?;
    *workbook = Part::new("xl/workbook.xml", computed.as_bytes());
    Ok(zip::write(&parts))
}

/// A place in a part, and what stands there from now on.
type Change = (Range<usize>, String);

fn applied(xml: &str, changes: &[Change]) -> String {
    let (mut out, mut at) = (String::with_capacity(xml.len()), 0);
    for (place, text) in changes {
        out.push_str(&xml[at..place.start]);
        out.push_str(text);
        at = place.end;
    }
    out.push_str(&xml[at..]);
    out
}

/// Walks over a part; `see` gets each event with its place.
fn walk(xml: &str, mut see: impl FnMut(&Event<'_>, Range<usize>) -> Result<(), FillError>) -> Result<(), FillError> {
    let mut reader = Reader::from_str(xml);
    loop {
        let begin = reader.buffer_position() as usize;
        let event = reader.read_event().map_err(odd)?;
        match &event {
            Event::DocType(_) => return Err(odd("it declares a document type")),
            Event::Eof => return Ok(()),
            _ => see(&event, begin..reader.buffer_position() as usize)?,
        }
    }
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Result<Option<String>, FillError> {
    for attribute in tag.attributes().take(64) {
        let attribute = attribute.map_err(odd)?;
        if attribute.key.as_ref() == name {
            return Ok(Some(unescape(&attribute.value).map_err(odd)?.into_owned()));
        }
    }
    Ok(None)
}

/// The text of an event inside an element that holds text.
fn text_of(event: &Event<'_>) -> Result<String, FillError> {
    Ok(match event {
        Event::Text(text) => text.to_string(),
        Event::CData(text) => text.to_string(),
        Event::GeneralRef(entity) => unescape(&format!("&{};", &**entity)).map_err(odd)?.into_owned(),
        _ => String::new(),
    })
}

/// What people call the sheets, by the files in which they are: the workbook names each with a relation, and that a file.
fn sheet_names(parts: &[Part]) -> Result<HashMap<String, String>, FillError> {
    let mut relations: HashMap<String, String> = HashMap::new();
    let mut names = HashMap::new();
    let text = |name: &str| match parts.iter().find(|p| p.name == name) {
        Some(part) => part.text().map_err(FillError::Odd),
        None => Ok(String::new()),
    };
    walk(&text("xl/_rels/workbook.xml.rels")?, |event, _| {
        if let Event::Start(tag) | Event::Empty(tag) = event
            && let (Some(id), Some(target)) = (attribute(tag, "Id")?, attribute(tag, "Target")?)
            && let Some((folder, file)) = target.rsplit_once('/')
            && folder.ends_with("worksheets")
        {
            relations.insert(id, file.to_owned());
        }
        Ok(())
    })?;
    walk(&text("xl/workbook.xml")?, |event, _| {
        if let Event::Start(tag) | Event::Empty(tag) = event
            && tag.local_name().as_ref() == "sheet"
            && let Some(name) = attribute(tag, "name")?
        {
            // Its prefix is whatever the program calls the name space of relations.
            let related = tag.attributes().take(64).filter_map(Result::ok).find(|a| a.key.as_ref().ends_with(":id"));
            if let Some(file) = related.and_then(|id| relations.remove(&*id.value)) {
                names.insert(file, name);
            }
        }
        Ok(())
    })?;
    Ok(names)
}

fn shared_texts(xml: &str) -> Result<Vec<String>, FillError> {
    let (mut texts, mut text, mut in_t, mut in_hint) = (Vec::new(), String::new(), false, false);
    walk(xml, |event, _| {
        match event {
            Event::Start(tag) => match tag.local_name().as_ref() {
                "t" => in_t = !in_hint,
                "rPh" => in_hint = true,
                _ => {}
            },
            Event::Empty(tag) if tag.local_name().as_ref() == "si" => texts.push(String::new()),
            Event::End(tag) => match tag.local_name().as_ref() {
                "t" => in_t = false,
                "rPh" => in_hint = false,
                "si" => texts.push(std::mem::take(&mut text)),
                _ => {}
            },
            other if in_t => text.push_str(&text_of(other)?),
            _ => {}
        }
        Ok(())
    })?;
    Ok(texts)
}

/// A cell while it is walked over.
#[derive(Default)]
struct Open {
    begin: usize,
    prefix: String,
    at: String,
    style: Option<String>,
    form: Option<String>,
    text: String,
    in_text: bool,
    formula: bool,
    /// Where the value that was saved stands.
    value: Option<Range<usize>>,
}

/// A sheet with its placeholders replaced, and without what formulas came to; `None` where it has neither.
fn sheet_with(
    xml: &str,
    shared: &[String],
    value: &dyn Fn(&str) -> Option<Cell>,
    unknown: &mut dyn FnMut(&str, &str),
    filled: &mut usize,
) -> Result<Option<String>, FillError> {
    let (mut open, mut changes): (Option<Open>, Vec<Change>) = (None, Vec::new());
    walk(xml, |event, place| {
        match (event, &mut open) {
            (Event::Start(tag), None) if tag.local_name().as_ref() == "c" => {
                let name = tag.name();
                let prefix = name.as_ref().strip_suffix('c').unwrap_or_default().to_owned();
                open = Some(Open {
                    begin: place.start,
                    prefix,
                    at: attribute(tag, "r")?.unwrap_or_default(),
                    style: attribute(tag, "s")?,
                    form: attribute(tag, "t")?,
                    ..Open::default()
                });
            }
            (Event::Start(tag), Some(cell)) => match tag.local_name().as_ref() {
                "v" => {
                    cell.in_text = true;
                    cell.value = Some(place.start..place.end);
                }
                "t" => cell.in_text = true,
                "f" => cell.formula = true,
                _ => {}
            },
            (Event::Empty(tag), Some(cell)) if tag.local_name().as_ref() == "f" => cell.formula = true,
            (Event::End(tag), Some(cell)) => match tag.local_name().as_ref() {
                "v" => {
                    cell.in_text = false;
                    if let Some(value) = &mut cell.value {
                        value.end = place.end;
                    }
                }
                "t" => cell.in_text = false,
                "c" => {
                    if let Some(change) = change_of(cell, place.end, shared, value, unknown, filled)? {
                        changes.push(change);
                    }
                    open = None;
                }
                _ => {}
            },
            (other, Some(cell)) if cell.in_text => cell.text.push_str(&text_of(other)?),
            _ => {}
        }
        Ok(())
    })?;
    Ok((!changes.is_empty()).then(|| applied(xml, &changes)))
}

fn change_of(
    cell: &Open,
    end: usize,
    shared: &[String],
    value: &dyn Fn(&str) -> Option<Cell>,
    unknown: &mut dyn FnMut(&str, &str),
    filled: &mut usize,
) -> Result<Option<Change>, FillError> {
    if cell.formula {
        return Ok(cell.value.clone().map(|place| (place, String::new())));
    }
    let text = match cell.form.as_deref() {
        Some("s") => {
            let n = cell.text.trim().parse::<usize>().ok();
            n.and_then(|n| shared.get(n)).ok_or_else(|| odd(format!("{} points to no text", cell.at)))?
        }
        Some("inlineStr" | "str") => &cell.text,
        _ => return Ok(None),
    };
    let Some(new) = replaced(text, value, &mut |asked| unknown(&cell.at, asked)) else { return Ok(None) };
    *filled += 1;
    let (p, at) = (&cell.prefix, xml_text(&cell.at));
    let style = cell.style.as_ref().map(|s| format!(" s=\"{}\"", xml_text(s))).unwrap_or_default();
    let written = match new {
        Cell::Empty => format!("<{p}c r=\"{at}\"{style}/>"),
        Cell::Number(n) => format!("<{p}c r=\"{at}\"{style}><{p}v>{}</{p}v></{p}c>", number(n)),
        Cell::Text(text) => format!(
            "<{p}c r=\"{at}\"{style} t=\"inlineStr\"><{p}is><{p}t xml:space=\"preserve\">{}</{p}t></{p}is></{p}c>",
            xml_text(&text)
        ),
    };
    Ok(Some((cell.begin..end, written)))
}

/// A text with its placeholders replaced; `None` where it has none.
fn replaced(text: &str, value: &dyn Fn(&str) -> Option<Cell>, unknown: &mut dyn FnMut(&str)) -> Option<Cell> {
    let (mut out, mut rest, mut any) = (String::new(), text, false);
    while let Some((before, behind)) = rest.split_once("{{") {
        let Some((asked, after)) = behind.split_once("}}") else { break };
        let asked = asked.trim();
        any = true;
        let found = value(asked).unwrap_or_else(|| {
            unknown(asked);
            Cell::Empty
        });
        if out.is_empty() && before.trim().is_empty() && after.trim().is_empty() {
            return Some(found);
        }
        out.push_str(before);
        match found {
            Cell::Text(text) => out.push_str(&text),
            Cell::Number(n) => out.push_str(&number(n)),
            Cell::Empty => {}
        }
        rest = after;
    }
    out.push_str(rest);
    any.then_some(Cell::Text(out))
}

/// The workbook, asking to be computed when it is opened.
fn computed_anew(xml: &str) -> Result<String, FillError> {
    const ASKS: &str = " fullCalcOnLoad=\"1\"";
    let (mut depth, mut last, mut change): (usize, Option<usize>, Option<Change>) = (0, None, None);
    let mut prefix = String::new();
    // What stands before it (ECMA-376, 18.2.27).
    let before = |name: &str| matches!(name, "sheets" | "functionGroups" | "externalReferences" | "definedNames");
    walk(xml, |event, place| {
        match event {
            Event::Start(tag) | Event::Empty(tag) => {
                let (name, local) = (tag.name(), tag.local_name());
                if local.as_ref() == "workbook" {
                    prefix = name.as_ref().strip_suffix("workbook").unwrap_or_default().to_owned();
                }
                if local.as_ref() == "calcPr" {
                    let asked = attribute(tag, "fullCalcOnLoad")?;
                    let behind = place.start + 1 + name.as_ref().len();
                    match asked {
                        None => change = Some((behind..behind, ASKS.to_owned())),
                        Some(_) => {
                            let tag = &xml[place.clone()];
                            let asks = ["fullCalcOnLoad=\"0\"", "fullCalcOnLoad=\"false\""];
                            let denied = asks.iter().find_map(|a| tag.find(a).map(|at| (at, a.len())));
                            change = Some(denied.map_or((behind..behind, String::new()), |(at, len)| {
                                let at = place.start + at;
                                (at..at + len, ASKS.trim().to_owned())
                            }));
                        }
                    }
                }
                if matches!(event, Event::Start(_)) {
                    depth += 1;
                } else if depth == 1 && before(local.as_ref()) {
                    last = Some(place.end);
                }
            }
            Event::End(tag) => {
                depth = depth.saturating_sub(1);
                if depth == 1 && before(tag.local_name().as_ref()) {
                    last = Some(place.end);
                }
            }
            _ => {}
        }
        Ok(())
    })?;
    let change = match (change, last) {
        (Some(change), _) => change,
        (None, Some(at)) => (at..at, format!("<{prefix}calcPr calcId=\"0\"{ASKS}/>")),
        (None, None) => return Err(odd("it has no sheets")),
    };
    Ok(applied(xml, &[change]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOK: &str = r#"<?xml version="1.0"?><workbook xmlns="x"><sheets><sheet name="季度" sheetId="1"/></sheets><definedNames><definedName name="_xlnm.Print_Area">季度!$A$1:$C$9</definedName></definedNames></workbook>"#;

    fn form(sheet: &str, shared: &str) -> Vec<u8> {
        zip::write(&[
            Part::new("xl/workbook.xml", BOOK.as_bytes()),
            Part::new("xl/sharedStrings.xml", shared.as_bytes()),
            Part::new("xl/styles.xml", b"<styleSheet/>"),
            Part::new("xl/worksheets/sheet1.xml", sheet.as_bytes()),
        ])
    }

    fn part(bytes: &[u8], name: &str) -> String {
        zip::read(bytes).unwrap().iter().find(|p| p.name == name).unwrap().text().unwrap()
    }

    fn value(asked: &str) -> Option<Cell> {
        match asked {
            "clips" => Some(Cell::Number(42.0)),
            "unit" => Some(Cell::from("=HYPERLINK(\"x\")<&>")),
            "nothing" => Some(Cell::Empty),
            _ => None,
        }
    }

    #[test]
    fn placeholders_are_replaced_and_the_rest_stays() {
        let shared = r#"<sst><si><t>{{clips}}</t></si><si><r><t>共 {{cl</t></r><r><t>ips}} 个，</t></r><r><t>{{unit}}</t></r></si><si><t>题名</t></si></sst>"#;
        let sheet = concat!(
            r#"<worksheet><sheetData><row r="1"><c r="A1" s="7" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c><c r="C1" s="2" t="s"><v>2</v></c></row>"#,
            r#"<row r="2"><c r="A2" s="3" t="inlineStr"><is><t>{{ nothing }}</t></is></c><c r="B2" s="9"><f>SUM(A1:A1)*2</f><v>13</v></c><c r="C2"><v>5</v></c><c r="D2" s="1"/></row>"#,
            r#"</sheetData><mergeCells count="1"><mergeCell ref="A1:B1"/></mergeCells></worksheet>"#
        );
        let filled = fill(&form(sheet, shared), &value).unwrap();
        let wanted = concat!(
            r#"<worksheet><sheetData><row r="1"><c r="A1" s="7"><v>42</v></c><c r="B1" t="inlineStr"><is><t xml:space="preserve">共 42 个，=HYPERLINK(&quot;x&quot;)&lt;&amp;&gt;</t></is></c><c r="C1" s="2" t="s"><v>2</v></c></row>"#,
            r#"<row r="2"><c r="A2" s="3"/><c r="B2" s="9"><f>SUM(A1:A1)*2</f></c><c r="C2"><v>5</v></c><c r="D2" s="1"/></row>"#,
            r#"</sheetData><mergeCells count="1"><mergeCell ref="A1:B1"/></mergeCells></worksheet>"#
        );
        assert_eq!(part(&filled, "xl/worksheets/sheet1.xml"), wanted);
        assert_eq!(part(&filled, "xl/styles.xml"), "<styleSheet/>");
        assert_eq!(part(&filled, "xl/sharedStrings.xml"), shared);
        let book = part(&filled, "xl/workbook.xml");
        assert!(book.contains("</definedNames><calcPr calcId=\"0\" fullCalcOnLoad=\"1\"/></workbook>"), "{book}");
    }

    #[test]
    fn a_hostile_name_is_a_text_and_no_formula() {
        let sheet = r#"<worksheet><sheetData><row><c r="A1" t="inlineStr"><is><t>{{unit}}</t></is></c></row></sheetData></worksheet>"#;
        let filled = part(&fill(&form(sheet, "<sst/>"), &value).unwrap(), "xl/worksheets/sheet1.xml");
        assert!(filled.contains("t=\"inlineStr\"") && !filled.contains("<f>"), "{filled}");
    }

    #[test]
    fn a_form_that_asks_for_what_there_is_not_says_where() {
        let sheet = r#"<worksheet><sheetData><row><c r="B7" t="inlineStr"><is><t>{{ clipz }}</t></is></c></row></sheetData></worksheet>"#;
        let told = fill(&form(sheet, "<sst/>"), &value).unwrap_err();
        assert_eq!(told, FillError::Unknown(vec!["{{clipz}} (sheet1 B7)".into()]));
        assert!(told.to_string().contains("report fields"));
        // Where the workbook tells what people call the sheet, that is said.
        let relation = r#"<Relationships><Relationship Id="rId3" Type="t" Target="/xl/worksheets/sheet1.xml"/><Relationship Id="rId1" Type="t" Target="styles.xml"/></Relationships>"#;
        let named = zip::write(&[
            Part::new("xl/workbook.xml", BOOK.replace("sheetId=\"1\"", "sheetId=\"9\" r:id=\"rId3\"").as_bytes()),
            Part::new("xl/_rels/workbook.xml.rels", relation.as_bytes()),
            Part::new("xl/worksheets/sheet1.xml", sheet.as_bytes()),
        ]);
        let told = fill(&named, &value).unwrap_err();
        assert_eq!(told, FillError::Unknown(vec!["{{clipz}} (季度 B7)".into()]));
        let plain = sheet.replace("{{ clipz }}", "x {{ y");
        assert_eq!(fill(&form(&plain, "<sst/>"), &value).unwrap_err(), FillError::Nothing);
        assert!(FillError::Nothing.to_string().contains("{{clips}}"));
        let bad = sheet.replace("<worksheet>", "<!DOCTYPE x><worksheet>");
        assert!(matches!(fill(&form(&bad, "<sst/>"), &value), Err(FillError::Odd(_))));
        let dangling = sheet.replace("inlineStr", "s");
        assert!(matches!(fill(&form(&dangling, "<sst/>"), &value), Err(FillError::Odd(_))));
        assert!(matches!(fill(b"no zip", &value), Err(FillError::Odd(_))));
    }

    #[test]
    fn a_workbook_that_is_computed_by_hand_is_computed_once_more() {
        for (calc, wanted) in [
            ("<calcPr calcId=\"191029\"/>", "<calcPr fullCalcOnLoad=\"1\" calcId=\"191029\"/>"),
            (
                "<calcPr fullCalcOnLoad=\"0\" calcMode=\"manual\"/>",
                "<calcPr fullCalcOnLoad=\"1\" calcMode=\"manual\"/>",
            ),
            ("<calcPr fullCalcOnLoad=\"1\"/>", "<calcPr fullCalcOnLoad=\"1\"/>"),
        ] {
            let xml = format!("<workbook><sheets><sheet/></sheets>{calc}</workbook>");
            assert_eq!(computed_anew(&xml).unwrap(), xml.replace(calc, wanted));
        }
        let prefixed = "<x:workbook><x:sheets/></x:workbook>";
        assert_eq!(
            computed_anew(prefixed).unwrap(),
            "<x:workbook><x:sheets/><x:calcPr calcId=\"0\" fullCalcOnLoad=\"1\"/></x:workbook>"
        );
    }
}
