import SluiceBytes

/// Writes heads from their parsed form: what is forwarded is what was judged.
///
/// Changes nothing in them: a borrow of one would be passed as a copy.
package enum HeadWriter {
    /// Appends the end-to-end fields of a request.
    ///
    /// Leaves out hop-by-hop fields, those that `Connection` names, and `dropping`.
    package static func appendFields(
        of head: inout RequestHead, _ bytes: Span<UInt8>, dropping: KnownFieldSet,
        into output: inout ByteBuffer
    ) {
        append(&head.fields, bytes, dropping.union(.hopByHop), into: &output)
    }

    /// Appends the end-to-end fields of a response.
    package static func appendFields(
        of head: inout ResponseHead, _ bytes: Span<UInt8>, dropping: KnownFieldSet,
        into output: inout ByteBuffer
    ) {
        append(&head.fields, bytes, dropping.union(.hopByHop), into: &output)
    }

    private static func append(
        _ fields: inout FieldTable, _ bytes: Span<UInt8>, _ dropping: KnownFieldSet,
        into output: inout ByteBuffer
    ) {
        // Neighbouring lines that already read as we would write them are copied in one piece: the
        // bytes are the same, and most heads are one or two pieces.
        var pieceStart = 0
        var pieceEnd = 0
        for index in 0..<fields.count {
            let line = fields[index]
            if line.isNominated || dropping.contains(line.known) { continue }
            let (name, value) = (line.name, line.value)
            if line.isCanonical {
                if name.lowerBound != pieceEnd {
                    if pieceEnd > pieceStart { output.append(bytes, pieceStart..<pieceEnd) }
                    pieceStart = name.lowerBound
                }
                pieceEnd = value.upperBound &+ 2
                continue
            }
            if pieceEnd > pieceStart { output.append(bytes, pieceStart..<pieceEnd) }
            pieceStart = 0
            pieceEnd = 0
            output.append(bytes, name)
            output.append(": ")
            output.append(bytes, value)
            output.append("\r\n")
        }
        if pieceEnd > pieceStart { output.append(bytes, pieceStart..<pieceEnd) }
    }

    /// Appends a chunk's size line; the data and CR LF follow.
    @inline(__always) package static func appendChunkSize(
        _ count: Int, into output: inout ByteBuffer
    ) {
        output.appendHex(count)
        output.append("\r\n")
    }

    /// Appends the last chunk and the empty trailer.
    package static func appendLastChunk(into output: inout ByteBuffer) {
        output.append("0\r\n\r\n")
    }
}
