/**
 * What the module for WorkManager calls of {@code androidx.work}, as 2.8 and later declare it.
 *
 * <p>It is in Java, as the original is: Kotlin calls a static function of a Java class otherwise than
 * one of a companion object. Bodies do as much as the tests need.
 */
package androidx.work;
