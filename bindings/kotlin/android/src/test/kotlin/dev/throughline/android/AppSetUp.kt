package dev.throughline.android

import android.app.ActivityManager.RunningAppProcessInfo
import dev.throughline.NetworkKind
import dev.throughline.Throughline
import org.junit.jupiter.api.AfterEach
import org.junit.jupiter.api.BeforeEach
import kotlin.io.path.createTempDirectory

/** Gives each test an app that is in front, and ends the client after it. */
abstract class AppSetUp {
    internal val directory = createTempDirectory("app").toFile()
    internal val app = App(directory)

    @BeforeEach
    fun inFront() {
        ProcessState.importance = { RunningAppProcessInfo.IMPORTANCE_FOREGROUND }
        ThroughlineSink.network(NetworkKind.UNKNOWN)
    }

    @AfterEach
    fun end() {
        if (Throughline.awaitStart()) Throughline.shutdown()
        directory.deleteRecursively()
    }
}
