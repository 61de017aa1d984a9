//! Which keys name a secret: of attributes, of parameters, of traced state, and in front of a value
//! in a text.
//!
//! A key is divided into words, so that `userApiKey`, `user.api_key` and `USER-API-KEY` are the
//! same, and its words are compared with a list. A number is a word of its own: `password2`.

use crate::model::config::RedactRules;

/// Words that make a key secret, by their length.
fn secret_words(length: usize) -> &'static [&'static str] {
    match length {
        3 => &["pwd", "jwt", "otp", "cvv", "cvc", "ssn", "pin"],
        4 => &["card", "iban"],
        5 => &["token", "taxid"],
        6 => &["passwd", "secret", "cookie", "bearer", "apikey"],
        7 => &["pincode"],
        8 => &["password", "passcode", "passport", "authcode"],
        9 => &["accesskey", "secretkey"],
        10 => &["passphrase", "credential", "privatekey", "sessionkey", "cardnumber", "creditcard"],
        12 => &["securitycode"],
        13 => &["authorization", "encryptionkey"],
        _ => &[],
    }
}

/// Pairs of words that make a key secret.
const PAIRS: [(&str, &str); 9] = [
    ("api", "key"),
    ("access", "key"),
    ("private", "key"),
    ("session", "key"),
    ("encryption", "key"),
    ("social", "security"),
    ("security", "code"),
    ("tax", "id"),
    ("auth", "code"),
];

/// What a word of a secret key may end with, by the last letter, where words were written together:
/// `accesstoken`. No ordinary word ends so.
fn secret_ends(last: u8) -> &'static [&'static str] {
    match last.to_ascii_lowercase() {
        b'd' => &["password", "passwd", "pwd", "creditcard"],
        b'e' => &["passcode", "passphrase", "cookie"],
        b'l' => &["credential"],
        b'n' => &["token", "authorization"],
        b't' => &["secret", "jwt"],
        b'y' => &["apikey", "accesskey", "privatekey"],
        _ => &[],
    }
}

/// What a word of a secret key may begin with: `passwordhash`.
const STARTS: [&str; 4] = ["password", "passphrase", "passcode", "cardnumber"];

/// How an ordinary word begins that begins like a secret one: `passwordless`.
const HARMLESS: &str = "passwordles";

/// The rules about keys of a configuration.
#[derive(Debug, Clone, Default)]
pub struct SecretKeys {
    /// The words of each key that the configuration adds.
    denied: Vec<Vec<String>>,
    /// Keys that are harmless, whatever the lists say.
    allowed: Vec<String>,
}

impl SecretKeys {
    /// The rules of a configuration.
    pub(super) fn new(rules: &RedactRules) -> Self {
        let denied = rules.deny_keys.iter().map(|key| segments(key)).filter(|words| !words.is_empty());
        Self { denied: denied.collect(), allowed: rules.allow_keys.clone() }
    }

    /// Whether the configuration adds keys.
    pub(super) fn adds_any(&self) -> bool {
        !self.denied.is_empty()
    }

    /// Whether the configuration calls the key harmless.
    pub fn is_allowed(&self, key: &str) -> bool {
        self.allowed.iter().any(|allowed| allowed == key)
    }

    /// Whether a key names a secret.
    pub fn is_secret(&self, key: &str) -> bool {
        (is_listed(key) || self.is_denied(key)) && !self.is_allowed(key)
    }

    /// Whether the last words of a key name a secret. In a place in a file, `AuthToken.kt:42`, they
    /// do not.
    pub(super) fn ends_secret(&self, key: &str) -> bool {
        let mut words = Words(key);
        let mut last: [&str; 2] = [""; 2];
        for word in words.by_ref().filter(|word| !is_number(word)) {
            last = [last[1], word];
        }
        let begins = last.iter().find(|word| !word.is_empty()).map_or(0, |word| offset(key, word));
        let ends = is_word(last[1]) || is_pair(last[0], last[1]);
        (ends || key.get(begins..).is_some_and(|end| self.is_denied(end))) && !self.is_allowed(key)
    }

    fn is_denied(&self, key: &str) -> bool {
        !self.denied.is_empty() && {
            let words = segments(key);
            self.denied.iter().any(|secret| has(&words, secret))
        }
    }
}

/// Where a part of a text begins in it.
fn offset(text: &str, part: &str) -> usize {
    (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize)
}

/// Whether the built-in lists name a key. It allocates nothing, because texts are full of keys.
fn is_listed(key: &str) -> bool {
    let mut before = "";
    for word in Words(key) {
        if is_word(word) || is_pair(before, word) {
            return true;
        }
        before = word;
    }
    false
}

fn is_word(word: &str) -> bool {
    let Some(last) = word.as_bytes().last() else { return false };
    let singular = if last.eq_ignore_ascii_case(&b's') { word.get(..word.len() - 1) } else { None };
    is_singular(word) || singular.is_some_and(is_singular)
}

fn is_singular(word: &str) -> bool {
    let length = word.len();
    secret_words(length).iter().any(|secret| word.eq_ignore_ascii_case(secret))
        || (length > 5
            && word.as_bytes().last().is_some_and(|last| secret_ends(*last).iter().any(|end| has_end(word, end))))
        || (length > 8 && STARTS.iter().any(|start| has_start(word, start)) && !has_start(word, HARMLESS))
}

fn is_pair(first: &str, second: &str) -> bool {
    let second = second.strip_suffix(['s', 'S']).unwrap_or(second);
    matches!(second.len(), 2 | 3 | 4 | 8)
        && PAIRS.iter().any(|pair| second.eq_ignore_ascii_case(pair.1) && first.eq_ignore_ascii_case(pair.0))
}

fn has_end(word: &str, end: &str) -> bool {
    let tail = word.len().checked_sub(end.len()).and_then(|at| word.as_bytes().get(at..));
    tail.is_some_and(|tail| tail.eq_ignore_ascii_case(end.as_bytes()))
}

fn has_start(word: &str, start: &str) -> bool {
    word.as_bytes().get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start.as_bytes()))
}

fn is_number(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_digit())
}

/// The words of a key. A word ends at everything that is no letter or digit, between letters and
/// digits, and where a capital follows a lower-case letter.
struct Words<'k>(&'k str);

impl<'k> Iterator for Words<'k> {
    type Item = &'k str;

    fn next(&mut self) -> Option<&'k str> {
        if self.0.is_ascii() {
            return self.next_ascii();
        }
        let start = self.0.find(char::is_alphanumeric)?;
        let rest = self.0.get(start..)?;
        let mut chars = rest.char_indices().peekable();
        let mut before = chars.next()?.1;
        while let Some((at, char)) = chars.next() {
            let next_is_lower = chars.peek().is_some_and(|next| next.1.is_lowercase());
            let ends = !char.is_alphanumeric()
                || before.is_numeric() != char.is_numeric()
                || (before.is_lowercase() && char.is_uppercase())
                || (before.is_uppercase() && char.is_uppercase() && next_is_lower);
            if ends {
                self.0 = rest.get(at..)?;
                return rest.get(..at);
            }
            before = char;
        }
        self.0 = "";
        Some(rest)
    }
}

impl<'k> Words<'k> {
    /// The next word of a key that is ASCII, as nearly all are.
    fn next_ascii(&mut self) -> Option<&'k str> {
        let bytes = self.0.as_bytes();
        let start = bytes.iter().position(u8::is_ascii_alphanumeric)?;
        let rest = self.0.get(start..)?;
        let mut bytes = rest.bytes().peekable();
        let mut before = bytes.next()?;
        let mut at = 0;
        while let Some(byte) = bytes.next() {
            at += 1;
            let ends = !byte.is_ascii_alphanumeric()
                || before.is_ascii_digit() != byte.is_ascii_digit()
                || (byte.is_ascii_uppercase()
                    && (before.is_ascii_lowercase() || bytes.peek().is_some_and(u8::is_ascii_lowercase)));
            if ends {
                self.0 = rest.get(at..)?;
                return rest.get(..at);
            }
            before = byte;
        }
        self.0 = "";
        Some(rest)
    }
}

/// The words of a key, in lower case.
fn segments(key: &str) -> Vec<String> {
    Words(key).map(str::to_lowercase).collect()
}

/// Whether the words of a secret follow each other in the words of a key. A plural is as secret as
/// its singular.
fn has(key: &[String], secret: &[String]) -> bool {
    let is = |word: &str, secret: &str| word == secret || word.strip_suffix('s') == Some(secret);
    !secret.is_empty()
        && key.windows(secret.len()).any(|words| words.iter().zip(secret).all(|(word, secret)| is(word, secret)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_however_its_key_is_written() {
        let keys = SecretKeys::default();
        for key in [
            "password",
            "userPassword",
            "user.PASSWORD",
            "password2",
            "Password_2",
            "passwords",
            "passwordHash",
            "passwordhash",
            "accesstoken",
            "ACCESSTOKEN",
            "authToken1",
            "authtoken1",
            "refresh_tokens",
            "idToken",
            "oauth2token",
            "x-api-key",
            "apiKey",
            "APIKey",
            "apikeys",
            "api_keys",
            "accessKeyId",
            "clientsecret",
            "client_secret_2",
            "sessioncookie",
            "Set-Cookie",
            "userpwd",
            "pin",
            "pin2",
            "cardNumber",
            "cardnumber",
            "creditcard",
            "cvv2",
            "SSN",
            "iban",
            "user[password]",
            "user%5Bpassword%5D",
            "csrftoken",
        ] {
            assert!(keys.is_secret(key), "{key}");
        }
        for key in [
            "name",
            "author",
            "tokenizer",
            "tokenize",
            "keyboard",
            "discard",
            "dashboard",
            "spinner",
            "pinned",
            "mapping",
            "laptop",
            "shopping",
            "secretary",
            "passenger",
            "passwordless",
            "pass",
            "api.version",
            "session.id",
            "sku",
            "key",
            "keys",
            "code",
            "cardinal",
            "postcard",
            "compass",
            "bypass",
            "authority",
            "cookbook",
            "option",
            "urban",
            "lesson",
            "security",
            "utf8",
            "sha256",
            "h264",
            "",
            "2",
            "ключ",
        ] {
            assert!(!keys.is_secret(key), "{key}");
        }
        assert!(keys.ends_secret("AuthToken") && keys.ends_secret("api_key") && keys.ends_secret("pin2"));
        assert!(!keys.ends_secret("AuthToken.kt") && !keys.ends_secret("token_count"));
    }

    #[test]
    fn a_key_of_the_configuration_is_as_secret_as_the_built_in_ones() {
        let rules = RedactRules {
            deny_keys: vec!["home address".into(), "пароль".into()],
            allow_keys: vec!["token_count".into()],
            ..RedactRules::default()
        };
        let keys = SecretKeys::new(&rules);
        assert!(keys.is_secret("userHomeAddress") && keys.is_secret("Пароль2") && keys.is_secret("tokenCount"));
        assert!(!keys.is_secret("token_count") && !keys.is_secret("address"));
        assert!(keys.ends_secret("home_address") && !keys.ends_secret("home_address.kt"));
    }
}
