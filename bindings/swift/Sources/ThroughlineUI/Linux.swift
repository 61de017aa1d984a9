// Without SwiftUI and UIKit this module is empty. It only exports the other one.
@_exported import Throughline
