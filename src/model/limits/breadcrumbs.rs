//! Limits of breadcrumbs: what a crash says of the events before it.

use super::KIB;

/// Events before a crash that are told with it: as many as Sentry's SDKs keep, and more than
/// anybody reads.
pub const MAX_BREADCRUMBS: usize = 100;
/// Bytes of all breadcrumbs of a crash: an eighth of an event, which has a stack besides. The
/// oldest are left out.
pub const MAX_BREADCRUMBS_BYTES: usize = 16 * KIB;
/// Characters of a breadcrumb's name: enough for a URL's host and path.
pub(crate) const BREADCRUMB_NAME_CHARS: usize = 128;
/// Characters of a breadcrumb's message: a line.
pub(crate) const BREADCRUMB_MESSAGE_CHARS: usize = 160;
/// Attributes of a breadcrumb. The event itself has the others.
pub(crate) const BREADCRUMB_ATTRIBUTES: usize = 4;
/// Characters of a breadcrumb's text attribute: a name or an id. Longer ones are cut.
pub(crate) const BREADCRUMB_TEXT_CHARS: usize = 64;
/// Rows of a lane that are looked at for breadcrumbs. Metrics are none, and may be most of a lane;
/// reading as many rows takes less than 10 ms.
pub(crate) const BREADCRUMB_SCAN_ROWS: usize = 2_048;
/// Bytes that a breadcrumb costs in the database besides its text.
pub(crate) const BREADCRUMB_OVERHEAD_BYTES: u64 = 24;
