//! A stack as the platform wrote it, taken apart into the exceptions, threads and modules that
//! Sentry shows.
//!
//! Nothing is lost: when a line is not understood, the whole text goes along as it is.

use uuid::Uuid;

use super::frame::{self, Frame, Language, Native};
use super::json::{Object, Value};

/// What a stack tells.
#[derive(Debug, Default)]
pub(super) struct Stack<'t> {
    /// The error itself, and what it says of its causes.
    pub(super) exceptions: Vec<Exception<'t>>,
    /// The threads of a dump. The first one is that of the error.
    pub(super) threads: Vec<Thread<'t>>,
    /// The modules that have a build id, each once: its path or name, and the id.
    images: Vec<(&'t str, &'t str)>,
    pub(super) language: Option<Language>,
    /// Whether every line was understood.
    pub(super) is_whole: bool,
}

/// An exception, the innermost frame first.
#[derive(Debug, Default)]
pub(super) struct Exception<'t> {
    pub(super) name: &'t str,
    pub(super) message: &'t str,
    pub(super) frames: Vec<Frame<'t>>,
}

/// A thread of a dump, the innermost frame first.
#[derive(Debug, Default)]
pub(super) struct Thread<'t> {
    pub(super) name: &'t str,
    pub(super) id: &'t str,
    pub(super) frames: Vec<Frame<'t>>,
}

impl<'t> Stack<'t> {
    /// Takes the stack of an error apart.
    pub(super) fn read(name: &'t str, message: &'t str, stack: &'t str) -> Self {
        let own = Exception { name, message, frames: Vec::new() };
        let mut read = Self { exceptions: vec![own], is_whole: true, ..Self::default() };
        let mut panicked = None;
        for line in stack.lines().map(str::trim).filter(|line| !line.is_empty()) {
            if let Some((language, frame)) = frame::read(line) {
                read.push(language, frame);
            } else if let Some(cause) = line.strip_prefix("Caused by: ") {
                let (name, message) = cause.split_once(": ").unwrap_or((cause, ""));
                read.exceptions.push(Exception { name, message, frames: Vec::new() });
            } else if let Some((name, id)) = thread(line) {
                read.threads.push(Thread { name, id, frames: Vec::new() });
            } else if !read.is_known(line) {
                read.is_whole = false;
                panicked = panicked.or_else(|| line.strip_prefix("panicked at ").and_then(frame::position));
            }
        }
        // Without symbols, a panic says nothing but its place.
        if let (true, Some((file, line, column))) = (read.language.is_none(), panicked) {
            read.push(Language::Rust, Frame { file, line, column, ..Frame::default() });
        }
        read
    }

    /// Whether a line says what is said already: the type and the message in front of the frames,
    /// or how many frames are those of the exception above.
    fn is_known(&self, line: &str) -> bool {
        let is_rest = line.strip_prefix("... ").is_some_and(|rest| rest.ends_with(" more"));
        let is_header = self.language.is_none()
            && self.exceptions.first().is_some_and(|own| match line.strip_prefix(own.name) {
                Some(rest) => rest.is_empty() || rest.strip_prefix(": ").is_some_and(|text| own.message.contains(text)),
                None => own.message.lines().skip(1).any(|text| text.trim() == line),
            });
        is_rest || is_header
    }

    fn push(&mut self, language: Language, frame: Frame<'t>) {
        // A dump of Android's begins with native frames and is of Java all the same.
        if self.language.is_none() || language == Language::Java {
            self.language = Some(language);
        }
        if let Some(Native { module: Some(module), build_id: Some(id), .. }) = frame.native
            && !self.images.contains(&(module, id))
        {
            self.images.push((module, id));
        }
        let frames = match (self.threads.last_mut(), self.exceptions.last_mut()) {
            (Some(thread), _) => &mut thread.frames,
            (None, Some(exception)) => &mut exception.frames,
            (None, None) => return,
        };
        frames.push(frame);
    }

    /// Writes a `stacktrace`, if there is a frame: Relay refuses an empty one.
    pub(super) fn write_frames(&self, object: &mut Object<'_>, frames: &[Frame<'_>]) {
        if frames.is_empty() {
            return;
        }
        object.value("stacktrace").object(|trace| {
            // The outermost first.
            trace.value("frames").list(frames.iter().rev(), |value, frame| self.write_frame(value, frame));
            if frames.iter().any(|frame| frame.native.is_some()) {
                // The addresses of callers lie inside the call already.
                trace.text("instruction_addr_adjustment", "none");
            }
        });
    }

    fn write_frame(&self, value: Value<'_>, frame: &Frame<'_>) {
        value.object(|object| {
            object.text("function", frame.function);
            object.text("module", frame.module);
            object.text("filename", frame.file);
            if frame.line > 0 {
                object.value("lineno").plain(frame.line);
            }
            if frame.column > 0 {
                object.value("colno").plain(frame.column);
            }
            let Some(native) = frame.native else { return };
            object.text("package", native.module.unwrap_or_default());
            object.text("instruction_addr", &format!("0x{:x}", native.pc));
            let image = self.images.iter().position(|image| Some(*image) == native.module.zip(native.build_id));
            if let Some(image) = image {
                // The address counts from the beginning of this image.
                object.text("addr_mode", &format!("rel:{image}"));
            }
            if let word @ ("context" | "cfi" | "fp") = native.method {
                object.text("trust", word);
            }
        });
    }

    /// Writes `debug_meta`, if a module is known by its build id.
    pub(super) fn write_images(&self, event: &mut Object<'_>, is_apple: bool) {
        if self.images.is_empty() {
            return;
        }
        event.value("debug_meta").object(|meta| {
            meta.value("images").list(&self.images, |value, (module, build_id)| {
                value.object(|image| {
                    image.text("type", if is_apple { "macho" } else { "elf" });
                    image.text("code_file", module);
                    image.text("code_id", &build_id.to_ascii_lowercase());
                    image.text("debug_id", &debug_id(build_id, is_apple).to_string());
                });
            });
        });
    }
}

/// The debug id of a build id: Apple's UUID as it is; of ELF the first 16 bytes, in the byte order
/// of a GUID of Microsoft's (Breakpad).
fn debug_id(build_id: &str, is_apple: bool) -> Uuid {
    let mut bytes = [0; 16];
    for (at, byte) in bytes.iter_mut().enumerate() {
        let digits = build_id.get(2 * at..2 * at + 2).unwrap_or("00");
        *byte = u8::from_str_radix(digits, 16).unwrap_or(0);
    }
    if is_apple { Uuid::from_bytes(bytes) } else { Uuid::from_bytes_le(bytes) }
}

/// The name and the number of a thread in a dump of Android's: `"main" prio=5 tid=1 Native`.
fn thread(line: &str) -> Option<(&str, &str)> {
    let (name, rest) = line.strip_prefix('"')?.rsplit_once('"')?;
    let (_, id) = rest.split_once(" tid=")?;
    let id = id.split(' ').next().unwrap_or(id);
    (!id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit())).then_some((name, id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_exceptions_of_their_own() {
        let text =
            "a.Outer: no\n\tat a.B.c(B.java:1)\n\t... 3 more\nCaused by: a.Inner: why: so\n\tat a.D.e(D.java:2)\n";
        let stack = Stack::read("a.Outer", "no", text);
        let seen: Vec<_> = stack.exceptions.iter().map(|one| (one.name, one.message, one.frames.len())).collect();
        assert_eq!(seen, [("a.Outer", "no", 1), ("a.Inner", "why: so", 1)]);
        assert!(stack.is_whole && stack.language == Some(Language::Java));
    }

    #[test]
    fn a_line_that_is_not_understood_is_noticed() {
        for text in ["at a.B.c(B.java:1)\nlocked <0x1>", "something", "E: other", "  Suppressed: a.X"] {
            assert!(!Stack::read("E", "m", text).is_whole, "{text}");
        }
        for text in ["", "E: m", "E\nat a.B.c(B.java:1)", "E: m\nmore\nat a.B.c(B.java:1)"] {
            assert!(Stack::read("E", "m\nmore", text).is_whole, "{text}");
        }
    }

    #[test]
    fn a_dump_has_threads() {
        let text = "\"main\" prio=5 tid=1 Native\n  | group=\"main\"\n  at a.B.c(B.java:1)\n\n\"io\" daemon prio=5 tid=12 \
                    Waiting\n  native: #00 pc 12  /l/libc.so (syscall+28) (BuildId: 00)\n  at a.D.e(D.java:2)\n";
        let stack = Stack::read("ANR", "", text);
        let seen: Vec<_> = stack.threads.iter().map(|one| (one.name, one.id, one.frames.len())).collect();
        assert_eq!(seen, [("main", "1", 1), ("io", "12", 2)]);
        assert!(!stack.is_whole && stack.exceptions[0].frames.is_empty());
        assert_eq!(Stack::read("ANR", "", "#00 pc 12  a\nat a.B.c(B.java:1)").language, Some(Language::Java));
    }

    #[test]
    fn a_panic_without_symbols_has_its_place() {
        let stack = Stack::read("panic", "no", "panicked at src/a.rs:3:7");
        let frame = stack.exceptions[0].frames[0];
        assert_eq!((frame.file, frame.line, frame.column), ("src/a.rs", 3, 7));
        let stack = Stack::read("panic", "no", "panicked at src/a.rs:3:7\n0: shop::pay at ./src/a.rs:3:7");
        assert_eq!(stack.exceptions[0].frames.len(), 1);
    }

    #[test]
    fn a_build_id_becomes_the_debug_id_that_symbol_files_have() {
        let id = "0123456789abcdef0123456789abcdef01234567";
        assert_eq!(debug_id(id, false).to_string(), "67452301-ab89-efcd-0123-456789abcdef");
        assert_eq!(debug_id(&id[..32], true).to_string(), "01234567-89ab-cdef-0123-456789abcdef");
        assert_eq!(debug_id("00ff", false).to_string(), "0000ff00-0000-0000-0000-000000000000");
    }
}
