package dev.throughline.internal

/** The native side of the door. It has one method, whose name is that of the JNI symbol. */
internal object Door {
    /**
     * Takes the first [length] bytes of a draft, for the client with a handle. Returns a constant
     * of [Answer], or what the call answers instead.
     */
    @JvmStatic
    external fun record(handle: Long, draft: ByteArray, length: Int): Long
}
