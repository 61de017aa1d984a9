package dev.throughline

/** The network, as the app sees it. */
public enum class NetworkKind {
    /** The app does not know. Requests are tried. */
    UNKNOWN,

    /** There is no network. Nothing is sent. An app that asks for requests to send them later gets them all the same. */
    OFFLINE,

    /** A network without a volume charge, for example Wi-Fi. */
    UNMETERED,

    /** A network that may charge for volume, for example cellular or a hotspot. */
    METERED,
}

/** What the app knows about itself and the device. [Throughline.setConditions] takes it. */
public data class Conditions @JvmOverloads constructor(
    /** Whether the app is in the foreground. On the way to the background, what waits is sent at once. */
    public val foreground: Boolean = true,
    /** The network. */
    public val network: NetworkKind = NetworkKind.UNKNOWN,
    /** The battery's charge in percent, 0 to 100. Null: unknown. */
    public val batteryPercent: Int? = null,
    /** Whether the battery is charging. */
    public val charging: Boolean = false,
    /** Whether the user has switched on low-power mode or data saving. */
    public val lowPower: Boolean = false,
)
