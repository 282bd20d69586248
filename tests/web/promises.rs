//! What every page keeps to in every state that it has, and that each page and each word of a template has one.

#![allow(clippy::unwrap_used)] // A test may fail by panicking; the lint's own exception ends at the test functions.

use std::collections::BTreeSet;

use evidock::domain::words::{ENTRIES, Lang};

use super::states;

/// Words of templates that no scene brings about, each with the reason.
const UNSEEN: &[(&str, &str)] = &[];

fn escaped(text: &str) -> String {
    text.replace('&', "&#38;").replace('<', "&#60;").replace('>', "&#62;").replace('"', "&#34;").replace('\'', "&#39;")
}

/// Words that templates name by themselves (`c.w.word`), with the template.
fn words_of_templates() -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for file in std::fs::read_dir("src/web/templates").unwrap() {
        let file = file.unwrap().path();
        let text = std::fs::read_to_string(&file).unwrap();
        for piece in text.split("c.w.").skip(1) {
            let end = piece.find(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')).unwrap();
            // A function makes its words of what it is given.
            if !piece[end..].starts_with(['(', '.']) {
                let template = file.file_name().unwrap().to_string_lossy().into_owned();
                found.insert((template, piece[..end].to_owned()));
            }
        }
    }
    found
}

#[tokio::test]
async fn every_page_has_states_and_keeps_its_promises_in_each() {
    let worlds = states::worlds().await;
    let all = states::all(&worlds).await;
    let good: BTreeSet<&str> = all.iter().filter(|s| s.status < 400).map(|s| s.route.as_str()).collect();
    let lost: Vec<_> = states::pages(&worlds[1]).into_iter().filter(|page| !good.contains(page)).collect();
    assert!(
        lost.is_empty(),
        "no scene leads to {lost:?}: link it from a page, or add its address to BESIDE of tests/web/states.rs"
    );
    assert!(good.len() >= 14 && all.len() > 60, "{} pages in {} states", good.len(), all.len());

    for state in all.iter().filter(|s| s.is_page()) {
        let at = state.name(&worlds);
        for lang in Lang::ALL {
            let form = state.form.as_deref();
            let world = &worlds[state.world];
            if form.is_some() {
                // What a form leads to was answered once; asked again it would be another change.
                continue;
            }
            let (_, html, answer) = states::ask(world, &state.path, &state.cookie, None, lang.tag()).await;
            let header = |name: &str| answer.headers().get(name).map_or("", |v| v.to_str().unwrap()).to_owned();
            assert!(html.contains(&format!("<html lang=\"{}\"", lang.tag())), "{at} {lang:?}");
            for inline in ["<script>", " style=", "<style", "' onload=", "javascript:"] {
                assert!(!html.contains(inline), "{at}: {inline}");
            }
            let policy = header("content-security-policy");
            assert!(policy.contains("default-src 'self'") && !policy.contains("unsafe"), "{at}");
            assert_eq!(
                (header("x-content-type-options"), header("cache-control")),
                ("nosniff".into(), "no-store".into()),
                "{at}"
            );
            assert!(html.contains("<title>") && html.contains("<h1"), "{at}: without title or heading");
            assert!(html.len() < 110_000, "{at}: {} bytes", html.len());
        }
    }
}

#[tokio::test]
async fn every_word_of_a_template_is_shown_in_some_state() {
    let worlds = states::worlds().await;
    let shown: String = states::all(&worlds).await.into_iter().map(|state| state.html).collect();
    let mut unseen = Vec::new();
    for (template, word) in words_of_templates() {
        let Some((_, zh, _)) = ENTRIES.iter().find(|(name, ..)| *name == word) else { continue };
        let known = UNSEEN.iter().any(|(name, _)| *name == word);
        let there = shown.contains(&escaped(zh));
        assert!(!(known && there), "{word} is shown after all: take it out of UNSEEN");
        if !there && !known {
            unseen.push(format!("{template}: {word} ({zh})"));
        }
    }
    assert!(
        unseen.is_empty(),
        "no state shows these; give a scene (tests/web/fixtures.rs) that does:\n{}",
        unseen.join("\n")
    );
}

#[tokio::test]
async fn a_heading_is_hidden_with_its_cells_and_with_nothing_else() {
    // By its number a column is another one in each table.
    let style = std::fs::read_to_string("src/web/assets/app.css").unwrap();
    assert!(!style.contains("th:nth-child") && !style.contains("td:nth-child"));
    let html = super::Visit::to(super::Scene::Busy).get("/clips").await.text();
    let columns = |row: &str, cell: &str| -> Vec<bool> {
        let row = row.split("</tr>").next().unwrap();
        row.split(cell).skip(1).map(|cell| cell.split('>').next().unwrap().contains("c-proves")).collect()
    };
    let (head, body) = html.split_once("<thead").and_then(|(_, rest)| rest.split_once("<tbody")).unwrap();
    let hidden = columns(head, "<th ");
    assert_eq!(hidden.iter().filter(|is| **is).count(), 1);
    assert_eq!(columns(body, "<td "), hidden);
}
