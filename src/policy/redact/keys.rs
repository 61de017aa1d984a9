//! Which keys of attributes name a secret.
//!
//! A key is split into words, so that `userApiKey`, `user.api_key` and `USER-API-KEY` are the same,
//! and its words are compared with a list.

/// Words, and sequences of words, that make a key secret.
pub(super) const SECRET: [&[&str]; 31] = [
    &["password"],
    &["passwd"],
    &["pwd"],
    &["passcode"],
    &["passphrase"],
    &["secret"],
    &["token"],
    &["authorization"],
    &["cookie"],
    &["credential"],
    &["bearer"],
    &["jwt"],
    &["otp"],
    &["api", "key"],
    &["apikey"],
    &["access", "key"],
    &["private", "key"],
    &["session", "key"],
    &["encryption", "key"],
    &["card"],
    &["creditcard"],
    &["cvv"],
    &["cvc"],
    &["iban"],
    &["ssn"],
    &["social", "security"],
    &["tax", "id"],
    &["passport"],
    &["pin"],
    &["set", "cookie"],
    &["auth", "code"],
];

/// The words of a key, in lower case. A word ends at everything that is no letter or digit, and
/// where a capital follows a lower-case letter.
pub(super) fn segments(key: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut before = ' ';
    let mut chars = key.chars().peekable();
    while let Some(char) = chars.next() {
        if char.is_alphanumeric() {
            let next_is_lower = chars.peek().is_some_and(|next| next.is_lowercase());
            let begins = !before.is_alphanumeric()
                || (before.is_lowercase() && char.is_uppercase())
                || (before.is_uppercase() && char.is_uppercase() && next_is_lower);
            if begins {
                out.push(String::new());
            }
            if let Some(word) = out.last_mut() {
                word.extend(char.to_lowercase());
            }
        }
        before = char;
    }
    out
}

/// Whether the words of a secret follow each other in the words of a key. A plural is as secret as
/// its singular.
pub(super) fn has(key: &[String], secret: &[String]) -> bool {
    let is = |word: &str, secret: &str| word == secret || word.strip_suffix('s') == Some(secret);
    !secret.is_empty()
        && key.windows(secret.len()).any(|words| words.iter().zip(secret).all(|(word, secret)| is(word, secret)))
}
