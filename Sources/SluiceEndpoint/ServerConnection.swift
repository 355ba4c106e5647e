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

    /// When it gives way to another connection; among equals, the one that is so longest.
    enum Yields: Int {
        /// Its client is waited for: to send its request, or to take the whole answer. Not heads before
        /// bodies: a probe whose head is on its way would yield to those who hold half a body.
        case first
        /// Its answer is being made.
        case second
        /// Its answer is a stream.
        case last
    }

    private var transport: Transport?
    /// Weak: a server that is going away closes its connections while it can no longer be retained.
    private weak var server: HTTPServer?
    private let options: ServerOptions
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
    /// The peer has sent FIN or reset; edges say so once.
    private var isPeerGone = false
    private var reads = TurnBudget(max: TurnBudget.readsMax)
    private var requests = TurnBudget(max: TurnBudget.requestsMax)
    private(set) var responder: Responder?
    /// A part of the answer has been sent, and the rest is still to be made.
    private var isStreaming = false
    /// Since when the request has been waited for, its answer been made, or been waited to be taken.
    private(set) var since: Instant

    init?(_ transport: consuming Transport, server: HTTPServer) {
        self.server = server
        options = server.options
        loop = server.loop
        since = server.loop.now
        let descriptor = transport.descriptor
        self.transport = consume transport
        guard
            let watch = try? loop.watch(
                descriptor, .stream, { [weak self] event in self?.ready(event) })
        else { return nil }
        self.watch = watch
    }

    var unsentBytes: Int { output.count }

    var yields: Yields { responder == nil ? .first : isStreaming ? .last : .second }

    func begin() {
        expectRequest()
        advance()
    }

    private func expectRequest() {
        since = loop.now
        expect(within: server?.options.keepAliveIdle ?? options.keepAliveIdle)
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
        if event.isWritable, !output.isEmpty {
            flush()
            if output.isEmpty { responder?.onDrained?() }
        }
        if event.isClosing { isPeerGone = true }
        if event.isBroken {
            close()
            return
        }
        proceed()
    }

    private func proceed() {
        advance()
        // A client that has sent FIN has left, as uvicorn sees it; what is written goes out still.
        if isPeerGone, stage == .responding, responder != nil { close() }
    }

    /// A client that is never done must not keep others and timers waiting.
    private func proceedInNextTurn() {
        guard let watch else { return }
        loop.goOn(watch) { [weak self] in self?.proceed() }
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

    /// Reads once; false when nothing came, or enough for this turn.
    private func fill() -> Bool {
        guard reads.take(in: loop.turnNumber) else {
            proceedInNextTurn()
            return false
        }
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
            guard requests.take(in: loop.turnNumber) else {
                proceedInNextTurn()
                return false
            }
            isHeadBegun = true
            expect(within: options.requestMax)
        }
        var head = RequestHead()
        switch parser.parse(input, into: &head) {
        case .needMore: return fill()
        case .failed(let error):
            refuse(error.status, error.reason.description)
            return true
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
        if case .length(let count) = head.framing, count > options.bodyBytesMax {
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
                guard (request?.body.count ?? 0) + range.count <= options.bodyBytesMax else {
                    refuse(413, "The body is too large.")
                    return true
                }
                request?.body.append(contentsOf: input.array(range))
                offset = range.upperBound
            case .needMore(let end):
                consume(end)
                return fill()
            case .end(let end):
                consume(end)
                respond()
                return true
            case .failed(let error):
                refuse(error.status, error.reason.description)
                return true
            }
        }
    }

    private func respond() {
        guard let request = request.take() else { return }
        stage = .responding
        since = loop.now
        isStreaming = false
        loop.cancel(&timer)
        let responder = Responder(self, isHead: request.method == .head, keepsAlive: keepsAlive)
        self.responder = responder
        if let server { server.handler(request, responder) } else { close() }
    }

    /// Answers and ends the connection; what else the client sends is read and dropped for a while,
    /// because a close with unread bytes would reset the answer away.
    private func refuse(_ status: Int, _ reason: String) {
        stage = .responding
        loop.cancel(&timer)
        request = nil
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
        let isBlocked = !output.isEmpty
        fill(&output)
        isStreaming = true
        // A full socket says by an edge when it takes more; trying sooner is a wasted call.
        if !isBlocked {
            flush()
        } else if timer == nil {
            // What the client has not taken is older than the answer: a `100 Continue`.
            expect(within: options.writeStallMax)
        }
    }

    private func flush() {
        guard !output.isEmpty else { return }
        switch transport?.write(from: &output) ?? .failed(0) {
        case .wrote(let count):
            if output.isEmpty {
                loop.pool.release(&output)
                written()
            } else if responder != nil, count > 0 || timer == nil {
                // Only progress buys time: a stream that goes on must not hide a client that does not read.
                expect(within: options.writeStallMax)
            }
        case .failed: close()
        }
    }

    private func written() {
        guard stage == .responding else { return }
        if responder == nil { nextRequest() } else { loop.cancel(&timer) }
    }

    func finished(closes: Bool) {
        responder?.forgetHandlers()
        responder = nil
        closesAfterAnswer = closes
        if output.isEmpty { return nextRequest() }
        since = loop.now
        expect(within: options.answerMax)
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
        expectRequest()
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
        responder?.forgetHandlers()
        responder = nil
        request = nil
        server?.closed(self)
        disconnect?()
    }
}
