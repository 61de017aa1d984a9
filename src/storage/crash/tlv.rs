//! Numbered values one behind the other: number u8, length u16, bytes. A reader skips what it does
//! not know.

use uuid::Uuid;

use crate::model::event::TraceContext;

/// Writes numbered values.
#[derive(Debug, Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    /// Writes into a buffer, whose content is given up.
    pub(super) fn in_place_of(mut buffer: Vec<u8>) -> Self {
        buffer.clear();
        Self(buffer)
    }

    /// A value of more than 64 KiB is cut.
    pub(super) fn bytes(mut self, number: u8, bytes: &[u8]) -> Self {
        let bytes = bytes.get(..usize::from(u16::MAX)).unwrap_or(bytes);
        self.0.push(number);
        self.0.extend_from_slice(&(bytes.len() as u16).to_le_bytes());
        self.0.extend_from_slice(bytes);
        self
    }

    pub(super) fn number(self, number: u8, value: u64) -> Self {
        self.bytes(number, &value.to_le_bytes())
    }

    pub(super) fn id(self, number: u8, id: Option<Uuid>) -> Self {
        match id {
            Some(id) => self.bytes(number, id.as_bytes()),
            None => self,
        }
    }

    pub(super) fn trace(self, number: u8, trace: Option<TraceContext>) -> Self {
        let Some(trace) = trace else { return self };
        let mut bytes = [0; 25];
        let (trace_id, rest) = bytes.split_at_mut(16);
        trace_id.copy_from_slice(&trace.trace_id);
        let (span_id, sampled) = rest.split_at_mut(8);
        span_id.copy_from_slice(&trace.span_id);
        sampled.fill(u8::from(trace.sampled));
        self.bytes(number, &bytes)
    }

    pub(super) fn end(self) -> Vec<u8> {
        self.0
    }
}

/// Reads numbered values, until the first that is cut.
pub(super) fn each<'a>(mut bytes: &'a [u8], mut visit: impl FnMut(u8, Value<'a>)) {
    while let Some(([number, low, high], rest)) = bytes.split_first_chunk::<3>() {
        let len = usize::from(u16::from_le_bytes([*low, *high]));
        let Some((value, rest)) = rest.split_at_checked(len) else { return };
        visit(*number, Value(value));
        bytes = rest;
    }
}

/// A value, in the form that its reader expects.
#[derive(Debug, Clone, Copy)]
pub(super) struct Value<'a>(&'a [u8]);

impl<'a> Value<'a> {
    pub(super) fn number(self) -> u64 {
        self.0.try_into().map_or(0, u64::from_le_bytes)
    }

    pub(super) fn version(self) -> u32 {
        u32::try_from(self.number()).unwrap_or(0)
    }

    pub(super) fn id(self) -> Option<Uuid> {
        Uuid::from_slice(self.0).ok()
    }

    pub(super) fn text(self) -> String {
        String::from_utf8_lossy(self.0).into_owned()
    }

    pub(super) fn trace(self) -> Option<TraceContext> {
        let (trace_id, rest) = self.0.split_first_chunk::<16>()?;
        let (span_id, rest) = rest.split_first_chunk::<8>()?;
        Some(TraceContext { trace_id: *trace_id, span_id: *span_id, sampled: rest.first()? & 1 == 1 })
    }
}
