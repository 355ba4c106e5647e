import SluiceBytes

/// How far a head that comes in several reads has been judged: all that a parser remembers of it.
///
/// A head that is whole at the first call, as nearly all are, is read in one pass. Otherwise the
/// lines that are whole are judged as they come, and read into the table once the head is complete:
/// the table belongs to the worker and other connections use it in between. A line is judged only
/// when its LF is there, so the verdict is a function of the bytes and not of how they were cut.
struct HeadProgress: Sendable {
    /// Bytes already searched for line ends.
    var scanned = 0
    /// Where the first line not yet judged begins.
    var lineStart = 0
    /// Field lines judged.
    var fields = 0

    /// Whether `bytes` up to `limit` hold a line end that has not been looked at.
    @inline(__always) mutating func findsLineEnd(_ bytes: Span<UInt8>, limit: Int) -> Bool {
        if scanned >= limit { return false }
        if bytes.firstIndex(of: 0x0A, from: scanned, to: limit) < limit { return true }
        scanned = limit
        return false
    }
}

/// Where a start line ends.
enum StartLine {
    case needMore
    case tooLong
    case bareLineFeed
    case bareCarriageReturn
    /// Offset of the line's CR.
    case ends(Int)

    /// Looks for the first line's end in the first `lineBytesMax` bytes before `limit`.
    ///
    /// - Parameter scanned: so many bytes are known to hold none.
    @inline(__always) static func find(
        _ bytes: Span<UInt8>, from scanned: Int, limit: Int, lineBytesMax: Int
    ) -> StartLine {
        let end = min(limit, lineBytesMax)
        // A CR that ended the last read is looked at again, with what follows it.
        var index = min(scanned, end)
        if index > 0, bytes[index &- 1] == 0x0D { index &-= 1 }
        while true {
            index = bytes.firstIndex(below: 0x0E, from: index, to: end)
            if index == end { break }
            let byte = bytes[index]
            if byte == 0x0A { return .bareLineFeed }
            if byte == 0x0D {
                guard index &+ 1 < end else { break }
                return bytes[index &+ 1] == 0x0A ? .ends(index) : .bareCarriageReturn
            }
            index &+= 1
        }
        return end == lineBytesMax ? .tooLong : .needMore
    }
}
