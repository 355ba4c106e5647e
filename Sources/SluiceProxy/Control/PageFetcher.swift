import SluiceBytes
import SluiceEndpoint
import SluiceHTTP
import SluiceReactor
import SluiceTime

// Control thread only.

/// Asks the servers around the gateway for pages; what is under way ends with it.
final class PageFetcher {
    private let client: HTTPClient
    /// Bytes of an `authorization` field, empty for none.
    private let authorization: [UInt8]
    private let tls: TLSClientContext?
    private var exchanges: [ObjectIdentifier: ClientExchange] = [:]

    init(_ client: HTTPClient, authorization: [UInt8] = [], tls: TLSClientContext?) {
        self.client = client
        self.authorization = authorization
        self.tls = tls
    }

    /// Where a page is, and what it may take.
    struct Page {
        var path: String
        var url: HTTPURL
        var address: SocketAddress
        var within: Nanoseconds
        var connectMax: Nanoseconds
        var bytesMax: Int
    }

    /// Asks for a page and hands over status and body, or why there is none.
    func get(
        _ page: Page, onBody: @escaping (borrowing ByteBuffer, Range<Int>) -> Void,
        _ done: @escaping (Result<Int, ClientFailure>) -> Void
    ) {
        var request = ClientRequest(host: page.url.authority)
        request.target = page.path
        request.totalMax = page.within
        request.connectMax = min(page.within, page.connectMax)
        request.bodyBytesMax = page.bytesMax
        request.fields = [("user-agent", "sluice")]
        if page.url.isTLS, let tls { request.tls = (tls, page.url.host) }
        if !authorization.isEmpty {
            request.fields.append(("authorization", String(decoding: authorization, as: UTF8.self)))
        }
        var status = 0
        var handlers = ClientHandlers()
        var token: ObjectIdentifier?
        let forget = { [weak self] in if let token { self?.exchanges[token] = nil } }
        handlers.onHead = { code, _ in status = code }
        handlers.onBody = onBody
        handlers.onEnd = {
            forget()
            done(.success(status))
        }
        handlers.onFailure = { failure in
            forget()
            done(.failure(failure))
        }
        let exchange = client.send(request, to: page.address, handlers)
        token = ObjectIdentifier(exchange)
        exchanges[ObjectIdentifier(exchange)] = exchange
    }

    /// Gives up what is under way; nobody is told.
    func end() {
        for exchange in exchanges.values { exchange.cancel() }
        exchanges = [:]
    }
}

/// Collects a small body; the client bounds it.
final class BodyCollector {
    private(set) var bytes: [UInt8] = []
    func feed(_ buffer: borrowing ByteBuffer, _ range: Range<Int>) {
        bytes += buffer.array(range)
    }
}
