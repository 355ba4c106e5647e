import SluiceBytes

/// Writes heads from their parsed form: what is forwarded is what was judged.
package enum HeadWriter {
    /// Appends the end-to-end fields of a request.
    ///
    /// Leaves out hop-by-hop fields, those that `Connection` names, and `dropping`.
    package static func appendFields(
        of head: borrowing RequestHead, _ bytes: Span<UInt8>, dropping: KnownFieldSet,
        into output: inout ByteBuffer
    ) {
        append(head.fields, bytes, dropping.union(.hopByHop), into: &output)
    }

    /// Appends the end-to-end fields of a response.
    package static func appendFields(
        of head: borrowing ResponseHead, _ bytes: Span<UInt8>, dropping: KnownFieldSet,
        into output: inout ByteBuffer
    ) {
        append(head.fields, bytes, dropping.union(.hopByHop), into: &output)
    }

    private static func append(
        _ fields: borrowing FieldTable, _ bytes: Span<UInt8>, _ dropping: KnownFieldSet,
        into output: inout ByteBuffer
    ) {
        for index in 0..<fields.count {
            let line = fields[index]
            if line.isNominated || dropping.contains(line.known) { continue }
            output.append(bytes, line.name)
            output.append(": ")
            output.append(bytes, line.value)
            output.append("\r\n")
        }
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
