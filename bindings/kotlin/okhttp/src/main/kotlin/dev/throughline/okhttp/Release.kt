package dev.throughline.okhttp

import dev.throughline.Severity
import dev.throughline.Throughline
import dev.throughline.internal.DraftLayout
import dev.throughline.internal.Library

/**
 * Whether this module and the core are of one release. It calls what is internal to the core, so
 * with another core a request of the app would end in a `NoSuchMethodError`.
 */
internal object Release {
    /** With a core of another release nothing is traced, and a log says why. */
    val fits: Boolean = isOurs { Library.facadeVersion() }.also { fits ->
        if (!fits) Throughline.log(Severity.ERROR, "throughline-okhttp and throughline-core are of different releases: requests are not traced")
    }

    /** The compiler has copied the constant into this module. An older core lacks the function. */
    inline fun isOurs(version: () -> Long): Boolean = try {
        version() == DraftLayout.LIBRARY_VERSION
    } catch (missing: LinkageError) {
        false
    }
}
