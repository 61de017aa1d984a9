//! Writes the Swift and Kotlin code from the built library: called by `cargo xtask bindings`.

fn main() {
    uniffi::uniffi_bindgen_main();
}
