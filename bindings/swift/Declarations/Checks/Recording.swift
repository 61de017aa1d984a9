// What `UncaughtExceptions` uses of the facade, of which only that file is compiled here.

enum ErrorKind { case handled, crash }

enum Throughline {
    static func error(
        type: String, message: String, stack: String = "", kind: ErrorKind = .handled, _ attributes: [String: Any] = [:]
    ) {}
}
