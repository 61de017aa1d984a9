pluginManagement {
    repositories {
        google()
        mavenCentral()
        gradlePluginPortal()
    }
}

dependencyResolutionManagement {
    repositories {
        google()
        mavenCentral()
        // Where `cargo xtask release kotlin --out` has published the artifacts.
        maven(url = uri("file://${System.getProperty("user.home")}/throughline-maven"))
    }
}

rootProject.name = "shop"
include(":app")
