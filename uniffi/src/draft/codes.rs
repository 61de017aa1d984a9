//! The enums that a draft has as one byte.

use throughline::event::{ActionType, ErrorKind, ErrorSource, Phase, Severity};
use throughline::state::MutationKind;

use super::Malformed;
use super::reader::Field;
use super::reader::Reader;
use super::rows::{CodeRow, CodeTable};

/// The instrument of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Instrument {
    /// A sum that only grows.
    Counter,
    /// A sum that grows and shrinks.
    UpDownCounter,
    /// The latest value.
    Gauge,
    /// The distribution of the values.
    Histogram,
}

/// How a span ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was given up.
    Abandoned,
    /// It did what it was for.
    Succeeded,
    /// It ended with an error.
    Failed,
    /// The user or the app did not want it any more.
    Cancelled,
    /// The app has given it a time, which was over.
    TimedOut,
}

/// Makes, for each enum, what reads it and its part of the table.
macro_rules! codes {
    ($(
        $(#[doc = $doc:literal])*
        $enum:ident as $layout:literal { $($variant:ident = $code:literal $(..= $last:literal)?),* $(,)? }
    )*) => {
        $(
            impl<'a> Field<'a> for $enum {
                const LAYOUT: &'static str = $layout;

                #[inline]
                fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
                    Ok(match reader.u8()? {
                        $($code $(..= $last)? => Self::$variant,)*
                        _ => return Err(Malformed),
                    })
                }
            }
        )*

        /// Every enum, as data.
        pub const TABLES: &[CodeTable] = &[$(CodeTable {
            name: stringify!($enum),
            doc: &[$($doc),*],
            codes: &[$(CodeRow { name: stringify!($variant), code: $code }),*],
        }),*];
    };
}

codes! {
    /// What the user did.
    ActionType as "action type" { Tap = 1, Scroll = 2, Swipe = 3, Back = 4, Custom = 5 }
    /// What an error was.
    ErrorKind as "error kind" { Handled = 1, Crash = 2, Hang = 3, Anr = 4, OutOfMemory = 5 }
    /// Where an error was found.
    ErrorSource as "error source" { Source = 1, Network = 2, Logger = 3, WebView = 4, Custom = 5 }
    /// How important a log is. The numbers are OpenTelemetry's, which has four for each severity;
    /// the facades write the first.
    Severity as "severity" {
        Trace = 1..=4,
        Debug = 5..=8,
        Info = 9..=12,
        Warn = 13..=16,
        Error = 17..=20,
        Fatal = 21..=24,
    }
    /// The instrument of a metric.
    Instrument as "instrument" { Counter = 1, UpDownCounter = 2, Gauge = 3, Histogram = 4 }
    /// How a span ended.
    Outcome as "outcome" { Abandoned = 0, Succeeded = 1, Failed = 2, Cancelled = 3, TimedOut = 4 }
    /// What happened to a path of a store.
    MutationKind as "mutation kind" { Set = 1, Insert = 2, Delete = 3, Replace = 4, Batch = 5 }
    /// What a part of a request's time was spent on.
    Phase as "phase" { Dns = 1, Connect = 2, Tls = 3, FirstByte = 4, Download = 5 }
}
