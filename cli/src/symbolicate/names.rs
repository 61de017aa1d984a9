//! Names of functions as their programmers wrote them: Rust, C++, Swift and Objective-C.

use symbolic_common::{Language, Name, NameMangling};
use symbolic_demangle::{Demangle, DemangleOptions};

/// Longest name that is demangled, in bytes. Longer ones come from damaged files.
const MAX_MANGLED: usize = 16 * 1024;

/// The name as a person reads it. One that is in no known form stays as it is.
pub(super) fn demangled(name: &str) -> String {
    if name.len() > MAX_MANGLED {
        return name.to_owned();
    }
    // Return types tell nothing about which function it is, and parameters tell overloads apart.
    let options = DemangleOptions::complete().return_type(false);
    let demangle =
        |name: &str| Name::new(name, NameMangling::Unknown, Language::Unknown).demangle(options).filter(|n| n != name);
    // Mach-O's symbols have one more underscore than the compiler has given them.
    let without = name.strip_prefix('_');
    demangle(name).or_else(|| without.and_then(demangle)).unwrap_or_else(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_each_language_are_readable_and_others_stay() {
        for (mangled, name) in [
            ("_ZN4shop4cart5total17h0123456789abcdefE", "shop::cart::total"),
            ("_RNvNtCs1234_4shop4cart5total", "shop::cart::total"),
            ("_ZN4shop3payEi", "shop::pay(int)"),
            ("__ZN4shop3payEi", "shop::pay(int)"),
            ("$s4shop4CartC5totalSiyF", "Cart.total()"),
            ("_$s4shop4CartC5totalSiyF", "Cart.total()"),
            ("-[Cart total]", "-[Cart total]"),
            ("main", "main"),
            ("_ZN", "_ZN"),
        ] {
            assert_eq!(demangled(mangled), name);
        }
        let long = "_ZN".repeat(10_000);
        assert_eq!(demangled(&long), long);
    }
}
