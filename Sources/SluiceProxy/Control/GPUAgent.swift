import Logging
import SluiceEndpoint
import SluiceHTTP
import SluiceInsight
import SluiceReactor
import SluiceTime

// Control thread only.

/// Looks at the GPUs of one replica, at the exporter of its host: for the diagnosis, nothing else
/// goes by it.
final class GPUAgent {
    /// Where, and which of the host's GPUs are the replica's.
    struct Source: Equatable {
        var url: HTTPURL
        var address: SocketAddress
        /// Indices or UUIDs; empty: all.
        var gpus: [String]
        var timeout: Nanoseconds

        /// Tells these GPUs from all others.
        var name: String { "\(url.authority)\(url.target) \(address) \(gpus)" }
    }

    /// A page of eight GPUs with every field has some 200 KB.
    static let pageBytesMax = 1 << 20
    /// Between two looks. dcgm-exporter itself looks every 30 s unless told otherwise.
    static let interval = Nanoseconds.seconds(5)
    /// What was read longer ago is not of now.
    private static let freshFor = Nanoseconds.seconds(20)

    let source: Source
    private let loop: EndpointLoop
    private let pages: PageFetcher
    private var timer: EndpointLoop.Timer?
    private var isEnded = false
    private var read: (figures: GPUFigures, at: Instant)?
    /// What became of the last look, in a few words.
    private(set) var lastScrape = noneYet
    private static let noneYet = "none yet"
    private let replica: String
    private let log: Logger

    init(
        _ source: Source, of replica: String, on loop: EndpointLoop, client: HTTPClient,
        tls: TLSClientContext?, log: Logger
    ) {
        self.source = source
        self.replica = replica
        self.log = log
        self.loop = loop
        pages = PageFetcher(client, tls: tls)
    }

    /// What they say now; nil before the first page, and where the last is old.
    var figures: GPUFigures? {
        guard let read, loop.now - read.at <= Self.freshFor else { return nil }
        return read.figures
    }

    /// Looks now, and every ``interval`` from then on.
    func begin() {
        guard !isEnded else { return }
        let page = BodyCollector()
        pages.get(
            PageFetcher.Page(
                path: source.url.target == "/" ? "/metrics" : source.url.target, url: source.url,
                address: source.address, within: source.timeout, connectMax: source.timeout,
                bytesMax: Self.pageBytesMax),
            onBody: { buffer, range in page.feed(buffer, range) }
        ) { [weak self] result in
            guard let self, !isEnded else { return }
            take(result, page)
            timer = loop.after(Self.interval) { [weak self] in
                self?.timer = nil
                self?.begin()
            }
        }
    }

    private func take(_ result: Result<Int, ClientFailure>, _ page: BodyCollector) {
        switch result {
        case .success(200):
            let bytes = page.bytes
            guard var figures = GPUFigures(page: bytes.span, gpus: source.gpus) else {
                return note("no DCGM_FI_DEV_… of its GPUs")
            }
            figures.source = source.name
            read = (figures, loop.now)
            note("ok")
        case .success(let status): note("HTTP \(status)")
        case .failure(let failure): note(failure.sentence)
        }
    }

    /// Says in the log what has changed, once.
    private func note(_ outcome: String) {
        defer { lastScrape = outcome }
        guard outcome != lastScrape else { return }
        if outcome != "ok" {
            log.warning("GPUs of replica \(replica): \(source.url.authority): \(outcome)")
        } else if lastScrape != Self.noneYet {
            log.notice("GPUs of replica \(replica): \(source.url.authority) answers again")
        }
    }

    func end() {
        isEnded = true
        loop.cancel(&timer)
        pages.end()
    }
}
