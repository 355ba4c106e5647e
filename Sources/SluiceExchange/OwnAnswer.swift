import SluiceBytes
import SluiceHTTP
import SluiceTelemetry

/// A page that the gateway answers by itself.
package struct OwnAnswer: Sendable {
    package let status: Int
    package let contentType: StaticString
    package let body: [UInt8]

    package init(status: Int, contentType: StaticString, body: [UInt8]) {
        self.status = status
        self.contentType = contentType
        self.body = body
    }

    /// Appends the whole answer.
    ///
    /// - Parameter unixSeconds: the wall clock.
    package func append(
        requestID: Span<UInt8>, isHead: Bool, persistence: Persistence, unixSeconds: Int,
        to output: inout ByteBuffer
    ) {
        AnswerStart.append(status, unixSeconds: unixSeconds, to: &output)
        if !body.isEmpty {
            output.append("content-type: ")
            output.append(contentType)
            output.append("\r\n")
        }
        output.append("content-length: ")
        output.appendDecimal(body.count)
        output.append("\r\nx-request-id: ")
        output.append(requestID)
        output.append("\r\n")
        persistence.append(to: &output)
        output.append("\r\n")
        if !isHead { output.append(body.span) }
    }
}
