import Foundation
import Throughline

@MainActor var configuration = Configuration(serviceName: "shop")
