package dev.throughline.internal

/**
 * The native library.
 *
 * Apart from [Running]: a start in the background begins here, with the linker, and does not load classes while the app's
 * main thread does.
 */
internal object Library {
    /** Loads it, once; says why that is not possible. The property `throughline.library` names the file, else the system finds it. */
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
