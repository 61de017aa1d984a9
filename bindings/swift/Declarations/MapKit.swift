@_exported import Foundation

@MainActor public struct Map {}
@MainActor public struct Marker {}
@MainActor public struct Annotation {}
open class MKMapItem: NSObject {}
