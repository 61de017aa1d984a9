// Where there is neither SwiftUI nor UIKit this module is empty; it only hands the other on.
@_exported import Throughline
