import SluiceBytes
import SluiceHTTP
import SluiceReactor
import SluiceTime

/// What to ask.
package struct ClientRequest: Sendable {
    package var method: Method = .get
    package var target = "/"
    package var host: String
    package var fields: [(String, String)] = []
    package var body: [UInt8] = []
    /// From the start to the last byte.
    package var totalMax = Nanoseconds.seconds(5)
    package var connectMax = Nanoseconds.seconds(2)
    package var bodyBytesMax = 4 << 20
    /// TLS with this context to a server of this name; nil is plain HTTP.
    package var tls: (context: TLSClientContext, host: String)?

    package init(host: String) { self.host = host }
}

/// What comes back, in order: head, body parts, then end or failure – exactly one of these two.
package struct ClientHandlers {
    package var onHead: (Int, [(name: String, value: String)]) -> Void = { _, _ in }
    package var onBody: (borrowing ByteBuffer, Range<Int>) -> Void = { _, _ in }
    package var onEnd: () -> Void = {}
    package var onFailure: (ClientFailure) -> Void = { _ in }

    package init() {}
}

/// A small HTTP/1.1 client on an ``EndpointLoop``; keeps idle connections per address.
package final class HTTPClient {
    let loop: EndpointLoop
    private var idle: [SocketAddress: [ClientConnection]] = [:]
    /// Connections kept per address at most; 0 closes each after its answer.
    package let idleMax: Int

    package init(on loop: EndpointLoop, idleMax: Int = 0) {
        self.loop = loop
        self.idleMax = idleMax
    }

    deinit { closeIdle() }

    /// Asks; the handlers are called from the loop, never from inside this call.
    @discardableResult
    package func send(
        _ request: ClientRequest, to address: SocketAddress, _ handlers: ClientHandlers
    ) -> ClientExchange {
        let exchange = ClientExchange(handlers)
        while let connection = idle[address]?.popLast() {
            if connection.isQuiet {
                connection.begin(request, exchange)
                return exchange
            }
            connection.close()
        }
        var failure: ClientFailure
        do throws(SystemError) {
            let connection = try ClientConnection(to: address, client: self)
            do throws(TLSError) {
                try connection.startTLS(request)
                connection.begin(request, exchange)
                return exchange
            } catch {
                connection.close()
                failure = .tls(error)
            }
        } catch {
            failure = error.isRefused ? .refused : .connect(error)
        }
        loop.after(.zero) { exchange.fail(failure) }
        return exchange
    }

    /// Connections to an address that idle now.
    package func idleCount(to address: SocketAddress) -> Int { idle[address]?.count ?? 0 }

    /// Closes what idles.
    package func closeIdle() {
        let quiet = idle
        idle = [:]
        for connection in quiet.values.joined() { connection.close() }
    }

    func keep(_ connection: ClientConnection) -> Bool {
        guard idle[connection.address, default: []].count < idleMax else { return false }
        idle[connection.address, default: []].append(connection)
        return true
    }

    func forget(_ connection: ClientConnection) {
        idle[connection.address]?.removeAll { $0 === connection }
    }
}

/// One request of ours under way.
package final class ClientExchange {
    fileprivate var handlers: ClientHandlers?
    fileprivate weak var connection: ClientConnection?

    fileprivate init(_ handlers: ClientHandlers) { self.handlers = handlers }

    /// Gives up: the connection is closed and no handler is called any more.
    package func cancel() {
        handlers = nil
        connection?.close()
    }

    fileprivate func fail(_ failure: ClientFailure) { handlers.take()?.onFailure(failure) }
    fileprivate func end() { handlers.take()?.onEnd() }
}

/// One connection of ours.
final class ClientConnection {
    let address: SocketAddress
    /// Weak: the client holds the connections that idle.
    private weak var client: HTTPClient?
    private let loop: EndpointLoop
    private var transport: Transport?
    private var watch: EndpointLoop.Watch?
    private var deadline: EndpointLoop.Timer?
    private var input = ByteBuffer()
    private var output = ByteBuffer()
    private var parser = ResponseParser(limits: HeadLimits())
    private var decoder = BodyDecoder(framing: .none)
    private var exchange: ClientExchange?
    private var request = ClientRequest(host: "")
    private var isConnected = false
    private var isHeadTaken = false
    private var keepsAlive = false
    private var bodyBytes = 0
    private var interimAnswers = 0
    private var reads = TurnBudget(max: TurnBudget.readsMax)
    private var began = Instant.unset
    /// `input` is lent to a handler, which may cancel.
    private var isDelivering = false
    /// Keeps the connection alive while it works.
    private var me: ClientConnection?

    init(to address: SocketAddress, client: HTTPClient) throws(SystemError) {
        self.address = address
        self.client = client
        loop = client.loop
        let transport = try Transport.connect(to: address, userTimeout: .seconds(30))
        let descriptor = transport.descriptor
        self.transport = consume transport
        watch = try loop.watch(descriptor, .stream) { [weak self] event in self?.ready(event) }
    }

    func startTLS(_ request: ClientRequest) throws(TLSError) {
        guard let tls = request.tls else { return }
        try transport?.startTLS(client: tls.context, host: tls.host)
    }

    var isQuiet: Bool { transport?.isQuiet() ?? false }

    func begin(_ request: ClientRequest, _ exchange: ClientExchange) {
        me = self
        self.request = request
        self.exchange = exchange
        exchange.connection = self
        began = loop.now
        isHeadTaken = false
        bodyBytes = 0
        interimAnswers = 0
        parser.reset()
        loop.pool.provide(&output)
        output.append(request.method.name)
        output.append(text: " \(request.target) HTTP/1.1\r\nhost: \(request.host)\r\n")
        for (name, value) in request.fields { output.append(text: "\(name): \(value)\r\n") }
        if request.method == .post || !request.body.isEmpty {
            output.append("content-length: ")
            output.appendDecimal(request.body.count)
            output.append("\r\n")
        }
        output.append("\r\n")
        output.append(request.body.span)
        let limit = isConnected ? request.totalMax : min(request.connectMax, request.totalMax)
        expect(by: began + limit)
        if isConnected { flush() }
    }

    private func expect(by instant: Instant) {
        loop.cancel(&deadline)
        deadline = loop.at(instant) { [weak self] in
            self?.deadline = nil
            self?.fail(.timeout)
        }
    }

    private func ready(_ event: PollEvent) {
        guard transport != nil else { return }
        guard exchange != nil else {
            // An idle server has nothing to say but goodbye; a late edge of the last answer says nothing.
            guard !isQuiet else { return }
            client?.forget(self)
            close()
            return
        }
        if !isConnected {
            guard event.isWritable || event.isClosing else { return }
            if let error = transport?.connectError() {
                fail(error.isRefused ? .refused : .connect(error))
                return
            }
            switch transport?.handshake() ?? .done {
            case .done: break
            case .wantsRead, .wantsWrite: return
            case .failed(let error):
                fail(.tls(error))
                return
            }
            isConnected = true
            expect(by: began + request.totalMax)
            flush()
        } else if event.isWritable {
            flush()
        }
        read()
    }

    private func read() {
        while exchange != nil, transport != nil {
            // A server that never stops sending must not keep its own deadline from firing.
            guard reads.take(in: loop.turnNumber) else {
                if let watch { loop.goOn(watch) { [weak self] in self?.read() } }
                return
            }
            loop.pool.provide(&input)
            let result = transport?.read(into: &input) ?? .end
            switch result {
            case .bytes: take()
            case .wouldBlock:
                if input.isEmpty { loop.pool.release(&input) }
                return
            case .end, .failed:
                if isHeadTaken, decoder.endsWithConnection, result == .end {
                    complete(keeps: false)
                } else {
                    fail(.closed)
                }
                return
            }
        }
    }

    private func flush() {
        guard !output.isEmpty else { return }
        if case .failed = transport?.write(from: &output) ?? .failed(0) { return }
        if output.isEmpty { loop.pool.release(&output) }
    }

    private func take() {
        while !isHeadTaken {
            var head = ResponseHead()
            switch parser.parse(input, into: &head, requestMethod: request.method) {
            case .needMore: return
            case .failed(let error):
                fail(.malformed(error.label.description))
                return
            // An interim head is dropped; the final one may have come with it.
            case .complete: takeHead(head)
            }
            guard exchange != nil else { return }
        }
        takeBody()
    }

    private func takeHead(_ head: borrowing ResponseHead) {
        if head.status < 200 {
            input.consume(head.byteCount)
            parser.reset()
            interimAnswers += 1
            if interimAnswers > HeadLimits.interimAnswersMax {
                fail(.malformed("more than \(HeadLimits.interimAnswersMax) interim answers"))
            }
            return
        }
        let fields = Self.fields(head, input)
        keepsAlive = head.keepAlive
        decoder = BodyDecoder(framing: head.framing)
        let status = head.status
        input.consume(head.byteCount)
        isHeadTaken = true
        exchange?.handlers?.onHead(status, fields)
    }

    private static func fields(_ head: borrowing ResponseHead, _ input: borrowing ByteBuffer)
        -> [(name: String, value: String)]
    {
        let bytes = input.bytes
        return (0..<head.fieldCount).map { index in
            let line = head.field(index)
            return (bytes.text(in: line.name).lowercased(), bytes.text(in: line.value))
        }
    }

    private func takeBody() {
        var offset = 0
        while exchange != nil, transport != nil {
            switch decoder.next(input.bytes, from: offset) {
            case .data(let range):
                bodyBytes += range.count
                guard bodyBytes <= request.bodyBytesMax else {
                    fail(.tooLarge)
                    return
                }
                deliver(range)
                offset = range.upperBound
            case .needMore(let end):
                input.consume(end)
                if input.isEmpty { loop.pool.release(&input) }
                return
            case .end(let end):
                input.consume(end)
                complete(keeps: keepsAlive && input.isEmpty)
                return
            case .failed(let error):
                fail(.malformed(error.label.description))
                return
            }
        }
    }

    private func deliver(_ range: Range<Int>) {
        guard let onBody = exchange?.handlers?.onBody else { return }
        isDelivering = true
        onBody(input, range)
        isDelivering = false
        if transport == nil { loop.pool.release(&input) }
    }

    private func complete(keeps: Bool) {
        let exchange = exchange.take()
        exchange?.connection = nil
        loop.cancel(&deadline)
        loop.pool.release(&input)
        loop.pool.release(&output)
        if !keeps || !(client?.keep(self) ?? false) { close() }
        me = nil
        exchange?.end()
    }

    private func fail(_ failure: ClientFailure) {
        let exchange = exchange.take()
        exchange?.connection = nil
        close()
        exchange?.fail(failure)
    }

    func close() {
        exchange = nil
        loop.cancel(&deadline)
        if let watch, let descriptor = transport?.descriptor { loop.unwatch(watch, descriptor) }
        watch = nil
        transport = nil
        if !isDelivering { loop.pool.release(&input) }
        loop.pool.release(&output)
        me = nil
    }
}
