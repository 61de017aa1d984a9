use super::syntax::Element;
use super::*;
use proptest::prelude::*;

fn matches(pattern: &str, path: &str) -> bool {
    Pattern::new(pattern).unwrap().matches(&parse(path).unwrap())
}

#[test]
fn the_wildcards_mean_what_they_say() {
    for (pattern, path) in [
        ("user.*.email", "user.home.email"),
        ("items[*].price", "items[12].price"),
        ("**.isLoading", "isLoading"),
        ("**.isLoading", "a.b[3].isLoading"),
        ("a.**", "a"),
        ("a.**.z", "a.b[1].c.z"),
        ("**", "x[0]"),
        ("matrix[*][2]", "matrix[7][2]"),
        ("a\\.b.c", "[\"a.b\"].c"),
        ("[\"odd \\\" key\"].x", "[\"odd \\\" key\"].x"),
        ("a\\*", "[\"a*\"]"),
    ] {
        assert!(matches(pattern, path), "{pattern} {path}");
    }
    for (pattern, path) in [
        ("user.*.email", "user.email"),
        ("user.*.email", "user.a.b.email"),
        ("items[*]", "items.price"),
        ("items.*", "items[0]"),
        ("a", "A"),
        ("a.**.z", "a.z.y"),
        ("a", "a.b"),
    ] {
        assert!(!matches(pattern, path), "{pattern} {path}");
    }
}

#[test]
fn a_malformed_pattern_is_an_error_with_its_position() {
    for (text, position) in [
        ("", 0),
        ("a.", 2),
        (".a", 0),
        ("a..b", 2),
        ("a[", 1),
        ("a[x]", 2),
        ("a[-1]", 2),
        ("a[1]b", 4),
        ("a]", 1),
        ("a***", 1),
        ("it*em", 2),
        ("***", 0),
        ("a\\", 1),
        ("[\"x", 0),
        ("[\"x\"y]", 3),
        ("a[99999999999999999999]", 2),
    ] {
        assert_eq!(Pattern::new(text).map_err(|error| error.position), Err(position), "{text}");
    }
    assert!(Pattern::new(&"a.".repeat(70)).is_err() && Pattern::new(&"a".repeat(2_000)).is_err());
}

#[test]
fn names_stay_few() {
    let name = |pattern: &str, path: &str| Pattern::new(pattern).unwrap().name(&parse(path).unwrap());
    assert_eq!(name("items[*].price", "items[12].price"), "items[*].price");
    assert_eq!(name("users.*.email", "users.u-17.email"), "users.*.email");
    assert_eq!(name("**", "cart.items[3].qty"), "cart.items[*].qty");
    assert_eq!(name("**.isLoading", "a.b[1].isLoading"), "a.b[*].isLoading");
    assert_eq!(name("a.**.b.*", "a.x.y.b.k"), "a.x.y.b.*");
    assert_eq!(name("*.**", "a.b.c"), "*.b.c");
    assert_eq!(name("x[3]", "x[3]"), "x[*]");
}

/// Walks every way through the pattern: slow, and certainly right.
fn naive(elements: &[Element<'_>], path: &[Segment<'_>]) -> bool {
    match (elements.split_first(), path.split_first()) {
        (None, rest) => rest.is_none(),
        (Some((Element::Rest, others)), None) => naive(others, path),
        (Some((Element::Rest, others)), Some((_, rest))) => naive(others, path) || naive(elements, rest),
        (Some(_), None) => false,
        (Some((element, others)), Some((segment, rest))) => {
            let fits = match (element, segment) {
                (Element::AnyKey, Segment::Key(_)) | (Element::AnyIndex, Segment::Index(_)) => true,
                (Element::Step(step), segment) => step == segment,
                _ => false,
            };
            fits && naive(others, rest)
        }
    }
}

proptest! {
    #[test]
    fn matching_agrees_with_the_naive_walk(pattern in "(a|b|\\*|\\*\\*)(\\.(a|b|\\*|\\*\\*)|\\[(1|\\*)\\]){0,5}", path in "(a|b)(\\.(a|b)|\\[[12]\\]){0,5}") {
        let pattern = Pattern::new(&pattern).unwrap();
        let path = parse(&path).unwrap();
        prop_assert_eq!(pattern.matches(&path), naive(&pattern.elements, &path));
        if pattern.matches(&path) {
            prop_assert_eq!(pattern.name(&path).is_empty(), false);
        }
    }

    #[test]
    fn any_text_is_read_without_a_panic(text in "\\PC{0,40}") {
        let _ = Pattern::new(&text);
        if let Ok(path) = parse(&text) {
            let mut written = String::new();
            path.iter().for_each(|segment| push_segment(&mut written, segment));
            prop_assert_eq!(parse(&written).unwrap(), path);
        }
    }
}
