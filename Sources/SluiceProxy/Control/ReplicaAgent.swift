import SluiceBytes
import SluiceEndpoint
import SluiceExchange
import SluiceHTTP
import SluiceReactor
import SluiceTelemetry
import SluiceTime
import SluiceTraffic
import SluiceVLLM

// Control thread only.

/// What the gateway does and knows about one replica beside sending it requests.
final class ReplicaAgent {
    let pool: Int
    let endpoint: ReplicaEndpoint
    let id: ReplicaID
    let name: String
    /// Of what is reached by TLS: the API, the metrics page or both.
    private let tls: TLSClientContext?
    private unowned let registry: ReplicaRegistry
    private var settings: PoolSettings { registry.pools[pool] }
    private let metricsAddress: SocketAddress

    private(set) var models: [Model]?
    private(set) var version: String?
    private(set) var metrics: ReplicaMetrics?
    private(set) var lastScrape = "none yet"
    /// Why the last probe found no TLS; nil when it did, or needed none.
    private(set) var tlsProblem: String?
    /// What it has said since the start; goes forward only.
    private(set) var standing = Standing.unprobed
    /// Numbers of the LoRA adapters that the pool has been told of.
    private var adapters: [UInt16] = []
    private var isEnded = false
    private var scrapeTimer: EndpointLoop.Timer?
    private var probeTimer: EndpointLoop.Timer?
    private var modelsTimer: EndpointLoop.Timer?
    private var isProbing = false
    private var isScraping = false
    private var isAskingModels = false
    private var isFetchingMetrics = false
    private let pages: PageFetcher
    /// Who looks at its GPUs; nil where nobody was asked to.
    private(set) var gpus: GPUAgent?

    /// How far a replica has made itself known.
    enum Standing: Comparable {
        /// Its first probe has not come to an end.
        case unprobed
        /// No probe has been answered but with a 5xx: nobody knows what it serves.
        case absent
        /// It answers, but has not told its models; without a client's key it may never.
        case answering
        /// The model list has been read, or the replica has none to give.
        case told
    }

    static let modelsInterval = Nanoseconds.seconds(30)
    static let scrapeBytesMax = 4 << 20

    init(
        pool: Int, endpoint: ReplicaEndpoint, id: ReplicaID, name: String,
        metricsAddress: SocketAddress, gpus: GPUAgent?, tls: TLSClientContext?,
        registry: ReplicaRegistry
    ) {
        self.pool = pool
        self.endpoint = endpoint
        self.id = id
        self.name = name
        self.tls = tls
        self.metricsAddress = metricsAddress
        self.registry = registry
        self.gpus = gpus
        pages = PageFetcher(
            registry.client, authorization: endpoint.authorization, tls: tls)
    }

    /// Whether the other one does the same for the same replica.
    func isSame(as other: ReplicaAgent) -> Bool {
        name == other.name && endpoint.isSame(as: other.endpoint) && tls === other.tls
            && metricsAddress == other.metricsAddress
    }

    /// Takes over what is known of the replica from the agent before, where only the way to it has
    /// changed: its models stay known without a gap.
    func succeed(_ old: ReplicaAgent) {
        models = old.models
        adapters = old.adapters
        standing = old.standing
    }

    /// Looks at the GPUs where the other one would, from now on.
    func adoptGPUs(of other: ReplicaAgent) {
        guard gpus?.source != other.gpus?.source else { return }
        gpus?.end()
        gpus = other.gpus
        gpus?.begin()
    }

    func begin() {
        probe()
        scrape()
        gpus?.begin()
    }

    func end() {
        isEnded = true
        registry.loop.cancel(&scrapeTimer)
        registry.loop.cancel(&probeTimer)
        registry.loop.cancel(&modelsTimer)
        pages.end()
        gpus?.end()
    }

    private var traffic: ReplicaPool { registry.shared.pools[pool] }

    private func observe(_ event: ReplicaEvent) {
        registry.shared.wake(traffic.observe(id, event, now: registry.loop.now), except: nil)
    }

    /// Asks the replica for a path and hands over status and body, or why there is none.
    private func get(
        _ path: String, url: HTTPURL, at address: SocketAddress, within limit: Nanoseconds,
        bytesMax: Int, onBody: @escaping (borrowing ByteBuffer, Range<Int>) -> Void,
        _ done: @escaping (Result<Int, ClientFailure>) -> Void
    ) {
        pages.get(
            PageFetcher.Page(
                path: path, url: url, address: address, within: limit,
                connectMax: registry.shared.settings.timeouts.connect, bytesMax: bytesMax),
            onBody: onBody, done)
    }

    /// Whether the replica is sent a key of ours in place of the clients'.
    private var holdsKey: Bool { !endpoint.authorization.isEmpty }

    // MARK: Health

    /// Asks `/health` now, unless that is under way.
    func probe() {
        guard !isProbing, !isEnded else { return }
        isProbing = true
        registry.loop.cancel(&probeTimer)
        // vLLM asks for no key at /health: a replica that refuses ours must be asked where it does,
        // or it would seem well again with every probe.
        let isUnauthorized = traffic.replicaState(id) == .unauthorized
        get(
            isUnauthorized ? "/v1/models" : "/health", url: endpoint.url, at: endpoint.address,
            within: settings.scrapeTimeout, bytesMax: ModelList.bytesMax, onBody: { _, _ in }
        ) { [weak self] result in
            guard let self, !isEnded else { return }
            isProbing = false
            var outcome = ProbeOutcome(result)
            // It is there; who may ask is between it and the clients.
            if outcome == .unauthorized, !holdsKey { outcome = .answeredOtherwise }
            noteTLS(result)
            observe(.probe(outcome))
            if outcome == .healthy, models == nil || modelsTimer == nil { askModels() }
            advance(to: Standing(outcome, result))
            scheduleProbe()
        }
    }

    private func advance(to next: Standing) {
        guard next > standing else { return }
        standing = next
        registry.standingChanged()
    }

    /// Says, once, why TLS to the replica fails: no state and no status code would.
    private func noteTLS(_ result: Result<Int, ClientFailure>) {
        guard case .failure(.tls(let error)) = result else {
            tlsProblem = nil
            return
        }
        if tlsProblem != error.description {
            registry.shared.logger.warning("replica \(name): \(error)")
        }
        tlsProblem = error.description
    }

    /// Where others of the pool came or went: how soon it is asked again depends on them.
    func renewProbeTime() {
        guard !isProbing, !isEnded else { return }
        registry.loop.cancel(&probeTimer)
        scheduleProbe()
    }

    private func scheduleProbe() {
        guard let next = traffic.nextProbe(of: id, now: registry.loop.now) else { return }
        probeTimer = registry.loop.at(next) { [weak self] in
            self?.probeTimer = nil
            self?.probe()
        }
    }

    // MARK: Load

    private func scrape() {
        guard !isScraping, !isEnded else { return }
        isScraping = true
        let begun = registry.loop.now
        let reader = MetricsReader()
        traffic.scrapeSent(id)
        get(
            metricsPath, url: endpoint.metricsURL, at: metricsAddress,
            within: settings.scrapeTimeout,
            bytesMax: Self.scrapeBytesMax,
            onBody: { buffer, range in reader.feed(buffer, range) }
        ) { [weak self] result in
            guard let self, !isEnded else { return }
            isScraping = false
            takeScrape(result, reader, registry.loop.now - begun)
            let jitter = Nanoseconds(
                settings.scrapeInterval.count / 10 * Int64.random(in: -1...1))
            scrapeTimer = registry.loop.after(settings.scrapeInterval + jitter) { [weak self] in
                self?.scrapeTimer = nil
                self?.scrape()
            }
        }
    }

    /// Fetches the page of metrics for somebody who wants all of it.
    ///
    /// - Parameter done: called with the page or why there is none; never, when the agent ends first.
    func fetchMetrics(_ done: @escaping (Result<[UInt8], PageFailure>) -> Void) {
        guard !isFetchingMetrics else { return done(.failure(.asked)) }
        isFetchingMetrics = true
        let page = BodyCollector()
        get(
            metricsPath, url: endpoint.metricsURL, at: metricsAddress,
            within: settings.scrapeTimeout, bytesMax: Self.scrapeBytesMax,
            onBody: { buffer, range in page.feed(buffer, range) }
        ) { [weak self] result in
            self?.isFetchingMetrics = false
            switch result {
            case .success(200): done(.success(page.bytes))
            case .success(let status): done(.failure(.status(status)))
            case .failure(let failure): done(.failure(.client(failure)))
            }
        }
    }

    /// Why there is no page.
    enum PageFailure: Error {
        /// It is being fetched for somebody else: one at a time.
        case asked
        case status(Int)
        case client(ClientFailure)
    }

    private var metricsPath: String {
        endpoint.metricsURL.target == "/" ? "/metrics" : endpoint.metricsURL.target
    }

    private func takeScrape(
        _ result: Result<Int, ClientFailure>, _ reader: MetricsReader, _ time: Nanoseconds
    ) {
        let outcome = ScrapeResult(result)
        var bad = 0
        if outcome == .ok {
            let metrics = reader.finish()
            bad = metrics.badSamples + metrics.badLines
            self.metrics = metrics
            if let waiting = metrics.waiting, let running = metrics.running {
                var scrape = LoadScrape(
                    waiting: waiting, running: running, kvUsage: metrics.kvUsage,
                    cacheTokens: metrics.kvTokensMax, heartbeat: metrics.iterationTokensCount,
                    isSleeping: metrics.isSleeping,
                    timePerToken: metrics.interTokenLatency.flatMap { totals in
                        totals.count > 0 ? .seconds(clamping: totals.sum / totals.count) : nil
                    })
                scrape.runningAdapters = metrics.runningAdapters.map(registry.numbers(ofAdapters:))
                scrape.adaptersMax = metrics.runningAdaptersMax
                observe(.scrape(scrape))
            }
        }
        lastScrape = outcome.label.description
        registry.shard.scraped(pool: Int16(pool), outcome, time, badSamples: bad)
    }

    // MARK: Models

    /// Tells the pool which adapters the replica lists, where that is news.
    func list(adapters numbers: [UInt16]) {
        guard numbers != adapters else { return }
        adapters = numbers
        observe(.adapters(numbers))
    }

    private func askModels() {
        guard !isEnded, !isAskingModels else { return }
        isAskingModels = true
        registry.loop.cancel(&modelsTimer)
        let body = BodyCollector()
        get(
            "/v1/models", url: endpoint.url, at: endpoint.address, within: settings.scrapeTimeout,
            bytesMax: ModelList.bytesMax, onBody: { buffer, range in body.feed(buffer, range) }
        ) { [weak self] result in
            guard let self, !isEnded else { return }
            isAskingModels = false
            let bytes = body.bytes
            if case .success(200) = result, let list = try? ModelList(bytes.span) {
                models = list.models
                standing = .told
                registry.modelsChanged()
            } else if case .success(let status) = result {
                // Without a key of ours this says nothing: the clients bring theirs.
                if status == 401, holdsKey { observe(.probe(.unauthorized)) }
                if status == 404 { advance(to: .told) }
            }
            if version == nil { askVersion() }
            modelsTimer = registry.loop.after(Self.modelsInterval) { [weak self] in
                self?.modelsTimer = nil
                self?.askModels()
            }
        }
    }

    private func askVersion() {
        let body = BodyCollector()
        get(
            "/version", url: endpoint.url, at: endpoint.address, within: settings.scrapeTimeout,
            bytesMax: VersionReply.bytesMax, onBody: { buffer, range in body.feed(buffer, range) }
        ) { [weak self] result in
            guard let self, case .success(200) = result else { return }
            let bytes = body.bytes
            version = VersionReply(bytes.span)?.version
        }
    }
}

/// Feeds a scraped page to the dialect as it comes.
private final class MetricsReader {
    private let metrics = Pinned(VLLMMetrics())
    func feed(_ buffer: borrowing ByteBuffer, _ range: Range<Int>) {
        metrics.value.feed(buffer.bytes.extracting(range))
    }
    func finish() -> ReplicaMetrics { metrics.value.finish() }
}

extension ProbeOutcome {
    /// What a `/health` request came to.
    init(_ result: Result<Int, ClientFailure>) {
        switch result {
        case .success(200): self = .healthy
        case .success(503): self = .unavailable
        case .success(401): self = .unauthorized
        case .success: self = .answeredOtherwise
        case .failure(.refused): self = .refused
        case .failure(.timeout): self = .timedOut
        case .failure(.connect), .failure(.closed), .failure(.tls): self = .unreachable
        case .failure(.malformed), .failure(.tooLarge): self = .answeredOtherwise
        }
    }
}

extension ScrapeResult {
    /// What a `/metrics` request came to.
    init(_ result: Result<Int, ClientFailure>) {
        switch result {
        case .success(200): self = .ok
        case .success(401), .success(403): self = .unauthorized
        case .success: self = .status
        case .failure(.timeout): self = .timeout
        case .failure(.malformed): self = .malformed
        case .failure(.tooLarge): self = .tooLong
        case .failure(.refused), .failure(.connect), .failure(.closed), .failure(.tls):
            self = .connect
        }
    }
}

extension ReplicaAgent.Standing {
    /// What a probe says of it.
    fileprivate init(_ outcome: ProbeOutcome, _ result: Result<Int, ClientFailure>) {
        switch (outcome, result) {
        case (.refused, _), (.unreachable, _), (.timedOut, _), (.unavailable, _),
            (_, .success(500...)):
            self = .absent
        case (.healthy, _), (.unauthorized, _), (_, .success(401)), (_, .success(403)),
            (_, .failure):
            self = .answering
        // One that is no vLLM has no model list: it must not hold the others' back.
        case (.answeredOtherwise, .success): self = .told
        }
    }
}
