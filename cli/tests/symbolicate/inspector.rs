//! `inspect --symbols`: stacks on the pages with functions and lines.

use serde_json::json;

use super::super::Inspector;
use super::fixture;

const STACK: &str = "\
TypeError: no price: <cup>
    at anonymous (address at index.android.bundle:1:3554)
    at map (native)
    at pay (address at other.android.bundle:1:3400)";

fn record(stack: &str) -> String {
    let text = |key: &str, text: &str| json!({"key": key, "value": {"stringValue": text}});
    let attributes =
        [text("session.id", "s"), text("exception.type", "TypeError"), text("exception.stacktrace", stack)];
    json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [{
        "timeUnixNano": "1700000000000000000",
        "traceId": "0af7651916cd43dd8448eb211c80319c",
        "attributes": attributes}]}]}]})
    .to_string()
}

#[test]
fn a_stack_on_a_page_has_functions_and_lines_and_the_text_as_it_was_sent() {
    let symbols = fixture("");
    for (arguments, is_named) in [(vec!["--symbols", symbols.to_str().unwrap()], true), (vec![], false)] {
        let inspector = Inspector::start(&arguments);
        let json = [("Content-Type", "application/json")];
        let (status, _) = inspector.post_bytes("/v1/logs", &json, record(STACK).as_bytes());
        assert_eq!(status, 200);
        for page in ["/session/s", "/trace/0af7651916cd43dd8448eb211c80319c"] {
            // Twice: the second time, answers are there already.
            for _ in 0..2 {
                let page = inspector.get(page);
                assert_eq!(page.contains("    at price (src/cart.js:13:15)"), is_named, "{page}");
                assert_eq!(page.contains("As it was sent"), is_named);
                assert_eq!(page.contains("other.android.bundle, 1 frame: no source map has this name"), is_named);
                assert!(page.contains("address at index.android.bundle:1:3554") && page.contains("at map (native)"));
                assert!(!page.contains("<cup>"), "a text became a part of the page");
            }
        }
        // The API says what has arrived.
        assert_eq!(inspector.json("/api/session/s")[0]["attributes"]["exception.stacktrace"], STACK);
    }
}

#[test]
fn a_stack_of_a_single_frame_is_shown_as_one() {
    let symbols = fixture("");
    let inspector = Inspector::start(&["--symbols", symbols.to_str().unwrap()]);
    let json = [("Content-Type", "application/json")];
    let frame = "    at anonymous (address at index.android.bundle:1:3554)";
    assert_eq!(inspector.post_bytes("/v1/logs", &json, record(frame).as_bytes()).0, 200);
    let page = inspector.get("/session/s");
    assert!(page.contains("    at price (src/cart.js:13:15)") && page.contains("As it was sent"), "{page}");
}
