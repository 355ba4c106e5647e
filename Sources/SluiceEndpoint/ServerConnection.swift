import SluiceBytes
import SluiceHTTP
import SluiceReactor
import SluiceTime

extension ServerRequest {
    fileprivate init(_ head: borrowing RequestHead, _ input: borrowing ByteBuffer) {
        let bytes = input.bytes
        method = head.method
        methodName = bytes.text(in: head.methodName)
        path = bytes.text(in: head.path)
        query = bytes.text(in: head.query)
        var fields: [(name: String, value: String)] = []
        for index in 0..<head.fieldCount {
            let line = head.field(index)
            fields.append((bytes.text(in: line.name).lowercased(), bytes.text(in: line.value)))
        }
        self.fields = fields
        body = []
    }
}

/// One client's connection at an ``HTTPServer``.
final class ServerConnection {
    private enum Stage { case head, body, responding, lingering, closed }

    private var transport: Transport?
    private unowned let server: HTTPServer
    private let loop: EndpointLoop
    private var watch: EndpointLoop.Watch?
    private var timer: EndpointLoop.Timer?
    private var input = ByteBuffer()
    private var output = ByteBuffer()
    private var parser = RequestParser(limits: HeadLimits())
    private var decoder = BodyDecoder(framing: .none)
    private var request: ServerRequest?
    private var stage = Stage.head
    private var isHeadBegun = false
    private var keepsAlive = true
    private var closesAfterAnswer = false
    private var isAdvancing = false
    private(set) var responder: Responder?

    init?(_ transport: consuming Transport, server: HTTPServer) {
        self.server = server
        loop = server.loop
        let descriptor = transport.descriptor
        self.transport = consume transport
        guard
            let watch = try? loop.watch(
                descriptor, .stream, { [weak self] event in self?.ready(event) })
        else { return nil }
        self.watch = watch
    }

    var unsentBytes: Int { output.count }

    func begin() {
        expect(within: server.options.keepAliveIdle)
        advance()
    }

    private func expect(within limit: Nanoseconds) {
        loop.cancel(&timer)
        timer = loop.after(limit) { [weak self] in
            self?.timer = nil
            self?.close()
        }
    }

    private func ready(_ event: PollEvent) {
        guard stage != .closed else { return }
        if event.isWritable, !output.isEmpty { flush() }
        if event.isClosing, stage == .responding || event.isBroken {
            close()
            return
        }
        advance()
    }

    private func advance() {
        // A handler may answer at once, and its answer leads back here.
        guard !isAdvancing else { return }
        isAdvancing = true
        defer { isAdvancing = false }
        while true {
            switch stage {
            case .head: if !takeHead() { return }
            case .body: if !takeBody() { return }
            case .lingering:
                guard fill() else { return }
                input.removeAll()
            case .responding, .closed: return
            }
        }
    }

    /// Reads once; false when nothing came.
    private func fill() -> Bool {
        loop.pool.provide(&input)
        let result = transport?.read(into: &input) ?? .end
        if input.isEmpty { loop.pool.release(&input) }
        switch result {
        case .bytes: return true
        case .wouldBlock: return false
        case .end, .failed:
            close()
            return false
        }
    }

    private func takeHead() -> Bool {
        if input.isEmpty {
            guard fill() else { return false }
        }
        if !isHeadBegun {
            isHeadBegun = true
            expect(within: server.options.headMax)
        }
        var head = RequestHead()
        switch parser.parse(input, into: &head) {
        case .needMore: return fill()
        case .failed(let error):
            refuse(error.status, error.reason.description)
            return false
        case .complete:
            beginRequest(head)
            return true
        }
    }

    private func beginRequest(_ head: borrowing RequestHead) {
        request = ServerRequest(head, input)
        keepsAlive = head.keepAlive
        decoder = BodyDecoder(framing: head.framing)
        consume(head.byteCount)
        if case .length(let count) = head.framing, count > server.options.bodyBytesMax {
            refuse(413, "The body is too large.")
            return
        }
        stage = .body
        if head.expectsContinue, input.isEmpty {
            send { $0.append("HTTP/1.1 100 Continue\r\n\r\n") }
        }
    }

    private func takeBody() -> Bool {
        var offset = 0
        while true {
            switch decoder.next(input.bytes, from: offset) {
            case .data(let range):
                guard (request?.body.count ?? 0) + range.count <= server.options.bodyBytesMax else {
                    refuse(413, "The body is too large.")
                    return false
                }
                request?.body.append(contentsOf: input.array(range))
                offset = range.upperBound
            case .needMore(let end):
                consume(end)
                expect(within: server.options.bodyIdleMax)
                return fill()
            case .end(let end):
                consume(end)
                respond()
                return true
            case .failed(let error):
                refuse(error.status, error.reason.description)
                return false
            }
        }
    }

    private func respond() {
        guard let request = request.take() else { return }
        stage = .responding
        loop.cancel(&timer)
        let responder = Responder(self, isHead: request.method == .head, keepsAlive: keepsAlive)
        self.responder = responder
        server.handler(request, responder)
    }

    private func refuse(_ status: Int, _ reason: String) {
        stage = .responding
        let responder = Responder(self, isHead: false, keepsAlive: false)
        self.responder = responder
        responder.respond(status, text: reason + "\n")
    }

    private func consume(_ count: Int) {
        input.consume(count)
        if input.isEmpty { loop.pool.release(&input) }
    }

    // MARK: Answers

    func send(_ fill: (inout ByteBuffer) -> Void) {
        loop.pool.provide(&output)
        fill(&output)
        flush()
    }

    private func flush() {
        guard !output.isEmpty else { return }
        switch transport?.write(from: &output) ?? .failed(0) {
        case .wrote:
            if output.isEmpty {
                loop.pool.release(&output)
                written()
            } else if stage != .lingering {
                expect(within: server.options.writeStallMax)
            }
        case .failed: close()
        }
    }

    private func written() {
        if stage == .responding, responder == nil { nextRequest() }
        if stage == .lingering { transport?.shutdownWriting() }
    }

    func finished(closes: Bool) {
        responder?.onDisconnect = nil
        responder = nil
        closesAfterAnswer = closes
        if output.isEmpty { nextRequest() }
    }

    private func nextRequest() {
        if closesAfterAnswer {
            stage = .lingering
            transport?.shutdownWriting()
            expect(within: .seconds(2))
            advance()
            return
        }
        stage = .head
        isHeadBegun = false
        parser.reset()
        expect(within: server.options.keepAliveIdle)
        advance()
    }

    func reset() {
        transport?.resetOnClose()
        close()
    }

    func close() {
        guard stage != .closed else { return }
        stage = .closed
        loop.cancel(&timer)
        if let watch, let descriptor = transport?.descriptor { loop.unwatch(watch, descriptor) }
        watch = nil
        transport = nil
        loop.pool.release(&input)
        loop.pool.release(&output)
        let disconnect = responder?.onDisconnect
        responder = nil
        server.closed(self)
        disconnect?()
    }
}
