//! What redaction takes out, what it leaves, and that its work is linear.

use std::fmt::Write;

use proptest::prelude::*;

use super::steps::steps;
use super::*;
use crate::model::event::plain::is_plain;
use crate::model::limits::MAX_TEXT_CHARS;

/// What is left of a text.
fn clean(text: &str) -> String {
    Redactor::default().free_text(text).into_owned()
}

#[test]
fn keys_are_secret_by_their_segments() {
    let rules = RedactRules {
        deny_keys: vec!["home address".into()],
        allow_keys: vec!["card.color".into()],
        ..RedactRules::default()
    };
    let redactor = Redactor::new(rules);
    for key in [
        "password",
        "userPassword",
        "user.PASSWORD",
        "x-api-key",
        "apiKey",
        "APIKey",
        "refresh_token",
        "tokens",
        "Set-Cookie",
        "http.request.header.authorization",
        "card_number",
        "SSN",
        "user.homeAddress",
        "accessKeyId",
        "pin",
    ] {
        assert_eq!((redactor.key(key), redactor.key(key)), (KeyVerdict::Secret, KeyVerdict::Secret), "{key}");
    }
    for key in [
        "name",
        "author",
        "tokenizer",
        "keyboard",
        "discard",
        "spinner",
        "card.color",
        "api.version",
        "session.id",
        "sku",
    ] {
        assert_eq!((redactor.key(key), redactor.key(key)), (KeyVerdict::Clean, KeyVerdict::Clean), "{key}");
    }
    assert_eq!(redactor.key("state.store"), KeyVerdict::Reserved);
    assert_eq!(redactor.key("rum.action.id"), KeyVerdict::Reserved);
}

#[test]
fn urls_lose_users_and_queries() {
    let plain = Redactor::default();
    for (url, want) in [
        ("https://user:secret@a.test/x?token=1#frag", "https://a.test/x"),
        ("https://a.test/x", "https://a.test/x"),
        ("/relative?x=1", "/relative"),
        ("https://a.test?@b", "https://a.test"),
    ] {
        assert_eq!(plain.url(url), want);
    }
    let keep = Redactor::new(RedactRules { keep_queries: true, ..RedactRules::default() });
    assert_eq!(
        keep.url("https://u@a.test/x?page=2&access_token=abc&mail=a@b.co#top"),
        "https://a.test/x?page=2&access_token=[redacted]&mail=[redacted]#top"
    );
    assert_eq!(keep.url("https://a.test/x#top"), "https://a.test/x#top");
}

proptest! {
    #[test]
    fn no_key_and_no_url_panics(text in "\\PC{0,120}") {
        let _ = Redactor::default().key(&text);
        let _ = Redactor::new(RedactRules { keep_queries: true, ..RedactRules::default() }).url(&text);
    }
}

#[test]
fn a_secret_in_a_text_is_found_by_its_form_or_its_key() {
    let mut wrong = String::new();
    for (text, want) in [
        ("mail a.b+c@mail.example.org.", "mail [redacted]."),
        ("a@b is none, @x neither, x@y.", "a@b is none, @x neither, x@y."),
        ("pay 4111 1111 1111 1111 now", "pay [redacted] now"),
        ("pay 4111-1111-1111-1112 now", "pay 4111-1111-1111-1112 now"),
        ("order 1234567890123", "order 1234567890123"),
        ("5555555555554444", "[redacted]"),
        ("authorization: Bearer abc.def-123456", "authorization: Bearer [redacted]"),
        ("bearer x", "bearer x"),
        ("t=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln!", "t=[redacted]!"),
        ("eyJ is no token, eyJa.b.c neither", "eyJ is no token, eyJa.b.c neither"),
        ("ü a@b.co ü b@c.de", "ü [redacted] ü [redacted]"),
        ("declined: 4111 1111 1111 1111 12/27", "declined: [redacted] 12/27"),
        ("declined: 4111111111111111 12/27", "declined: [redacted] 12/27"),
        ("declined: 4111 1111 1111 1111 12 27 123", "declined: [redacted] 12 27 123"),
        ("declined: 5555 5555 5555 4444 123", "declined: [redacted] 123"),
        ("378282246310005 0126", "[redacted] 0126"),
        ("3782 822463 10005", "[redacted]"),
        ("4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "[redacted]"),
        (
            "GET https://api.test/reset?token=LEAKTOKEN1&mail=LEAK%40mail.test failed",
            "GET https://api.test/reset failed",
        ),
        ("GET /reset?token=LEAKTOKEN1&mail=LEAK%40mail.test failed", "GET /reset failed"),
        ("Authorization: Basic TEVBS0JBU0lDOnB3", "Authorization: Basic [redacted]"),
        ("using Basic TEVBS0JBU0lDOnB3 as", "using Basic [redacted] as"),
        ("password=LEAKPW1 refused", "password=[redacted] refused"),
        ("{\"user\":{\"password\":\"hunter2\",\"age\":3}}", "{\"user\":{\"password\":\"[redacted]\",\"age\":3}}"),
        ("{\"pin\":1234}", "{\"pin\":[redacted]}"),
        (
            "{\"body\":\"{\\\"password\\\":\\\"hunter2\\\",\\\"a\\\":1}\"}",
            "{\"body\":\"{\\\"password\\\":\\\"[redacted]\\\",\\\"a\\\":1}\"}",
        ),
        ("{\"card\":{\"number\":\"4111\",\"exp\":\"12/27\"},\"x\":1}", "{\"card\":[redacted],\"x\":1}"),
        ("{'access_token': 'abc', 'n': 1}", "{'access_token': '[redacted]', 'n': 1}"),
        ("Cookie: a=b; c=d\nnext", "Cookie: [redacted]\nnext"),
        ("X-Api-Key: abcdef", "X-Api-Key: [redacted]"),
        ("user=a&password=b&x=c", "user=a&password=[redacted]&x=c"),
        ("password => \"a b\"", "password => \"[redacted]\""),
        ("postgres://user:pw@db:5432/x", "postgres://db:5432/x"),
        ("cannot load data:image/png;base64,iVBORw0KGgo1 here", "cannot load data:image/png here"),
        ("url(data:text/html,abc) x", "url(data:text/html) x"),
        ("data:,abc", "data:"),
        ("see (https://a.test/x?y=1) and", "see (https://a.test/x) and"),
        ("at f (https://a.test/m.js?v=abc:10:15)", "at f (https://a.test/m.js:10:15)"),
        ("id a%40b.co", "id [redacted]"),
        ("token: abc123", "token: [redacted]"),
        ("token=Bearer abcDEF123", "token=Bearer [redacted]"),
        ("AUTH_TOKEN=abc", "AUTH_TOKEN=[redacted]"),
        ("{password: hunter2}", "{password: [redacted]}"),
        ("password=\"two words\" x", "password=\"[redacted]\" x"),
        ("key eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0 end", "key [redacted] end"),
        ("Authorization: Digest username=\"a\", response=\"b\"", "Authorization: Digest [redacted]"),
        ("Authorization: Token abcdef123", "Authorization: Token [redacted]"),
        ("4111-1111-1111-1111-12-27", "[redacted]-12-27"),
        ("3714 496353 98431 12/30", "[redacted] 12/30"),
        ("curl -H 'Authorization: Bearer abc12345' -X", "curl -H 'Authorization: Bearer [redacted]' -X"),
    ] {
        let got = clean(text);
        if got != want || clean(&got) != got {
            writeln!(wrong, "{text:?}\n became {got:?}\n    not {want:?}").unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    let none = ValuePatterns { email: false, card: false, jwt: false, bearer: false, attributes: false };
    let none = Redactor::new(RedactRules { patterns: none, ..RedactRules::default() });
    assert_eq!(none.free_text("a@b.co 4111111111111111"), "a@b.co 4111111111111111");
}

#[test]
fn a_harmless_text_stays_whole() {
    let mut wrong = String::new();
    for text in [
        "order 4000123412341235 shipped",
        "550e8400-e29b-41d4-a716-446655440000",
        "at 1732627200000 ms",
        "2024-11-26 15:35:29",
        "2024-11-26 2024-11-27 2024-11-28",
        "v1.2.3-rc.4",
        "lodash@4.17.21",
        "@types/node@20.1.0-rc.one",
        "icon@2x.png",
        "d41d8cd98f00b204e9800998ecf8427e",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "$1,234.56 and 1 299,00 EUR",
        "+49 30 123456 78 90",
        "+1 (415) 555-2671",
        "call 0170 1234567 now",
        "Unexpected token: end of input",
        "Unexpected token < in JSON at position 0",
        "SyntaxError: Unexpected token : in JSON",
        "Basic information about it",
        "Bearer authentication failed",
        "at AuthToken.kt:42",
        "com.app.TokenStore.load(TokenStore.java:88)",
        "token::parse failed",
        "if (token == null) return",
        "token=null",
        "what?",
        "a ? b : c",
        "x?.y",
        "10:30 to 11:45",
        "12:30:45.123",
        "http://localhost:8080/a/b",
        "https://a.test/x",
        "ratio 16:9",
        "a=b",
        "name: John",
        "status=200",
        "MainActivity.java:120",
        "foo.swift:12:3",
        "0x7ffee4b2a000",
        "192.168.1.1:8080",
        "10.0.0.1",
        "IMEI 356938035643809",
        "ISBN 9783161484100",
        "EAN 4006381333931",
        "data: a, b",
        "metadata:x,y",
        "tokenizer: bert",
        "spinner=on",
        "keyboard=qwerty",
        "sha256:e3b0c44298fc1c149afbf4c8996fb924",
        "1.5e10",
        "Pinned: yes",
        "100% of it",
        "50%",
        "foo@bar",
        "git commit 3bf9a07c1e5d8b264f",
        "8-4-4-12",
        "00000000-0000-0000-0000-000000000000",
        "41111111-1111-1111-1111-111111111111",
        "11111111-1111-1111-4111-111111111111",
        "password: must not be empty",
        "Card: visa ending in 4242",
        "authorization: failed for user bob",
        "std::token::Token",
        "1234 5678 9012 3456",
        "lat=52.520008,lon=13.404954",
        "basic c2VjcmV0",
        "fe80::1",
        "ssh git@host:repo",
        "2222222222222222222222",
    ] {
        let got = clean(text);
        if got != text {
            writeln!(wrong, "{text:?} became {got:?}").unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn a_cut_through_a_secret_does_not_let_its_first_part_pass() {
    let redactor = Redactor::default();
    let token = format!("bad token eyJhbGciOiJIUzI1NiJ9.{}.c2ln", "LEAK".repeat(900));
    let name = format!("https://{}@a.test/", "LEAK".repeat(500));
    for (text, secret, kept) in [
        (token.as_str(), "eyJ", 13..1_024),
        ("mail john.doe@mail.test now", "john", 6..22),
        ("pay 4111 1111 1111 1111 now", "4", 5..23),
        ("the password=hunter2 of", "h", 14..20),
        ("https://user:secret@a.test/", "user", 12..27),
        ("Authorization: Basic TEVBS0JBU0lDOnB3", "TEVB", 22..37),
        (name.as_str(), "LEAK", 12..2_000),
    ] {
        for kept in kept {
            let clean = redactor.text(TextKind::Free, text, kept);
            let leaks = clean.get(clean.find(secret).unwrap_or(clean.len())..).is_some_and(|rest| !rest.is_empty());
            let is_word = secret == "h" && clean.starts_with("the password=") && !clean.contains("=h");
            assert!(!leaks || is_word, "{kept} bytes of {text:.40}: {clean:.60}");
        }
    }
    // A facade cuts a stack to a few characters more than the core keeps.
    let token = format!("at eyJhbGciOiJIUzI1NiJ9.{}", "LEAK".repeat(20));
    assert_eq!(redactor.text(TextKind::Free, &token, token.len() - 2), "at [redacted]");
    // What is far behind the cut is not looked at.
    let text = format!("{} a@b.co", "x".repeat(10_000));
    assert!(steps(|| drop(redactor.text(TextKind::Free, &text, 100))) < 700);
}

#[test]
fn no_text_costs_more_than_its_length() {
    let redactor = Redactor::default();
    for unit in [
        "eyJ",
        "eyJhbGciOiJIUzI1NiJ9_",
        "eyJhbGci.",
        "eyJhbGciOiJIUzI1NiJ9 ",
        "b",
        "B",
        "3bf9a07c1e5d8b264f",
        "iVBORw0KGgoAAAANSUhEUgAAAAEBbTQ5xZ7",
        "a plain line of a log with words in it, ",
        "@",
        "a@",
        "a@a.",
        "1",
        "1 ",
        "4 ",
        "4111 ",
        "1234-",
        "a=",
        "a:",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=",
        "://",
        "a://b?",
        "data:",
        "data:a/b,",
        "?a=",
        "bearer ",
        "basic ",
        "Basic TEVB",
        "pin=",
        "pin:\"",
        "\"pin\":{",
        "\"pin\":[",
        "pin=\\\"",
        "password: a ",
        "cookie: ",
        "authorization: bearer ",
        "%40",
        "a%40b.",
        "=",
        "==",
        "::",
        ":=",
        "\\",
        "\"",
        ".",
        "eyJa.",
        "eyJaaaaaaaaa.",
        "eyJaaaaaaaaa.eyJ",
        "eyJaaaaaaaaa.a.",
        "http://a@",
        "http://",
        "https://a/?b#",
        "tokentoken",
        "TokenToken=",
        "a1b2c3=",
        "Aa",
        "x?y=",
        "\u{fc}=",
        "\u{fc}",
    ] {
        for kind in [TextKind::Free, TextKind::Url] {
            let cost = |bytes: usize| {
                let text = unit.repeat(bytes / unit.len());
                let steps = steps(|| drop(redactor.text(kind, &text, text.len())));
                steps as f64 / text.len() as f64
            };
            let (short, long) = (cost(4_096), cost(49_152));
            assert!(long < 4.0 && long < short * 1.1 + 0.1, "{unit:?}: {short} and {long} looks at a byte");
        }
    }
}

#[test]
fn of_a_data_url_the_media_type_stays() {
    let redactor = Redactor::default();
    let long = format!("data:image/png;base64,{}", "iVBORw0KGgo1".repeat(400_000));
    assert_eq!(redactor.text(TextKind::Url, &long, MAX_TEXT_CHARS), "data:image/png");
    assert!(steps(|| drop(redactor.text(TextKind::Url, &long, MAX_TEXT_CHARS))) < 2_000);
    assert_eq!(redactor.url("DATA:text/plain;charset=utf-8,my secret, in words"), "DATA:text/plain");
    assert_eq!(redactor.url("data:,my secret"), "data:");
    assert_eq!(
        redactor.url("https://a.test/orders/a@b.co/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln"),
        "https://a.test/orders/[redacted]/[redacted]"
    );
    let whole = format!("cannot load {long}: 404");
    assert_eq!(redactor.text(TextKind::Free, &whole, 8_192), "cannot load data:image/png");
}

proptest! {
    #[test]
    fn scanning_twice_finds_nothing_new(text in "\\PC{0,120}") {
        let once = clean(&text);
        prop_assert_eq!(clean(&once), once.as_str());
    }

    #[test]
    fn an_address_anywhere_is_taken_out(
        before in "[a-z ]{0,20} ", local in "[a-z0-9._]{1,20}", after in " [a-z ]{0,20}",
    ) {
        let text = format!("{before}{local}@mail.test{after}");
        prop_assert!(!clean(&text).contains("mail.test"));
    }

    #[test]
    fn a_text_that_looks_plain_holds_nothing(
        text in "[a-zA-Z0-9@:=?%. &/J\u{fc}-]{0,40}|\\PC{0,40}|(eyJ|Basic |bearer |[0-9]{4}[ -]?|[A-Za-z.]){0,24}",
    ) {
        prop_assert!(!is_plain(&text) || clean(&text) == text, "{text}");
    }
}
