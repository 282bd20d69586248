//! What FTP servers answer when a folder is listed: lines for machines (MLSD), or the two forms that servers made for
//! people have (LIST). A line that cannot be read is passed over: it names no object of ours.

use crate::deliver::folders::Entry;

/// A line of MLSD: facts, a space, the name (RFC 3659, 7.2).
pub(super) fn for_machines(line: &str) -> Option<Entry> {
    let (facts, name) = line.split_once(' ')?;
    let kind = facts.split(';').find_map(|fact| {
        let (key, value) = fact.split_once('=')?;
        key.trim().eq_ignore_ascii_case("type").then(|| value.to_ascii_lowercase())
    })?;
    match kind.as_str() {
        "file" => Some(Entry { name: name.to_owned(), folder: false }),
        "dir" => Some(Entry { name: name.to_owned(), folder: true }),
        // The folder itself, the one above it, links and devices.
        _ => None,
    }
}

/// A line of LIST, as Unix (`drwxr-xr-x 2 ftp ftp 4096 Nov 28 22:00 name`) or as Windows (`11-28-26  10:00PM <DIR> name`).
pub(super) fn for_people(line: &str) -> Option<Entry> {
    match line.as_bytes().first()? {
        kind @ (b'-' | b'd') => {
            let name = after_words(line, 8)?;
            Some(Entry { name: name.to_owned(), folder: *kind == b'd' })
        }
        digit if digit.is_ascii_digit() => {
            let what = line.split_whitespace().nth(2)?;
            let folder = what.eq_ignore_ascii_case("<DIR>");
            let plain = folder || what.bytes().all(|b| b.is_ascii_digit());
            // Names follow in a column of their own, after any number of spaces.
            let name = after_words(line, 3)?.trim_start();
            plain.then(|| Entry { name: name.to_owned(), folder })
        }
        _ => None,
    }
}

/// What follows after `n` words and the one space behind them; names may begin with a space.
fn after_words(line: &str, n: usize) -> Option<&str> {
    let mut rest = line;
    for _ in 0..n {
        rest = rest.trim_start_matches(' ');
        rest = &rest[rest.find(' ')?..];
    }
    rest.strip_prefix(' ').filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, folder: bool) -> Option<Entry> {
        Some(Entry { name: name.to_owned(), folder })
    }

    #[test]
    fn lines_for_machines() {
        let table = [
            ("type=file;size=10;modify=20261128220000;UNIX.mode=0644; a b", entry("a b", false)),
            ("Type=dir;Modify=20261128220000; 执法", entry("执法", true)),
            ("type=cdir;modify=20261128220000; .", None),
            ("type=pdir;modify=20261128220000; ..", None),
            ("type=OS.unix=slink:/x;size=1; link", None),
            ("size=1; nothing known", None),
            ("", None),
        ];
        for (line, wanted) in table {
            assert_eq!(for_machines(line), wanted, "{line}");
        }
    }

    #[test]
    fn lines_for_people() {
        let table = [
            // vsftpd 3.0.3
            ("-rw-------    1 0        0               9 Nov 28 22:10 record.json", entry("record.json", false)),
            ("drwx------    2 0        0            4096 Nov 28 22:10 clips", entry("clips", true)),
            ("-rw-------    1 0        0               9 Nov 28 22:10  a  b", entry(" a  b", false)),
            // pure-ftpd 1.0.50
            (
                "-rw-r--r--    1 1000       1000              9 Nov 28 22:10 执法 记录+100%.mp4",
                entry("执法 记录+100%.mp4", false),
            ),
            ("lrwxrwxrwx    1 0        0               9 Nov 28 22:10 x -> y", None),
            ("total 12", None),
            // Microsoft's, as its documentation shows it; not run against it.
            ("11-28-26  10:10PM       <DIR>          clips", entry("clips", true)),
            ("11-28-26  10:10PM                    9 record.json", entry("record.json", false)),
            ("11-28-26  10:10PM                 nine record.json", None),
            ("-rw-------    1 0", None),
            ("", None),
        ];
        for (line, wanted) in table {
            assert_eq!(for_people(line), wanted, "{line}");
        }
    }
}
