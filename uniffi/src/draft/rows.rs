//! The rows of the layout as data: what a call, a code, a constant and a limit have.

/// A call.
#[derive(Debug, Clone, Copy)]
pub struct CallRow {
    /// Its name, as [`Call`](super::Call) has it.
    pub name: &'static str,
    /// Its code.
    pub code: u8,
    /// Its documentation, a line each.
    pub doc: &'static [&'static str],
    /// Its fields, in their order.
    pub fields: &'static [FieldRow],
}

/// A field of a call.
#[derive(Debug, Clone, Copy)]
pub struct FieldRow {
    /// Its name.
    pub name: &'static str,
    /// Its type, as the layout's documentation calls it.
    pub layout: &'static str,
    /// Its documentation, a line each.
    pub doc: &'static [&'static str],
}

/// An enum that a draft has as one byte.
#[derive(Debug, Clone, Copy)]
pub struct CodeTable {
    /// Its name.
    pub name: &'static str,
    /// Its documentation, a line each.
    pub doc: &'static [&'static str],
    /// Its cases.
    pub codes: &'static [CodeRow],
}

/// A case of an enum.
#[derive(Debug, Clone, Copy)]
pub struct CodeRow {
    /// Its name.
    pub name: &'static str,
    /// Its code.
    pub code: u8,
}

/// Constants that belong together.
#[derive(Debug, Clone, Copy)]
pub struct ConstantTable {
    /// Their common name.
    pub name: &'static str,
    /// Their documentation, a line each.
    pub doc: &'static [&'static str],
    /// The constants.
    pub constants: &'static [ConstantRow],
}

/// A constant.
#[derive(Debug, Clone, Copy)]
pub struct ConstantRow {
    /// Its name.
    pub name: &'static str,
    /// Its type in Rust: `u8`, `usize`, `i64`.
    pub number: &'static str,
    /// Its value.
    pub value: i64,
    /// Its documentation, a line each.
    pub doc: &'static [&'static str],
}

/// Makes constants, and a table of them.
macro_rules! constants {
    (
        $(#[doc = $table_doc:literal])*
        $visible:vis $table:ident as $name:literal {
            $($(#[doc = $doc:literal])* $constant:ident: $number:ident = $value:expr;)*
        }
    ) => {
        $($(#[doc = $doc])* $visible const $constant: $number = $value;)*

        $(#[doc = $table_doc])*
        $visible const $table: $crate::draft::rows::ConstantTable = $crate::draft::rows::ConstantTable {
            name: $name,
            doc: &[$($table_doc),*],
            constants: &[$($crate::draft::rows::ConstantRow {
                name: stringify!($constant),
                number: stringify!($number),
                value: $constant as i64,
                doc: &[$($doc),*],
            }),*],
        };
    };
}
pub(crate) use constants;

/// Where the facades cut a text.
#[derive(Debug, Clone, Copy)]
pub struct TextLimit {
    /// What the text is.
    pub name: &'static str,
    /// Bytes of UTF-8, for languages that count those.
    pub utf8_bytes: usize,
    /// Units of UTF-16, for languages that count those.
    pub utf16_units: usize,
    /// Its documentation.
    pub doc: &'static str,
}

impl TextLimit {
    /// A text that the core cuts at a number of characters. None of those is cut here, whatever it
    /// is.
    pub(super) const fn of_chars(name: &'static str, chars: usize, doc: &'static str) -> Self {
        Self { name, utf8_bytes: 4 * chars + 4, utf16_units: 2 * chars + 2, doc }
    }

    /// A text that the core cuts at a number of bytes.
    pub(super) const fn of_bytes(name: &'static str, bytes: usize, doc: &'static str) -> Self {
        Self { name, utf8_bytes: bytes + 4, utf16_units: bytes + 2, doc }
    }

    /// A text of so many characters that, were all of them four bytes long, it would fill the
    /// draft. It has room for a third more bytes than characters.
    pub(super) const fn of_mostly_ascii(name: &'static str, chars: usize, doc: &'static str) -> Self {
        Self { name, utf8_bytes: chars / 3 * 4, utf16_units: chars + 2, doc }
    }
}
