package dev.throughline.internal

import com.sun.jna.Native
import com.sun.jna.Platform
import java.io.File

/**
 * The native library.
 *
 * It stands apart from [Running], so that a start in the background begins with the linker, and
 * does not load classes while the app's main thread does.
 */
internal object Library {
    /** The version of the core. Modules that call its internals compare it with their own. */
    fun facadeVersion(): Long = DraftLayout.LIBRARY_VERSION

    /**
     * Loads the library, once. The property `throughline.library` names its file. Without it, the
     * system looks for one, as on Android, and after that JNA looks on the class path, where the
     * artifact `throughline-native-linux-x86-64` and its like have it.
     *
     * @return why it cannot be loaded, or null.
     */
    fun load(): String? {
        val file = System.getProperty("throughline.library")
        return try {
            if (file.isNullOrEmpty()) loadFound() else loadFile(file)
            null
        } catch (missing: Throwable) {
            missing.toString()
        }
    }

    private fun loadFile(file: String) {
        System.load(file)
        // JNA must open the same file: a second copy would be a second library.
        System.setProperty("uniffi.component.throughline.libraryOverride", file)
    }

    /** A second copy would be a second library. */
    private var isFound = false

    private fun loadFound(): Unit = synchronized(this) {
        if (isFound) return
        try {
            System.loadLibrary(NAME)
        } catch (missing: UnsatisfiedLinkError) {
            if (System.getProperty("java.vm.name") == "Dalvik") {
                throw UnsatisfiedLinkError(
                    "${missing.message}. The app's package lacks the library for this processor: see its ABI " +
                        "filters and splits",
                )
            }
            val unpacked = try {
                Native.extractFromResourcePath(NAME, Library::class.java.classLoader)
            } catch (absent: Throwable) {
                // Also JNA's own library may be missing.
                throw UnsatisfiedLinkError("${missing.message}. ${advice(absent)}")
            }
            loadFile(unpacked.absolutePath)
            // From a folder of the class path it is the app's own file, which has the library's name.
            this.unpacked = unpacked.takeIf { it.name != System.mapLibraryName(NAME) }
        }
        isFound = true
    }

    private fun advice(absent: Throwable): String = try {
        "Neither is there one for ${Platform.RESOURCE_PREFIX} on the class path: add the artifact " +
            "dev.throughline:throughline-native-${Platform.RESOURCE_PREFIX}"
    } catch (broken: Throwable) {
        "JNA cannot be used either: $absent"
    }

    /** What JNA has unpacked, until it is open. */
    private var unpacked: File? = null

    /**
     * Deletes what was unpacked, once the generated code has opened it, too. JNA would do so at the
     * process's end, but one that is killed would leave it.
     */
    fun isOpen(): Unit = synchronized(this) {
        unpacked?.delete()
        unpacked = null
    }

    private const val NAME = "throughline_ffi"
}
