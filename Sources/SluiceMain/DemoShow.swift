import Foundation
import SluiceBytes
import SluiceEndpoint
import SluiceProxy
import SluiceReactor
import SluiceTime

// One thread of its own: the users' requests, the table, and the loop both run on. The gateway's
// control thread starts it; the main thread stops it.

/// The visible part of the demo: gentle traffic through the gateway and a table of what it does.
final class DemoShow: Sendable {
    private let users: Int
    private let state = Guarded<Running?>(nil)

    private final class Running: Sendable {
        let stopBox: Mailbox<Bool>
        private let thread: Guarded<WorkerThread?>

        init(stopBox: Mailbox<Bool>, thread: consuming sending WorkerThread) {
            self.stopBox = stopBox
            self.thread = Guarded(consume thread)
        }

        func stop() {
            stopBox.post(true)
            let ended = thread.withLock { $0.take() }
            ended?.join()
        }
    }

    init(users: Int) { self.users = users }

    func start(_ addresses: GatewayAddresses) {
        let users = users
        guard let box = try? Mailbox<Bool>(),
            let thread = try? WorkerThread(
                name: "sluice-demo",
                {
                    guard let loop = try? EndpointLoop() else { return }
                    let stage = DemoStage(addresses, users: users, on: loop)
                    _ = try? loop.watch(box.descriptor, .read) { _ in
                        if box.take().contains(true) { loop.stop() }
                    }
                    stage.begin()
                    loop.run()
                    stage.end()
                })
        else { return }
        let running = Running(stopBox: box, thread: thread)
        state.withLock { $0 = running }
    }

    func stop() {
        state.withLock { $0.take() }?.stop()
    }
}

/// Users, statistics and table on one loop.
final class DemoStage {
    private let addresses: GatewayAddresses
    private let loop: EndpointLoop
    private let client: HTTPClient
    private let users: Int
    private let isTerminal = isatty(1) == 1
    private var served = 0
    private var failed = 0
    private var servedBefore = 0
    private var firstTokens: [Double] = []
    private var second = 0

    /// First tokens that the percentiles look back on.
    private static let samplesMax = 200

    init(_ addresses: GatewayAddresses, users: Int, on loop: EndpointLoop) {
        self.addresses = addresses
        self.users = users
        self.loop = loop
        client = HTTPClient(on: loop, idleMax: 64)
    }

    func begin() {
        printIntroduction()
        for user in 0..<users {
            loop.after(.milliseconds(Int64(user * 150))) { [unowned self] in chat() }
        }
        loop.after(.seconds(1)) { [unowned self] in refresh() }
    }

    func end() { client.closeIdle() }

    private func say(_ text: String) { FileHandle.standardOutput.write(Data(text.utf8)) }

    private var introduction: String {
        """
        Sluice demo: the gateway in front of simulated vLLM replicas. Ctrl-C stops everything.
          data   http://\(addresses.data)      admin  http://\(addresses.admin.map { "\($0)" } ?? "off")
        Try from another terminal:
          curl -N http://\(addresses.data)/v1/chat/completions -H 'content-type: application/json' \\
            -d '{"model":"demo-model","stream":true,"max_tokens":40,"messages":[{"role":"user","content":"Hi"}]}'
          curl -s http://\(addresses.admin.map { "\($0)" } ?? "-")/metrics | grep ^sluice_requests_total
          curl -X POST http://REPLICA/sim/faults -d '{"die":true}'      # kill one of the replicas below
          curl -X DELETE http://REPLICA/sim/faults                      # and bring it back

        """
    }

    private func printIntroduction() {
        if !isTerminal { say(introduction) }
    }

    // MARK: Users

    private func chat() {
        var request = ClientRequest(host: "\(addresses.data)")
        request.method = .post
        request.target = "/v1/chat/completions"
        request.fields = [("content-type", "application/json")]
        request.totalMax = .seconds(60)
        let tokens = Int.random(in: 20...120)
        let words = Int.random(in: 10...400)
        let prompt = Array(repeating: "word", count: words).joined(separator: " ")
        request.body = Array(
            """
            {"model":"demo-model","stream":true,"max_tokens":\(tokens),\
            "messages":[{"role":"user","content":"\(prompt)"}]}
            """.utf8)
        let begun = loop.now
        var status = 0
        var isFirst = true
        var handlers = ClientHandlers()
        handlers.onHead = { code, _ in status = code }
        handlers.onBody = { [unowned self] _, _ in
            guard isFirst else { return }
            isFirst = false
            firstTokens.append((loop.now - begun).milliseconds)
            if firstTokens.count > Self.samplesMax { firstTokens.removeFirst() }
        }
        handlers.onEnd = { [unowned self] in
            if status == 200 { served += 1 } else { failed += 1 }
            again()
        }
        handlers.onFailure = { [unowned self] _ in
            failed += 1
            again()
        }
        client.send(request, to: addresses.data, handlers)
    }

    private func again() {
        loop.after(.milliseconds(.random(in: 100...700))) { [unowned self] in chat() }
    }

    // MARK: Table

    private func refresh() {
        second += 1
        loop.after(.seconds(1)) { [unowned self] in refresh() }
        guard isTerminal || second.isMultiple(of: 2) else { return }
        guard let admin = addresses.admin else { return }
        var request = ClientRequest(host: "\(admin)")
        request.target = "/replicas"
        var body: [UInt8] = []
        var handlers = ClientHandlers()
        handlers.onBody = { buffer, range in body += buffer.array(range) }
        handlers.onEnd = { [unowned self] in show(body) }
        client.send(request, to: admin, handlers)
    }

    private func percentile(_ share: Double) -> String {
        guard !firstTokens.isEmpty else { return "-" }
        let sorted = firstTokens.sorted()
        let index = min(sorted.count - 1, Int(Double(sorted.count) * share))
        return String(format: "%.0f ms", sorted[index])
    }

    private func show(_ json: [UInt8]) {
        guard let page = try? JSONSerialization.jsonObject(with: Data(json)) as? [String: Any],
            let pools = page["pools"] as? [[String: Any]]
        else { return }
        let seconds = isTerminal ? 1 : 2
        let rate = Double(served - servedBefore) / Double(seconds)
        servedBefore = served
        let line =
            "served \(served) (\(String(format: "%.1f", rate))/s)   failed \(failed)   "
            + "TTFT p50 \(percentile(0.5))  p99 \(percentile(0.99))"
        guard isTerminal else {
            let states = replicas(pools).map { "\($0.name)=\($0.state)" }.joined(separator: " ")
            say("\(line)   \(states)\n")
            return
        }
        var screen = "\u{1B}[H\u{1B}[2J" + introduction + "\n"
        screen += row("replica", "state", "in flight", "waiting", "running", "KV", "why") + "\n"
        for replica in replicas(pools) {
            screen +=
                row(
                    replica.name, replica.state, replica.inFlight, replica.waiting,
                    replica.running, replica.cache, replica.why) + "\n"
        }
        say(screen + "\n" + line + "\n")
    }

    private struct Row {
        let name, state, inFlight, waiting, running, cache, why: String
    }

    private func replicas(_ pools: [[String: Any]]) -> [Row] {
        pools.flatMap { $0["replicas"] as? [[String: Any]] ?? [] }.map { replica in
            func text(_ key: String) -> String {
                switch replica[key] {
                case let text as String: text
                case let number as NSNumber: number.stringValue
                default: "-"
                }
            }
            let cache = (replica["kv_usage_ratio"] as? NSNumber)?.doubleValue
            return Row(
                name: text("name"), state: text("state"), inFlight: text("in_flight"),
                waiting: text("queue_depth"), running: text("running"),
                cache: cache.map { String(format: "%.0f %%", $0 * 100) } ?? "-", why: text("why"))
        }
    }

    private func row(_ columns: String...) -> String {
        let widths = [22, 10, 10, 8, 8, 6, 0]
        return zip(columns, widths).map { text, width in
            text + String(repeating: " ", count: max(0, width - text.count))
        }.joined(separator: " ")
    }
}
