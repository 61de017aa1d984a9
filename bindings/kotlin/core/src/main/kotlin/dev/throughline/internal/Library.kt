package dev.throughline.internal

/**
 * The native library.
 *
 * It stands apart from [Running], so that a start in the background begins with the linker, and
 * does not load classes while the app's main thread does.
 */
internal object Library {
    /**
     * Loads the library, once. The property `throughline.library` names its file; without it, the
     * system looks for one.
     *
     * @return why it cannot be loaded, or null.
     */
    fun load(): String? {
        val file = System.getProperty("throughline.library")
        return try {
            if (file.isNullOrEmpty()) {
                System.loadLibrary("throughline_ffi")
            } else {
                System.load(file)
                System.setProperty("uniffi.component.throughline.libraryOverride", file)
            }
            null
        } catch (missing: Throwable) {
            missing.toString()
        }
    }
}
