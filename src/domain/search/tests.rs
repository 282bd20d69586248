//! What people type into the one box, and what of it is days, numbers and words.

use super::*;

fn now() -> jiff::Zoned {
    "2026-06-19T10:00:00+08:00[Asia/Shanghai]".parse().unwrap()
}

fn query(typed: &str) -> SearchQuery {
    SearchQuery::parse(typed, &NumberRule::builtin(), &now())
}

fn finds(typed: &str, text: &str) -> bool {
    query(typed).matches(&[text], &[], None)
}

#[test]
fn words_of_two_characters_are_found_wherever_they_stand() {
    let text = "赵县新华路东关街18号某饭店 张三 DSJ_36NCC009910_000000_20260619_100324.mp4 赵卫罚〔2019〕0012号";
    for typed in [
        "新华",
        "华路",
        "新华路",
        "饭店",
        "张三",
        "东关街18号",
        "东关街 饭店",
        "36ncc",
        "NCC009910",
        "NCC0099",
        "9910",
        "dsj",
        "赵卫罚[2019]12号",
        "赵卫罚（２０１９）第０１２号",
        "赵卫罚【2019】12",
        "2019〕12",
        "卫罚2019-12",
        "20260619",
        "“新华路东关街”",
        "",
        "???",
        "\"",
        "( ) * ^ :",
        "AND OR",
    ] {
        let none = typed.contains("AND");
        assert_eq!(finds(typed, text), !none, "{typed}");
    }
    assert!(!query("新华路").matches(&["新华", "路"], &[], None), "a term stands in one of them");
    for typed in ["新路", "华新", "东关街8号", "李四", "店某", "赵卫罚〔2018〕12号", "“新华路饭店”"]
    {
        assert!(!finds(typed, text), "{typed}");
    }
}

#[test]
fn tokens_are_ascii_and_cannot_be_syntax() {
    for hostile in [
        "\"a\" OR b*",
        "NEAR(x, y)",
        "{numbers}: -x",
        "'; DROP TABLE clip; --",
        "\u{0}\u{202e}赵",
        "ａＢ１２",
        "ئۇيغۇر བོད 🚓",
    ] {
        for token in tokens(hostile) {
            assert!(
                !token.is_empty() && token.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()),
                "{hostile}: {token}"
            );
        }
    }
    assert_eq!(tokens("赵卫0012ＡＢ第7号k12"), ["u8d75", "u536b", "12", "ab", "7", "u53f7", "k", "12"]);
    assert_eq!(tokens("000"), ["0"]);
    assert_eq!(tails("36NCC00991042"), "42 1042 91042");
    assert_eq!(tails("2019 1234"), "");
}

#[test]
fn periods_as_people_type_them() {
    let day = |text: &str| {
        text.parse::<jiff::civil::Date>()
            .unwrap()
            .to_zoned(now().time_zone().clone())
            .unwrap()
            .timestamp()
            .as_millisecond()
    };
    for (typed, from, to) in [
        ("今天", "2026-06-19", "2026-06-20"),
        ("昨天", "2026-06-18", "2026-06-19"),
        ("本周", "2026-06-15", "2026-06-22"),
        ("上月", "2026-05-01", "2026-06-01"),
        ("2026-06", "2026-06-01", "2026-07-01"),
        ("２０２６年６月", "2026-06-01", "2026-07-01"),
        ("2026/6/19", "2026-06-19", "2026-06-20"),
        ("6月19日", "2026-06-19", "2026-06-20"),
        ("6月20日", "2025-06-20", "2025-06-21"),
        ("12月", "2025-12-01", "2026-01-01"),
        ("2月29日", "2024-02-29", "2024-03-01"),
        ("2026-06-01~2026-06-19", "2026-06-01", "2026-06-20"),
        ("6月1日至6月3日", "2026-06-01", "2026-06-04"),
        ("去年", "2025-01-01", "2026-01-01"),
    ] {
        let q = query(typed);
        assert_eq!(q.periods, [Period { from_ms: day(from), to_ms: day(to) }], "{typed}");
        assert!(q.terms.is_empty(), "{typed}");
    }
    for typed in [
        "2026",
        "20260619",
        "13月",
        "2026-13",
        "6月31日",
        "12号",
        "赵卫罚2019-12",
        "2026-06-19~2026-06-01",
        "0006-12",
        "“今天”",
    ] {
        assert!(query(typed).periods.is_empty(), "{typed}");
    }
    let both = query("今天 新华路");
    assert_eq!((both.periods.len(), both.terms.len()), (1, 1));
    assert!(both.matches(&["新华路"], &[], Some(day("2026-06-19") + 5)));
    assert!(!both.matches(&["新华路"], &[], Some(day("2026-06-18"))) && !both.matches(&["新华路"], &[], None));
}

#[test]
fn instants_are_covered_by_few_tokens_and_by_no_wrong_one() {
    let hour = 3_600_000;
    for (from, to) in [(0, 24), (5, 7), (1, 24 * 32 * 3 + 5), (490_000, 490_000 + 8_760), (7, 7)] {
        let wanted = covering(from * hour, to * hour);
        assert!(wanted.len() < 140, "{}", wanted.len());
        for at in (from - 30).max(0)..to + 30 {
            let stored = hours(at * hour + 17);
            let found = stored.split(' ').any(|t| wanted.iter().any(|w| w == t));
            assert_eq!(found, (from..to).contains(&at), "{at} in {from}..{to}");
        }
    }
}

#[test]
fn what_is_typed_is_bounded() {
    let long = query(&"赵 ".repeat(10_000));
    assert_eq!(long.terms.len(), MAX_TERMS);
    assert!(query(&"9".repeat(10_000)).terms[0].tokens[0].len() <= MAX_CHARS);
    assert_eq!(
        query("赵卫罚[2019]12号").terms[0].case_key.as_deref(),
        NumberRule::builtin().parse("赵卫罚〔2019〕12号", 2026).ok().map(|n| n.key().to_owned()).as_deref()
    );
    assert_eq!(query("张三").terms[0].loose, None);
}
