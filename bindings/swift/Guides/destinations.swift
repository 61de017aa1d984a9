import Throughline

@MainActor var configuration = Configuration(serviceName: "shop")
let dsn = "https://key@sentry.example.com/42"
