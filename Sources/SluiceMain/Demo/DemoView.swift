import SluiceBench
import SluiceTime

/// Where the demo can be reached: what people paste into another terminal.
struct DemoAddresses {
    /// The gateway's client listener, `IP:PORT`.
    let data: String
    /// The admin listener's URL; nil where it is off.
    let admin: String?
    /// URLs of the simulated replicas.
    let replicas: [String]
}

/// What one refresh of the demo shows, as values.
struct DemoView {
    var rows: [ReplicaRows.Row] = []
    /// Requests per second of each row, since the refresh before.
    var rates: [String: Double] = [:]
    /// Requests that wait in the gateway.
    var waiting = 0
    var isAdminSilent = false
    var figures = RecentRequests.Figures()
    var report: LoadReport?
    var rate: Double?
    var uptime = Nanoseconds.zero
    var events: [String] = []
    /// The last line: keys, or what is waited for.
    var footer = ""
}
