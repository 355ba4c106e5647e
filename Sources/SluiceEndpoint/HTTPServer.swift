import SluiceBytes
import SluiceHTTP
import SluiceReactor
import SluiceTime

/// A request as a page or the simulator sees it: whole, in plain values.
package struct ServerRequest: Sendable {
    package let method: Method
    package let methodName: String
    package let path: String
    /// Without the question mark.
    package let query: String
    package let fields: [(name: String, value: String)]
    package var body: [UInt8]

    /// The value of the first field of this name, which is given in lower case.
    package subscript(field field: String) -> String? {
        fields.first { $0.name == field }?.value
    }

    /// The value of a query parameter, as it stands.
    package func parameter(_ name: String) -> String? {
        for pair in query.split(separator: "&") where pair.hasPrefix(name + "=") {
            return String(pair.dropFirst(name.count + 1))
        }
        return nil
    }
}

/// How a server behaves.
package struct ServerOptions: Sendable {
    package var bodyBytesMax = 64 << 20
    package var keepAliveIdle = Nanoseconds.seconds(75)
    /// From a request's first byte to its last; bytes buy no time.
    package var requestMax = Nanoseconds.seconds(10)
    /// From the end of an answer until its client has taken all of it; bytes buy no time.
    package var answerMax = Nanoseconds.seconds(30)
    /// Without a byte taken of an answer that goes on.
    package var writeStallMax = Nanoseconds.seconds(60)
    package var connectionsMax = 16_384
    /// At the bound of connections, the one whose client has been waited for longest gives way to a
    /// new one: clients that idle, drip or do not read cannot keep an operator or a probe out.
    package var makesRoom = false

    package init() {}
}

/// A small HTTP/1.1 server on an ``EndpointLoop``.
package final class HTTPServer {
    package typealias Handler = (ServerRequest, Responder) -> Void

    package let address: SocketAddress
    let loop: EndpointLoop
    /// ``ServerOptions/keepAliveIdle`` may change at any time, the others count for new connections.
    package var options: ServerOptions
    let handler: Handler
    private var listener: ListenerSocket?
    private var watch: EndpointLoop.Watch?
    private var connections: [ObjectIdentifier: ServerConnection] = [:]
    private var resume: EndpointLoop.Timer?

    /// Listens at once. - Throws: ``SystemError``: the address is in use, and the like.
    package init(
        _ address: SocketAddress, on loop: EndpointLoop, options: ServerOptions = ServerOptions(),
        handler: @escaping Handler
    ) throws(SystemError) {
        self.loop = loop
        self.options = options
        self.handler = handler
        var accepted = AcceptedOptions()
        accepted.userTimeout = options.writeStallMax
        let socket = try ListenerSocket.open(address, sharesPort: false, accepted: accepted)
        self.address = socket.address
        let descriptor = socket.descriptor
        listener = consume socket
        watch = try loop.watch(descriptor, .read) { [weak self] _ in self?.accept() }
    }

    deinit { close() }

    /// Connections open now.
    package var connectionCount: Int { connections.count }

    /// Stops listening and closes every connection.
    package func close() {
        if let watch, let descriptor = listener?.descriptor { loop.unwatch(watch, descriptor) }
        watch = nil
        listener = nil
        loop.cancel(&resume)
        let open = connections
        connections = [:]
        for connection in open.values { connection.close() }
    }

    private func accept() {
        for _ in 0..<64 {
            let isFull = connections.count >= options.connectionsMax
            let yielding = isFull && options.makesRoom ? firstToYield : nil
            if isFull, yielding == nil { return pause() }
            switch listener?.accept() {
            case nil: return
            case .connection(let transport, _):
                yielding?.close()
                guard let connection = ServerConnection(transport, server: self) else { continue }
                connections[ObjectIdentifier(connection)] = connection
                connection.begin()
            case .wouldBlock: return
            case .exhausted: return pause()
            }
        }
    }

    /// The connection that gives way to a new one; nil when there is none.
    private var firstToYield: ServerConnection? {
        connections.values.min { ($0.yields.rawValue, $0.since) < ($1.yields.rawValue, $1.since) }
    }

    /// Out of descriptors or connections: look again in a moment.
    private func pause() {
        guard let watch, let descriptor = listener?.descriptor, resume == nil else { return }
        resume = loop.after(.milliseconds(100)) { [weak self] in
            guard let self else { return }
            resume = nil
            guard let watch = self.watch, let descriptor = listener?.descriptor else { return }
            loop.change(watch, descriptor, .read)
        }
        // Without a timer to end it there must be no pause.
        if resume != nil { loop.change(watch, descriptor, []) }
    }

    func closed(_ connection: ServerConnection) {
        connections[ObjectIdentifier(connection)] = nil
    }
}

/// The answer to one request; used by its handler then or later, on the loop's thread.
package final class Responder {
    /// Called once if the client leaves before the answer is finished.
    package var onDisconnect: (() -> Void)?
    /// Called when the socket, once full, has taken everything: ``unsentBytes`` is 0.
    package var onDrained: (() -> Void)?
    private weak var connection: ServerConnection?
    /// Whether the request was HEAD.
    package let isHead: Bool
    /// Whether the client's connection can carry another request.
    package let keepsAlive: Bool

    init(_ connection: ServerConnection, isHead: Bool, keepsAlive: Bool) {
        self.connection = connection
        self.isHead = isHead
        self.keepsAlive = keepsAlive
    }

    /// Whether the client is still there and waits for this answer.
    package var isOpen: Bool { connection?.responder === self }

    /// Sends a whole answer.
    package func respond(
        _ status: Int, _ fields: [(String, String)] = [], contentType: String? = nil,
        body: [UInt8] = []
    ) {
        send { out in
            AnswerStart.append(status, unixSeconds: MonotonicClock.realtimeSeconds(), to: &out)
            if let contentType { out.append(text: "content-type: \(contentType)\r\n") }
            for (name, value) in fields { out.append(text: "\(name): \(value)\r\n") }
            out.append("content-length: ")
            out.appendDecimal(body.count)
            out.append(keepsAlive ? "\r\n\r\n" : "\r\nconnection: close\r\n\r\n")
            if !isHead { out.append(body.span) }
        }
        finish()
    }

    /// Sends a whole answer of text.
    package func respond(_ status: Int, text: String, contentType: String = "text/plain") {
        respond(status, contentType: contentType, body: Array(text.utf8))
    }

    /// Adds bytes to the answer and sends them; `fill` must not touch the responder.
    package func send(_ fill: (inout ByteBuffer) -> Void) {
        guard let connection, isOpen else { return }
        connection.send(fill)
    }

    /// The answer is complete.
    ///
    /// - Parameter closes: end the connection with it.
    package func finish(closes: Bool = false) {
        guard let connection, isOpen else { return }
        connection.finished(closes: closes || !keepsAlive)
    }

    /// Cuts the connection with a reset.
    package func reset() {
        guard let connection, isOpen else { return }
        connection.reset()
    }

    /// Breaks the cycle of a handler that holds its responder.
    func forgetHandlers() {
        onDisconnect = nil
        onDrained = nil
    }

    /// Bytes of answers that the client has not taken.
    package var unsentBytes: Int { connection?.unsentBytes ?? 0 }
}
