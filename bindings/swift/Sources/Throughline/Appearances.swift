import Foundation

/// The views that are on the screen. A framework reports that they appear and disappear, in any
/// order.
///
/// The view that appeared last is the current one. When it disappears while others are left, as a
/// list under a sheet is, the last of those is the current one again.
@MainActor
package final class Appearances {
    package static let shared = Appearances()
    private var visible: [(id: UUID, name: String)] = []

    package init() {}

    package func appeared(_ id: UUID, as name: String) {
        visible.removeAll { $0.id == id }
        visible.append((id, name))
        Throughline.startView(name)
    }

    package func disappeared(_ id: UUID) {
        let wasCurrent = visible.last?.id == id
        visible.removeAll { $0.id == id }
        guard wasCurrent else { return }
        if let next = visible.last {
            Throughline.startView(next.name)
        } else {
            Throughline.stopView()
        }
    }
}
