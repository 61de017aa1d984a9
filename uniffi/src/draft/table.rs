//! The layout as data: what `cargo xtask bindings` writes the constants of the facades from.

use serde_json::{Value, json};

use super::{Call, codes, layout};
use crate::answer;

/// The languages that draft events come from, each with a number of its own. The slots and stores
/// that a facade numbers begin with it, because several facades may share a process.
pub const FACADES: &[(&str, u8)] = &[("kotlin", 1), ("swift", 2), ("typescript", 3)];

/// The number of a facade is shifted so far to the left in its slots.
pub const SLOT_FACADE_SHIFT: u32 = 48;

/// The number of a facade is shifted so far to the left in the numbers of its stores.
pub const STORE_FACADE_SHIFT: u32 = 24;

/// Everything as JSON.
pub fn json() -> Value {
    let constants = [layout::LAYOUT, layout::tag::TAGS, layout::LIMITS, answer::ANSWERS, answer::PATH_ANSWERS];
    json!({
        "calls": Call::ROWS.iter().map(|call| json!({
            "name": call.name,
            "code": call.code,
            "doc": call.doc,
            "fields": call.fields.iter().map(|field| json!({
                "name": field.name, "layout": field.layout, "doc": field.doc,
            })).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "codes": codes::TABLES.iter().map(|table| json!({
            "name": table.name,
            "doc": table.doc,
            "codes": table.codes.iter().map(|row| json!({"name": row.name, "code": row.code})).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "constants": constants.iter().map(|table| json!({
            "name": table.name,
            "doc": table.doc,
            "constants": table.constants.iter().map(|row| json!({
                "name": row.name, "number": row.number, "value": row.value, "doc": row.doc,
            })).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "text_limits": layout::TEXT_LIMITS.iter().map(|limit| json!({
            "name": limit.name,
            "utf8_bytes": limit.utf8_bytes,
            "utf16_units": limit.utf16_units,
            "doc": limit.doc,
        })).collect::<Vec<_>>(),
        "facades": FACADES.iter().map(|(language, number)| json!({
            "language": language,
            "first_slot": u64::from(*number) << SLOT_FACADE_SHIFT,
            "first_store": u32::from(*number) << STORE_FACADE_SHIFT,
        })).collect::<Vec<_>>(),
    })
}
