// For Apple's systems. On Linux, where the tests run, this file is only compiled against
// declarations.
#if canImport(Darwin) || DECLARATIONS
import Foundation
#if DECLARATIONS
import AppleFoundation
import Throughline
#endif

extension BackgroundUploads {
    /// Begins to send over a background session with this identifier, which no other session of the
    /// app has. Call it in every launch of the app, right after the start of the client.
    ///
    /// - Parameters:
    ///   - identifier: The session's. An app extension needs one of its own.
    ///   - appGroup: The group of the app and its extensions, such as `group.com.example.shop`. A
    ///     background session of an extension needs one.
    /// - Throws: When the directory of the uploads cannot be made, or the process has no such
    ///   group.
    public static func start(identifier: String, appGroup: String? = nil) throws {
        let configuration = URLSessionConfiguration.background(withIdentifier: identifier)
        // Throughline itself waits for Wi-Fi or the charger, if the app wants that.
        configuration.isDiscretionary = false
        configuration.sessionSendsLaunchEvents = true
        configuration.sharedContainerIdentifier = appGroup
        let parent = try appGroup.map(container) ?? support()
        try start(configuration, directory: parent.appendingPathComponent("Throughline-\(identifier)", isDirectory: true))
        // By name, because an extension must not use `UIApplication`.
        for name in ["UIApplicationDidEnterBackgroundNotification", "NSExtensionHostDidEnterBackgroundNotification"] {
            _ = NotificationCenter.default.addObserver(
                forName: Notification.Name(name), object: nil, queue: nil
            ) { _ in send() }
        }
    }
}

extension Configuration {
    /// A directory in the container that an app and its extensions share, for ``dataDir``. It is
    /// not part of a backup, and can be read from the first unlock on.
    ///
    /// - Parameter appGroup: The group, such as `group.com.example.shop`.
    /// - Throws: When the process has no such group, or the directory cannot be made.
    public static func sharedDataDir(appGroup: String) throws -> URL {
        var directory = try container(appGroup).appendingPathComponent("Throughline", isDirectory: true)
        try FileManager.default.createDirectory(
            at: directory, withIntermediateDirectories: true,
            attributes: [.protectionKey: FileProtectionType.completeUntilFirstUserAuthentication])
        var values = URLResourceValues()
        values.isExcludedFromBackup = true
        try? directory.setResourceValues(values)
        return directory
    }
}

/// The container of an app group.
private func container(_ appGroup: String) throws -> URL {
    guard let container = FileManager.default.containerURL(forSecurityApplicationGroupIdentifier: appGroup) else {
        throw ThroughlineError.storage("this process has no app group \(appGroup): see its entitlements")
    }
    return container
}

private func support() throws -> URL {
    try FileManager.default.url(
        for: .applicationSupportDirectory, in: .userDomainMask, appropriateFor: nil, create: true)
}
#endif
