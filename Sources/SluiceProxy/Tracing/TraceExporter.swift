import SluiceBytes
import SluiceEndpoint
import SluiceHTTP
import SluiceReactor
import SluiceTelemetry
import SluiceTime
import SluiceTracing

/// The one thread that sends spans to the collector; it may wait, and nobody waits for it.
final class TraceExporter {
    /// For the last spans at the end.
    static let stopMax = Nanoseconds.seconds(1)
    /// How long spans wait for others.
    static let batchWait = Nanoseconds.seconds(1)

    private let isStopping = SharedFlag()
    private var thread: WorkerThread?

    /// - Parameters:
    ///   - names: those of the moment, for what records hold as numbers.
    ///   - note: says something to the operator.
    /// - Throws: ``SystemError`` when the process has no descriptor or thread left.
    init(
        _ queue: TraceQueue, to target: TraceTarget, batchWait: Nanoseconds = batchWait,
        lookup: @escaping NameLookup, names: @escaping @Sendable () -> NameTables,
        note: @escaping @Sendable (Note) -> Void
    ) throws(SystemError) {
        let start = ExportStart(
            try ExportLoop(
                queue, to: target, batchWait: batchWait, lookup: lookup, names: names, note: note,
                isStopping: isStopping))
        thread = try WorkerThread(name: "sluice-trace") { start.run() }
    }

    /// Sends what is left, once, and ends; a collector that does not answer holds up nobody's exit.
    func stop() {
        isStopping.value.store(true, ordering: .releasing)
        // The loop gives up by itself by then, unless a look-up of the collector's name blocks it.
        thread.take()?.join(within: Self.stopMax + .milliseconds(500))
    }
}

/// Carries the loop to its thread: it is made on one and run on another, never on both at once.
private final class ExportStart: @unchecked Sendable {
    private let loop: ExportLoop
    init(_ loop: ExportLoop) { self.loop = loop }
    func run() { loop.run() }
}

/// Sends one batch after the other.
private final class ExportLoop {
    /// Spans of one request at most, but for an exchange that has more alone: half a megabyte.
    static let batchSpansMax = 1_024
    /// Between two looks at the queue.
    static let tickInterval = Nanoseconds.milliseconds(100)
    /// For one request, from its start to the answer's end.
    static let postMax = Nanoseconds.seconds(10)
    static let connectMax = Nanoseconds.seconds(2)
    /// Bytes of an answer at most.
    static let answerBytesMax = 65_536
    /// The collector's addresses are looked up again after so long, and after every failure.
    static let addressesMax = Nanoseconds.seconds(30)

    /// Encoded spans that are under way, or wait to be sent again.
    private struct Batch {
        let body: [UInt8]
        let spanCount: Int
    }

    private let queue: TraceQueue
    private let target: TraceTarget
    private let batchWait: Nanoseconds
    private let lookup: NameLookup
    private let names: @Sendable () -> NameTables
    private let note: @Sendable (Note) -> Void
    private let isStopping: SharedFlag
    private let loop: EndpointLoop
    private let client: HTTPClient
    private var random = Xoshiro(seed: .random(in: .min ... .max))
    private var backoff = ExportBackoff()
    private var batch: Batch?
    private var exchange: ClientExchange?
    /// Nothing is sent before.
    private var sendAt = Instant.unset
    private var stopBy = Instant.never
    private var addresses: [SocketAddress] = []
    private var addressesSince = Instant.unset
    private var isFailing = false

    init(
        _ queue: TraceQueue, to target: TraceTarget, batchWait: Nanoseconds,
        lookup: @escaping NameLookup, names: @escaping @Sendable () -> NameTables,
        note: @escaping @Sendable (Note) -> Void, isStopping: SharedFlag
    ) throws(SystemError) {
        self.queue = queue
        self.target = target
        self.batchWait = batchWait
        self.lookup = lookup
        self.names = names
        self.note = note
        self.isStopping = isStopping
        loop = try EndpointLoop()
        client = HTTPClient(on: loop, idleMax: 1)
    }

    func run() {
        while loop.now < stopBy {
            loop.turn(maxWait: Self.tickInterval)
            if stopBy == .never, isStopping.value.load(ordering: .acquiring) {
                stopBy = loop.now + TraceExporter.stopMax
                // What waits to be sent again is sent now, and not again.
                sendAt = loop.now
            }
            goOn()
            if stopBy < .never, batch == nil { break }
        }
        exchange?.cancel()
        client.closeIdle()
        if let batch { queue.counts.dropped(batch.spanCount, .stopped) }
        while true {
            let left = queue.take(spans: .max, due: .never)
            if left.isEmpty { break }
            queue.counts.dropped(left.reduce(0) { $0 + $1.spanCount }, .stopped)
        }
    }

    /// Sends what is due, if nothing is under way.
    private func goOn() {
        guard exchange == nil, loop.now >= sendAt else { return }
        if batch == nil { batch = nextBatch() }
        if let batch { send(batch) }
    }

    private func nextBatch() -> Batch? {
        let due = stopBy < .never ? Instant.never : loop.now - batchWait
        let taken = queue.take(spans: Self.batchSpansMax, due: due)
        if taken.isEmpty { return nil }
        let tables = names()
        var spans: [TraceSpan] = []
        for finished in taken {
            spans += finished.trace.value.spans(names: tables, random: &random)
        }
        return Batch(
            body: TraceExport.request(spans, from: target.resource), spanCount: spans.count)
    }

    private func send(_ batch: Batch) {
        guard let address = address() else { return }
        var request = ClientRequest(host: target.url.authority)
        request.method = .post
        request.target = target.path
        request.fields = [
            ("user-agent", "sluice/\(BuildInfo.version)"),
            ("content-type", "application/x-protobuf"),
        ]
        request.fields += target.fields
        request.body = batch.body
        request.totalMax = max(.milliseconds(1), min(Self.postMax, stopBy - loop.now))
        request.connectMax = min(Self.connectMax, request.totalMax)
        request.bodyBytesMax = Self.answerBytesMax
        if let tls = target.tls { request.tls = (tls, target.url.host) }
        var (status, retryAfter, body): (Int, Nanoseconds?, [UInt8]) = (0, nil, [])
        var handlers = ClientHandlers()
        handlers.onHead = { code, fields in
            status = code
            retryAfter = Self.retryAfter(fields)
        }
        handlers.onBody = { bytes, range in body += bytes.array(range) }
        handlers.onEnd = { [unowned self] in answered(status, retryAfter, body) }
        handlers.onFailure = { [unowned self] failure in
            addresses = Array(addresses.dropFirst())
            failed(failure.sentence, retryAfter: nil)
        }
        exchange = client.send(request, to: address, handlers)
    }

    /// Where the collector is; nil where that cannot be found out now. Another address after each
    /// that failed.
    private func address() -> SocketAddress? {
        if addresses.isEmpty || loop.now - addressesSince > Self.addressesMax {
            switch lookup(target.url.host, target.url.port) {
            case .success(let found): addresses = found
            case .failure(let error):
                failed("\(error)", retryAfter: nil)
                return nil
            }
            addressesSince = loop.now
        }
        guard let first = addresses.first else {
            failed("\(target.url.host) has no address", retryAfter: nil)
            return nil
        }
        return first
    }

    /// `Retry-After` in seconds; a date is as good as none. Source: RFC 9110 §10.2.3.
    private static func retryAfter(_ fields: [(name: String, value: String)]) -> Nanoseconds? {
        guard let value = fields.first(where: { $0.name == "retry-after" })?.value,
            value.utf8.count <= 9, value.utf8.allSatisfy({ (48...57).contains($0) }),
            let seconds = Int64(value)
        else { return nil }
        return .seconds(seconds)
    }

    // MARK: What became of a batch

    private func answered(_ status: Int, _ retryAfter: Nanoseconds?, _ body: [UInt8]) {
        if ExportBackoff.isRetryable(status: status) {
            failed("HTTP \(status)", retryAfter: retryAfter)
            return
        }
        exchange = nil
        guard let batch = batch.take() else { return }
        guard (200...299).contains(status) else {
            queue.counts.failed()
            queue.counts.dropped(batch.spanCount, .refused)
            backoff.refused()
            say(failing: "HTTP \(status)")
            return
        }
        let rejected = min(TraceExport.rejectedSpans(in: body), batch.spanCount)
        queue.counts.delivered(batch.spanCount, rejected: rejected)
        backoff.delivered()
        if isFailing {
            isFailing = false
            note(.news("traces reach \(target.url.origin) again"))
        }
    }

    private func failed(_ reason: String, retryAfter: Nanoseconds?) {
        exchange = nil
        queue.counts.failed()
        let next = backoff.failed(retryAfter: retryAfter, random: &random)
        sendAt = loop.now + next.wait
        if next.isGivenUp || stopBy < .never, let lost = batch.take() {
            queue.counts.dropped(lost.spanCount, .unavailable)
        }
        say(failing: reason)
    }

    /// Once, until it works again.
    private func say(failing reason: String) {
        if isFailing { return }
        isFailing = true
        note(
            .warning(
                "traces cannot be delivered to \(target.url.origin)\(target.path), spans are dropped and counted: \(reason)"
            ))
    }
}
