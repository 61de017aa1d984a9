package dev.throughline.work

import android.content.Context
import androidx.work.Worker
import androidx.work.WorkerParameters
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNotEquals
import org.junit.jupiter.api.Test
import java.io.File
import java.net.URLClassLoader
import java.util.zip.ZipEntry
import java.util.zip.ZipFile
import java.util.zip.ZipOutputStream
import kotlin.io.path.createTempDirectory

class ShrunkWorkerTest {
    private fun place(of: Class<*>) = File(of.protectionDomain.codeSource.location.toURI())

    /** Classes of a module, which Maven has in a folder until it packages them. */
    private fun jar(classes: File, to: File): File {
        if (classes.isFile) return classes
        ZipOutputStream(to.outputStream()).use { zip ->
            classes.walk().filter { it.extension == "class" }.forEach {
                zip.putNextEntry(ZipEntry(it.relativeTo(classes).path))
                it.inputStream().use { bytes -> bytes.copyTo(zip) }
            }
        }
        return to
    }

    @Test
    fun `WorkManager finds the worker in an app that R8 has shrunk by our rule alone`() {
        val directory = createTempDirectory("shrunk").toFile()
        val shrunk = File(directory, "shrunk.jar")
        val configuration = File(directory, "shrunk.pro")
        configuration.writeText(
            """
            -include ${File("src/main/resources/META-INF/proguard/throughline-work.pro").absolutePath}
            # WorkManager calls these.
            -keep class androidx.work.** { *; }
            -dontwarn **
            """.trimIndent(),
        )
        val process = ProcessBuilder(
            File(System.getProperty("java.home"), "bin/java").path, "-cp", System.getProperty("java.class.path"),
            "com.android.tools.r8.R8", "--classfile", "--release", "--lib", System.getProperty("java.home"),
            "--pg-conf", configuration.path, "--output", shrunk.path,
            jar(place(UploadWorker::class.java), File(directory, "work.jar")).path, jar(place(Worker::class.java), File(directory, "androidx.jar")).path,
        ).redirectErrorStream(true).start()
        val output = process.inputStream.bufferedReader().readText()
        assertEquals(0, process.waitFor(), output)

        val names = ZipFile(shrunk).use { zip -> zip.entries().asSequence().map { it.name }.toList() }
        val transport = PlainTransport::class.java.name.replace('.', '/') + ".class"
        assertFalse(transport in names, "nothing was renamed")
        // WorkManager has the name from its database, and calls the constructor and `doWork`.
        val others = System.getProperty("java.class.path").split(File.pathSeparator)
            .filter { it != place(UploadWorker::class.java).path && it != place(Worker::class.java).path }
        val urls = (listOf(shrunk.path) + others).map { File(it).toURI().toURL() }.toTypedArray()
        URLClassLoader(urls, ClassLoader.getPlatformClassLoader()).use { loader ->
            val worker = loader.loadClass("dev.throughline.work.UploadWorker")
            assertNotEquals(UploadWorker::class.java, worker)
            val parameters = listOf(Context::class.java, WorkerParameters::class.java).map { loader.loadClass(it.name) }
            worker.getConstructor(*parameters.toTypedArray())
            assertEquals(worker, worker.getMethod("doWork").declaringClass)
        }
        directory.deleteRecursively()
    }
}
