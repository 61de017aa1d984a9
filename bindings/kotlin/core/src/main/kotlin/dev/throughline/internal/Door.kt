package dev.throughline.internal

/** The native side of the door. Its methods have the names of the JNI symbols. */
internal object Door {
    /**
     * Takes the first [length] bytes of a draft, for the client with a handle. Returns a constant
     * of [Answer], or what the call answers instead.
     */
    @JvmStatic
    external fun record(handle: Long, draft: ByteArray, length: Int): Long

    /**
     * The version of the native library, which must be [DraftLayout.LIBRARY_VERSION]. A library
     * without this method is of an older version.
     */
    @JvmStatic
    external fun version(): Long
}
