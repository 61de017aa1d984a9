import Foundation

/// What ``BackgroundUploads`` keeps on the disk, because another process of the app may need it:
/// the body of each upload that was started, and the outcome of each that has ended and that the
/// core has not taken yet. A file is called after the key of its upload.
struct BackgroundSpool: Sendable {
    private let directory: URL

    /// An outcome as it is written down.
    struct Outcome: Codable {
        var status: Int
        var headers: [String: String]
        var body: Data

        init(_ response: UploadResponse) {
            (status, headers, body) = (response.status, response.headers, response.body.prefix(Limit.responseBytes))
        }

        /// Without its date: the client would take it for the server's time now.
        var response: UploadResponse {
            UploadResponse(status: status, headers: headers.filter { $0.key.lowercased() != "date" }, body: body)
        }
    }

    /// Makes the directory, if there is none. It is not part of a backup: a restored one would have
    /// the outcomes of another device.
    init(_ directory: URL) throws {
        self.directory = directory
        #if canImport(Darwin)
        // Uploads go on while the device is locked.
        let attributes: [FileAttributeKey: Any] = [
            .protectionKey: FileProtectionType.completeUntilFirstUserAuthentication
        ]
        #else
        let attributes: [FileAttributeKey: Any] = [:]
        #endif
        try FileManager.default.createDirectory(
            at: directory, withIntermediateDirectories: true, attributes: attributes)
        #if canImport(Darwin)
        var values = URLResourceValues()
        values.isExcludedFromBackup = true
        var excluded = directory
        try? excluded.setResourceValues(values)
        #endif
    }

    /// Writes the body of an upload, and returns its file.
    func keep(body: Data, of key: String) throws -> URL {
        let file = file(key, "body")
        try write(body, to: file)
        return file
    }

    /// Writes what became of an upload. Its body is not needed any more.
    func keep(_ outcome: Outcome, of key: String) {
        guard let data = try? JSONEncoder().encode(outcome), (try? write(data, to: file(key, "outcome"))) != nil
        else { return }
        try? FileManager.default.removeItem(at: file(key, "body"))
    }

    /// What became of an upload, if that was written down.
    func outcome(of key: String) -> Outcome? {
        guard let data = try? Data(contentsOf: file(key, "outcome")) else { return nil }
        return try? JSONDecoder().decode(Outcome.self, from: data)
    }

    /// Removes what is kept of an upload.
    func remove(_ key: String) {
        for kind in ["body", "outcome"] { try? FileManager.default.removeItem(at: file(key, kind)) }
    }

    /// Removes what is kept of every upload.
    func removeAll() {
        for file in files() where ["body", "outcome"].contains(file.pathExtension) {
            try? FileManager.default.removeItem(at: file)
        }
    }

    /// The keys of the uploads whose bodies or outcomes are kept.
    func keys(with kind: String) -> Set<String> {
        Set(files().filter { $0.pathExtension == kind }.map { $0.deletingPathExtension().lastPathComponent })
    }

    /// Removes what nobody has asked about for so long: events are not older than that either.
    func removeOutcomes(before: Date) -> Int {
        let old = files().filter { file in
            let changed = try? file.resourceValues(forKeys: [.contentModificationDateKey]).contentModificationDate
            return file.pathExtension == "outcome" && changed ?? .distantPast < before
        }
        for file in old { try? FileManager.default.removeItem(at: file) }
        return old.count
    }

    private func files() -> [URL] {
        (try? FileManager.default.contentsOfDirectory(
            at: directory, includingPropertiesForKeys: [.contentModificationDateKey])) ?? []
    }

    private func file(_ key: String, _ kind: String) -> URL {
        directory.appendingPathComponent(key).appendingPathExtension(kind)
    }

    private func write(_ data: Data, to file: URL) throws {
        #if canImport(Darwin)
        try data.write(to: file, options: [.atomic, .completeFileProtectionUntilFirstUserAuthentication])
        #else
        try data.write(to: file, options: .atomic)
        #endif
    }
}
