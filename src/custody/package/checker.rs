//! The page that compares every file of a package with its digest, inside a browser and offline, and the scripts that do
//! the same with what Windows, Linux and macOS bring along. They find accidents on a machine that has nothing else;
//! whoever changes files on purpose changes these, too, which is why they say so.

use super::bag::List;
use super::pages::escape;
use super::{CHECK_BAT, CHECK_PS1, CHECK_SH};
use crate::domain::words::{Lang, Words};

const PAGE: &str = include_str!("checker.html");

/// The scripts by name, each as its system reads it: the one of Windows' console has its line ends, and its PowerShell takes
/// a text for UTF-8 only where a mark says so.
pub fn scripts() -> [(&'static str, Vec<u8>); 3] {
    let of_windows = |text: &str| text.replace('\n', "\r\n");
    [
        (CHECK_BAT, of_windows(include_str!("check.bat")).into_bytes()),
        (CHECK_PS1, format!("\u{feff}{}", of_windows(include_str!("check.ps1"))).into_bytes()),
        (CHECK_SH, include_bytes!("check.sh").to_vec()),
    ]
}

/// The page for these files: name and SHA-256 of every file of the package but the page itself and the few that are
/// written after it, since they have its digest in them.
pub fn page(w: &Words, files: &List) -> String {
    let wanted: Vec<(&String, &String)> = files.iter().collect();
    let words = serde_json::json!({
        "checking": w.pk_checking, "same": w.pk_same, "differs": w.pk_differs, "missing": w.pk_missing, "extra": w.pk_extra,
        "good": w.pk_all_same, "bad": w.pk_not_same, "unreadable": w.pk_unreadable,
    });
    let lang = match w.lang {
        Lang::Zh => "zh-CN",
        Lang::En => "en",
    };
    PAGE.replace("@LANG@", lang)
        .replace("@TITLE@", &escape(w.pk_checker))
        .replace("@NO_SCRIPT@", &escape(w.pk_no_script))
        .replace("@OFFLINE@", &escape(w.pk_offline))
        .replace("@DROP@", &escape(w.pk_drop))
        .replace("@CHOOSE@", &escape(w.pk_choose))
        .replace("@LIMIT@", &escape(w.pk_check_limit))
        .replace("@WORDS@", &in_script(&words.to_string()))
        .replace("@WANTED@", &in_script(&serde_json::json!(wanted).to_string()))
}

/// JSON inside a script element: nothing in it may end the element.
fn in_script(json: &str) -> String {
    json.replace('<', "\\u003c")
}

#[cfg(test)]
mod tests {
    use super::super::{MANIFEST, MANIFEST_512};
    use super::*;

    #[test]
    fn scripts_are_as_their_systems_read_them() {
        for (name, bytes) in scripts() {
            assert!(!bytes.is_empty(), "{name}");
            // The console of Windows reads its scripts in the code page of the machine.
            assert!(name != CHECK_BAT || bytes.is_ascii());
            let text = String::from_utf8(bytes).unwrap();
            assert_eq!(text.starts_with('\u{feff}'), name == CHECK_PS1, "{name}");
            assert_eq!(text.contains("\r\n"), name != CHECK_SH, "{name}");
        }
    }

    /// Nothing here runs it: where its line is gone, a list that is missing, empty or cut short would pass for one that agrees.
    #[test]
    fn the_console_s_script_takes_no_list_that_says_nothing() {
        let [(_, script), ..] = scripts();
        let script = String::from_utf8(script).unwrap();
        let (lists, verdict) = script.split_once(":certutil").unwrap().1.split_once("if !bad!==0").unwrap();
        assert!(verdict.contains("EVERY FILE IS THE SAME"));
        assert!(lists.contains("if !lines!==0 ("), "a list that is missing or empty");
        assert!(lists.contains("if not !whole!==2 ("), "one that is cut short");
        for name in [MANIFEST, MANIFEST_512] {
            assert!(lists.contains(&format!("if \"!name!\"==\"{name}\"")), "{name}");
        }
    }

    #[test]
    fn every_place_is_filled_and_nothing_ends_the_script() {
        let files: List = [("a</script>", "x"), ("data/b", "y")].map(|(n, d)| (n.to_owned(), d.to_owned())).into();
        let place = regex::Regex::new("@[A-Z_]+@").unwrap();
        for lang in [Lang::Zh, Lang::En] {
            let page = page(lang.words(), &files);
            assert!(!place.is_match(&page));
            assert_eq!(page.matches("</script>").count(), 3);
            assert!(page.contains("[\"data/b\",\"y\"]"));
            assert!(!page.contains("http"), "it asks nobody for anything");
            assert!(page.contains(lang.words().pk_unreadable));
        }
    }
}
