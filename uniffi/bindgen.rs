//! Writes the Swift and Kotlin code from the built library, and prints the layout of draft events
//! as JSON when its argument is `draft-table`. `cargo xtask bindings` calls both.
#![allow(clippy::print_stdout, reason = "a command line tool prints")]

fn main() {
    if std::env::args().nth(1).as_deref() == Some("draft-table") {
        println!("{:#}", throughline_ffi::draft::table::json());
    } else {
        uniffi::uniffi_bindgen_main();
    }
}
