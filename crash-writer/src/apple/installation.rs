//! Installs and removes what waits for crashes.

use super::{ports, record, server, sys};
use crate::actions;

/// Installs everything. False while a debugger is attached, or when the system refuses something.
/// Call it from one thread at a time.
pub(crate) fn install() -> bool {
    if sys::is_traced() {
        return false;
    }
    let signals = actions::install();
    server::start().is_some_and(ports::take) && signals
}

/// Puts back what was there before, where nobody has come on top.
pub(crate) fn uninstall() {
    if let Some(port) = server::port() {
        ports::uninstall(port);
    }
    actions::uninstall();
}

/// Takes a port again that was given back for an exception which the process has survived. Call it
/// now and then.
pub(crate) fn renew() {
    if let Some(port) = server::port()
        && ports::are_due()
        && !sys::is_traced()
    {
        ports::renew(port);
        record::survived();
    }
}
