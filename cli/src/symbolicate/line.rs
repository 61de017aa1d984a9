//! What a line of a stack trace says: which place of which module, class or bundle it names.
//!
//! Every engine writes its own form. A line of none of them is text and stays as it is. The
//! functions here read and decide nothing.

/// A line, as far as it names a place.
#[derive(Debug, PartialEq)]
pub(super) enum Place<'t> {
    Native(Native<'t>),
    Java(Java<'t>),
    /// The first line of a Java exception.
    Thrown(Thrown<'t>),
    Script(Script<'t>),
    Text,
}

/// A frame of native code, as Throughline and Android's tombstones write it.
#[derive(Debug, PartialEq)]
pub(super) struct Native<'t> {
    /// The address as the module's file counts. It already points into the call.
    pub(super) pc: u64,
    /// The path or the name of the module. None if the address lies in no module.
    pub(super) module: Option<&'t str>,
    /// In lower case.
    pub(super) build_id: Option<String>,
    /// Whether the line names the function already, as Android does if the device knows it.
    pub(super) is_named: bool,
}

/// A frame of a Java stack trace: `at a.b.c(SourceFile:12)`.
#[derive(Debug, PartialEq)]
pub(super) struct Java<'t> {
    pub(super) class: &'t str,
    pub(super) method: &'t str,
    /// What stands before the line's number. R8 may write the id of its mapping there.
    pub(super) file: &'t str,
    /// 0 if the frame has none.
    pub(super) line: usize,
}

/// The first line of a Java exception: what stands before the class, and after it.
#[derive(Debug, PartialEq)]
pub(super) struct Thrown<'t> {
    pub(super) before: &'t str,
    pub(super) class: &'t str,
    pub(super) after: &'t str,
}

/// A frame of JavaScript.
#[derive(Debug, PartialEq)]
pub(super) struct Script<'t> {
    pub(super) function: &'t str,
    /// The name of the bundle's file, without folders and without what follows a `?`.
    pub(super) bundle: &'t str,
    /// Counts from 0, as source maps do.
    pub(super) line: u32,
    /// Counts from 0. For bytecode of Hermes it is an offset in the bytecode.
    pub(super) column: u32,
    pub(super) is_bytecode: bool,
}

/// Reads a line.
pub(super) fn place(line: &str) -> Place<'_> {
    if let Some(native) = native(line) {
        return Place::Native(native);
    }
    if let Some(call) = after_at(line) {
        return java(call).map(Place::Java).or_else(|| script(call).map(Place::Script)).unwrap_or(Place::Text);
    }
    script_of_safari(line).map(Place::Script).or_else(|| thrown(line).map(Place::Thrown)).unwrap_or(Place::Text)
}

/// The name of a module, without its folders. Of a library inside an APK, the library's.
pub(super) fn base(module: &str) -> &str {
    module.rsplit(['/', '!']).next().unwrap_or(module)
}

/// `… #03 pc 0000000000012345  libshop.so (BuildId: 0123abcd) [cfi]`, after whatever a log writes
/// before it.
fn native(line: &str) -> Option<Native<'_>> {
    let (before, rest) = line.split_once(" pc ")?;
    let (_, number) = before.trim_end().rsplit_once('#')?;
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let rest = rest.trim_start();
    let (pc, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let pc = u64::from_str_radix(pc.strip_prefix("0x").unwrap_or(pc), 16).ok()?;
    let rest = rest.trim();
    let end = [" (", " ["].iter().filter_map(|mark| rest.find(mark)).min().unwrap_or(rest.len());
    let (module, notes) = rest.split_at_checked(end)?;
    let module = module.trim();
    let build_id = notes.split_once("(BuildId: ").and_then(|(_, id)| id.split_once(')')).map(|(id, _)| id.trim());
    let build_id = build_id.filter(|id| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let is_nowhere = module.is_empty() || module.starts_with('<') || module.starts_with('[');
    Some(Native {
        pc,
        module: (!is_nowhere || build_id.is_some()).then_some(module),
        build_id: build_id.map(str::to_ascii_lowercase),
        is_named: is_named(notes),
    })
}

/// Whether there is a function and an offset in it: `(abort+164)`.
fn is_named(notes: &str) -> bool {
    notes.match_indices(')').any(|(end, _)| {
        let before = notes.get(..end).unwrap_or_default();
        let digits = before.bytes().rev().take_while(u8::is_ascii_digit).count();
        let name = before.get(..before.len() - digits).unwrap_or_default();
        digits > 0 && name.len() > 1 && name.ends_with('+')
    })
}

/// What follows `at `, which stands at the beginning of the line or behind the tag of a log.
fn after_at(line: &str) -> Option<&str> {
    line.match_indices("at ").find_map(|(index, _)| {
        let before = line.get(..index)?.trim_end();
        (before.is_empty() || before.ends_with(':')).then(|| line.get(index + 3..).map(str::trim)).flatten()
    })
}

/// `a.b.c(SourceFile:12)`. JavaScript has a space before the parenthesis.
fn java(call: &str) -> Option<Java<'_>> {
    let (path, file) = call.strip_suffix(')')?.split_once('(')?;
    let (class, method) = path.rsplit_once('.')?;
    if path.contains(char::is_whitespace) || class.is_empty() || method.is_empty() {
        return None;
    }
    let (name, line) = match file.rsplit_once(':') {
        Some((name, line)) => (name, line.parse().ok()?),
        None => (file, 0),
    };
    // Two numbers at the end are those of JavaScript.
    let is_script = name.rsplit_once(':').is_some_and(|(_, line)| line.parse::<u32>().is_ok());
    (!is_script).then_some(Java { class, method, file: name, line })
}

/// The first line of an exception or of its cause, after whatever a log writes before it. A class
/// has a package; without one, any word followed by a colon would be an exception.
fn thrown(line: &str) -> Option<Thrown<'_>> {
    let mut start = line.len() - line.trim_start().len();
    if let Some(index) = line.find("AndroidRuntime: ") {
        start = index + "AndroidRuntime: ".len();
    }
    for word in ["Caused by: ", "Suppressed: "] {
        if let Some(index) = line.get(start..)?.find(word) {
            start += index + word.len();
        }
    }
    if line.get(start..)?.starts_with("Exception in thread \"") {
        start += line.get(start..)?.find("\" ")? + 2;
    }
    let (before, rest) = line.split_at_checked(start)?;
    let end = rest.find(": ").unwrap_or(rest.trim_end().trim_end_matches(':').len());
    let (class, after) = rest.split_at_checked(end)?;
    let is_name = |part: &str| {
        let mut letters = part.chars();
        letters.next().is_some_and(|first| first.is_alphabetic() || "_$".contains(first))
            && letters.all(|letter| letter.is_alphanumeric() || "_$-".contains(letter))
    };
    (class.contains('.') && class.split('.').all(is_name)).then_some(Thrown { before, class, after })
}

/// `f (address at index.android.bundle:1:1234)`, `f (main.jsbundle:12:34)` or
/// `main.jsbundle:12:34`.
fn script(call: &str) -> Option<Script<'_>> {
    let (function, position) = match call.strip_suffix(')').and_then(|call| call.rsplit_once('(')) {
        Some((function, position)) => (function.trim(), position),
        None => ("", call),
    };
    let (position, is_bytecode) = match position.strip_prefix("address at ") {
        Some(position) => (position, true),
        None => (position, false),
    };
    position_of(position, function, is_bytecode)
}

/// `f@http://host/index.bundle?platform=ios:12:34`, as JavaScriptCore writes a frame, or the same
/// without a function.
fn script_of_safari(line: &str) -> Option<Script<'_>> {
    let line = line.trim();
    let (function, position) = line.split_once('@').unwrap_or(("", line));
    let script = position_of(position, function, false)?;
    let is_code = [".bundle", ".jsbundle", ".js", ".hbc"].iter().any(|end| script.bundle.ends_with(end));
    is_code.then_some(script)
}

fn position_of<'t>(position: &'t str, function: &'t str, is_bytecode: bool) -> Option<Script<'t>> {
    let (rest, column) = position.rsplit_once(':')?;
    let (file, line) = rest.rsplit_once(':')?;
    let (line, column) = (line.parse::<u32>().ok()?, column.parse::<u32>().ok()?);
    // React Native's server also takes its options behind `//&`.
    let path = file.split(['?', '#']).next().and_then(|path| path.split("//&").next()).unwrap_or(file);
    let bundle = path.rsplit(['/', '\\']).next().unwrap_or(path);
    // Engines count columns from 1, and Hermes counts its bytecode from 0.
    let column = if is_bytecode { column } else { column.saturating_sub(1) };
    let line = line.checked_sub(1)?;
    // Node's own modules have no map.
    let is_of_an_app = !bundle.is_empty() && !file.starts_with("node:");
    is_of_an_app.then_some(Script { function, bundle, line, column, is_bytecode })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn native_of(line: &str) -> Native<'_> {
        match place(line) {
            Place::Native(native) => native,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn a_native_frame_is_read_as_throughline_and_as_android_write_it() {
        let ours = native_of("#00 pc 0000000000012345  libshop.so (BuildId: 0123ABCD) [cfi]");
        assert_eq!((ours.pc, ours.module, ours.build_id.as_deref()), (0x12345, Some("libshop.so"), Some("0123abcd")));
        let without = native_of("#01 pc 0000000000000010  libold.so (no BuildId) [fp]");
        assert_eq!((without.module, without.build_id), (Some("libold.so"), None));
        let nowhere = native_of("#03 pc 00007f0012345678  <unknown> [fp]");
        assert_eq!((nowhere.pc, nowhere.module), (0x7f00_1234_5678, None));
        let named = native_of(
            "11-27 09:00:00.000  1234  1234 F DEBUG   :       #02 pc 000000000004f1b8  \
             /apex/com.android.runtime/lib64/bionic/libc.so (abort+164) (BuildId: 4e07915368c859b1910c68c84a8de75f)",
        );
        assert!(named.is_named && named.pc == 0x4f1b8 && named.build_id.is_some());
        let in_apk = native_of(
            "    #04 pc 0001b2c4  /data/app/~~x==/com.shop-y==/base.apk!libshop.so (offset 0x1000) \
             (shop::pay(int)+20) (BuildId: aa)",
        );
        assert_eq!((in_apk.pc, in_apk.is_named), (0x1b2c4, true));
        assert_eq!(in_apk.module, Some("/data/app/~~x==/com.shop-y==/base.apk!libshop.so"));
    }

    #[test]
    fn frames_of_java_and_javascript_are_told_apart() {
        let java = |class, method, file, line| Place::Java(Java { class, method, file, line });
        assert_eq!(place("\tat a.b.c(SourceFile:12)"), java("a.b", "c", "SourceFile", 12));
        assert_eq!(place("at a.b.<init>(Unknown Source)"), java("a.b", "<init>", "Unknown Source", 0));
        let log = "11-27 09:00:00.000  1  1 E AndroidRuntime: \tat a.b.c(r8-map-id-0123abc:7)";
        assert_eq!(place(log), java("a.b", "c", "r8-map-id-0123abc", 7));
        let script = |function, bundle, line, column, is_bytecode| {
            Place::Script(Script { function, bundle, line, column, is_bytecode })
        };
        let hermes = "    at pay (address at index.android.bundle:1:12345)";
        assert_eq!(place(hermes), script("pay", "index.android.bundle", 0, 12345, true));
        let v8 = "at Object.pay [as x] (http://10.0.2.2:8081/index.bundle//&platform=ios?dev=true:123:45)";
        assert_eq!(place(v8), script("Object.pay [as x]", "index.bundle", 122, 44, false));
        assert_eq!(place("at /x/main.jsbundle:3:9"), script("", "main.jsbundle", 2, 8, false));
        assert_eq!(place("pay@file:///x/main.jsbundle:3:9"), script("pay", "main.jsbundle", 2, 8, false));
        for text in [
            "at apply (native)",
            "... 12 more",
            "at least one",
            "a@b.example:80:1",
            "src/a.rs:3:4",
            "at node:vm:1:2",
            "",
        ] {
            assert_eq!(place(text), Place::Text, "{text}");
        }
    }

    #[test]
    fn the_first_line_of_an_exception_is_told_from_other_text() {
        for (line, class) in [
            ("a.b.c: no cart", "a.b.c"),
            ("Caused by: a.b.c", "a.b.c"),
            ("Exception in thread \"main\" a.b.c: x", "a.b.c"),
            (
                "11-27 09:00:00.000  1  1 E AndroidRuntime: java.lang.IllegalStateException: x",
                "java.lang.IllegalStateException",
            ),
        ] {
            let Place::Thrown(thrown) = place(line) else { panic!("{line}") };
            assert_eq!(thrown.class, class);
            assert_eq!(format!("{}{}{}", thrown.before, thrown.class, thrown.after), line);
        }
        for text in ["pid: 1, tid: 2", "signal 11 (SIGSEGV)", "Build fingerprint: 'a.b'", "v1.2: 3"] {
            assert_eq!(place(text), Place::Text, "{text}");
        }
    }
}
