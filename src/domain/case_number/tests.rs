//! The table of typed and normalised numbers, and what must hold for any text.

use proptest::prelude::*;

use super::*;

const THIS_YEAR: i16 = 2026;

fn parse(raw: &str) -> Result<CaseNumber, NumberError> {
    NumberRule::builtin().parse(raw, THIS_YEAR)
}

/// Shapes as an agency would add them.
fn agency_rule() -> NumberRule {
    let spec = |name: &str, regex: &str, display: &str, key: &str, kind, example: &str| ShapeSpec {
        name: name.into(),
        regex: regex.into(),
        display: display.into(),
        key: key.into(),
        kind,
        example: example.into(),
    };
    let mut shapes = vec![
        spec(
            "unfiled",
            r"日常检查(?:\(未立案\))?",
            "日常检查(未立案)",
            "日常检查(未立案)",
            CaseKind::Unfiled,
            "日常检查(未立案)",
        ),
        spec(
            "inspection",
            "(?:JC|jc)-?(?<year>[0-9]{4})-(?<serial>[0-9]+)",
            "JC-{year}-{serial}",
            "JC-{year}-{serial#}",
            CaseKind::Inspection,
            "JC-2026-0311",
        ),
        spec(
            "year",
            r"(?<org>\p{Han}+?)(?<year>[0-9]{4})年第?(?<serial>[0-9]+)号",
            "{org}{year}年{serial}号",
            "{org}({year}){serial#}",
            CaseKind::Case,
            "赵卫罚2019年12号",
        ),
        spec(
            "lettered",
            r"(?<org>\p{Han}+?)\((?<year>[0-9]{4})\)(?<serial>[A-Za-z][0-9]+)号?",
            "{org}〔{year}〕{serial}号",
            "{org}({year}){serial#}",
            CaseKind::Case,
            "赵卫罚〔2019〕A012号",
        ),
        spec("spot", r"当场(?<serial>[0-9]+)号?", "当场{serial}号", "当场{serial#}", CaseKind::OnTheSpot, "当场0007号"),
        spec("provisional", "临(?<serial>[0-9]+)号", "临{serial}号", "临{serial#}", CaseKind::Case, "临12号"),
        spec(
            "platform",
            "(?<region>13[0-9]{4})(?<year>[0-9]{4})(?<serial>[0-9]{6})",
            "{region}{year}{serial}",
            "{region}{year}{serial}",
            CaseKind::Case,
            "1301332019000012",
        ),
    ];
    shapes.extend(builtin_shapes());
    NumberRule::with_shapes(2, shapes).unwrap()
}

#[test]
fn accepted_table() {
    for (typed, display, key) in [
        ("赵卫罚[2019]12号", "赵卫罚〔2019〕12号", "赵卫罚(2019)12"),
        ("赵卫罚（２０１９）１２号", "赵卫罚〔2019〕12号", "赵卫罚(2019)12"),
        ("赵卫罚﹝2019﹞12", "赵卫罚〔2019〕12号", "赵卫罚(2019)12"),
        ("赵卫罚【2019】第012号", "赵卫罚〔2019〕012号", "赵卫罚(2019)12"),
        (" 赵卫罚 〔2019〕 12 号\n", "赵卫罚〔2019〕12号", "赵卫罚(2019)12"),
        ("赵\u{200b}卫罚《2019》12号\u{feff}", "赵卫罚〔2019〕12号", "赵卫罚(2019)12"),
        ("赵卫医罚字（2018）第7号", "赵卫医罚字〔2018〕7号", "赵卫医罚(2018)7"),
        ("赵卫医罚（2018）7号", "赵卫医罚〔2018〕7号", "赵卫医罚(2018)7"),
        ("赵公（治）行罚决字〔2019〕0123号", "赵公(治)行罚决字〔2019〕0123号", "赵公(治)行罚决(2019)123"),
        ("（冀石赵）应急罚〔2021〕3-1号", "(冀石赵)应急罚〔2021〕3-1号", "(冀石赵)应急罚(2021)3-1"),
        ("（冀石赵）应急罚〔2021〕３——０１号", "(冀石赵)应急罚〔2021〕3-01号", "(冀石赵)应急罚(2021)3-1"),
        ("〔2019〕冀０１３３行罚00012号", "(2019)冀0133行罚00012号", "(2019)冀0133行罚12"),
        ("(2019)冀0133行罚12号", "(2019)冀0133行罚12号", "(2019)冀0133行罚12"),
        ("（2019）冀0133行罚12号之二", "(2019)冀0133行罚12号之二", "(2019)冀0133行罚12之2"),
        ("（2019）冀0133行罚12号之02", "(2019)冀0133行罚12号之02", "(2019)冀0133行罚12之2"),
        ("(2020)最高法行申3号", "(2020)最高法行申3号", "(2020)最高法行申3"),
        ("zw罚〔2027〕1号", "zw罚〔2027〕1号", "ZW罚(2027)1"),
        ("赵卫罚〔1990〕1号", "赵卫罚〔1990〕1号", "赵卫罚(1990)1"),
    ] {
        let number = parse(typed).unwrap_or_else(|e| panic!("{typed:?}: {e}"));
        assert_eq!((number.display(), number.key()), (display, key), "{typed:?}");
        assert_eq!((number.raw(), number.kind(), number.rule_version()), (typed, CaseKind::Case, 1));
        assert_eq!(number.warnings(), [], "{typed:?}");
    }
}

#[test]
fn refused_table_each_with_its_reason() {
    for (typed, code, suggestions) in [
        ("赵卫罚〔19〕12号", "year_digits", &["赵卫罚〔2019〕12号"][..]),
        ("赵卫罚〔95〕12号", "year_digits", &["赵卫罚〔1995〕12号"]),
        ("赵卫罚〔2019年〕12号", "year_digits", &["赵卫罚〔2019〕12号"]),
        ("赵卫罚〔二〇一九〕12号", "year_digits", &["赵卫罚〔2019〕12号"]),
        ("赵公（治）罚〔201〕12号", "year_digits", &[]),
        ("赵卫罚〔2019〕0号", "serial_zero", &[]),
        ("赵卫罚〔2019〕000号", "serial_zero", &[]),
        ("赵卫罚〔2091〕12号", "year_range", &[]),
        ("赵卫罚〔2028〕12号", "year_range", &[]),
        ("赵卫罚〔1989〕12号", "year_range", &[]),
        ("赵卫罚2019-12", "bare_year", &["赵卫罚〔2019〕12号"]),
        ("赵卫罚字2019年第012号", "bare_year", &["赵卫罚字〔2019〕012号"]),
        ("赵卫罚201912号", "bare_year", &["赵卫罚〔2019〕12号"]),
        ("〔2019〕12号", "no_agency", &[]),
        ("〔2019〕赵卫罚12号", "year_first", &["赵卫罚〔2019〕12号"]),
        ("(2019)冀0133行罚12", "year_first", &["(2019)冀0133行罚12号"]),
        ("(2019)冀0133罚x12号", "year_first", &[]),
        ("赵卫罚〔2019〕①号", "serial", &["赵卫罚〔2019〕1号"]),
        ("赵卫罚〔2019〕号", "serial", &[]),
        ("赵卫罚〔2019〕12号之一", "serial", &[]),
        ("赵卫罚〔2019〕A012号", "serial", &[]),
        ("赵卫罚〔2019 12号", "unpaired_bracket", &["赵卫罚〔2019〕12号"]),
        ("赵卫罚2019〕12号", "unpaired_bracket", &["赵卫罚〔2019〕12号"]),
        ("赵卫罚〔2019〕12号、赵卫罚〔2019〕13号", "two_numbers", &["赵卫罚〔2019〕12号", "赵卫罚〔2019〕13号"]),
        ("赵卫罚〔2019〕12号赵卫立〔2019〕7号", "two_numbers", &["赵卫罚〔2019〕12号", "赵卫立〔2019〕7号"]),
        ("赵卫罚〔2019〕12号 (2019)冀0133行罚5号", "two_numbers", &["赵卫罚〔2019〕12号", "(2019)冀0133行罚5号"]),
        ("赵卫罚〔2019〕12、13号", "two_numbers", &["赵卫罚〔2019〕12号", "赵卫罚〔2019〕13号"]),
        ("赵卫罚2019-12；赵卫罚2019-13", "two_numbers", &[]),
        ("", "empty", &[]),
        ("\u{200b} \u{3000}", "empty", &[]),
        ("字〔2019〕12号", "no_agency", &[]),
        ("日常检查(未立案)", "no_shape", &[]),
        ("赵卫罚", "no_shape", &[]),
        ("'; DROP TABLE case; --", "no_shape", &[]),
    ] {
        let error = parse(typed).expect_err(typed);
        assert_eq!(error.code(), code, "{typed:?}: {error}");
        assert_eq!(error.suggestions(), suggestions, "{typed:?}");
    }
}

#[test]
fn messages_say_what_to_do() {
    let told: Vec<String> = ["", "赵卫罚〔19〕12号", "赵卫罚〔2091〕12号", "赵卫罚〔2019〕①号", "赵卫罚"]
        .into_iter()
        .map(|typed| parse(typed).unwrap_err().to_string())
        .collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
    no case number given; type the number as it stands on the document
    the year "19" is not four digits; write it in full, as in 〔2019〕
    the year 2091 is not between 1990 and 2027; check the year
    "①号" after the year is not a serial number; write it in digits 0-9, as in 12号 or 3-1号
    not a case number of a known shape; known are 赵卫罚〔2019〕12号, (2019)冀0133行罚12号
    "#);
}

#[test]
fn odd_brackets_are_accepted_with_a_warning() {
    let number = parse("赵卫罚〔2019）12号").unwrap();
    assert_eq!((number.display(), number.warnings()), ("赵卫罚〔2019〕12号", &[NumberWarning::MismatchedBrackets][..]));
    let number = parse("赵卫罚〔2019〕1 2号").unwrap();
    assert_eq!((number.key(), number.warnings()), ("赵卫罚(2019)12", &[NumberWarning::JoinedDigits][..]));
}

#[test]
fn an_agencys_own_shapes() {
    use CaseKind::*;
    let rule = agency_rule();
    for (typed, display, key, kind) in [
        ("日常检查（未立案）", "日常检查(未立案)", "日常检查(未立案)", Unfiled),
        ("日常检查", "日常检查(未立案)", "日常检查(未立案)", Unfiled),
        ("jc2026—0311", "JC-2026-0311", "JC-2026-311", Inspection),
        ("赵卫罚2019年012号", "赵卫罚2019年012号", "赵卫罚(2019)12", Case),
        ("赵卫罚〔2019〕a012", "赵卫罚〔2019〕a012号", "赵卫罚(2019)A12", Case),
        ("当场０００７", "当场0007号", "当场7", OnTheSpot),
        ("临12号", "临12号", "临12", Case),
        ("130133 2019 000012", "1301332019000012", "1301332019000012", Case),
        ("赵卫罚[2019]12号", "赵卫罚〔2019〕12号", "赵卫罚(2019)12", Case),
    ] {
        let number = rule.parse(typed, THIS_YEAR).unwrap_or_else(|e| panic!("{typed:?}: {e}"));
        assert_eq!((number.display(), number.key(), number.kind()), (display, key, kind), "{typed:?}");
        assert_eq!(number.rule_version(), 2);
        assert_eq!(CaseKind::parse(kind.as_str()), Some(kind));
    }
    assert_eq!(rule.parse("JC-2031-1", THIS_YEAR).unwrap_err().code(), "year_range");
    assert_eq!(rule.parse("临0号", THIS_YEAR).unwrap_err().code(), "serial_zero");
    assert_eq!(CaseKind::parse("other"), None);
}

#[test]
fn a_wrong_rule_is_refused_when_it_is_made() {
    let good = builtin_shapes().remove(0);
    let with = |change: &dyn Fn(&mut ShapeSpec)| {
        let mut spec = good.clone();
        change(&mut spec);
        NumberRule::with_shapes(2, vec![spec]).unwrap_err().to_string()
    };
    assert!(with(&|s| s.regex = "(".into()).contains("regex"));
    assert!(with(&|s| s.regex = r"(?:\p{Han}{1000}){1000}".into()).contains("regex"));
    assert!(with(&|s| s.key = "{agency}".into()).contains("does not capture"));
    assert!(with(&|s| s.example = "12".into()).contains("is not read by it"));
    assert!(with(&|s| s.display = "{org}".into()).contains("is not read by it"), "unstable");
    assert!(matches!(NumberRule::with_shapes(2, vec![]), Err(RuleError::NoShapes)));
}

#[test]
fn half_a_number_finds_it_in_any_style() {
    let rule = NumberRule::builtin();
    let stored = parse("赵公（治）行罚决字〔2019〕第0123号").unwrap();
    assert_eq!(stored.loose(), "赵公治行罚决2019-123号");
    for typed in [
        "赵公(治)行罚决字[2019]123号",
        "赵公治行罚",
        "2019〕0123",
        "行罚决字【2019",
        "2019 123",
        "2019年第123号",
        "123",
        "０１２３号",
        "2019-12",
        "%决_",
        "赵公（",
    ] {
        let keys = rule.search_keys(typed, THIS_YEAR);
        assert!(stored.loose().contains(&keys.loose.unwrap()), "{typed}");
    }
    for typed in ["20191", "12号", "2018", "〔2019〕23"] {
        let keys = rule.search_keys(typed, THIS_YEAR);
        assert!(!stored.loose().contains(&keys.loose.unwrap()), "{typed}");
    }
    let whole = rule.search_keys("赵公﹙治﹚行罚决﹝2019﹞123", THIS_YEAR);
    assert_eq!(whole.key.as_deref(), Some(stored.key()));
    assert_eq!(rule.search_keys(" %_〔 ", THIS_YEAR), SearchKeys { key: None, loose: None });
    assert_eq!(loose("JC-2026-0311"), "JC2026-311");
    assert_eq!(loose(&"九".repeat(MAX_CHARS * 2)).chars().count(), MAX_CHARS);
}

#[test]
fn too_long_is_refused_without_looking() {
    assert_eq!(parse(&"赵".repeat(MAX_CHARS + 1)).unwrap_err(), NumberError::TooLong);
    assert_eq!(parse(&"〔".repeat(10_000_000)).unwrap_err(), NumberError::TooLong);
    assert_ne!(parse(&"赵".repeat(MAX_CHARS)).unwrap_err(), NumberError::TooLong);
}

/// Texts that are often numbers: pieces of numbers in any order and style.
fn numberish() -> impl Strategy<Value = String> {
    const PIECES: &[&str] = &[
        "赵卫罚",
        "冀",
        "0133",
        "行罚",
        "字",
        "〔",
        "〕",
        "（",
        "）",
        "[",
        "]",
        "2019",
        "２０２４",
        "第",
        "0",
        "12",
        "012",
        "-",
        "——",
        "号",
        "之",
        "一",
        "①",
        " ",
        "\u{200b}",
        "、",
        "JC",
        "年",
        "临",
        "当场",
        "a",
    ];
    prop::collection::vec(prop::sample::select(PIECES), 0..12).prop_map(|v| v.concat())
}

/// Numbers of both built-in shapes.
fn number() -> impl Strategy<Value = String> {
    let a = "(（[冀石]{1,3}）)?[赵卫公监]{1,6}字?[〔【(（][ ]?(199[0-9]|20[01][0-9])[〕】)）]第?0{0,3}[1-9][0-9]{0,5}(-[0-9]{1,3})?号?";
    let b = "[〔（(](199[0-9]|20[01][0-9])[〕）)][冀京沪]([0-9]{2,6})?[行罚终]{1,4}0{0,3}[1-9][0-9]{0,5}号(之([0-9]|[一二三十]))?";
    prop_oneof![a, b]
}

static AGENCY: std::sync::LazyLock<NumberRule> = std::sync::LazyLock::new(agency_rule);

/// What must be true of any text; says whether it was accepted.
fn holds(rule: &NumberRule, typed: &str) -> Result<bool, TestCaseError> {
    let keys = rule.search_keys(typed, THIS_YEAR);
    if let Some(loose) = &keys.loose {
        prop_assert!(loose.chars().all(|c| c.is_alphanumeric() || c == '-'), "{:?}", loose);
    }
    let parsed = rule.parse(typed, THIS_YEAR);
    let number = match parsed {
        Ok(number) => number,
        Err(error) => {
            prop_assert!(!matches!(error, NumberError::Unstable { .. }), "{}", error);
            for suggestion in error.suggestions() {
                let meant = rule.parse(suggestion, THIS_YEAR).unwrap();
                prop_assert_eq!(meant.display(), suggestion);
            }
            return Ok(false);
        }
    };
    let again = rule.parse(number.display(), THIS_YEAR).unwrap();
    prop_assert_eq!((again.display(), again.key(), again.kind()), (number.display(), number.key(), number.kind()));
    prop_assert!(number.key().chars().all(|c| c.is_alphanumeric() || "()-".contains(c)), "{}", number.key());
    prop_assert!(!number.key().contains(char::is_whitespace));
    prop_assert!(
        number.loose().contains(keys.loose.as_deref().unwrap_or("").trim_end_matches('号')),
        "{} {:?}",
        number,
        keys
    );
    Ok(true)
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(typed in any::<String>()) {
        holds(&AGENCY, &typed)?;
    }

    #[test]
    fn what_is_accepted_is_stable(typed in numberish()) {
        holds(&AGENCY, &typed)?;
    }

    #[test]
    fn numbers_are_accepted_and_stable(typed in number()) {
        prop_assert!(holds(&AGENCY, &typed)?, "{}", typed);
    }
}

/// What is looked through for numbers is read as what is typed, only that nobody is told why something is none.
#[test]
fn whatever_is_accepted_is_what_is_parsed() {
    let rule = NumberRule::builtin();
    for text in [
        "赵卫罚〔2026〕1号",
        "赵卫罚(2026)０1号",
        "  赵卫立[2019] 12 号",
        "DSJ",
        "20260619",
        "",
        "〔2026〕",
        "赵卫罚〔3026〕1号",
        "日常检查",
    ] {
        assert_eq!(rule.accept(text, 2026), rule.parse(text, 2026).ok(), "{text}");
    }
    assert!(rule.accept("赵卫罚〔2026〕1号", 2026).is_some());
    assert!(rule.accept(&"1".repeat(10_000), 2026).is_none());
}
