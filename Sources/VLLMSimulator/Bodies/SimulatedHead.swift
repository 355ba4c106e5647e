import SluiceBytes
import SluiceHTTP

/// A response head as uvicorn writes it: lower-case names, `date` and `server` first.
package struct SimulatedHead {
    /// How the body is framed.
    package enum Body: Equatable, Sendable {
        /// `content-length`, with `content-type: application/json` unless the length is 0.
        case json(Int)
        /// `content-length` and Prometheus' text type, for `/metrics`.
        case metrics(Int)
        /// `transfer-encoding: chunked` and the event stream's type.
        case eventStream
    }

    package var status: Int
    package var body: Body
    /// `allow`, for 405.
    package var allow: String?
    /// `endpoint-load-metrics`, from ``SimulatedBodies/loadHeader(format:snapshot:)``.
    package var loadMetrics: String?
    /// `x-request-id`, with `--enable-request-id-headers`; must be a valid field value.
    package var requestID: String?
    /// `connection: close`.
    package var closes = false

    package init(status: Int, body: Body) {
        self.status = status
        self.body = body
    }

    /// Writes the head, the empty line included.
    ///
    /// - Parameter unixSeconds: the wall clock, for `date`.
    package func append(unixSeconds: Int, to buffer: inout ByteBuffer) {
        buffer.append("HTTP/1.1 ")
        buffer.appendDecimal(status)
        buffer.append(0x20)
        buffer.append(Self.reason(status))
        buffer.append("\r\ndate: ")
        AnswerStart.appendDate(unixSeconds, to: &buffer)
        buffer.append("\r\nserver: uvicorn\r\n")
        if let allow { buffer.append(text: "allow: \(allow)\r\n") }
        if let loadMetrics { buffer.append(text: "endpoint-load-metrics: \(loadMetrics)\r\n") }
        switch body {
        case .json(let length):
            appendLength(length, to: &buffer)
            if length > 0 { buffer.append("content-type: application/json\r\n") }
        case .metrics(let length):
            appendLength(length, to: &buffer)
            buffer.append("content-type: text/plain; version=0.0.4; charset=utf-8\r\n")
        case .eventStream:
            buffer.append("content-type: text/event-stream; charset=utf-8\r\n")
        }
        if let requestID { buffer.append(text: "x-request-id: \(requestID)\r\n") }
        if body == .eventStream { buffer.append("transfer-encoding: chunked\r\n") }
        if closes { buffer.append("connection: close\r\n") }
        buffer.append("\r\n")
    }

    /// Writes the head of the fault ``HeadFault/oversizedHead(_:)``: a 200 of `bytes` bytes, at
    /// least what the lines around the filler need.
    package static func appendOversized(bytes: Int, to buffer: inout ByteBuffer) {
        let end = buffer.count + bytes
        buffer.append("HTTP/1.1 200 OK\r\nserver: uvicorn\r\ncontent-length: 0\r\n")
        // Many lines of middling length, so that the size is wrong and not a single line.
        while end - buffer.count > 1_200 {
            buffer.append("x-filler: ")
            for _ in 0..<100 { buffer.append("0123456789") }
            buffer.append("\r\n")
        }
        buffer.append("x-filler: ")
        while buffer.count < end - 4 { buffer.append(0x61) }
        buffer.append("\r\n\r\n")
    }

    private func appendLength(_ length: Int, to buffer: inout ByteBuffer) {
        buffer.append("content-length: ")
        buffer.appendDecimal(length)
        buffer.append("\r\n")
    }

    /// The reason phrase of the statuses the simulator sends.
    private static func reason(_ status: Int) -> StaticString {
        switch status {
        case 200: "OK"
        case 400: "Bad Request"
        case 401: "Unauthorized"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 413: "Request Entity Too Large"
        case 500: "Internal Server Error"
        case 503: "Service Unavailable"
        default: "Unknown"
        }
    }
}
