import Throughline

final class Profile {
    var displayName = ""
}

@MainActor let profile = Traced(Profile(), as: "UserProfile") { $0.path("displayName", \.displayName) }
let name = "Ada"

struct API {
    func rename(_ name: String) async throws {}
}

let api = API()
