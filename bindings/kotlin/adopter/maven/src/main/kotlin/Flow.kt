package com.example

import com.sun.jna.NativeLibrary
import dev.throughline.Throughline
import dev.throughline.okhttp.traced
import dev.throughline.operation
import dev.throughline.traced
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.runBlocking
import okhttp3.OkHttpClient
import java.sql.DriverManager

/** What an app does with the artifacts, and what else an app has. */
object Flow {
    private val client = OkHttpClient().traced()
    private val state = MutableStateFlow(0).traced("Counter") { path("value") { it } }

    fun record() {
        runBlocking { Throughline.operation("Count") { state.value += 1 } }
        check(client.interceptors.isNotEmpty()) { "the client is not traced" }
    }

    /** Another SQLite in this process. */
    fun sqlite(): String = DriverManager.getConnection("jdbc:sqlite::memory:").use { connection ->
        connection.createStatement().use { statement ->
            statement.execute("CREATE TABLE t(n INTEGER)")
            statement.execute("INSERT INTO t VALUES (42)")
            statement.executeQuery("SELECT n, sqlite_version() FROM t").use { rows ->
                check(rows.next() && rows.getInt(1) == 42) { "SQLite lost a row" }
                rows.getString(2)
            }
        }
    }

    /** Another Rust library in this process, with a SQLite of its own. */
    fun rust(library: String): Int = NativeLibrary.getInstance(library).getFunction("other_sqlite_version").invokeInt(emptyArray())
}
