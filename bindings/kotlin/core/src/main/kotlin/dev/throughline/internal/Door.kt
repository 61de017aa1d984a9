package dev.throughline.internal

/** The native side of the door. One method; its name is the JNI symbol's. */
internal object Door {
    /** A call could not be served: no client, or it is shut down. */
    const val CLOSED: Long = -1

    /** Takes the first [length] bytes of a draft. See `uniffi/src/draft.rs` for the layout and `door.rs` for the answers. */
    @JvmStatic
    external fun record(handle: Long, draft: ByteArray, length: Int): Long
}
