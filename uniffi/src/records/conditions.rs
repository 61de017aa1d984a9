//! What the user has decided, and what the host knows about the app and the device.

/// What the user has decided about the collection of data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum Consent {
    /// Events are recorded and sent.
    Granted,
    /// Events are recorded and kept apart, at most 8 MiB, until the user has decided.
    Pending,
    /// Nothing is recorded, and everything that was recorded is erased.
    Denied,
}

impl From<Consent> for throughline::Consent {
    fn from(consent: Consent) -> Self {
        match consent {
            Consent::Granted => Self::Granted,
            Consent::Pending => Self::Pending,
            Consent::Denied => Self::Denied,
        }
    }
}

/// The network, as the host sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum NetworkKind {
    /// The host does not know. Requests are tried.
    Unknown,
    /// There is no network. Nothing is sent. A host that asks for requests to send them later gets
    /// them all the same.
    Offline,
    /// A network without a volume charge, for example Wi-Fi.
    Unmetered,
    /// A network that may charge for volume, for example cellular or a hotspot.
    Metered,
}

/// What the host knows about the app and the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct DeviceConditions {
    /// Whether the app is in the foreground.
    pub foreground: bool,
    /// The network.
    pub network: NetworkKind,
    /// The battery's charge in percent, 0 to 100. Absent: unknown.
    #[uniffi(default = None)]
    pub battery_percent: Option<u8>,
    /// Whether the battery is charging.
    #[uniffi(default = false)]
    pub charging: bool,
    /// Whether the user has switched on low-power mode or data saving.
    #[uniffi(default = false)]
    pub low_power: bool,
}

impl From<DeviceConditions> for throughline::Conditions {
    fn from(conditions: DeviceConditions) -> Self {
        Self {
            foreground: conditions.foreground,
            network: match conditions.network {
                NetworkKind::Unknown => throughline::Network::Unknown,
                NetworkKind::Offline => throughline::Network::Offline,
                NetworkKind::Unmetered => throughline::Network::Unmetered,
                NetworkKind::Metered => throughline::Network::Metered,
            },
            battery_percent: conditions.battery_percent,
            charging: conditions.charging,
            low_power: conditions.low_power,
        }
    }
}
