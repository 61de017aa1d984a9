//! The numbers of the canonical form: fields, wire types, tags of attribute values. They are
//! stored, so none is ever given another meaning or used again. Numbers below 32 take one byte.
#![allow(missing_docs, reason = "each name says which value it numbers")]

pub const TIME: u32 = 1;
pub const CONTEXT: u32 = 2;
pub const SCOPE: u32 = 3;
pub const ATTRIBUTE: u32 = 4;
pub const NAME: u32 = 5;
pub const TYPE: u32 = 6;
pub const TRACE: u32 = 7;
pub const ACTION_ID: u32 = 8;
pub const DURATION: u32 = 9;
pub const OBJECT_ID: u32 = 10;
pub const MESSAGE: u32 = 11;
pub const LEVEL: u32 = 12;
pub const VALUE: u32 = 13;
pub const STATUS: u32 = 15;
pub const URL: u32 = 16;
pub const METHOD: u32 = 17;
pub const SIZE: u32 = 18;
pub const ERROR_TYPE: u32 = 19;
pub const STACK: u32 = 20;
pub const SOURCE: u32 = 22;
pub const UNIT: u32 = 23;
pub const PARENT_SPAN: u32 = 24;
pub const DOC_VERSION: u32 = 25;
pub const ACTIVE: u32 = 26;
pub const TRUNCATED: u32 = 27;
pub const DROPPED_ATTRIBUTES: u32 = 28;
pub const ENDED: u32 = 29;
pub const MONOTONIC: u32 = 30;
pub const TEMPORALITY: u32 = 31;
pub const BOUNDS: u32 = 32;
pub const BUCKETS: u32 = 33;
pub const START_TIME: u32 = 34;
pub const SPAN_EVENT: u32 = 35;
pub const LINK: u32 = 36;
pub const ACTION_COUNT: u32 = 37;
pub const RESOURCE_COUNT: u32 = 38;
pub const ERROR_COUNT: u32 = 39;
pub const LONG_TASK_COUNT: u32 = 40;
pub const CRASH_COUNT: u32 = 41;
pub const LOADING_TIME: u32 = 42;
pub const SESSION_ID: u32 = 43;
pub const VIEW_ID: u32 = 44;
pub const PREVIOUS: u32 = 45;
pub const REASON: u32 = 46;
pub const PROTOCOL: u32 = 47;
pub const INTERVAL_START: u32 = 48;
pub const INTERVAL_VALUE: u32 = 49;
pub const INTERVAL_BUCKETS: u32 = 50;
pub const PHASE: u32 = 51;
pub const RECORD_ATTRIBUTES: u32 = 52;

/// How the value of a field is written.
pub(crate) mod wire {
    /// A varint.
    pub(crate) const VARINT: u32 = 0;
    /// Eight bytes, little endian.
    pub(crate) const FIXED: u32 = 1;
    /// A varint length and as many bytes.
    pub(crate) const BYTES: u32 = 2;
}

/// The byte before an attribute's value.
pub(crate) mod tag {
    pub(crate) const FALSE: u8 = 0;
    pub(crate) const TRUE: u8 = 1;
    pub(crate) const INT: u8 = 2;
    pub(crate) const DOUBLE: u8 = 3;
    pub(crate) const TEXT: u8 = 4;
    pub(crate) const BYTES: u8 = 5;
    pub(crate) const LIST: u8 = 6;
    pub(crate) const MAP: u8 = 7;
}
