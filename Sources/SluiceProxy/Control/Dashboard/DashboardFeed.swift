import SluiceEndpoint
import SluiceHTTP
import SluiceReactor
import SluiceTelemetry
import SluiceTime

// Control thread only.

/// The live page: its files, what it shows, and who watches.
///
/// A browser, and `sluice top`, get events as Server-Sent Events define them: at first all of the
/// past that is kept, then every second what is new. An event's id is `START-NUMBER`: who was cut off
/// and comes back with `last-event-id` gets what it missed; after a restart, all there is.
final class DashboardFeed {
    /// Watchers at once.
    static let watchersMax = 16
    /// Of a history, and of the page.
    static let interval = Nanoseconds.seconds(1)

    private struct Watcher {
        let responder: Responder
        /// The number of the next point to send.
        var next: Int
    }

    private unowned let control: ControlLoop
    private var history = History()
    private var recordedAt: Instant
    private var watchers: [ObjectIdentifier: Watcher] = [:]
    /// Tells this run of the gateway from others: when it began, in milliseconds since 1970.
    private let run = MonotonicClock.realtimeNanoseconds() / 1_000_000

    init(_ control: ControlLoop) {
        self.control = control
        recordedAt = control.loop.now
        record()
    }

    // MARK: Every second

    /// Records the second that has passed and tells the watchers.
    func tick() {
        record()
        guard !watchers.isEmpty else { return }
        let state = DashboardState.render(control, history)
        for key in watchers.keys { send(state, to: key) }
    }

    private func record() {
        let shared = control.shared
        let totals = UserTotals(shared.shards, shared.scales)
        var load = History.Load()
        load.queueTime = control.diagnosis.diagnosis.queueTime
        for pool in shared.pools {
            let (waiting, inFlight) = pool.load
            load.queueLength += waiting
            load.inFlight += inFlight
        }
        for counters in shared.objectiveCounters {
            for model in 0...Int(ModelTable.other) {
                load.goodputTokens &+= counters.goodput(model: model).tokens
            }
        }
        let now = control.loop.now
        history.record(
            totals, at: Int64(MonotonicClock.realtimeNanoseconds() / 1_000_000_000),
            seconds: (now - recordedAt).seconds, objective: DashboardState.objective(control), load)
        recordedAt = now
    }

    /// Whoever has not taken the last event waits for the next one, and misses nothing.
    private func send(_ state: String, to key: ObjectIdentifier) {
        guard let watcher = watchers[key], watcher.responder.unsentBytes == 0 else { return }
        let points = history.points(from: watcher.next)
        let first = history.next - points.count
        let text =
            "id: \(run)-\(history.next)\n"
            + "data: {\"run\":\(run),\"first\":\(first),\"points\":"
            + PageJSON.list(points.map(DashboardState.row)) + ",\"state\":\(state)}\n\n"
        watchers[key]?.next = history.next
        watcher.responder.send { $0.append(text: text) }
    }

    // MARK: Answers

    /// `/dashboard` and what it needs.
    func answer(_ request: ServerRequest, _ responder: Responder) {
        switch request.path {
        case "/dashboard":
            file(PackageResources.dashboard_html, "text/html; charset=utf-8", responder)
        case "/dashboard/dashboard.css":
            file(PackageResources.dashboard_css, "text/css; charset=utf-8", responder)
        case "/dashboard/dashboard.js":
            file(PackageResources.dashboard_js, "text/javascript; charset=utf-8", responder)
        default: watch(request, responder)
        }
    }

    /// Scripts and styles from here alone, and nothing that another site could frame.
    private static let fields = [
        ("cache-control", "no-cache"), ("x-content-type-options", "nosniff"),
        (
            "content-security-policy",
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
                + "img-src data:; frame-ancestors 'none'"
        ),
    ]

    private func file(_ bytes: [UInt8], _ contentType: String, _ responder: Responder) {
        responder.respond(200, Self.fields, contentType: contentType, body: bytes)
    }

    private func watch(_ request: ServerRequest, _ responder: Responder) {
        guard watchers.count < Self.watchersMax else {
            return responder.respond(
                503, text: "\(Self.watchersMax) watch already; close a page of those\n")
        }
        let key = ObjectIdentifier(responder)
        // Before anything is sent: the client may have left, and that is told only once.
        if !responder.isHead {
            watchers[key] = Watcher(
                responder: responder, next: resumed(request[field: "last-event-id"]))
            responder.onDisconnect = { [unowned self] in watchers[key] = nil }
        }
        responder.send {
            AnswerStart.append(200, unixSeconds: MonotonicClock.realtimeSeconds(), to: &$0)
            $0.append(
                "content-type: text/event-stream\r\ncache-control: no-store\r\nconnection: close\r\n\r\n"
            )
        }
        guard !responder.isHead else { return responder.finish(closes: true) }
        guard watchers[key] != nil else { return }
        send(DashboardState.render(control, history), to: key)
    }

    /// The number after the last that a client has seen of this run; 0: it has seen nothing of it.
    private func resumed(_ id: String?) -> Int {
        let parts = (id ?? "").split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0] == "\(run)", let next = Int(parts[1]), next >= 0 else {
            return 0
        }
        return next
    }
}
