//! What one line of a stack says, in each of the forms that Throughline's clients record.
//!
//! | form | line |
//! |---|---|
//! | native, also tombstones | `#01 pc 12f3  libshop.so (pay+12) (BuildId: 5f0c…) [cfi]` |
//! | Java, Kotlin | `at com.shop.Pay.start(Pay.kt:12)` |
//! | JavaScript of V8 and Hermes | `at pay (index.bundle:1:2345)` |
//! | JavaScript of JavaScriptCore | `pay@index.bundle:1:2345` |
//! | Rust, as panics are recorded | `0: shop::pay at cart/pay.rs:10:5` |

/// A frame. Texts that the line does not have are empty, and numbers 0.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Frame<'t> {
    pub(super) function: &'t str,
    /// The class.
    pub(super) module: &'t str,
    pub(super) file: &'t str,
    pub(super) line: u32,
    pub(super) column: u32,
    pub(super) native: Option<Native<'t>>,
}

/// What only a native frame has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Native<'t> {
    /// The address as the file of the module counts, or that of the process if it is in no module.
    pub(super) pc: u64,
    /// The module's path or name.
    pub(super) module: Option<&'t str>,
    /// Hex digits.
    pub(super) build_id: Option<&'t str>,
    /// How the frame was found, in Throughline's word.
    pub(super) method: &'t str,
}

/// The language that a stack is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    Native,
    Java,
    Script,
    Rust,
}

/// Reads a line; `None` when it is no frame.
pub(super) fn read(line: &str) -> Option<(Language, Frame<'_>)> {
    let line = line.trim();
    let line = line.strip_prefix("native: ").unwrap_or(line);
    let of = |language| move |frame| (language, frame);
    if line.starts_with('#') {
        return native(line).map(of(Language::Native));
    }
    if let Some(call) = line.strip_prefix("at ") {
        return java(call).map(of(Language::Java)).or_else(|| script(call).map(of(Language::Script)));
    }
    rust(line).map(of(Language::Rust)).or_else(|| safari(line).map(of(Language::Script)))
}

fn native(line: &str) -> Option<Frame<'_>> {
    let (number, rest) = line.strip_prefix('#')?.split_once(" pc ")?;
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let rest = rest.trim_start();
    let (pc, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let pc = u64::from_str_radix(pc.strip_prefix("0x").unwrap_or(pc), 16).ok()?;
    let rest = rest.trim();
    let end = [" (", " ["].iter().filter_map(|mark| rest.find(mark)).min().unwrap_or(rest.len());
    let (module, notes) = rest.split_at_checked(end)?;
    let build_id = notes.split_once("(BuildId: ").and_then(|(_, id)| id.split_once(')')).map(|(id, _)| id.trim());
    let build_id = build_id
        .filter(|id| !id.is_empty() && id.len().is_multiple_of(2) && id.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let is_nowhere = module.is_empty() || module.starts_with('<') || module.starts_with('[');
    let method = notes.rsplit_once('[').and_then(|(_, word)| word.split_once(']')).map_or("", |(word, _)| word);
    let native = Native { pc, module: (!is_nowhere || build_id.is_some()).then_some(module.trim()), build_id, method };
    Some(Frame { function: named(notes), native: Some(native), ..Frame::default() })
}

/// The function that a device has named already: `(abort+164)`.
fn named(notes: &str) -> &str {
    let notes = notes.split_once("(BuildId: ").map_or(notes, |(before, _)| before);
    let notes = notes.split_once("(no BuildId)").map_or(notes, |(before, _)| before).trim();
    let notes = match notes.strip_prefix("(offset ") {
        Some(rest) => rest.split_once(')').map_or("", |(_, rest)| rest).trim(),
        None => notes,
    };
    let inner = notes.strip_prefix('(').and_then(|notes| notes.rsplit_once(')')).map_or("", |(inner, _)| inner);
    match inner.rsplit_once('+') {
        Some((name, offset)) if offset.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => "",
    }
}

/// `com.shop.Pay.start(Pay.kt:12)`. JavaScript has a space before the parenthesis.
fn java(call: &str) -> Option<Frame<'_>> {
    let (path, place) = call.strip_suffix(')')?.rsplit_once('(')?;
    // Before the class may be a loader and a module: `app//`, `java.base@17/`.
    let path = path.rsplit_once('/').map_or(path, |(_, path)| path);
    let (module, function) = path.rsplit_once('.')?;
    if path.contains(char::is_whitespace) || module.is_empty() || function.is_empty() {
        return None;
    }
    let (file, line) = match place.rsplit_once(':') {
        Some((file, line)) => (file, line.parse().ok()?),
        None => (place, 0),
    };
    let is_script = file.rsplit_once(':').is_some_and(|(_, line)| line.parse::<u32>().is_ok());
    let file = if matches!(file, "Native Method" | "Unknown Source") { "" } else { file };
    (!is_script).then_some(Frame { function, module, file, line, ..Frame::default() })
}

/// `pay (index.bundle:1:2345)`, or the place alone.
fn script(call: &str) -> Option<Frame<'_>> {
    let (function, place) = match call.strip_suffix(')').and_then(|call| call.rsplit_once(" (")) {
        Some((function, place)) => (function.trim(), place),
        None => ("", call),
    };
    let place = place.strip_prefix("address at ").unwrap_or(place);
    if matches!(place, "native" | "<anonymous>") && !function.is_empty() {
        return Some(Frame { function, file: place, ..Frame::default() });
    }
    let (file, line, column) = position(place)?;
    Some(Frame { function, file, line, column, ..Frame::default() })
}

/// `pay@index.bundle:1:2345`.
fn safari(line: &str) -> Option<Frame<'_>> {
    let (function, place) = line.split_once('@')?;
    if function.contains(' ') {
        return None;
    }
    if place == "[native code]" {
        return Some(Frame { function, file: place, ..Frame::default() });
    }
    let (file, line, column) = position(place)?;
    (!file.contains(' ')).then_some(Frame { function, file, line, column, ..Frame::default() })
}

/// `0: shop::pay at cart/pay.rs:10:5`, or without the place.
fn rust(line: &str) -> Option<Frame<'_>> {
    let (number, rest) = line.split_once(": ")?;
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (function, (file, line, column)) = match rest.rsplit_once(" at ") {
        Some((function, place)) => match position(place) {
            Some(position) => (function, position),
            None => (rest, ("", 0, 0)),
        },
        None => (rest, ("", 0, 0)),
    };
    let function = function.trim();
    (!function.is_empty()).then_some(Frame { function, file, line, column, ..Frame::default() })
}

/// A file, a line and a column.
pub(super) fn position(place: &str) -> Option<(&str, u32, u32)> {
    let (rest, column) = place.rsplit_once(':')?;
    let (file, line) = rest.rsplit_once(':')?;
    let (line, column) = (line.parse().ok()?, column.parse().ok()?);
    (!file.is_empty()).then_some((file, line, column))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn native_of(line: &str) -> (u64, Option<&str>, Option<&str>, &str, &str) {
        let Some((Language::Native, Frame { function, native: Some(native), .. })) = read(line) else {
            panic!("{line}")
        };
        (native.pc, native.module, native.build_id, native.method, function)
    }

    #[test]
    fn native_frames_of_throughline_and_of_tombstones_are_read() {
        for (line, expected) in [
            (
                "#00 pc 00000000000657be  libshop.so (BuildId: 5f0c1a2b) [context]",
                (0x657be, Some("libshop.so"), Some("5f0c1a2b"), "context", ""),
            ),
            ("#02 pc 00007f0012345678  <unknown> [fp]", (0x7f00_1234_5678, None, None, "fp", "")),
            ("#03 pc 0000000000000010  old lib.so (no BuildId) [cfi]", (0x10, Some("old lib.so"), None, "cfi", "")),
            (
                "  native: #11 pc 00089908  /apex/lib64/bionic/libc.so (abort+164) (BuildId: 055fab)",
                (0x89908, Some("/apex/lib64/bionic/libc.so"), Some("055fab"), "", "abort"),
            ),
            (
                "#05 pc 1234  /data/app/base.apk!libn.so (offset 0x1000) (a::b(int (*)(char))+8) (BuildId: 00ff)",
                (0x1234, Some("/data/app/base.apk!libn.so"), Some("00ff"), "", "a::b(int (*)(char))"),
            ),
            ("#06 pc 12  [anon:dalvik] (BuildId: xyz)", (0x12, None, None, "", "")),
        ] {
            assert_eq!(native_of(line), expected, "{line}");
        }
    }

    #[test]
    fn frames_of_every_language_are_read() {
        let frame = |function, module, file, line, column| Frame { function, module, file, line, column, native: None };
        for (line, language, expected) in [
            ("\tat com.shop.Pay.start(Pay.kt:12)", Language::Java, frame("start", "com.shop.Pay", "Pay.kt", 12, 0)),
            ("at a.b.<init>(Native Method)", Language::Java, frame("<init>", "a.b", "", 0, 0)),
            (
                "at java.base@17/java.lang.Thread.run(Thread.java:840)",
                Language::Java,
                frame("run", "java.lang.Thread", "Thread.java", 840, 0),
            ),
            ("at c.d.a(SourceFile)", Language::Java, frame("a", "c.d", "SourceFile", 0, 0)),
            ("    at pay (index.js:1:2345)", Language::Script, frame("pay", "", "index.js", 1, 2345)),
            ("at new Pay (http://h:8081/a.js:1:2)", Language::Script, frame("new Pay", "", "http://h:8081/a.js", 1, 2)),
            ("at f (address at index.bundle:1:9)", Language::Script, frame("f", "", "index.bundle", 1, 9)),
            ("at index.js:3:4", Language::Script, frame("", "", "index.js", 3, 4)),
            ("at map (native)", Language::Script, frame("map", "", "native", 0, 0)),
            ("pay@index.js:1:2", Language::Script, frame("pay", "", "index.js", 1, 2)),
            ("map@[native code]", Language::Script, frame("map", "", "[native code]", 0, 0)),
            ("0: shop::pay at cart/pay.rs:10:5", Language::Rust, frame("shop::pay", "", "cart/pay.rs", 10, 5)),
            ("12: main", Language::Rust, frame("main", "", "", 0, 0)),
        ] {
            assert_eq!(read(line), Some((language, expected)), "{line}");
        }
    }

    #[test]
    fn what_is_no_frame_is_none() {
        for line in [
            "",
            "java.lang.Error: no",
            "... 12 more",
            "#xx pc 12  a",
            "#01 pc zz  a",
            "at ",
            "at home",
            "mail me@example.com",
            "panicked at src/a.rs:1:2",
            "at a.b(",
            "#",
            ": ",
            "1: ",
            "at (a:1:99999999999)",
        ] {
            assert_eq!(read(line), None, "{line}");
        }
    }
}
