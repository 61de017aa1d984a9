internal import ThroughlineFFIGenerated

/// What must not leave the device. Secrets are found by their keys, personal data in free text by
/// its form.
public struct RedactRules: Sendable {
    /// The kinds of personal data that are searched for in free text.
    public struct ValuePatterns: Sendable {
        /// E-mail addresses.
        public var email = true
        /// Payment cards: 13 to 19 digits whose check digit is right.
        public var card = true
        /// JSON web tokens.
        public var jwt = true
        /// Tokens and credentials after the words `Bearer` and `Basic`.
        public var bearer = true
        /// Whether the texts of attributes are searched as well.
        public var attributes = true

        /// The defaults.
        public init() {}
    }

    /// Further keys of secrets, for example `salary` or `home address`.
    public var denyKeys: [String] = []
    /// Keys that are not secret although a rule says so.
    public var allowKeys: [String] = []
    /// What is searched for in free text.
    public var patterns = ValuePatterns()
    /// Keeps the queries and fragments of URLs. Secret parameters lose their values all the same.
    public var keepQueries = false

    /// The defaults.
    public init() {}

    var generated: ThroughlineFFIGenerated.RedactRules {
        ThroughlineFFIGenerated.RedactRules(
            denyKeys: denyKeys, allowKeys: allowKeys,
            patterns: ThroughlineFFIGenerated.ValuePatterns(
                email: patterns.email, card: patterns.card, jwt: patterns.jwt, bearer: patterns.bearer,
                attributes: patterns.attributes),
            keepQueries: keepQueries)
    }
}
