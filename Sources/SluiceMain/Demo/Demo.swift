import Foundation
import SluiceBench
import SluiceEndpoint
import SluiceProxy
import SluiceReactor
import SluiceTime

// The main thread: load, table, keys and signals on one loop. The gateway and the replicas have
// threads of their own.

/// The demo while it runs.
final class Demo {
    private enum Stage { case starting, running, stopping, ended }

    private let replicas: DemoReplicas
    private let gateway: DemoGateway
    private let log: DemoLog
    private let duration: Nanoseconds?
    private let loop: EndpointLoop
    private let client: HTTPClient
    private var screen: DemoScreen
    private let isTerminal: Bool
    private var rate: Double?
    private var stage = Stage.starting
    private var failure: String?
    private var generator: LoadGenerator?
    private var recent = RecentRequests()
    private var admin: LoadTarget?
    private var view = DemoView()
    private var dispatched: [String: Int] = [:]
    private var lastRefresh = Instant.unset
    private var begunAt = Instant.unset
    private var painter = ScreenPainter()
    private var keyWatch: EndpointLoop.Watch?
    private var isMute = false

    /// Requests per second that may be asked for.
    static let rates = 0.1...200
    private static let refreshInterval = Nanoseconds.seconds(1)
    private static let plainInterval = Nanoseconds.seconds(2)
    /// Events kept at most.
    private static let eventsMax = 32

    init(
        replicas: DemoReplicas, gateway: DemoGateway, log: DemoLog, rate: Double?,
        duration: Nanoseconds?
    ) throws(SystemError) {
        self.replicas = replicas
        self.gateway = gateway
        self.log = log
        self.rate = rate
        self.duration = duration
        loop = try EndpointLoop()
        client = HTTPClient(on: loop, idleMax: 1)
        isTerminal = ScreenText.isForTerminal
        screen = DemoScreen(
            addresses: DemoAddresses(data: "", admin: nil, replicas: replicas.urls),
            text: ScreenText.standard)
    }

    /// Runs until a signal, the duration, `q` or the gateway's end.
    ///
    /// - Returns: why the gateway ended, where it was not asked to.
    func run(_ signals: SignalSource) throws(SystemError) -> String? {
        let keyMode = KeyMode()
        _ = try loop.watch(gateway.news.descriptor, .read) { [unowned self] _ in takeNews() }
        _ = try loop.watch(signals.descriptor, .read) { [unowned self] _ in
            while signals.next() != nil { stop() }
        }
        if keyMode != nil {
            keyWatch = try loop.watch(Terminal.inputDescriptor, .read) { [unowned self] _ in
                takeKeys()
            }
        }
        try gateway.begin()
        while stage != .ended { loop.turn(maxWait: .seconds(1)) }
        if begunAt.isSet { sayGoodbye() }
        return failure
    }

    private func takeNews() {
        for news in gateway.news.take() {
            switch news {
            case .ready(let addresses): begin(addresses)
            case .ended(let reason):
                failure = reason
                stage = .ended
            }
        }
    }

    private func begin(_ addresses: GatewayAddresses) {
        guard stage == .starting else { return }
        stage = .running
        begunAt = loop.now
        lastRefresh = loop.now
        screen = DemoScreen(
            addresses: DemoAddresses(
                data: addresses.data.description, admin: addresses.admin.map { "http://\($0)" },
                replicas: replicas.urls), text: screen.text)
        if !isTerminal { write(screen.introduction) }
        if let address = addresses.admin { admin = try? LoadTarget(url: "http://\(address)") }
        if let rate, let target = try? LoadTarget(url: "http://\(addresses.data)") {
            beginLoad(rate, target)
        }
        if let duration { loop.after(duration) { [unowned self] in stop() } }
        refresh()
    }

    private func beginLoad(_ rate: Double, _ target: LoadTarget) {
        var plan = LoadPlan()
        plan.arrivals = .open(ratePerSecond: rate)
        plan.duration = .seconds(365 * 86_400)
        plan.requestMax = .seconds(120)
        plan.inFlightMax = 512
        plan.model = DemoReplicas.model
        plan.promptTokens = .lognormal(median: 120, sigma: 0.8)
        plan.outputTokens = .lognormal(median: 60, sigma: 0.6)
        plan.abortRatio = 0.02
        let generator = LoadGenerator(plan: plan, target: target, on: loop)
        generator.onFinished = { [unowned self] request in recent.add(request, at: loop.now) }
        generator.begin()
        self.generator = generator
    }

    /// The first call lets what is under way end for a moment, the second ends at once.
    private func stop() {
        switch stage {
        case .starting, .running:
            stage = .stopping
            if isTerminal, begunAt.isSet { draw() }
            generator?.stop()
            client.closeIdle()
            gateway.end()
        case .stopping: gateway.end()
        case .ended: break
        }
    }

    // MARK: Keys

    private func takeKeys() {
        let keys = Terminal.keys()
        if keys.isEmpty, let keyWatch {
            loop.unwatch(keyWatch, Terminal.inputDescriptor)
            self.keyWatch = nil
        }
        for key in keys {
            if key == UInt8(ascii: "q") { stop() }
            guard stage == .running else { continue }
            switch key {
            case UInt8(ascii: "1")...UInt8(ascii: "9"):
                note(replicas.toggle(Int(key - UInt8(ascii: "1"))))
            case UInt8(ascii: "+"), UInt8(ascii: "="): changeRate(by: 1.5)
            case UInt8(ascii: "-"): changeRate(by: 1 / 1.5)
            default: break
            }
        }
        if !keys.isEmpty, stage == .running { draw() }
    }

    private func changeRate(by factor: Double) {
        guard let rate, let generator else { return }
        let new = min(max(rate * factor, Self.rates.lowerBound), Self.rates.upperBound)
        self.rate = new
        generator.change(ratePerSecond: new)
    }

    private func note(_ text: String) {
        let seconds = Figure.fixed((loop.now - begunAt).seconds, 0)
        view.events.append("\(Figure.right(seconds, 4)) s  \(text)")
        if view.events.count > Self.eventsMax { view.events.removeFirst() }
        if !isTerminal { write("  \(text)\n") }
    }

    // MARK: Table

    private func refresh() {
        guard stage == .running else { return }
        loop.after(isTerminal ? Self.refreshInterval : Self.plainInterval) { [unowned self] in
            refresh()
        }
        guard let admin else { return draw() }
        var request = HTTPClient.request(.get, "/replicas", at: admin, apiKey: nil)
        request.totalMax = .milliseconds(900)
        client.fetch(request, at: admin) { [unowned self] result in
            guard stage == .running else { return }
            take(result)
            draw()
        }
    }

    private func take(_ result: Result<FetchedAnswer, ClientFailure>) {
        guard case .success(let answer) = result, let page = ReplicaRows(answer.body) else {
            view.isAdminSilent = true
            view.rows = []
            return
        }
        view.isAdminSilent = false
        view.rows = page.rows
        view.waiting = page.waiting
        let seconds = (loop.now - lastRefresh).seconds
        lastRefresh = loop.now
        for row in page.rows {
            if let before = dispatched[row.name], seconds > 0.1 {
                view.rates[row.name] = Double(row.dispatched - before) / seconds
            }
            dispatched[row.name] = row.dispatched
        }
    }

    private func draw() {
        for line in log.take() { note(line) }
        view.uptime = loop.now - begunAt
        view.rate = rate
        view.report = generator?.currentReport()
        view.figures = recent.figures(now: loop.now, age: view.uptime)
        guard isTerminal else { return write(screen.line(view) + "\n") }
        view.footer = footer
        let size = Terminal.size()
        let lines = screen.lines(view, columns: size.columns, rows: size.rows)
        write(painter.paint(lines, size))
    }

    /// The last line of the screen.
    private var footer: String {
        if stage == .stopping {
            return "stopping: what is under way may end for 2 s; Ctrl-C again ends at once"
        }
        guard keyWatch != nil else { return "Ctrl-C stops everything." }
        let load = generator == nil ? "" : "   [+ -] load"
        return "[1-\(replicas.count)] kill or start a replica\(load)   [q] quit"
    }

    private func sayGoodbye() {
        for line in log.take() where !isTerminal { write("  \(line)\n") }
        guard let report = generator?.currentReport() else { return write("stopped\n") }
        let first = report.timeToFirstToken.percentiles([0.5, 0.99])
        write(
            "stopped: \(report.succeeded) answered, \(report.failed) failed, "
                + "\(report.aborted) left by their client, \(report.cut) cut by stopping\n"
                + "first token \(Figure.span(first[0])) p50, \(Figure.span(first[1])) p99\n")
        for (reason, count) in report.failures.sorted(by: { $0.value > $1.value }) {
            write("  \(count)  \(reason)\n")
        }
    }

    /// Writes to standard output; when nobody reads it any more (`sluice demo | head`), it stops.
    private func write(_ text: String) {
        guard !isMute else { return }
        do {
            try FileHandle.standardOutput.write(contentsOf: Data(text.utf8))
        } catch {
            isMute = true
            stop()
        }
    }
}
