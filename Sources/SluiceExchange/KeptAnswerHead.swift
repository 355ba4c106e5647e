import SluiceBytes
import SluiceHTTP

/// What was last written to a client for a replica's head, for the next answer whose head is the same.
///
/// A replica sends one head with many answers; between two of them only the request's id changes.
/// Belongs to one ``ResponseHead`` value, whose editions it knows.
package struct KeptAnswerHead: ~Copyable {
    /// Bytes that are remembered at most.
    static let bytesMax = 4_096

    /// What besides the replica's head decides about the client's.
    private struct Circumstances: Equatable {
        var edition = -1
        var isHead = false
        var isHTTP11 = false
        var closes = false
    }

    private var circumstances = Circumstances()
    /// The client's head without the id, which belongs at `idOffset`.
    private var text = ByteBuffer()
    private var idOffset = 0
    // What else came of it.
    private var framing = AnswerFraming.none
    private var closes = false

    /// Remembers nothing.
    package init() {}

    /// Writes the client's head of a replica's answer, by a copy where it was the last one written.
    ///
    /// - Parameter explanation: for a client that asked for one.
    /// - Returns: how the body that follows is framed.
    package mutating func append(
        of head: inout ResponseHead, _ bytes: Span<UInt8>, requestID: Span<UInt8>,
        isHead: Bool, isHTTP11: Bool, explanation: Explanation?, closes: inout Bool,
        into output: inout ByteBuffer
    ) -> AnswerFraming {
        let present = Circumstances(
            edition: head.edition, isHead: isHead, isHTTP11: isHTTP11, closes: closes)
        if present == circumstances, case .none = explanation {
            var room = RoomWriter(to: &output, atMost: text.count + requestID.count + 1)
            room.append(text.bytes.extracting(0..<idOffset))
            room.append(requestID)
            room.append(text.bytes.extracting(idOffset..<text.count))
            room.giveBack(to: &output)
            closes = self.closes
            return framing
        }
        let start = output.count
        ResponseForwarding.appendUpToID(of: &head, bytes, into: &output)
        let id = output.count
        output.append(requestID)
        let framing = ResponseForwarding.appendAfterID(
            of: &head, bytes, isHead: isHead, isHTTP11: isHTTP11, explanation: explanation,
            closes: &closes, into: &output)
        guard case .none = explanation, output.count - start <= Self.bytesMax else {
            return framing
        }
        circumstances = present
        text.removeAll()
        text.append(output.bytes, start..<id)
        idOffset = text.count
        text.append(output.bytes, id + requestID.count..<output.count)
        self.framing = framing
        self.closes = closes
        return framing
    }
}
