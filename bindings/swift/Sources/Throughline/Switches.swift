internal import ThroughlineFFIGenerated

/// What may change while the client runs. Before the start, the latest 100 of these calls wait for
/// it.
extension Throughline {
    // MARK: The user and the session

    /// Says who uses the app, on every event from now on. Prefer pseudonyms to names and addresses.
    public static func setUser(id: String, name: String? = nil, email: String? = nil, _ attributes: Attributes = [:]) {
        var all: Attributes = ["id": id]
        if let name { all["name"] = name }
        if let email { all["email"] = email }
        all.pairs += attributes.pairs
        Recorder.record(.user) { $0.attributes(all) }
    }

    /// Says that nobody uses the app any more.
    public static func clearUser() { Recorder.record(.user) { $0.attributes([:]) } }

    /// Ends the session and begins another one: call it when another user signs in.
    public static func renewSession() { Recorder.record(.renewSession) { _ in } }

    /// Sets an attribute of every event from now on. `nil` removes it. There may be 112 of them.
    public static func setGlobalAttribute(_ key: String, _ value: (any AttributeValue)?) {
        Recorder.record(.globalAttribute) {
            $0.text(key, limit: Limit.keyBytes)
            $0.optionalValue(value)
        }
    }

    /// Says what a feature flag was evaluated to, on every event from now on. `nil`: the flag is
    /// not used any more.
    public static func setFeatureFlag(_ name: String, _ value: (any AttributeValue)?) {
        Recorder.record(.featureFlag) {
            $0.text(name, limit: Limit.keyBytes)
            $0.optionalValue(value)
        }
    }

    // MARK: Consent and sampling

    /// Sets what the user has decided. With ``Consent/denied`` nothing is recorded from now on, and
    /// a thread of Throughline's erases everything that was recorded.
    public static func setConsent(_ consent: Consent) {
        Running.shared.whenStarted(.consent) { _ = $0.setConsent(consent: consent.generated) }
        if consent == .granted { MetricKitReporter.consented() }
        BackgroundUploads.consent(consent)
    }

    /// Switches recording on or off, and keeps that for the next start. Off holds at once, and a
    /// thread of Throughline's closes what is open. On holds when that thread has ended:
    /// ``Health/isEnabled`` says when.
    public static func setEnabled(_ enabled: Bool) {
        Running.shared.whenStarted(.enabled) { _ = $0.setEnabled(enabled: enabled) }
        if enabled { MetricKitReporter.consented() }
    }

    /// Sets the share of sessions that is recorded, 0.0 to 1.0, and keeps it for the next start.
    /// Another value shows in ``Health/problems``.
    public static func setSessionSampleRate(_ rate: Double) {
        Running.shared.whenStarted(.sessionSampleRate) { _ = $0.setSessionSampleRate(rate: rate) }
    }

    /// Sets the share of traces that is recorded, 0.0 to 1.0, and keeps it for the next start.
    /// Another value shows in ``Health/problems``.
    public static func setTraceSampleRate(_ rate: Double) {
        Running.shared.whenStarted(.traceSampleRate) { _ = $0.setTraceSampleRate(rate: rate) }
    }

    /// Sets what is kept of sessions that are not sampled. `nil`: nothing. Values that cannot work
    /// show in ``Health/problems``.
    public static func setTailSampling(_ tailSampling: TailSampling?) {
        Running.shared.whenStarted(.tailSampling) { _ = $0.setTailSampling(tailSampling: tailSampling?.generated) }
    }

    // MARK: Destinations

    /// Sends nothing to the destination with a name until ``resumeDestination(_:)``. What is
    /// recorded for it is kept, crashes too, as far as ages and quotas allow; other destinations go
    /// on. It is not kept for the next start. A name that no destination has shows in
    /// ``Health/problems``.
    public static func pauseDestination(_ name: String) {
        Running.shared.whenStarted(.destination(name)) { _ = $0.pauseDestination(name: name) }
    }

    /// Sends to the destination with a name again.
    public static func resumeDestination(_ name: String) {
        Running.shared.whenStarted(.destination(name)) { _ = $0.resumeDestination(name: name) }
    }

    // MARK: Conditions

    /// Sets what the app knows about itself and the device. It decides when uploads are made, and
    /// holds until the next such call, also for a client that is started later.
    public static func setConditions(_ conditions: Conditions) {
        Running.shared.setConditions(conditions.generated)
    }
}

/// The network, as the app sees it.
public enum NetworkKind: Sendable {
    /// The app does not know. Requests are tried.
    case unknown
    /// There is no network. Nothing is sent; ``BackgroundUploads`` hands it to the system.
    case offline
    /// A network without a volume charge, for example Wi-Fi.
    case unmetered
    /// A network that may charge for volume, for example cellular or a hotspot.
    case metered
}

/// What the app knows about itself and the device. ``Throughline/setConditions(_:)`` takes it.
public struct Conditions: Sendable, Equatable {
    /// Whether the app is in the foreground. On the way to the background, what waits is sent at
    /// once.
    public var foreground = true
    /// The network.
    public var network = NetworkKind.unknown
    /// The battery's charge in percent, 0 to 100. `nil`: unknown.
    public var batteryPercent: Int?
    /// Whether the battery is charging.
    public var charging = false
    /// Whether the user has switched on low-power mode or data saving.
    public var lowPower = false

    /// The defaults: in the foreground, and nothing is known about the rest.
    public init() {}

    fileprivate var generated: DeviceConditions {
        let network: ThroughlineFFIGenerated.NetworkKind =
            switch network {
            case .unknown: .unknown
            case .offline: .offline
            case .unmetered: .unmetered
            case .metered: .metered
            }
        return DeviceConditions(
            foreground: foreground, network: network, batteryPercent: batteryPercent.map { UInt8(clamping: $0) },
            charging: charging, lowPower: lowPower)
    }
}
