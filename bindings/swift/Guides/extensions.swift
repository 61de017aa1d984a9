import Foundation
import Throughline
import UIKit

@MainActor var configuration = Configuration(serviceName: "shop")
