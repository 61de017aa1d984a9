import Foundation

/// What is on the screen, as a framework tells it piece by piece: views appear and disappear, in any order. The latest to appear is
/// shown; when it goes and another is left, as a list under a sheet, that one is shown again.
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
        let wasShown = visible.last?.id == id
        visible.removeAll { $0.id == id }
        guard wasShown else { return }
        if let next = visible.last {
            Throughline.startView(next.name)
        } else {
            Throughline.stopView()
        }
    }
}
