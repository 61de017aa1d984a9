import Throughline
import ThroughlineUI
import UIKit
