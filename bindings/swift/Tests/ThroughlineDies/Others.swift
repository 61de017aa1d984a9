import Foundation

/// The handlers of another SDK for crashes. It passes on to whoever was there before.
enum Others {
    nonisolated(unsafe) private static var before = Array(repeating: sigaction(), count: 32)

    static func install() {
        for signal in [SIGSEGV, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE] {
            var ours = sigaction()
            var old = sigaction()
            ours.sa_flags = SA_SIGINFO | Int32(SA_ONSTACK)
            ours.__sigaction_handler.sa_sigaction = { signal, info, context in Others.pass(signal, info, context) }
            sigaction(signal, &ours, &old)
            before[Int(signal)] = old
        }
    }

    private static func pass(_ signal: Int32, _ info: UnsafeMutablePointer<siginfo_t>?, _ context: UnsafeMutableRawPointer?) {
        _ = "the other SDK was asked\n".withCString { write(1, $0, strlen($0)) }
        var old = before[Int(signal)]
        if old.sa_flags & SA_SIGINFO != 0 {
            old.__sigaction_handler.sa_sigaction?(signal, info, context)
        } else {
            sigaction(signal, &old, nil)
        }
    }
}
