package dev.throughline

import dev.throughline.internal.ffi.RedactRules as GeneratedRedactRules
import dev.throughline.internal.ffi.ValuePatterns as GeneratedValuePatterns

/**
 * What must not leave the device, in the block of [Configuration.redact]. Secrets are found by
 * their keys, personal data in free text by its form.
 *
 * ```kotlin
 * redact {
 *     denyKeys = setOf("salary")
 *     patterns.attributes = false
 * }
 * ```
 */
@ThroughlineDsl
public class RedactRules internal constructor() {
    /** The kinds of personal data that are searched for in free text. */
    public class ValuePatterns internal constructor() {
        /** E-mail addresses. */
        public var email: Boolean = true

        /** Payment cards: 13 to 19 digits whose check digit is right. */
        public var card: Boolean = true

        /** JSON web tokens. */
        public var jwt: Boolean = true

        /** Tokens and credentials after the words `Bearer` and `Basic`. */
        public var bearer: Boolean = true

        /** Whether the texts of attributes are searched as well. */
        public var attributes: Boolean = true

        internal fun generated() = GeneratedValuePatterns(email, card, jwt, bearer, attributes)
    }

    /** Further keys of secrets, for example `salary` or `home address`. */
    public var denyKeys: Set<String> = emptySet()

    /** Keys that are not secret although a rule says so. */
    public var allowKeys: Set<String> = emptySet()

    /** What is searched for in free text. */
    public val patterns: ValuePatterns = ValuePatterns()

    /**
     * Keeps the queries and fragments of URLs. Secret parameters lose their values all the same.
     */
    public var keepQueries: Boolean = false

    internal fun generated() =
        GeneratedRedactRules(denyKeys.toList(), allowKeys.toList(), patterns.generated(), keepQueries)
}
