import Foundation

/// How the program dies. Each way is in a function of its own, for its name to be found in the
/// report. What they work with is not known to the compiler.
enum Kind: String {
    case overflow, division, unwrap, fatal, bounds, unowned, exclusivity, tried, abort, null, recursion

    @inline(never)
    func die() {
        let one = CommandLine.arguments.count > 100 ? 0 : 1
        switch self {
        case .overflow: print(dieOfOverflow(Int.max - 1 + one))
        case .division: print(dieOfDivision(one - 1))
        case .unwrap: print(dieOfUnwrap(one == 1 ? nil : "text"))
        case .fatal: dieOfFatalError(one)
        case .bounds: print(dieOfBounds([1, 2, 3], one + 2))
        case .unowned: print(dieOfUnowned(Owner(number: one)))
        case .exclusivity: dieOfExclusivity(one)
        case .tried: dieOfTry(one)
        case .abort: dieOfAbort(one)
        case .null: dieOfNull(one - 1)
        case .recursion: print(dieOfRecursion(one))
        }
    }
}

@inline(never)
func dieOfOverflow(_ number: Int) -> Int { number + 1 }

@inline(never)
func dieOfDivision(_ number: Int) -> Int { 100 / number }

@inline(never)
func dieOfUnwrap(_ text: String?) -> String { text! + "!" }

@inline(never)
func dieOfFatalError(_ number: Int) { if number == 1 { fatalError("the cart has no owner") } }

@inline(never)
func dieOfBounds(_ numbers: [Int], _ index: Int) -> Int { numbers[index] }

final class Owner {
    let number: Int
    init(number: Int) { self.number = number }
}

final class Owned {
    unowned let owner: Owner
    init(owner: Owner) { self.owner = owner }
}

@inline(never)
func orphan(_ owner: consuming Owner) -> Owned { Owned(owner: owner) }

@inline(never)
func dieOfUnowned(_ owner: consuming Owner) -> Int {
    let owned = orphan(Owner(number: owner.number + 1))
    return owned.owner.number
}

nonisolated(unsafe) var shared = 1

@inline(never)
func change(_ number: inout Int, _ work: () -> Void) {
    work()
    number += 1
}

@inline(never)
func dieOfExclusivity(_ number: Int) { change(&shared) { shared += number } }

struct Refused: Error {}

@inline(never)
func refuse(_ number: Int) throws { if number == 1 { throw Refused() } }

@inline(never)
func dieOfTry(_ number: Int) { try! refuse(number) }

@inline(never)
func dieOfAbort(_ number: Int) { if number == 1 { Foundation.abort() } }

@inline(never)
func dieOfNull(_ address: Int) {
    withUnsafeTemporaryAllocation(of: UnsafeMutablePointer<Int>?.self, capacity: 1) { place in
        memcpy(place.baseAddress!, [address], 8)
        unsafeBitCast(place[0], to: UnsafeMutablePointer<Int>.self).pointee = 7
    }
}

@inline(never)
func dieOfRecursion(_ number: Int) -> Int {
    // What is deeper uses it, so that no loop can take the place of the calls.
    withUnsafeTemporaryAllocation(of: Int.self, capacity: 64) { numbers in
        numbers.initialize(repeating: number)
        return number == 0 ? 0 : dieOfRecursion(number + 1) + numbers[number % 64]
    }
}
