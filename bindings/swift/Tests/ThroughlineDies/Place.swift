import Foundation

/// Where the program dies.
enum Place: String {
    case main, task, thread, queue

    func run(_ work: @escaping @Sendable () -> Void) {
        switch self {
        case .main: work()
        case .task: Task.detached { work() }
        case .thread: Thread.detachNewThread(work)
        case .queue: DispatchQueue(label: "cart").async(execute: work)
        }
    }
}
